"""Whether policies of the cluster would refuse a pod because of its sidecar: asked before it is patched.

Pod Security, ResourceQuotas, ValidatingAdmissionPolicies and webhooks judge the pod as it is after us, so only the API
server can tell. It is asked by a dry run, which calls our own webhook again: the annotation `avouch.dev/trial` on a dry
run says that nothing is to be done. A pod that is refused without the sidecar, too, is none of our business.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from avouch import errors
from avouch.controlplane.model import cluster
from avouch.kept import Kept
from avouch.tekton import objects, pod

_log = logging.getLogger(__name__)

MARK = "avouch.dev/trial"
FRESH = 60.0  # seconds for which an answer holds: rules that change are seen within a minute
_KEPT = 1024  # answers
_OWN = ("uid", "creationTimestamp", "resourceVersion", "managedFields", "selfLink", "generation")

Object = Mapping[str, Any]
Key = tuple[object, ...]


def is_trial(created: Object, *, dry_run: bool) -> bool:
    """Whether this creation is a trial of ours. The mark alone means nothing: anybody may write it on a pod."""
    return dry_run and bool(objects.text(created, "metadata", "annotations", MARK))


class _Answer(NamedTuple):
    """Why a pod would be refused, or None."""

    refusal: pod.Refusal | None


@dataclass(slots=True)
class Trial:
    """Asks once a minute for each namespace, ServiceAccount and shape of the sidecar."""

    pods: cluster.PodTrials
    clock: Callable[[], float] = time.monotonic
    _known: Kept[Key, _Answer] = field(init=False)

    def __post_init__(self) -> None:
        self._known = Kept(_KEPT, self.clock)

    async def refused(self, namespace: str, created: Object, patched: Object) -> pod.Refusal | None:
        """Why the patched pod would be refused, although the pod itself would not; None where it may be patched.

        An API server that does not say is taken for one that allows it: without trials every pod would be patched.
        """
        key = _key(namespace, patched)
        if known := self._known.recall(key):
            return known.refusal
        try:
            found = await self._asked(namespace, created, patched)
        except errors.Unavailable as exc:
            _log.warning("a pod in namespace %s is patched untried: %s", namespace, exc)
            return None
        self._known.keep(key, _Answer(found), FRESH)
        return found

    async def _asked(self, namespace: str, created: Object, patched: Object) -> pod.Refusal | None:
        said = await self.pods.refusal(namespace, _trial(patched))
        if not said or await self.pods.refusal(namespace, _trial(created)):
            return None
        return pod.Refusal(pod.Reason.POLICY, f"the cluster would refuse the pod with the sidecar: {said}")


def _key(namespace: str, patched: Object) -> Key:
    sidecars = [one for one in objects.mappings(patched, "spec", "initContainers") if one.get("name") == pod.SIDECAR]
    shapes = [repr((one.get("image"), one.get("resources"), one.get("securityContext"))) for one in sidecars]
    return (namespace, objects.text(patched, "spec", "serviceAccountName"), *shapes)


def _trial(created: Object) -> dict[str, Any]:
    """The pod as it is created for a trial."""
    meta = {name: value for name, value in objects.mapping(created, "metadata").items() if name not in _OWN}
    meta["annotations"] = {**objects.mapping(meta, "annotations"), MARK: "true"}
    # Where deletions of owners are guarded, blocking them needs a right that a trial does not.
    owners = objects.mappings(meta, "ownerReferences")
    meta["ownerReferences"] = [{**owner, "blockOwnerDeletion": False} for owner in owners]
    return {**created, "apiVersion": "v1", "kind": "Pod", "metadata": meta}
