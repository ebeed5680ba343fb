"""What stays in memory of PipelineRuns and TaskRuns that are over."""

from collections.abc import Mapping, Sequence
from typing import Any

from avouch.kube.cache import Key, Object, ObjectCache
from avouch.reconcilers import specs
from avouch.tekton import labels, objects, outcome

_SETTLED = "avouch.dev/settled"  # no field of Kubernetes
_KEPT = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels", "ownerReferences")


def settle(obj: Object) -> Object:
    """What stays in memory of an object that nothing more is asked of: who it is, whose, and that it is Done.

    A TaskRun takes 26 KB and there are thousands of finished ones; its record is stored by then.
    """
    meta = obj["metadata"]
    spec = obj.get("spec") or {}
    return {
        _SETTLED: True,
        "metadata": {name: meta[name] for name in _KEPT if name in meta},
        "spec": {name: spec[name] for name in ("pipelineRef", "taskRef") if name in spec},
        "status": {"conditions": [c for c in objects.mappings(obj, "status", "conditions") if outcome.says_done(c)]},
    }


def settled(obj: Mapping[str, Any]) -> bool:
    """Whether this is what `settle` left of an object."""
    return _SETTLED in obj


def put_aside(cache: ObjectCache, key: Key, uid: str) -> Sequence[str]:
    """Settle an object that is Done, and its TaskRuns; a TaskRun of a PipelineRun waits for that one.

    Returns the UIDs of what was settled.
    """
    obj = cache.get(key)
    if obj is None or labels.uid_of(obj) != uid or not outcome.done(obj):
        return ()  # it was deleted or made anew meanwhile
    owner = labels.controller(obj, "PipelineRun")
    pipelinerun = cache.get(Key("PipelineRun", key.namespace, owner.name)) if owner else None
    if owner is not None and (pipelinerun is None or not settled(pipelinerun)):
        return ()
    cache.put(key, settle(obj))
    found = cache.found("TaskRun", specs.owned_in(key.namespace, uid))
    children = [put_aside(cache, child, labels.uid_of(cache.get(child) or {})) for child in found]
    return [uid, *(each for some in children for each in some)]
