"""Room for results in termination messages, which one more container in a pod makes smaller.

Tekton reads the results of a step from its container's termination message. The kubelet gives each container of a pod,
init containers included, the same share of 12 KiB, at most 4,096 bytes, and cuts off what is beyond; then Tekton has no
result at all, and says nothing. Rules: normalizeStatus in Kubernetes pkg/kubelet/status/status_manager.go, and
MaxContainerTerminationMessageLength in tektoncd/pipeline pkg/termination/write.go.
"""

from collections.abc import Mapping
from typing import Any

from avouch.tekton import objects

POD = 12 * 1024  # bytes of all termination messages of a pod
MOST = 4096  # bytes of one
FRAME = 256  # bytes that a message has beside its results: when the step began, its exit code
PER_RESULT = 512  # bytes, with name and punctuation: what a result is expected to need


def share(containers: int) -> int:
    """Bytes of each container's message in a pod of so many containers.

    >>> share(2), share(3), share(4), share(6)
    (4096, 4096, 3072, 2048)
    """
    return min(MOST, POD // containers)


def taken(containers: int) -> int:
    """Bytes that one more container takes from the message of each."""
    return share(containers) - share(containers + 1)


def enough(containers: int, results: int, each: int = PER_RESULT) -> bool:
    """Whether so many results are expected to fit beside one more container."""
    return FRAME + results * each <= share(containers + 1)


def cut(pod: Mapping[str, Any]) -> bool:
    """Whether the message of a step fills its share, which is less than a whole one: its end was cut off."""
    containers = [*objects.mappings(pod, "spec", "containers"), *objects.mappings(pod, "spec", "initContainers")]
    size = share(len(containers)) if containers else MOST
    messages = (objects.text(s, "state", "terminated", "message") for s in _statuses(pod))
    return size < MOST and any(len(message.encode()) >= size for message in messages)


def _statuses(pod: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    every = objects.mappings(pod, "status", "containerStatuses")
    return tuple(each for each in every if objects.text(each, "name").startswith("step-"))
