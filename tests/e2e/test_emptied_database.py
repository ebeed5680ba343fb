"""The embedded PostgreSQL without a volume loses everything with its pod, and avouch goes on by itself."""

from collections.abc import Iterator

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

PROCESSES = ("controller", "migrator", "server", "worker")
APISERVICE = "apiservice/v1alpha1.runs.avouch.dev"


@pytest.fixture(scope="module")
def home(cluster: AnyCluster) -> Stage:
    return Stage(cluster, "avouch")


@pytest.fixture(scope="module")
def emptied(cluster: AnyCluster, home: Stage) -> Iterator[Stage]:
    """A namespace with a run that was judged before, when everything is ready after the database's pod was deleted."""
    place = Stage(cluster, "emptied").open(**{"avouch.dev/inject": "enabled"})
    place.apply(*made.gate())
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(pipelinerun("before", task("make", REPORT)))
    assert stage.said(place.verdict("before")) == ("Passed", "sidecar")
    (volume,) = [one for one in home.get("pod", "avouch-postgres-0")["spec"]["volumes"] if one["name"] == "data"]
    assert "emptyDir" in volume, "this cluster has a default StorageClass: nothing would be lost"
    restarts = restarted(home)
    home.kubectl("delete", "pod", "avouch-postgres-0")
    home.until(lambda: restarted(home) > restarts, "the controller, which begins anew", 90)
    for process in PROCESSES:
        home.kubectl("rollout", "status", f"deployment/avouch-{process}", "--timeout=60s")
    home.kubectl("wait", "--for=create", APISERVICE, "--timeout=60s")
    home.kubectl("wait", "--for=condition=Available", APISERVICE, "--timeout=60s")
    yield place
    place.close()


def restarted(home: Stage) -> int:
    """How often containers of the controller were started again."""
    pods = home.get("pods", "-l", "app.kubernetes.io/component=controller")["items"]
    return sum(one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses", ()))


def test_what_was_declared_before_is_recorded_again(emptied: Stage) -> None:
    emptied.apply(*made.gate("later"))  # ready when all that was declared before it has been looked at
    emptied.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev/later", "--timeout=60s")
    found = emptied.get("contractrevisions")["items"]
    assert sorted(one["spec"]["contract"] for one in found) == ["later", "report"]


def test_runs_after_it_are_judged(emptied: Stage) -> None:
    emptied.apply(pipelinerun("after", task("make", REPORT)))
    assert stage.said(emptied.verdict("after")) == ("Passed", "sidecar")
