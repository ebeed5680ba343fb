"""However a build ends, it ends as it would without us, and the verdict says how. All builds run at the same time."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from examples.quickstart import demo
from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, step, task
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

WAITS = "sleep 600"
CUT_SHORT = "as far as it came"  # Tekton deletes the pod: what its sidecar still says before it is gone is a race
WEB_SERVER = {"name": "web", "image": demo.TOOLS, "command": ["python3", "-m", "http.server", "8000"]}


@dataclass(frozen=True)
class Case:
    """One build: its PipelineRun, and what the verdict on it must be."""

    run: Json
    verdict: str
    evidence: str
    codes: tuple[str, ...] = ()
    found: int = 1

    @property
    def name(self) -> str:
        return str(self.run["metadata"]["name"])


CASES = (
    Case(
        pipelinerun("goes-on", task("make", step("exit 3", onError="continue"), REPORT)),
        *("Passed", "sidecar"),
    ),
    Case(
        pipelinerun("fails", task("make", REPORT, "exit 1", "echo never")),
        *("Failed", "sidecar", ("RunFailed",)),
    ),
    Case(
        pipelinerun("canceled", task("make", REPORT, WAITS)),
        *("Canceled", CUT_SHORT, ("RunCanceled",)),
    ),
    Case(
        pipelinerun("times-out", task("make", REPORT, WAITS, timeout="20s")),
        *("Failed", CUT_SHORT, ("RunFailed",)),
    ),
    Case(
        pipelinerun("tries-again", task("make", f"[ $(context.task.retry-count) = 1 ]\n{REPORT}", retries=1)),
        *("Passed", "sidecar"),
    ),
    Case(
        pipelinerun(
            "matrix",
            task(
                "make",
                'echo "$(params.which)" > $(workspaces.work.path)/report.txt',
                spec={"params": [{"name": "which"}]},
                matrix={"params": [{"name": "which", "value": ["a", "b", "c"]}]},
            ),
        ),
        *("Passed", "sidecar"),
    ),
    Case(
        pipelinerun("finally", task("first", "true"), last=(task("make", REPORT),), workflow="in-make"),
        *("Passed", "sidecar"),
    ),
    Case(
        pipelinerun("fails-finally", task("first", "exit 1"), last=(task("make", REPORT),), workflow="in-make"),
        *("Failed", "sidecar", ("RunFailed",)),
    ),
    Case(
        pipelinerun(
            "skips",
            task("make", REPORT, when=[{"input": "a", "operator": "in", "values": ["b"]}]),
            task("other", "true"),
            workflow="in-make",
        ),
        *("Failed", "taskrun", ("MaterialMissing",), 0),
    ),
    Case(
        pipelinerun(
            "eats-memory",
            task("make", REPORT, step("tail /dev/zero", computeResources={"limits": {"memory": "48Mi"}})),
        ),
        *("Failed", "sidecar", ("RunFailed",)),
    ),
    Case(
        pipelinerun(
            "has-a-sidecar",
            task(
                "make",
                f"until wget -qO- http://127.0.0.1:8000 > /dev/null; do sleep 0.2; done\n{REPORT}",
                spec={"sidecars": [WEB_SERVER]},
            ),
        ),
        *("Passed", "sidecar"),
    ),
)


@dataclass(frozen=True)
class Played:
    """The same builds in a namespace with us and in one without."""

    ours: Stage
    plain: Stage


@pytest.fixture(scope="module")
def played(cluster: AnyCluster) -> Iterator[Played]:
    ours = Stage(cluster, "outcomes").open(**{"avouch.dev/inject": "enabled"})
    plain = Stage(cluster, "outcomes-plain").open()
    ours.apply(*made.gate(), made.workflow("in-make", "report", {**made.FROM_WORK, "task": "make"}))
    ours.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    both = Played(ours, plain)
    for place in (ours, plain):
        place.apply(*(case.run for case in CASES))
    for place in (ours, plain):
        cancel(place, "canceled")
    yield both
    for place in (ours, plain):
        place.close()


def cancel(place: Stage, name: str) -> None:
    def running() -> bool:
        return any("running" in s for each in place.taskruns(name) for s in each.get("status", {}).get("steps", ()))

    place.until(running, f"a step of {name}")
    place.kubectl("patch", "pipelinerun", name, "--type=merge", "-p", '{"spec": {"status": "Cancelled"}}')


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_build_ends_as_without_us(played: Played, case: Case) -> None:
    steps = case.evidence is not CUT_SHORT  # how far the steps came depends on how busy the machine is
    assert played.ours.outcomes(case.name, steps=steps) == played.plain.outcomes(case.name, steps=steps)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_its_verdict_says_how_it_ended(played: Played, case: Case) -> None:
    run = played.ours.verdict(case.name)
    if case.evidence is CUT_SHORT:
        assert run["status"]["verdict"] == case.verdict
        assert set(case.codes) <= set(stage.codes(run))
    else:
        assert stage.said(run) == (case.verdict, case.evidence)
        assert (tuple(stage.codes(run)), run["status"]["materialsFound"]) == (case.codes, case.found)


def test_of_two_tries_only_the_second_counts(played: Played) -> None:
    pods = played.ours.pods("tries-again")
    assert len(pods) == 2
    assert all(stage.carries_sidecar(pod) for pod in pods)
    assert len(played.ours.verdict("tries-again")["status"]["materials"]) == 1


def test_each_combination_of_a_matrix_adds_its_own_material(played: Played) -> None:
    materials = played.ours.verdict("matrix")["status"]["materials"]
    assert len({material["digest"] for material in materials}) == 3


def test_only_pods_that_owe_something_get_a_sidecar(played: Played) -> None:
    assert not played.ours.injected("skips")
    assert not any(played.plain.injected(case.name) for case in CASES)
