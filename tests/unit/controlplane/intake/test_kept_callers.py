"""What is remembered of a caller: a yes, by the UIDs of its token, for ten seconds. Never a no."""

from collections import Counter
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.intake import pod_identity
from tests.unit.ingest import fakes


class Counting(fakes.Cluster):
    """Counts what it is asked for; its TaskRun names its pod, as Tekton does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.users[fakes.TOKEN]["uid"] = "account-uid"
        self.taskruns["shop", "build"]["status"] = {"podName": "build-pod"}

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked["pod"] += 1
        return await super().pod(namespace, name)

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked["taskrun"] += 1
        return await super().taskrun(namespace, name)

    async def namespace(self, name: str) -> dict[str, Any] | None:
        self.asked["namespace"] += 1
        return await super().namespace(name)


class Monotonic:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_caller_is_read_from_the_cluster_once_in_ten_seconds() -> None:
    cluster, clock = Counting(), Monotonic()
    known = pod_identity.Callers(cluster, clock)
    first = (await known.subject(fakes.TOKEN)).caller
    assert [await known.identify(fakes.TOKEN) for _ in range(3)] == [first] * 3
    assert cluster.asked == {"pod": 1, "taskrun": 1, "namespace": 1}
    clock.now = pod_identity.KEPT
    await known.identify(fakes.TOKEN)
    assert cluster.asked == {"pod": 2, "taskrun": 2, "namespace": 2}


async def test_what_opens_runs_is_read_anew_each_time() -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    await known.subject(fakes.TOKEN)
    cluster.taskruns["shop", "build"]["metadata"]["labels"] = {"new": "label"}
    assert (await known.subject(fakes.TOKEN)).taskrun["metadata"]["labels"] == {"new": "label"}
    assert cluster.asked == {"pod": 2, "taskrun": 2, "namespace": 1}


async def test_a_token_that_is_no_longer_good_ends_what_is_kept() -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    await known.identify(fakes.TOKEN)
    cluster.users.clear()
    with pytest.raises(errors.Unauthenticated):
        await known.identify(fakes.TOKEN)


async def test_a_no_is_never_kept() -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    pods = dict(cluster.pods)
    cluster.pods.clear()
    with pytest.raises(errors.Unauthenticated):
        await known.identify(fakes.TOKEN)
    cluster.pods.update(pods)
    assert (await known.identify(fakes.TOKEN)).pod_uid == "pod-uid"


async def test_a_yes_is_not_kept_before_the_taskrun_names_the_pod() -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    cluster.taskruns["shop", "build"].pop("status")
    await known.identify(fakes.TOKEN)
    cluster.taskruns["shop", "build"]["status"] = {"podName": "the-true-one"}
    with pytest.raises(errors.Unauthenticated):
        await known.identify(fakes.TOKEN)


@pytest.mark.parametrize("changed", ["pod-uid", "pod-name", "username"])
async def test_a_token_of_another_pod_or_account_finds_nothing_kept(changed: str) -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    await known.identify(fakes.TOKEN)
    user = cluster.users[fakes.TOKEN]
    if changed == "username":
        user["username"] = "system:serviceaccount:shop:other"
    else:
        user["extra"] = {**user["extra"], f"authentication.kubernetes.io/{changed}": ["another"]}
    with pytest.raises(errors.Unauthenticated):
        await known.identify(fakes.TOKEN)


async def test_a_namespace_is_kept_for_its_own_accounts_alone() -> None:
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    await known.subject(fakes.TOKEN)
    cluster.users[fakes.TOKEN]["uid"] = "account-of-a-namespace-made-anew"
    await known.subject(fakes.TOKEN)
    cluster.users[fakes.TOKEN].pop("uid")
    await known.subject(fakes.TOKEN)
    await known.subject(fakes.TOKEN)
    assert cluster.asked["namespace"] == 4  # without the account's uid nothing tells two namespaces apart


async def test_no_more_callers_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_identity, "_MOST", 2)
    cluster = Counting()
    known = pod_identity.Callers(cluster, Monotonic())
    for number in range(3):
        cluster.users[f"token-{number}"] = {**cluster.users[fakes.TOKEN], "uid": f"account-{number}"}
        await known.identify(f"token-{number}")
    cluster.asked.clear()
    await known.identify("token-2")
    assert not cluster.asked
    await known.identify("token-0")
    assert cluster.asked["pod"] == 1
