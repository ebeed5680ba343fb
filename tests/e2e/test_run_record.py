"""What the cluster itself has recorded of a run, before policies of the library: trusted Tasks, allowed images."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests import docs
from tests.cluster.choice import AnyCluster
from tests.cluster.cluster import Cluster
from tests.e2e import made, stage
from tests.e2e.stage import SHELL, Json, Stage

pytestmark = pytest.mark.cluster

NAMESPACE = "policies-on-the-record"
SPEC = {
    "results": [{"name": "note"}],
    "steps": [{"name": "write", "image": SHELL, "script": "printf hello > $(results.note.path)"}],
}
TASK = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "shared"}, "spec": SPEC}
RESOLVED = {"kind": "task", "name": "shared", "namespace": NAMESPACE}
PINNED = {
    "name": "make",
    "taskRef": {"resolver": "cluster", "params": [{"name": key, "value": value} for key, value in RESOLVED.items()]},
}
OF_NAMESPACE = {"name": "make", "taskRef": {"name": "shared"}}
NOTE = {"name": "note", "task": "make", "result": {"name": "note"}}


def example(name: str) -> Json:
    return cast(Json, yaml.safe_load(Path(docs.ROOT / "examples/policies" / f"{name}.yaml").read_text()))


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    if not isinstance(cluster, Cluster):
        pytest.skip("only of our own cluster is it known which images its node has by digest")
    cluster.start_resolvers()
    image = cluster.name_by_digest(SHELL)
    assert image.startswith("localhost/busybox@sha256:")
    place = Stage(cluster, NAMESPACE).open()
    place.apply(TASK, example("tasks-trusted"), example("step-images-allowed"))
    place.kubectl("wait", "--for=condition=Ready", "policies", "--all", "--timeout=60s")
    uid = place.get("task", "shared")["metadata"]["uid"]
    trusted = f"/apis/tekton.dev/v1/namespaces/{NAMESPACE}/task/shared@{uid}@sha256:*"
    for name, registry in {"ours": "localhost", "theirs": "registry.example"}.items():
        asked = [
            {"ref": "tasks-trusted", "gate": True, "with": {"trusted": trusted}},
            {"ref": "step-images-allowed", "gate": True, "with": {"registries": registry}},
        ]
        note = {"name": "note", "type": "STRING"}
        place.apply(
            made.contract(name, note, policies={"attestation": asked}),
            made.workflow(name, name, NOTE, inject="never"),
        )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(
        run("trusted", PINNED, "ours"),
        run("unpinned", OF_NAMESPACE, "ours"),
        run("foreign", PINNED, "theirs"),
    )
    yield place
    place.close()


def run(name: str, task: Json, workflow: str) -> Json:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name, "labels": {"avouch.dev/workflow": workflow}},
        "spec": {"pipelineSpec": {"tasks": [task]}},
    }


def said(run: Json) -> dict[str, tuple[str, list[str]]]:
    return {one["name"]: (one["status"], one.get("violations", [])) for one in run["status"]["policies"]}


def test_a_task_that_is_pinned_and_an_image_that_is_allowed_pass(place: Stage) -> None:
    judged = place.verdict("trusted")
    assert said(judged) == {"tasks-trusted": ("Passed", []), "step-images-allowed": ("Passed", [])}
    assert stage.said(judged) == ("Passed", "taskrun")


def test_a_task_that_nothing_pins_fails(place: Stage) -> None:
    judged = place.verdict("unpinned")
    told = "Task make is written into the Pipeline, or is of the namespace: nothing pins it"
    assert said(judged) == {"tasks-trusted": ("Violated", [told]), "step-images-allowed": ("Passed", [])}
    assert (stage.said(judged)[0], stage.codes(judged)) == ("Failed", ["PolicyViolated"])


def test_an_image_of_another_registry_fails(place: Stage) -> None:
    judged = place.verdict("foreign")
    (taskrun,) = place.taskruns("foreign")
    image = taskrun["status"]["steps"][0]["imageID"]
    told = f"step write of Task make ran {image}, which is of no allowed registry"
    assert said(judged) == {"tasks-trusted": ("Passed", []), "step-images-allowed": ("Violated", [told])}
    assert stage.said(judged)[0] == "Failed"
