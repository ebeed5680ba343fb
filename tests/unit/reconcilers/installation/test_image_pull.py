"""A pod whose sidecar does not come: what is patched, when, and who hears of it."""

from typing import Any

from avouch.kube import events, resources
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import specs
from avouch.reconcilers.installation import image_pull


class Api:
    """Remembers the patches."""

    def __init__(self) -> None:
        self.patched: list[str] = []

    async def json_patch(
        self, resource: resources.Resource, namespace: str, name: str, patch: list[dict[str, Any]]
    ) -> dict[str, Any]:
        self.patched.append(f"{resource.plural} {namespace}/{name}: {patch[-1]['value']}")
        return {}


class Listener:
    """Stands at the API server's place for Events."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    async def create(self, resource: resources.Resource, body: dict[str, Any]) -> dict[str, Any]:
        self.told.append((body["regarding"]["kind"], body["regarding"]["name"], body["reason"]))
        return body

    async def merge(
        self, resource: resources.Resource, namespace: str, name: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        return body


def owned(name: str, kind: str, owner: str, **more: Any) -> dict[str, Any]:
    reference = {"apiVersion": "tekton.dev/v1", "kind": kind, "name": owner, "uid": f"uid-{owner}", "controller": True}
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "ownerReferences": [reference]}
    return {"metadata": meta, **more}


def stuck_pod(owner: str) -> dict[str, Any]:
    waiting = {"name": "avouch-sidecar", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    return owned(
        f"{owner}-pod",
        "TaskRun",
        owner,
        spec={"initContainers": [{"name": "avouch-sidecar", "image": "ours"}]},
        status={"phase": "Pending", "initContainerStatuses": [waiting]},
    )


def rescuer(cache: ObjectCache, now: list[float]) -> tuple[image_pull.Rescuer, Api, Listener]:
    api, listener = Api(), Listener()
    recorder = events.Recorder(listener, "me", fallback_namespace="default")
    return image_pull.Rescuer(api, cache, recorder, "spare", clock=lambda: now[0]), api, listener


async def test_a_pod_is_freed_when_patience_ends_and_its_pipelinerun_hears_of_it() -> None:
    cache, now = ObjectCache(specs.INDEXERS), [0.0]
    pod, taskrun = Key("Pod", "team", "build-1-pod"), Key("TaskRun", "team", "build-1")
    cache.put(pod, stuck_pod("build-1"))
    cache.put(taskrun, owned("build-1", "PipelineRun", "build"))
    one, api, listener = rescuer(cache, now)
    assert await one.reconcile(pod) == image_pull.PATIENCE
    assert api.patched == []
    now[0] = image_pull.PATIENCE
    assert await one.reconcile(pod) is None
    assert api.patched == ["pods team/build-1-pod: spare"]
    assert [(kind, name) for kind, name, _ in listener.told] == [("Pod", "build-1-pod"), ("PipelineRun", "build")]
    assert {reason for _, _, reason in listener.told} == {"SidecarImageUnavailable"}


async def test_a_taskrun_that_stands_alone_hears_of_it_itself() -> None:
    cache, now = ObjectCache(specs.INDEXERS), [0.0]
    pod = Key("Pod", "team", "alone-pod")
    cache.put(pod, stuck_pod("alone"))
    one, _, listener = rescuer(cache, now)
    await one.reconcile(pod)
    now[0] = image_pull.PATIENCE
    await one.reconcile(pod)
    assert [(kind, name) for kind, name, _ in listener.told] == [("Pod", "alone-pod"), ("TaskRun", "alone")]
