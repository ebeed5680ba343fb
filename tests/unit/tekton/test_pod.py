"""What is read from a TaskRun's pod, one difference from Tekton's layout at a time."""

from collections.abc import Callable
from typing import Any

import pytest

from avouch.tekton import labels, pod
from tests.unit.tekton import pods

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> pod.Shape | pod.Refusal:
    target = pods.pod(2)
    change(target["spec"])
    return pod.read(target)


def mount(spec: dict[str, Any], step: int, volume: str) -> dict[str, Any]:
    found: dict[str, Any] = next(m for m in spec["containers"][step]["volumeMounts"] if m["name"] == volume)
    return found


def without_volume(name: str) -> Change:
    return lambda spec: spec.update(volumes=[v for v in spec["volumes"] if v["name"] != name])


def results_elsewhere(spec: dict[str, Any]) -> None:
    for step in range(2):
        mount(spec, step, "tekton-internal-results")["mountPath"] = "/results"


def run_elsewhere(spec: dict[str, Any]) -> None:
    for step in range(2):
        mount(spec, step, "tekton-internal-run-1")["mountPath"] = "/tekton/run/01"


def posts(*args: str) -> Change:
    return lambda spec: spec["containers"][1].update(args=list(args))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (results_elsewhere, "no volume tekton-internal-results at /tekton/results"),
        (without_volume("tekton-internal-results"), "no volume tekton-internal-results at /tekton/results"),
        (run_elsewhere, "no volume tekton-internal-run-1 at /tekton/run/1"),
        (lambda spec: mount(spec, 0, "tekton-internal-run-1").update(subPath="x"), "no volume tekton-internal-run-1"),
        (without_volume("tekton-internal-run-1"), "no volume tekton-internal-run-1 at /tekton/run/1"),
        (posts(), "step s1 does not post to /tekton/run/1/out"),
        (posts("-post_file", "/tekton/run/0/out"), "step s1 does not post to /tekton/run/1/out"),
        (posts("-post_file", "/tekton/run/1/out.err"), "step s1 does not post to"),
        (posts("-post_file", "/tekton/run/\u0661/out"), "step s1 does not post to"),
        (posts("-post_file"), "step s1 does not post to"),
        (posts("--", "-post_file", "/tekton/run/1/out"), "step s1 does not post to"),
    ],
)
def test_a_pod_that_differs_in_one_thing_is_left_alone_and_the_thing_is_named(change: Change, said: str) -> None:
    refused = changed(change)
    assert isinstance(refused, pod.Refusal)
    assert refused.reason is pod.Reason.SHAPE
    assert said in refused.message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda spec: spec["containers"].append({"name": "avouch-sidecar"}), pod.Reason.ALREADY),
        (lambda spec: spec["initContainers"].append({"name": "avouch-sidecar"}), pod.Reason.ALREADY),
        (lambda spec: spec.update(os={"name": "windows"}), pod.Reason.WINDOWS),
        (lambda spec: spec.update(nodeSelector={"kubernetes.io/os": "windows"}), pod.Reason.WINDOWS),
        (lambda spec: spec.update(os={"name": "linux"}, nodeSelector={"kubernetes.io/os": "linux"}), None),
        (lambda spec: spec["containers"].append({"name": "sidecar-proxy"}), None),
        (posts("-post_file", "/tekton/run/1/out"), None),  # without a user's command, and without results
    ],
)
def test_a_pod_is_changed_unless_there_is_a_reason(change: Change, reason: pod.Reason | None) -> None:
    found = changed(change)
    assert (found.reason if isinstance(found, pod.Refusal) else None) is reason


def shape(change: Change = lambda spec: None) -> pod.Shape:
    found = changed(change)
    assert isinstance(found, pod.Shape)
    return found


def test_every_volume_is_read_by_its_name_kind_and_claim() -> None:
    def more(spec: dict[str, Any]) -> None:
        spec["volumes"] = [
            *spec["volumes"],
            {"name": "ws-a", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "ws-b", "secret": {"secretName": "s"}},
            {"name": "bare"},
        ]
        spec["initContainers"][0]["volumeMounts"] = [{"name": "of-an-init-container"}]
        spec["containers"][0]["volumeDevices"] = [{"name": "a-device"}]

    found = shape(more)
    kinds = {name: kind for name, kind in found.kinds.items() if not name.startswith("tekton-")}
    assert kinds == {"ws-a": "persistentVolumeClaim", "ws-b": "secret", "bare": ""}
    assert found.claims == {"ws-a": "c"}
    assert found.taken >= {"ws-a", "ws-b", "bare", "of-an-init-container", "a-device", "tekton-internal-bin"}


def test_a_volume_that_steps_mount_at_two_places_has_no_place_of_its_own() -> None:
    elsewhere = shape(lambda spec: mount(spec, 0, "tekton-internal-steps").update(mountPath="/elsewhere"))
    assert shape().mount_of("tekton-internal-steps") == pod.Mount("tekton-internal-steps", "/tekton/steps")
    assert elsewhere.mount_of("tekton-internal-steps") is None
    assert shape().mount_of("unknown") is None


@pytest.mark.parametrize("lacks", ["initContainers", "volumes"])
def test_a_list_that_the_pod_lacks_is_known_to_be_absent(lacks: str) -> None:
    target = pods.pod(1)["spec"] | {lacks: []}
    read = pod._shape({"spec": target}, labels.Owner("TaskRun", "t", "u"), ())
    assert (read.has_init, read.has_volumes) == (lacks != "initContainers", lacks != "volumes")


OWNER = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "t", "uid": "t-1", "controller": True}


@pytest.mark.parametrize(
    ("owner", "init", "phase", "expected"),
    [
        (OWNER, "avouch-sidecar", "Running", ("t-1", True, False)),
        (OWNER, "prepare", "Running", ("t-1", False, False)),
        (OWNER | {"kind": "Job"}, "avouch-sidecar", "Running", ("", True, False)),
        (OWNER, "avouch-sidecar", "Succeeded", ("t-1", True, True)),
        (OWNER, "avouch-sidecar", "Failed", ("t-1", True, True)),
        (OWNER, "avouch-sidecar", "Unknown", ("t-1", True, False)),
        (OWNER, "avouch-sidecar", "Pending", ("t-1", True, False)),
    ],
)
def test_a_pod_is_recorded_with_the_taskrun_that_controls_it_and_whether_it_may_still_speak(
    owner: dict[str, Any], init: str, phase: str, expected: tuple[str, bool, bool]
) -> None:
    found = pod.seen(
        {
            "metadata": {"name": "p", "uid": "p-uid", "ownerReferences": [owner]},
            "spec": {"initContainers": [{"name": "other"}, {"name": init}]},
            "status": {"phase": phase},
        }
    )
    assert found == pod.Seen("p", "p-uid", *expected)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"state": {"terminated": {"message": "stored\nsbom sha256:1"}}}, "stored\nsbom sha256:1"),
        ({"state": {"running": {}}, "lastState": {"terminated": {"message": "killed"}}}, "killed"),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "its image cannot be pulled: ImagePullBackOff"),
        ({"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}, "its image cannot be pulled: no"),
        ({"state": {"waiting": {"reason": "PodInitializing"}}}, ""),
        ({"state": {"waiting": {"reason": "ErrImagePull"}}, "lastState": {"terminated": {"message": "said"}}}, "said"),
        ({"state": {"terminated": {"message": "x" * 5000}}}, "x" * pod.MAX_WORD),
        ({"state": {"terminated": {"message": "é" * 5000}}}, "é" * (pod.MAX_WORD // 2)),
        ({"state": {"terminated": {"message": "a\0"}}}, "a\ufffd"),
        ({}, ""),
    ],
)
def test_a_pod_tells_the_last_word_of_our_sidecar_and_of_no_other_container(status: dict[str, Any], said: str) -> None:
    every = [{"name": "other", "state": {"terminated": {"message": "other"}}}, {"name": "avouch-sidecar", **status}]
    found = pod.seen({"metadata": {"name": "p", "uid": "u"}, "status": {"initContainerStatuses": every}})
    assert found.said == said


@pytest.mark.parametrize(("left", "said"), [("stored", "stored"), ("", pod.DELETED)])
def test_a_pod_that_is_deleted_says_so_where_its_sidecar_left_no_word(left: str, said: str) -> None:
    status = {"initContainerStatuses": [{"name": "avouch-sidecar", "state": {"terminated": {"message": left}}}]}
    metadata = {"name": "p", "uid": "u", "deletionTimestamp": "2026-01-12T09:00:00Z"}
    assert pod.seen({"metadata": metadata, "status": status}).said == said
    assert pod.seen({"metadata": metadata}).said == pod.DELETED


@pytest.mark.parametrize("spec", [None, {}, {"initContainers": None}, {"containers": [{"name": "avouch-sidecar"}]}])
def test_a_pod_has_the_sidecar_where_injection_put_it_only(spec: object) -> None:
    assert not pod.carries_sidecar({"spec": spec})
    assert not pod.carries_sidecar({})


def test_results_of_a_step_take_room_as_those_of_the_task_do() -> None:
    target = pods.pod(1)
    args = target["spec"]["containers"][0]["args"]
    args[args.index("-results") : args.index("-results")] = ["-step_results", "said,seen"]
    found = pod.read(target)
    assert isinstance(found, pod.Shape)
    assert found.results == {"image", "digest", "said", "seen"}
