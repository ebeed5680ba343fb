"""What the chart installs, and controllers that are its ServiceAccount."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from avouch.store import migrate
from tests import charts, postgres
from tests.api.test_controller import ROOT, Bench
from tests.cluster.apiserver import ApiServer

ACCOUNT = "system:serviceaccount:avouch:avouch-controller"


@contextlib.contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """An API server with CRDs, roles and admission policies of the chart, and a database."""
    with postgres.running() as database, ApiServer() as api:
        migrate.migrate(database.url)
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        api.kubectl("create", "namespace", "avouch")
        for template in ("policies", "roles", "rbac"):
            api.apply(charts.rendered(template))
        yield Bench(api, database, folder)


def started(bench: Bench, **more: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """A controller that is the chart's own ServiceAccount."""
    kubeconfig = bench.api.client_kubeconfig(ACCOUNT, ["system:authenticated"])
    return bench.controller(AVOUCH_KUBECONFIG=str(kubeconfig), **more)
