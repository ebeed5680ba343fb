"""Watchdog over our own image: a sidecar that cannot be pulled must not hold a build back.

The pod waits in Pending while kubelet retries the pull. An image is one of a Pod's few mutable fields, so after 20
seconds the init container of ours, and nothing else, gets the rescue image: one that the nodes have.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from avouch import errors
from avouch.kube import events, resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.tekton import labels
from avouch.tekton.pod import NO_IMAGE, SIDECAR

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds that a pull may fail: a registry's hiccup is over by then


class PatchApi(Protocol):
    """The verb that a rescue needs."""

    async def json_patch(self, resource: resources.Resource, namespace: str, name: str, patch: list[Json]) -> Json:
        """RFC 6902 patch."""
        ...


def stuck(pod: Mapping[str, Any]) -> bool:
    """Whether our image, and only that, is known not to come."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending":
        return False
    for container in status.get("initContainerStatuses") or ():
        if container.get("name") == SIDECAR:
            waiting = (container.get("state") or {}).get("waiting") or {}
            return waiting.get("reason") in NO_IMAGE
    return False


def rescue_patch(pod: Mapping[str, Any], image: str) -> list[Json] | None:
    """The patch of our one container; None where there is none, or where it has the rescue image already."""
    for index, container in enumerate((pod.get("spec") or {}).get("initContainers") or ()):
        if container.get("name") == SIDECAR and container.get("image") != image:
            at = f"/spec/initContainers/{index}"
            return [
                {"op": "test", "path": f"{at}/name", "value": SIDECAR},
                {"op": "replace", "path": f"{at}/image", "value": image},
            ]
    return None


@dataclass(slots=True)
class Rescuer:
    """Remembers since when a pod is stuck, and frees it."""

    api: PatchApi
    cache: ObjectCache
    recorder: events.Recorder
    image: str
    clock: Callable[[], float] = time.monotonic
    rescued: int = 0
    _since: dict[Key, float] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """Look at one pod. Returns in how many seconds to look again. Raises errors.AvouchError to be tried again."""
        pod = self.cache.get(key)
        if pod is None or not stuck(pod):
            self._since.pop(key, None)
            return None
        since = self._since.setdefault(key, self.clock())
        left = PATIENCE - (self.clock() - since)
        if left > 0:
            return left
        await self._free(key, pod)
        return None

    async def _free(self, key: Key, pod: Object) -> None:
        patch = rescue_patch(pod, self.image)
        if patch is None:
            return
        try:
            await self.api.json_patch(resources.PODS, key.namespace, key.name, patch)
        except errors.NotFound:
            return
        self.rescued += 1
        log.warning(
            "pod %s/%s: the sidecar's image could not be pulled, so the pod runs without evidence",
            key.namespace,
            key.name,
        )
        note = f"the sidecar's image could not be pulled in pod {key.name}; the build continues without its evidence"
        told = events.Event("SidecarImageUnavailable", note, action="Rescue", warning=True)
        for subject in ({**pod, "apiVersion": "v1", "kind": "Pod"}, self._subject(key, pod)):
            if subject is not None:
                await self.recorder.record(subject, told)

    def _subject(self, key: Key, pod: Object) -> Json | None:
        """The run that the pod works for: where users look first."""
        owner = labels.controller(pod, "TaskRun")
        taskrun = self.cache.get(Key("TaskRun", key.namespace, owner.name)) if owner else None
        above = labels.controller(taskrun, "PipelineRun") if taskrun else None
        if above is not None:
            return events.reference(resources.PIPELINERUNS, key.namespace, above.name, above.uid)
        return events.reference(resources.TASKRUNS, key.namespace, owner.name, owner.uid) if owner else None
