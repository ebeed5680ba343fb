"""Who is calling: from a bearer token to the TaskRun and PipelineRun it works for, all by UID.

1. TokenReview with our audience says which ServiceAccount and which pod holds the token.
2. The pod of that name still has that UID and runs as that ServiceAccount.
3. Its controller is a TaskRun; the TaskRun of that name still has that UID, and calls this pod its own or an earlier
   try's, once it calls any so: who may create pods may name an owner, but only Tekton writes what a TaskRun says.
4. The TaskRun's controller, where it is a PipelineRun, is read by name and compared by UID in the same way.

Labels are never trusted: anyone who may create a pod may label it. Whatever fails, the answer is the same.

`Callers` keeps a yes for ten seconds, because one sidecar makes several requests in a row. It is kept by the UIDs that
the token names, and what it says of them never changes: a pod's account, owner and containers, a TaskRun's owner, the
namespace of a ServiceAccount. A no is never kept.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from avouch import errors, names
from avouch.controlplane.intake import authorization
from avouch.controlplane.model import cluster, runs
from avouch.kept import Kept
from avouch.tekton import labels, objects, outcome
from avouch.tekton import pod as pods

AUDIENCE = names.AUDIENCE
KEPT = 10.0  # seconds, as kube-apiserver itself keeps a good token
_MOST = 4096  # callers kept: about 3 MiB
_ACCOUNT = "system:serviceaccount:"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The caller with the cluster's own objects, as read for this request."""

    caller: runs.Caller
    taskrun: dict[str, Any]
    pipelinerun: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Holder:
    namespace: str
    service_account: str
    account_uid: str  # tells a namespace from a predecessor of the same name: an account belongs to one of them
    pod: str
    pod_uid: str


class Callers:
    """Identifies callers, and remembers whom it identified for `KEPT` seconds. Owned by one event loop."""

    def __init__(self, cluster: cluster.ClusterReader, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._callers: Kept[_Holder, runs.Caller] = Kept(_MOST, monotonic)
        self._namespaces: Kept[tuple[str, str], Object] = Kept(_MOST, monotonic)

    async def identify(self, token: str) -> runs.Caller:
        """The pod behind a token. The token itself is reviewed each time (`kube.tokens`). Raises as `subject`."""
        holder = _holder(await self._cluster.review_token(token, AUDIENCE))
        return self._callers.recall(holder) or (await self._subject(holder)).caller

    async def subject(self, token: str) -> Subject:
        """The same with its TaskRun and PipelineRun as they are now.

        Raises:
            Unauthenticated: the token or any link of the chain does not hold.
            Unavailable: the API server could not be asked.
        """
        return await self._subject(_holder(await self._cluster.review_token(token, AUDIENCE)))

    async def _subject(self, holder: _Holder) -> Subject:
        found = await _identified(holder, self._cluster, self._namespace)
        if holder.pod in _tries(found.taskrun):  # until Tekton has said so, somebody else's pod may be found out yet
            self._callers.keep(holder, found.caller, KEPT)
        return found

    async def _namespace(self, holder: _Holder) -> Object | None:
        key = holder.namespace, holder.account_uid
        found = self._namespaces.recall(key)
        if found is None and (found := await self._cluster.namespace(holder.namespace)) and holder.account_uid:
            self._namespaces.keep(key, {"metadata": {"uid": labels.uid_of(found)}}, KEPT)
        return found


async def _identified(
    holder: _Holder, cluster: cluster.ClusterReader, namespace_of: Callable[[_Holder], Awaitable[Object | None]]
) -> Subject:
    pod = await _pod(holder, cluster)  # 2
    taskrun = await _taskrun(pod, holder.namespace, cluster)  # 3
    pipelinerun = await _pipelinerun(taskrun, holder.namespace, cluster)  # 4
    namespace = await namespace_of(holder)
    if namespace is None:
        raise _unknown()
    return Subject(_caller(holder, namespace, pod, taskrun, pipelinerun), taskrun, pipelinerun)


async def service_account(token: str, cluster: cluster.ClusterReader) -> authorization.ServiceAccount:
    """The ServiceAccount behind a token, whether or not its pod runs a task.

    Raises:
        Unauthenticated: no valid token, no ServiceAccount's, or one that is bound to several pods.
    """
    user = await cluster.review_token(token, AUDIENCE)
    pods, uids = _bound(user)
    if (len(pods), len(uids)) not in ((0, 0), (1, 1)):
        raise _unknown()
    return authorization.ServiceAccount(*_account(user), "".join(pods), "".join(uids))


async def taskrun_of(account: authorization.ServiceAccount, cluster: cluster.ClusterReader) -> str:
    """Name of the TaskRun that the account's pod belongs to, or says it does; "" where it belongs to none.

    Raises:
        Unauthenticated: the pod is gone, or another one has its name.
    """
    if not account.pod:
        return ""
    pod = await cluster.pod(account.namespace, account.pod)
    if pod is None or labels.uid_of(pod) != account.pod_uid:
        raise _unknown()
    return labels.claimed_taskrun(pod)


def _account(user: Object) -> tuple[str, str]:
    namespace, _, name = str(user.get("username", "")).removeprefix(_ACCOUNT).partition(":")
    if not str(user.get("username", "")).startswith(_ACCOUNT) or not namespace or not name:
        raise _unknown()
    return namespace, name


def _holder(user: Object) -> _Holder:
    namespace, name = _account(user)
    pods, uids = _bound(user)
    if len(pods) != 1 or len(uids) != 1 or not pods[0] or not uids[0]:
        raise _unknown()  # a token that is bound to no pod proves an account, not an execution
    return _Holder(namespace, name, str(user.get("uid") or ""), pods[0], uids[0])


def _bound(user: Object) -> tuple[list[str], list[str]]:
    """Names and UIDs of the pods that a token is bound to."""
    extra = user.get("extra") or {}
    return [str(each) for each in extra.get(_POD_NAME) or []], [str(each) for each in extra.get(_POD_UID) or []]


async def _pod(holder: _Holder, cluster: cluster.ClusterReader) -> Object:
    pod = await cluster.pod(holder.namespace, holder.pod)
    if pod is None or labels.uid_of(pod) != holder.pod_uid:
        raise _unknown()
    if (objects.text(pod, "spec", "serviceAccountName") or "default") != holder.service_account:
        raise _unknown()
    return pod


async def _taskrun(pod: Object, namespace: str, cluster: cluster.ClusterReader) -> dict[str, Any]:
    owner = labels.controller(pod, "TaskRun")
    if owner is None:
        raise _unknown()
    taskrun = await cluster.taskrun(namespace, owner.name)
    if taskrun is None or labels.uid_of(taskrun) != owner.uid:
        raise _unknown()
    tries = _tries(taskrun)
    if tries[-1] and labels.name_of(pod) not in tries:
        raise _unknown()
    return taskrun


def _tries(taskrun: Object) -> list[str]:
    """The pods that a TaskRun calls its own; the last one is "" where its present try has none yet."""
    return [attempt.pod for attempt in outcome.attempts(taskrun)]


async def _pipelinerun(taskrun: Object, namespace: str, cluster: cluster.ClusterReader) -> dict[str, Any] | None:
    owner = labels.controller(taskrun, "PipelineRun")
    if owner is None:
        return None
    pipelinerun = await cluster.pipelinerun(namespace, owner.name)
    if pipelinerun is None or labels.uid_of(pipelinerun) != owner.uid:
        raise _unknown()
    return pipelinerun


def _caller(
    holder: _Holder, namespace: Object, pod: Object, taskrun: Object, pipelinerun: Object | None
) -> runs.Caller:
    return runs.Caller(
        namespace=holder.namespace,
        namespace_uid=labels.uid_of(namespace),
        service_account=holder.service_account,
        pod=holder.pod,
        pod_uid=holder.pod_uid,
        taskrun=labels.name_of(taskrun),
        taskrun_uid=labels.uid_of(taskrun),
        pipeline_task=pipeline_task(taskrun, pipelinerun),
        pipelinerun=labels.name_of(pipelinerun or {}),
        pipelinerun_uid=labels.uid_of(pipelinerun or {}),
        injected=pods.carries_sidecar(pod),
    )


def pipeline_task(taskrun: Object, pipelinerun: Object | None) -> str:
    """The pipelineTask of a TaskRun: by the PipelineRun's own record, else the label Tekton wrote on the TaskRun.

    The record may lag behind the pod's start by a reconcile; the label is on the TaskRun itself, never on the pod.
    """
    if pipelinerun is None:
        return ""
    for child in objects.mappings(pipelinerun, "status", "childReferences"):
        if child.get("kind") == "TaskRun" and child.get("name") == labels.name_of(taskrun):
            return objects.text(child, "pipelineTaskName")
    return labels.pipeline_task(taskrun)


def _unknown() -> errors.Unauthenticated:
    return errors.Unauthenticated("the bearer token is not valid here")
