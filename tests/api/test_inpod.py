"""A pod without kubectl reads the cluster as its ServiceAccount may, by a real API server."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from avouch import errors, inpod
from tests import charts
from tests.api.served import until
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[2] / "crds"
WORKFLOW = """
apiVersion: avouch.dev/v1alpha1
kind: Workflow
metadata: {name: release, namespace: shop}
spec: {}
"""


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.kubectl("apply", "--server-side", "-f", str(CRDS))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        api.kubectl("create", "namespace", "shop")
        api.apply(charts.rendered("roles"))
        api.apply(WORKFLOW)
        for name in ("reader", "stranger"):
            api.kubectl("create", "serviceaccount", name, "-n", "shop")
        binding = ("--clusterrole=avouch-view", "--serviceaccount=shop:reader", "-n", "shop")
        api.kubectl("create", "rolebinding", "reads", *binding)
        yield api


def pod(api: ApiServer, folder: Path, account: str) -> inpod.InPod:
    """What a pod of this ServiceAccount finds around it."""
    (folder / "token").write_text(api.token(account, "shop"))
    (folder / "namespace").write_text("shop")
    (folder / "ca.crt").write_text(Path(api.ca_file).read_text())
    place = urlsplit(api.url)
    found = {"KUBERNETES_SERVICE_HOST": place.hostname or "", "KUBERNETES_SERVICE_PORT": str(place.port)}
    return inpod.InPod(found, folder=folder)


def there(found: inpod.InPod) -> bool:
    try:
        return found.get("workflows.avouch.dev", "release")["metadata"]["name"] == "release"
    except errors.Denied:
        return False


def test_a_bound_account_reads_and_another_is_told_that_it_may_not(api: ApiServer, tmp_path: Path) -> None:
    reader = pod(api, tmp_path, "reader")
    until(lambda: there(reader), "the binding is known")
    assert [one["metadata"]["name"] for one in reader.list("workflows.avouch.dev")] == ["release"]
    with pytest.raises(errors.NotFound, match='"other" not found'):
        reader.get("workflows.avouch.dev", "other")
    with pytest.raises(errors.NotFound, match="could not find the requested resource"):
        reader.get("workflowruns.runs.avouch.dev", "r-1")  # no server of avouch is there
    with pytest.raises(errors.Denied, match="system:serviceaccount:shop:stranger"):
        pod(api, tmp_path, "stranger").get("workflows.avouch.dev", "release")
