"""The chain from a token to a PipelineRun: every broken link is the same refusal."""

from collections.abc import Callable

import pytest

from avouch import errors
from avouch.controlplane.intake import pod_identity
from tests.unit.ingest import fakes

POD_NAME, POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"


async def _nobody(name: str) -> None:
    return None


def _bound(cluster: fakes.Cluster) -> dict[str, list[str]]:
    return cluster.users["good"]["extra"]  # type: ignore[no-any-return]


BREAKS: dict[str, Callable[[fakes.Cluster], object]] = {
    "the token is bound to no pod": lambda c: c.users["good"].pop("extra"),
    "the token is a user's": lambda c: c.users["good"].update(username="alice"),
    "the token is an account's of no namespace": lambda c: c.users["good"].update(
        username="system:serviceaccount::builder"
    ),
    "the token is an account's without a name": lambda c: c.users["good"].update(
        username="system:serviceaccount:shop:"
    ),
    "the token is a user's with the name of an account": lambda c: c.users["good"].update(username="shop:builder"),
    "the token is nobody's": lambda c: c.users["good"].pop("username"),
    "the token is bound to a pod without a name, and there is one": lambda c: (
        _bound(c).update({POD_NAME: [""]}),
        c.pods.update({("shop", ""): c.pods["shop", "build-pod"]}),
    ),
    "the token is bound to a pod without a UID, and there is one": lambda c: (
        _bound(c).update({POD_UID: [""]}),
        _meta(c.pods).pop("uid"),
    ),
    "the token is bound to the name of a pod alone": lambda c: _bound(c).pop(POD_UID),
    "the token is bound to the UID of a pod alone": lambda c: _bound(c).pop(POD_NAME),
    "the token is bound to two names": lambda c: _bound(c).update({POD_NAME: ["build-pod", "other"]}),
    "the token is bound to two UIDs": lambda c: _bound(c).update({POD_UID: ["pod-uid", "other"]}),
    "the namespace is gone": lambda c: setattr(c, "namespace", _nobody),
    "the pod is gone": lambda c: c.pods.clear(),
    "the pod was made anew under the same name": lambda c: _meta(c.pods).update(uid="new"),
    "the pod runs as another ServiceAccount": lambda c: c.pods["shop", "build-pod"]["spec"].update(
        serviceAccountName="other"
    ),
    "the pod has labels only, no owner": lambda c: _meta(c.pods).update(
        ownerReferences=[], labels={"tekton.dev/taskRun": "build", "tekton.dev/taskRunUID": "taskrun-uid"}
    ),
    "the owner does not control it": lambda c: _owner(c.pods).update(controller=False),
    "the owner is of another group": lambda c: _owner(c.pods).update(apiVersion="evil.dev/v1"),
    "the TaskRun is gone": lambda c: c.taskruns.clear(),
    "the TaskRun was made anew": lambda c: _meta(c.taskruns).update(uid="new"),
    "the TaskRun calls another pod its own": lambda c: _first(c.taskruns).update(
        status={"podName": "other", "retriesStatus": [{"podName": "earlier"}]}
    ),
    "the PipelineRun is gone": lambda c: c.pipelineruns.clear(),
    "the PipelineRun was made anew": lambda c: _meta(c.pipelineruns).update(uid="new"),
}


@pytest.mark.parametrize("broken", BREAKS)
async def test_a_broken_link_is_refused_with_one_message(broken: str) -> None:
    cluster = fakes.Cluster()
    BREAKS[broken](cluster)
    with pytest.raises(errors.Unauthenticated, match=r"^the bearer token is not valid here$"):
        await pod_identity.Callers(cluster).subject(fakes.TOKEN)


async def test_the_whole_chain_names_pod_taskrun_and_pipelinerun() -> None:
    caller = (await pod_identity.Callers(fakes.Cluster()).subject(fakes.TOKEN)).caller
    assert (caller.pod_uid, caller.taskrun_uid, caller.pipelinerun_uid) == ("pod-uid", "taskrun-uid", "run-uid")
    assert (caller.namespace_uid, caller.pipeline_task, caller.injected) == ("shop-uid", "compile", True)


NO_ACCOUNTS = ["alice", "shop:builder", "system:serviceaccount:shop:", "system:serviceaccount::builder", "", None]


@pytest.mark.parametrize("username", NO_ACCOUNTS)
async def test_only_the_username_of_a_service_account_is_one(username: str | None) -> None:
    cluster = fakes.Cluster()
    cluster.users["worker"] = {} if username is None else {"username": username}
    with pytest.raises(errors.Unauthenticated, match=r"^the bearer token is not valid here$"):
        await pod_identity.service_account("worker", cluster)


@pytest.mark.parametrize(
    ("children", "task"),
    [
        ([("CustomRun", "build", "approve"), ("TaskRun", "other", "lint"), ("TaskRun", "build", "compile")], "compile"),
        ([("CustomRun", "build", "approve"), ("TaskRun", "other", "lint")], "of the label"),  # the record lags behind
        ([], "of the label"),
    ],
)
async def test_the_task_of_a_pod_is_the_one_that_the_pipelinerun_records_for_its_taskrun(
    children: list[tuple[str, str, str]], task: str
) -> None:
    cluster = fakes.Cluster()
    _meta(cluster.taskruns)["labels"] = {"tekton.dev/pipelineTask": "of the label"}
    told = [{"kind": kind, "name": name, "pipelineTaskName": task} for kind, name, task in children]
    _first(cluster.pipelineruns)["status"] = {"childReferences": told}
    assert (await pod_identity.Callers(cluster).subject(fakes.TOKEN)).caller.pipeline_task == task


async def test_a_pod_without_our_sidecar_is_none_that_was_injected_and_its_account_may_be_the_default_one() -> None:
    cluster = fakes.Cluster()
    _first(cluster.pods)["spec"] = {"containers": [{"name": "avouch-sidecar"}]}
    cluster.users["good"]["username"] = "system:serviceaccount:shop:default"
    caller = (await pod_identity.Callers(cluster).subject(fakes.TOKEN)).caller
    assert (caller.service_account, caller.injected) == ("default", False)


async def test_a_taskrun_without_pipeline_stands_for_itself() -> None:
    cluster = fakes.Cluster()
    _meta(cluster.taskruns).pop("ownerReferences")
    _meta(cluster.taskruns)["labels"] = {"tekton.dev/pipelineTask": "of nobody's pipeline"}
    caller = (await pod_identity.Callers(cluster).subject(fakes.TOKEN)).caller
    assert (caller.pipelinerun, caller.pipeline_task) == ("", "")


@pytest.mark.parametrize(
    "status",
    [
        {"podName": "build-pod"},
        {"podName": "build-pod-retry1", "retriesStatus": [{"podName": "build-pod"}]},
        {"retriesStatus": [{"podName": "earlier"}]},  # between two tries
    ],
)
async def test_a_pod_of_any_try_is_the_taskruns_own(status: dict[str, object]) -> None:
    cluster = fakes.Cluster()
    _first(cluster.taskruns).update(status=status)
    assert (await pod_identity.Callers(cluster).subject(fakes.TOKEN)).caller.pod == "build-pod"


def _first(objects: dict) -> dict:  # type: ignore[type-arg]
    return next(iter(objects.values()))  # type: ignore[no-any-return]


def _meta(objects: dict) -> dict:  # type: ignore[type-arg]
    return _first(objects)["metadata"]  # type: ignore[no-any-return]


def _owner(objects: dict) -> dict:  # type: ignore[type-arg]
    return _meta(objects)["ownerReferences"][0]  # type: ignore[no-any-return]
