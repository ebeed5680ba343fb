"""Whether a pod is patched where policies of the cluster judge it afterwards."""

from collections.abc import Mapping
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.intake import trial
from avouch.tekton import injection, pod
from tests.unit.tekton import pods

REFUSED = 'ValidatingAdmissionPolicy "images" denied request: not from our registry'

# What the API server writes on an object, and takes from nobody who makes one.
OF_THE_SERVER = {"uid", "creationTimestamp", "resourceVersion", "managedFields", "selfLink", "generation"}


class Cluster:
    """Refuses what it is told to refuse; remembers what it was asked."""

    def __init__(self, *, sidecar: str | Exception = "", without: str = "") -> None:
        self.sidecar, self.without = sidecar, without
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def refusal(self, namespace: str, created: Mapping[str, Any]) -> str:
        self.asked.append((namespace, created))
        if not pod.carries_sidecar(created):
            return self.without
        if isinstance(self.sidecar, Exception):
            raise self.sidecar
        return self.sidecar


def patched(image: str = "") -> dict[str, Any]:
    shape = pod.read(pods.pod())
    assert isinstance(shape, pod.Shape)
    settings = injection.Settings(image or pods.SETTINGS.image, pods.SETTINGS.server, pods.SETTINGS.ca)
    changes = injection.patch(injection.Injection(shape, (pods.a_plan(),), {}), settings, "0123abcd")
    assert isinstance(changes, list)
    return injection.applied(pods.pod(), changes)


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (Cluster(), None),
        (Cluster(sidecar=REFUSED), pod.Reason.POLICY),
        (Cluster(sidecar=REFUSED, without="no such namespace"), None),  # it is refused whatever we do
        (Cluster(sidecar=errors.Unavailable("no answer")), None),
    ],
    ids=["allowed", "refused", "refused anyway", "not said"],
)
async def test_a_pod_is_left_alone_where_the_sidecar_alone_makes_it_refused(
    cluster: Cluster, reason: pod.Reason | None
) -> None:
    found = await trial.Trial(cluster).refused("shop", pods.pod(), patched())
    assert (found and found.reason) == reason
    assert found is None or REFUSED in found.message


async def test_an_answer_holds_for_a_minute_for_its_namespace_account_and_shape() -> None:
    now = [0.0]
    cluster = Cluster(sidecar=REFUSED)
    tried = trial.Trial(cluster, lambda: now[0])
    for _ in range(3):
        assert await tried.refused("shop", pods.pod(), patched()) is not None
    assert len(cluster.asked) == 2  # with the sidecar and without
    cluster.sidecar = ""
    for namespace, image in (("other", ""), ("shop", "registry.example/sidecar:2")):
        assert await tried.refused(namespace, pods.pod(), patched(image)) is None
    assert await tried.refused("shop", pods.pod(), patched()) is not None
    now[0] = trial.FRESH
    assert await tried.refused("shop", pods.pod(), patched()) is None


async def test_what_the_cluster_did_not_say_is_asked_again() -> None:
    cluster = Cluster(sidecar=errors.Unavailable("no answer"))
    tried = trial.Trial(cluster)
    assert await tried.refused("shop", pods.pod(), patched()) is None
    cluster.sidecar = REFUSED
    assert await tried.refused("shop", pods.pod(), patched()) is not None


async def test_a_trial_is_marked_and_blocks_no_deletion() -> None:
    cluster = Cluster(sidecar=REFUSED)
    created = pods.pod()
    created["metadata"] |= {name: "theirs" for name in OF_THE_SERVER} | {"annotations": {"theirs": "kept"}}
    created["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = True
    whole = {**patched(), "metadata": created["metadata"]}
    await trial.Trial(cluster).refused("shop", created, whole)
    for _, asked in cluster.asked:
        meta = asked["metadata"]
        assert meta["annotations"] == {"theirs": "kept", trial.MARK: "true"}
        assert not OF_THE_SERVER & meta.keys()
        assert [owner["blockOwnerDeletion"] for owner in meta["ownerReferences"]] == [False]
        assert trial.is_trial(asked, dry_run=True)
        assert not trial.is_trial(asked, dry_run=False)  # on a real pod anybody may have written the mark
    assert created["metadata"]["annotations"] == {"theirs": "kept"}
    assert not trial.is_trial(pods.pod(), dry_run=True)


async def test_an_answer_is_shared_by_pods_that_differ_in_their_own_containers_alone() -> None:
    cluster = Cluster(sidecar=REFUSED)
    tried = trial.Trial(cluster)
    await tried.refused("shop", pods.pod(), patched())
    other = patched()
    own = [one for one in other["spec"]["initContainers"] if one["name"] != pod.SIDECAR]
    assert own
    for one in own:
        one["image"] = "another"
    await tried.refused("shop", pods.pod(), other)
    assert len(cluster.asked) == 2
    other["spec"]["serviceAccountName"] = "other"
    await tried.refused("shop", pods.pod(), other)
    assert len(cluster.asked) == 4


async def test_no_more_answers_are_kept_than_fit_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_KEPT", 2)
    cluster = Cluster()
    tried = trial.Trial(cluster)
    for namespace, asked in (("a", 1), ("b", 2), ("c", 3), ("b", 3), ("a", 4), ("c", 4)):
        await tried.refused(namespace, pods.pod(), patched())
        assert len(cluster.asked) == asked, namespace
