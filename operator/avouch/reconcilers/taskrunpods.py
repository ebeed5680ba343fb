"""What pods of TaskRuns showed while they were watched: which are a TaskRun's, where our sidecar stands, which ended.

A pod is seen when it is created and when it ends, by watches. So nobody hides a sidecar by deleting the run or the pod,
or by taking the pod's labels or owner away: what was seen first counts. What was not seen (a pod that ran while the
controller started) is read when its run is Done. Kept until the TaskRun is put aside. A pod of another namespace is
none of a TaskRun's, whatever UID it names as its owner's.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from avouch.kube.cache import Key
from avouch.tekton import pod

_MOST = 50_000  # pods, each up to 1.5 KB: beyond that the oldest TaskRun of the namespace that has most makes room
_EACH = 64  # pod names of a TaskRun, which has one and one more for each retry: what is not seen is read at Done

TaskRun: TypeAlias = tuple[str, str]  # its namespace and UID


class TaskRunPods:
    """Pods by their TaskRun, and which subjects wait for the end of one."""

    def __init__(self) -> None:
        self._seen: dict[str, OrderedDict[str, dict[str, pod.Seen]]] = {}  # by namespace and UID of the TaskRun
        self._pods: Counter[str] = Counter()  # by namespace
        self._number = 0  # of all pods
        self._crowded: set[str] = set()  # namespaces
        self._waiting: dict[TaskRun, Key] = {}

    def see(self, namespace: str, found: pod.Seen) -> Key | None:
        """Remember a pod. Returns the PipelineRun or TaskRun that waits for its end, once it has ended."""
        taskrun = namespace, found.taskrun
        known = self._of_namespace(namespace).get(found.taskrun)
        if not found.taskrun or (found.ended and known is None and taskrun not in self._waiting):
            return None  # its TaskRun is put aside, or will have it read
        if known is None:
            known = self._seen.setdefault(namespace, OrderedDict()).setdefault(found.taskrun, {})
        if found.name in known:
            known[found.name] = newer(known[found.name], found)
        elif len(known) < _EACH:
            known[found.name] = found
            self._count(namespace, 1)
        else:
            self._crowded.add(namespace)
        while self._number > _MOST:
            largest = max(self._pods, key=self._pods.__getitem__)
            self._crowded.add(largest)
            self._count(largest, -len(self._seen[largest].popitem(last=False)[1]))
        return self._waiting.pop(taskrun, None) if found.ended else None

    def of(self, namespace: str, taskrun_uid: str) -> Mapping[str, pod.Seen]:
        """The pods of a TaskRun by name."""
        return self._of_namespace(namespace).get(taskrun_uid, {})

    def crowded(self, namespace: str) -> bool:
        """Whether pods of this namespace are not remembered because they were too many: somebody hides one, perhaps."""
        return namespace in self._crowded

    def wait(self, taskrun_uids: Iterable[str], subject: Key) -> None:
        """Have `see` answer this subject when a pod of these TaskRuns ends."""
        self._waiting.update({(subject.namespace, uid): subject for uid in taskrun_uids})

    def forget(self, namespace: str, taskrun_uids: Iterable[str]) -> None:
        """Nothing more is asked of these TaskRuns."""
        seen = self._of_namespace(namespace)
        for uid in taskrun_uids:
            self._count(namespace, -len(seen.pop(uid, {})))
            self._waiting.pop((namespace, uid), None)

    def _count(self, namespace: str, pods: int) -> None:
        """So many pods more, or less; of a namespace without any nothing is kept."""
        self._number += pods
        self._pods[namespace] += pods
        if not self._pods[namespace]:
            del self._pods[namespace]
            self._seen.pop(namespace, None)

    def _of_namespace(self, namespace: str) -> OrderedDict[str, dict[str, pod.Seen]]:
        return self._seen.get(namespace, OrderedDict())


def newer(known: pod.Seen | None, found: pod.Seen) -> pod.Seen:
    """What is known of a pod name now. Tekton makes a pod anew that was deleted before it ended, never one that ended.

    >>> first = pod.Seen("p", "1", "t", injected=True, ended=True)
    >>> newer(first, pod.Seen("p", "2", "t", injected=False, ended=False)).uid
    '1'
    """
    if known is None:
        return found
    if known.uid != found.uid:
        return known if known.ended else found
    return replace(known, ended=known.ended or found.ended, said=found.said or known.said, cut=known.cut or found.cut)
