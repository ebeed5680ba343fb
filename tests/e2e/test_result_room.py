"""Results that a sidecar leaves no room for: they are lost at most once, and that is said."""

from collections.abc import Iterator

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

WIDE = 3500  # characters: they fit into 4,096 bytes with their frame, and not into 3,072


def wide(name: str, size: int = WIDE, results: int = 1) -> Json:
    """A PipelineRun of one task whose only step is a script, so that its pod has three containers."""
    names = [f"out{number}" for number in range(results)]
    write = f"head -c {size} /dev/zero | tr '\\0' x > $(results.out0.path)"
    return pipelinerun(name, task("make", f"{REPORT}\n{write}", spec={"results": [{"name": each} for each in names]}))


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    found = Stage(cluster, "result-room").open(**{"avouch.dev/inject": "enabled"})
    found.apply(*made.gate())
    found.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    found.apply(wide("narrow", 2500))
    found.apply(wide("many", 10, results=7))
    found.ended("narrow")
    found.apply(wide("first"))
    found.verdict("first")
    found.apply(wide("second"))
    yield found
    found.close()


def results(place: Stage, name: str) -> list[int]:
    """Length of each result that Tekton recorded."""
    place.ended(name)
    (taskrun,) = place.taskruns(name)
    return [len(each["value"]) for each in taskrun["status"].get("results", [])]


def test_results_that_fit_beside_a_sidecar_are_whole(place: Stage) -> None:
    assert (results(place, "narrow"), place.injected("narrow")) == ([2500], True)
    assert place.verdict("narrow")["status"]["verdict"] == "Passed"


def test_a_task_of_many_results_gets_no_sidecar_and_its_verdict_sends_to_the_event_that_says_why(place: Stage) -> None:
    place.ended("many")
    assert not place.injected("many")
    (taskrun,) = place.taskruns("many")
    note = place.until(
        lambda: place.events("TaskRun", taskrun["metadata"]["name"]).get("SidecarNotInjected"), "the Event", 60
    )
    assert note.startswith("ResultRoom: beside a sidecar the 7 results of this task would share 3072 bytes, not 4096")
    (finding,) = place.verdict("many")["status"]["findings"]
    assert "SidecarNotInjected" in finding["fix"]


def test_results_without_room_are_told_by_finding_and_event(place: Stage) -> None:
    run = place.verdict("first")
    assert (results(place, "first"), run["status"]["verdict"]) == ([], "Passed")
    assert stage.codes(run) == ["ResultsCut"]
    assert "did not fit beside the sidecar" in place.told("first", "ResultsCut")


def test_the_next_run_has_its_results_and_no_sidecar(place: Stage) -> None:
    assert (results(place, "second"), place.injected("second")) == ([WIDE], False)
    run = place.verdict("second")
    assert stage.codes(run) == ["MaterialMissing"]
