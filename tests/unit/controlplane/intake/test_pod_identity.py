"""The chain from a token to a PipelineRun: every broken link is the same refusal."""

from collections.abc import Callable

import pytest

from avouch import errors
from avouch.controlplane.intake import pod_identity
from tests.unit.ingest import fakes

BREAKS: dict[str, Callable[[fakes.Cluster], object]] = {
    "the token is bound to no pod": lambda c: c.users["good"].pop("extra"),
    "the token is a user's": lambda c: c.users["good"].update(username="alice"),
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
        await pod_identity.identify(fakes.TOKEN, cluster)


async def test_the_whole_chain_names_pod_taskrun_and_pipelinerun() -> None:
    caller = (await pod_identity.identify(fakes.TOKEN, fakes.Cluster())).caller
    assert (caller.pod_uid, caller.taskrun_uid, caller.pipelinerun_uid) == ("pod-uid", "taskrun-uid", "run-uid")
    assert (caller.namespace_uid, caller.pipeline_task, caller.injected) == ("shop-uid", "compile", True)


async def test_a_taskrun_without_pipeline_stands_for_itself() -> None:
    cluster = fakes.Cluster()
    _meta(cluster.taskruns).pop("ownerReferences")
    caller = (await pod_identity.identify(fakes.TOKEN, cluster)).caller
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
    assert (await pod_identity.identify(fakes.TOKEN, cluster)).caller.pod == "build-pod"


def _first(objects: dict) -> dict:  # type: ignore[type-arg]
    return next(iter(objects.values()))  # type: ignore[no-any-return]


def _meta(objects: dict) -> dict:  # type: ignore[type-arg]
    return _first(objects)["metadata"]  # type: ignore[no-any-return]


def _owner(objects: dict) -> dict:  # type: ignore[type-arg]
    return _meta(objects)["ownerReferences"][0]  # type: ignore[no-any-return]
