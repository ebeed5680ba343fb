"""Who is calling: from a bearer token to the TaskRun and PipelineRun it works for, all by UID.

1. TokenReview with our audience says which ServiceAccount and which pod holds the token.
2. The pod of that name still has that UID and runs as that ServiceAccount.
3. Its controller is a TaskRun; the TaskRun of that name still has that UID, and calls this pod its own or an earlier
   try's, once it calls any so: who may create pods may name an owner, but only Tekton writes what a TaskRun says.
4. The TaskRun's controller, where it is a PipelineRun, is read by name and compared by UID in the same way.

Labels are never trusted: anyone who may create a pod may label it. Whatever fails, the answer is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avouch import errors, names
from avouch.controlplane.model import cluster, runs
from avouch.tekton import labels, objects, outcome
from avouch.tekton import pod as pods

AUDIENCE = names.AUDIENCE
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
    pod: str
    pod_uid: str


async def identify(token: str, cluster: cluster.ClusterReader) -> Subject:
    """The pod behind a token, and what it works for.

    Raises:
        Unauthenticated: the token or any link of the chain does not hold.
        Unavailable: the API server could not be asked.
    """
    holder = _holder(await cluster.review_token(token, AUDIENCE))  # 1
    pod = await cluster.pod(holder.namespace, holder.pod)
    _check_pod(pod, holder)  # 2
    taskrun = await _taskrun(pod, holder.namespace, cluster)  # 3
    pipelinerun = await _pipelinerun(taskrun, holder.namespace, cluster)  # 4
    namespace = await cluster.namespace(holder.namespace)
    if pod is None or namespace is None:
        raise _unknown()
    return Subject(_caller(holder, namespace, pod, taskrun, pipelinerun), taskrun, pipelinerun)


async def service_account(token: str, cluster: cluster.ClusterReader) -> str:
    """`namespace/name` of the ServiceAccount behind a token, for our own processes, whose pods run no task.

    Raises:
        Unauthenticated: no valid token, or no ServiceAccount's.
    """
    user = await cluster.review_token(token, AUDIENCE)
    return "/".join(_account(user))


def _account(user: Object) -> tuple[str, str]:
    namespace, _, name = str(user.get("username", "")).removeprefix(_ACCOUNT).partition(":")
    if not str(user.get("username", "")).startswith(_ACCOUNT) or not namespace or not name:
        raise _unknown()
    return namespace, name


def _holder(user: Object) -> _Holder:
    namespace, name = _account(user)
    extra = user.get("extra") or {}
    pods, uids = list(extra.get(_POD_NAME) or []), list(extra.get(_POD_UID) or [])
    if len(pods) != 1 or len(uids) != 1 or not pods[0] or not uids[0]:
        raise _unknown()  # a token that is bound to no pod proves an account, not an execution
    return _Holder(namespace, name, str(pods[0]), str(uids[0]))


def _check_pod(pod: Object | None, holder: _Holder) -> None:
    if pod is None or labels.uid_of(pod) != holder.pod_uid:
        raise _unknown()
    if (objects.text(pod, "spec", "serviceAccountName") or "default") != holder.service_account:
        raise _unknown()


async def _taskrun(pod: Object | None, namespace: str, cluster: cluster.ClusterReader) -> dict[str, Any]:
    owner = labels.controller(pod or {}, "TaskRun")
    taskrun = await cluster.taskrun(namespace, owner.name) if owner else None
    if owner is None or taskrun is None or labels.uid_of(taskrun) != owner.uid:
        raise _unknown()
    tries = [attempt.pod for attempt in outcome.attempts(taskrun)]
    if tries[-1] and labels.name_of(pod or {}) not in tries:
        raise _unknown()
    return taskrun


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
        pipelinerun=labels.name_of(pipelinerun) if pipelinerun else "",
        pipelinerun_uid=labels.uid_of(pipelinerun) if pipelinerun else "",
        injected=any(c.get("name") == pods.SIDECAR for c in objects.mappings(pod, "spec", "initContainers")),
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
