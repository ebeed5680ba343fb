"""Runs of PipelineRuns and TaskRuns: opened at first sight, finished when Done, then put aside."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import digests, errors
from avouch.contract import model, reading, revisions
from avouch.controlplane.intake import planning
from avouch.controlplane.model import contracts, runs
from avouch.controlplane.model.history import History
from avouch.integrations import registry
from avouch.kube import events, resources
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import context, departed, settling, specs, tektonruns, tektonwork
from avouch.tekton import matching

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANONICAL = revisions.canonical(model.ContractSpec(name="c"))


class Store:
    """Workflows, Contracts and Runs in memory."""

    contract = CANONICAL

    def __init__(self, tekton: dict[str, Any]) -> None:
        whole = {"tekton": tekton}
        self.known = matching.Index([contracts.WorkflowRecord("team", "nu", "w", "wu", 1, whole, {}, "team", "c")])
        self.stored: dict[uuid.UUID, runs.Run] = {}
        self.snapshots: dict[uuid.UUID, runs.Snapshot] = {}
        self.ended_at: dict[uuid.UUID, datetime] = {}
        self.asked: list[str] = []

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        return self.known

    async def newest(self, *_: object, **__: object) -> contracts.ContractRevision:
        digest = digests.of_bytes(self.contract)
        return contracts.ContractRevision("team", "nu", "c", "cu", 1, digest, self.contract, NOW - timedelta(days=1))

    async def open(self, run: runs.Run) -> runs.Run:
        self.asked.append("open")
        return self.stored.setdefault(run.id, run)

    async def finish(self, run_id: uuid.UUID, snapshot: runs.Snapshot, at: datetime, *, epoch: int) -> None:
        self.asked.append("finish")
        if run_id not in self.stored:
            raise errors.NotFound("no such run")
        self.snapshots.setdefault(run_id, snapshot)
        self.ended_at.setdefault(run_id, at)

    async def of_subject(self, subject_uid: str) -> Sequence[runs.Run]:
        return [run for run in self.stored.values() if run.key.subject_uid == subject_uid]

    async def results_cut(self, workflow_uid: str, generation: int, *, epoch: int) -> None:
        self.asked.append(f"cut {workflow_uid} {generation} {epoch}")

    async def ended(self, subject_uids: Sequence[str]) -> frozenset[str]:
        self.asked.append("ended")
        return frozenset(self.stored[run_id].key.subject_uid for run_id in self.snapshots) & set(subject_uids)

    async def unfinished(self, limit: int, after: runs.Run | None = None) -> Sequence[runs.Run]:
        every = list(self.stored)
        behind = every if after is None else every[every.index(after.id) + 1 :]
        return [self.stored[run_id] for run_id in behind if run_id not in self.snapshots][:limit]


class Api:
    """What the API server has; remembers what it was asked for."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[str] = []

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append(f"get {resource.kind} {name}")
        return self.objects.get((resource.kind, name))

    async def list_all(
        self, resource: resources.Resource, namespace: str = "", **query: str
    ) -> tuple[list[dict[str, Any]], str]:
        self.asked.append(" ".join(("list", resource.kind, *query.values())))
        return [obj for (kind, _), obj in self.objects.items() if kind == resource.kind], "1"


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Recorder:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []

    async def record(self, subject: object, event: events.Event) -> None:
        self.told.append(event)


class Scene:
    """One namespace with one Workflow, and its reconciler."""

    def __init__(self, **tekton: Any) -> None:
        self.store, self.api, self.cache, self.clock = Store(tekton), Api(), ObjectCache(specs.INDEXERS), Clock()
        there = context.Context(
            cache=self.cache, contracts=self.store, workflows=self.store, organizations=None, issuing=None,  # type: ignore[arg-type]
            deliveries=None, backends=None, exceptions=None, canonical=bytes, clock=self.clock,  # type: ignore[arg-type]
            epoch=lambda: 1, creator=None,  # type: ignore[arg-type]
            integrations=registry.Types(), compiler=None, fetches=None,
        )  # fmt: skip
        self.put("Workflow", {"metadata": {"name": "w", "namespace": "team", "uid": "wu"}, "spec": {}})
        self.recorder = Recorder()
        self.run_reconciler = tektonruns.RunReconciler(there, self.store, self.api, {}, self.recorder)  # type: ignore[arg-type]
        pods = self.run_reconciler.pods
        self.work = tektonwork.TektonWork(self.cache, self.store, self.run_reconciler, None, pods=pods)  # type: ignore[arg-type]

    def put(self, kind: str, obj: dict[str, Any]) -> Key:
        key = Key(kind, "team", obj["metadata"]["name"])
        self.cache.put(key, obj)
        self.api.objects[kind, key.name] = obj
        return key

    def known(self, key: Key) -> dict[str, Any]:
        found = self.cache.get(key)
        assert found is not None
        return found


def a_run(kind: str, name: str, status: str, **more: Any) -> dict[str, Any]:
    reference = {"PipelineRun": "pipelineRef", "TaskRun": "taskRef"}[kind]
    meta = {"name": name, "namespace": "team", "uid": f"{name}-uid", "creationTimestamp": "2026-01-01T11:00:00Z"}
    ended = {"conditions": [{"type": "Succeeded", "status": status}], "results": [{"name": "r", "value": "v"}]}
    return {
        "metadata": {**meta, **more.pop("metadata", {})},
        "spec": {reference: {"name": "build"}, "params": [{"name": "p", "value": "v"}]},
        "status": {**ended, **more},
    }


def owned_by(name: str) -> dict[str, Any]:
    owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": name, "uid": f"{name}-uid"}
    return {"ownerReferences": [{**owner, "controller": True}]}


def a_pod(name: str, taskrun: str, *, sidecar: bool = False, phase: str = "Running", **meta: Any) -> dict[str, Any]:
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": taskrun, "uid": f"{taskrun}-uid"}
    owned = {
        "name": name,
        "namespace": "team",
        "uid": f"{name}-uid",
        "ownerReferences": [{**owner, "controller": True}],
    }
    containers = [{"name": "avouch-sidecar"}] if sidecar else []
    return {"metadata": {**owned, **meta}, "spec": {"initContainers": containers}, "status": {"phase": phase}}


async def test_a_taskrun_is_opened_once_finished_once_and_then_put_aside() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    await scene.run_reconciler.reconcile(key)
    scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    for _ in range(3):
        await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == ["open", "finish"]
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject["spec"]["params"]
    assert settling.settled(scene.known(key))
    assert "params" not in scene.known(key)["spec"]


async def test_the_pods_are_read_by_the_names_that_the_taskrun_says_retried_ones_included() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    for pod in ("one", "two"):
        scene.put("Pod", a_pod(pod, "t"))
    scene.put("Pod", a_pod("stranger", "t"))
    retried = {"podName": "two", "retriesStatus": [{"podName": "one"}]}
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True", **retried)))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.pods == {"one": "one-uid", "two": "two-uid"}
    assert sorted(scene.api.asked) == ["get Pod one", "get Pod two"]


async def test_many_pods_are_listed_by_their_label_and_those_without_it_are_read() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    names = [f"t{n}" for n in range(12)]
    for name in names[1:]:
        scene.put("Pod", a_pod(f"{name}-pod", name))
    for name in names:
        scene.put("TaskRun", a_run("TaskRun", name, "True", podName=f"{name}-pod", metadata=owned_by("p")))
    children = [{"kind": "TaskRun", "name": name} for name in names]
    await scene.run_reconciler.reconcile(
        scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
    )
    assert scene.api.asked == ["list Pod tekton.dev/pipelineRunUID=p-uid", "get Pod t0-pod"]
    (snapshot,) = scene.store.snapshots.values()
    assert (len(snapshot.taskruns), len(snapshot.pods)) == (12, 11)


def ended(name: str, **more: Any) -> dict[str, Any]:
    return a_run("TaskRun", name, "True", podName="pod", completionTime="2026-01-01T12:00:00Z", **more)


async def test_a_sidecar_that_works_is_waited_for_until_the_watch_tells_its_end_and_nothing_is_asked_twice() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Pending"))
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    key = scene.put("TaskRun", ended("t"))
    assert await scene.run_reconciler.reconcile(key) == 60
    assert (scene.store.snapshots, settling.settled(scene.known(key))) == ({}, False)
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Succeeded"))
    assert len(scene.work.queue) == 1
    assert await scene.run_reconciler.reconcile(key) is None
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.injected, snapshot.ended, snapshot.pods) == (("pod-uid",), ("pod-uid",), {"pod": "pod-uid"})
    assert scene.api.asked == ["get Pod pod"]
    assert not scene.run_reconciler.pods.of("team", "t-uid")


@pytest.mark.parametrize(("sidecar", "phase"), [(True, "Succeeded"), (True, "Failed"), (False, "Running")])
async def test_a_run_without_a_working_sidecar_is_stored_at_once_and_what_the_watch_showed_is_not_read(
    sidecar: bool, phase: str
) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    for then in ("Pending", phase):
        scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=sidecar, phase=then))
    assert await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t"))) is None
    assert (len(scene.store.snapshots), scene.api.asked) == (1, [])
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=sidecar, phase="Succeeded"))
    assert not scene.run_reconciler.pods.of("team", "t-uid")  # it is put aside


async def test_the_end_of_a_pods_watch_is_not_waited_for_beyond_the_grace() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    key = scene.put("TaskRun", ended("t"))
    scene.clock.at = NOW + timedelta(seconds=20)
    assert await scene.run_reconciler.reconcile(key) == 40
    scene.clock.at = NOW + timedelta(seconds=60)
    assert await scene.run_reconciler.reconcile(key) is None
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.working == ("pod-uid",)


async def test_a_sidecar_that_has_more_time_to_attest_is_waited_for_longer() -> None:
    scene = Scene(tasks=[{"name": "build"}], attestWithin="5m")
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    assert await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t"))) == 340


def beside(scene: Scene, name: str, **spec: Any) -> None:
    """Another Workflow that takes the same builds."""
    covers = {"tekton": {"tasks": [{"name": "build"}], **spec}}
    scene.store.known.put(contracts.WorkflowRecord("team", "nu", name, f"{name}-uid", 1, covers, {}, "team", "c"))


async def test_of_several_workflows_the_one_that_gives_most_time_to_attest_is_waited_for() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    beside(scene, "patient", attestWithin="5m")
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    assert await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t"))) == 340


async def test_the_runs_of_every_workflow_are_finished_also_of_one_that_is_gone_by_now() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    beside(scene, "gone")
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    scene.store.known = Scene(tasks=[{"name": "build"}]).store.known
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True")))
    assert len(scene.store.snapshots) == 2


async def test_a_pod_that_has_the_name_of_one_of_ours_and_was_never_a_taskruns_is_none_of_the_record() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Pod", a_pod("pod", "another", phase="Succeeded"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.pods == {}


async def test_a_run_whose_plan_cannot_be_read_is_waited_for_as_any_other_and_then_stored() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    scene.store.stored = {run_id: replace(run, plan="{") for run_id, run in scene.store.stored.items()}
    scene.run_reconciler.opened.clear()
    key = scene.put("TaskRun", ended("t"))
    assert await scene.run_reconciler.reconcile(key) == 60
    scene.clock.at = NOW + timedelta(seconds=60)
    assert await scene.run_reconciler.reconcile(key) is None
    assert len(scene.store.snapshots) == 1


async def test_no_sidecar_of_a_canceled_run_is_waited_for() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    stopped = ended("t")
    stopped["status"]["conditions"] = [{"type": "Succeeded", "status": "False", "reason": "TaskRunCancelled"}]
    assert await scene.run_reconciler.reconcile(scene.put("TaskRun", stopped)) is None
    assert len(scene.store.snapshots) == 1


GONE = None
UNOWNED = a_pod("pod", "t", sidecar=True, phase="Succeeded", ownerReferences=[])
ANOTHER = a_pod("pod", "t", phase="Succeeded", uid="another", ownerReferences=[])


@pytest.mark.parametrize("now", [GONE, UNOWNED, ANOTHER], ids=["deleted", "without owner", "made anew by somebody"])
async def test_whoever_deletes_or_patches_a_pod_does_not_hide_its_sidecar(now: dict[str, Any] | None) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Pending"))
    if now is not None:
        scene.put("Pod", now)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.injected, snapshot.ended, snapshot.pods) == (("pod-uid",), ("pod-uid",), {"pod": "pod-uid"})


async def test_the_last_word_of_a_sidecar_is_recorded_though_its_pod_is_gone_at_the_end() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    left = {"name": "avouch-sidecar", "state": {"terminated": {"message": "the server was away"}}}
    for phase, more in (("Pending", []), ("Failed", [left])):
        pod = a_pod("pod", "t", sidecar=True, phase=phase)
        pod["status"]["initContainerStatuses"] = more
        scene.work.pod_seen(Key("Pod", "team", "pod"), None, pod)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.said == {"pod-uid": "the server was away"}


def cut(scene: Scene) -> Key:
    """A TaskRun that works, in whose pod our sidecar has left the results too little room."""
    created = a_pod("pod", "t", sidecar=True, phase="Succeeded")
    created["spec"]["containers"] = [{"name": "step-a"}, {"name": "step-b"}, {"name": "step-c"}]
    full = {"name": "step-a", "state": {"terminated": {"message": "x" * 3072}}}
    created["status"]["containerStatuses"] = [full]
    scene.put("Pod", created)
    return scene.put("TaskRun", a_run("TaskRun", "t", "Unknown", podName="pod"))


def of_generation(scene: Scene, generation: int, uid: str = "wu") -> None:
    meta = {"name": "w", "namespace": "team", "uid": uid, "generation": generation}
    scene.put("Workflow", {"metadata": meta, "spec": {}})


async def test_results_that_our_sidecar_cost_a_build_are_told_and_remembered_of_its_workflow() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    cut(scene)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.cut == ("pod-uid",)
    assert scene.store.asked == ["open", "cut wu 1 1", "finish"]
    assert [event.reason for event in scene.recorder.told] == ["ResultsCut"]


async def test_a_workflow_that_was_changed_while_its_build_lost_results_may_have_a_sidecar_again() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    await scene.run_reconciler.reconcile(cut(scene))
    of_generation(scene, 2)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    assert "cut wu 1 1" in scene.store.asked


@pytest.mark.parametrize(("uid", "remembered"), [("wu", ["cut wu 7 1"]), ("another", [])])
async def test_a_run_whose_plan_does_not_say_its_generation_has_that_of_its_workflow(
    uid: str, remembered: list[str]
) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    await scene.run_reconciler.reconcile(cut(scene))
    of_generation(scene, 7, uid)
    (run,) = scene.store.stored.values()
    scene.store.stored = {run.id: replace(run, plan=replace(run.pinned(), generation=0).to_json())}
    scene.run_reconciler.opened.clear()
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    assert [each for each in scene.store.asked if each.startswith("cut")] == remembered


async def test_that_results_were_lost_is_remembered_before_the_run_is_finished_and_looked_at_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = cut(scene)
    await scene.run_reconciler.reconcile(key)
    scene.put("TaskRun", ended("t"))
    with monkeypatch.context() as away:
        away.setattr(scene.store, "results_cut", refusing)
        with pytest.raises(errors.Unavailable):
            await scene.run_reconciler.reconcile(key)
    assert (scene.store.snapshots, scene.recorder.told) == ({}, [])
    await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == ["open", "cut wu 1 1", "finish"]
    assert [event.reason for event in scene.recorder.told] == ["ResultsCut"]


async def refusing(*_: object, **__: object) -> None:
    raise errors.Unavailable("the database is away")


async def test_a_pod_without_a_sidecar_is_recorded_with_the_reason() -> None:
    scene = Scene(tasks=[{"name": "build"}], inject="always")
    scene.put("Pod", a_pod("pod", "t"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.uninjected.startswith("the namespace lacks the label avouch.dev/inject=enabled (fix: kubectl label")


@pytest.mark.parametrize(("second", "told"), [(0, True), (2, True), (3, False)])
async def test_a_pod_that_may_be_older_than_the_news_of_its_workflow_is_recorded_with_that(
    second: int, told: bool
) -> None:
    scene = Scene(tasks=[{"name": "build"}], inject="always")
    scene.cache.put(Key("Namespace", "", "team"), {"metadata": {"labels": {"avouch.dev/inject": "enabled"}}})
    workflow = {"metadata": {"name": "w", "namespace": "team"}, "status": {"openSince": "2026-01-12T09:00:00Z"}}
    scene.put("Workflow", workflow)
    scene.put("Pod", a_pod("pod", "t"))
    taskrun = ended("t")
    taskrun["metadata"]["creationTimestamp"] = f"2026-01-12T09:00:0{second}Z"
    await scene.run_reconciler.reconcile(scene.put("TaskRun", taskrun))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.uninjected.startswith("Workflow w became Ready at 2026-01-12T09:00:00Z, and the build") is told


async def test_a_reason_that_cannot_be_asked_for_keeps_no_run_from_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(tasks=[{"name": "build"}], inject="always")
    scene.cache.put(Key("Namespace", "", "team"), {"metadata": {"labels": {"avouch.dev/inject": "enabled"}}})
    scene.put("Pod", a_pod("pod", "t"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))

    async def away(*_: object, **__: object) -> None:
        raise errors.Unavailable("the API server is away")

    monkeypatch.setattr(scene.api, "list_all", away)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.uninjected == ""


async def test_whoever_deletes_the_run_does_not_hide_its_sidecar() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Pending"))
    await scene.run_reconciler.vanished(Key("TaskRun", "team", "t"), ended("t"))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.injected, snapshot.ended) == (("pod-uid",), ("pod-uid",))
    assert not scene.run_reconciler.pods.of("team", "t-uid")


async def test_a_pod_of_another_namespace_that_names_the_taskrun_as_owner_is_none_of_it() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    theirs = a_pod("pod", "t", phase="Failed", namespace="other", uid="forged")
    for phase in ("Pending", "Running"):
        scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase=phase))
    scene.work.pod_seen(Key("Pod", "other", "pod"), None, theirs)
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Succeeded"))
    scene.work.pod_seen(Key("Pod", "other", "pod"), None, theirs)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.injected, snapshot.pods) == (("pod-uid",), {"pod": "pod-uid"})


async def test_the_end_of_a_pod_of_another_namespace_ends_no_wait() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Pod", a_pod("pod", "t", sidecar=True))
    assert await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t"))) == 60
    theirs = a_pod("pod", "t", sidecar=True, phase="Failed", namespace="other")
    scene.work.pod_seen(Key("Pod", "other", "pod"), None, theirs)
    assert len(scene.work.queue) == 0


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_taskrun_of_another_namespace_that_names_the_pipelinerun_as_owner_is_none_of_it(
    deleted: bool,
) -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p")))
    forged = a_run("TaskRun", "t", "True", metadata={**owned_by("p"), "namespace": "zoo", "uid": "forged"})
    scene.cache.put(Key("TaskRun", "zoo", "t"), forged)
    children = [{"kind": "TaskRun", "name": "t"}]
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown", childReferences=children))
    await scene.run_reconciler.reconcile(key)
    if deleted:
        gone = scene.cache.drop(key)
        assert gone is not None
        await scene.run_reconciler.vanished(key, gone)
    else:
        scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
        await scene.run_reconciler.reconcile(key)
        assert not settling.settled(scene.known(Key("TaskRun", "zoo", "t")))
    (snapshot,) = scene.store.snapshots.values()
    assert [taskrun["metadata"]["uid"] for taskrun in snapshot.taskruns] == ["t-uid"]


async def test_a_pod_that_tekton_makes_anew_takes_the_place_of_the_one_that_was_deleted_before_it_ended() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    for uid, phase in (("first", "Pending"), ("second", "Pending"), ("second", "Succeeded"), ("third", "Pending")):
        scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase=phase, uid=uid))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.pods, snapshot.injected) == ({"pod": "second"}, ("second",))


async def test_a_pod_that_tekton_made_anew_while_nobody_watched_is_read_when_its_run_is_done() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Pending", uid="first"))
    scene.put("Pod", a_pod("pod", "t", sidecar=True, phase="Succeeded", uid="second"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.pods, snapshot.ended) == ({"pod": "second"}, ("second",))


async def test_a_taskrun_that_the_watch_has_not_shown_yet_or_not_at_its_end_is_read() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    for name in ("unseen", "working"):
        key = scene.put("TaskRun", a_run("TaskRun", name, "True", metadata=owned_by("p")))
        scene.cache.drop(key)
    scene.cache.put(key, a_run("TaskRun", "working", "Unknown", metadata=owned_by("p")))
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", done_with("unseen", "working")))
    (snapshot,) = scene.store.snapshots.values()
    assert [(one["metadata"]["name"], one["status"]["conditions"][0]["status"]) for one in snapshot.taskruns] == [
        ("unseen", "True"),
        ("working", "True"),
    ]


async def test_a_pod_with_a_sidecar_needs_no_reason_why_it_has_none() -> None:
    scene = Scene(tasks=[{"name": "build"}], inject="always")
    scene.put("Pod", a_pod("pod", "t", sidecar=True, phase="Succeeded"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.uninjected == ""


async def test_a_run_awaits_its_verdict_from_before_it_is_stored_and_is_no_longer_remembered_as_open() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    awaited: list[int] = []
    finish = scene.store.finish

    async def told(*arguments: Any, **more: Any) -> None:
        awaited.append(len(scene.run_reconciler.awaited))
        await finish(*arguments, **more)

    scene.store.finish = told  # type: ignore[method-assign]
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    assert len(scene.run_reconciler.opened) == 1
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    await scene.run_reconciler.reconcile(key)
    assert (awaited, scene.run_reconciler.opened) == ([1], {})
    scene.store.stored = {run_id: replace(run, finished_at=NOW) for run_id, run in scene.store.stored.items()}
    scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    await scene.run_reconciler.reconcile(key)
    assert (awaited, scene.run_reconciler.opened) == ([1], {})


async def test_a_taskrun_that_the_pipelinerun_does_not_list_is_in_the_record_but_nobody_waits_for_it() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    scene.put("TaskRun", a_run("TaskRun", "mine", "True", metadata=owned_by("p")))
    scene.put("TaskRun", a_run("TaskRun", "strange", "Unknown", metadata=owned_by("p")))
    children = [{"kind": "TaskRun", "name": "mine"}]
    await scene.run_reconciler.reconcile(
        scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
    )
    (snapshot,) = scene.store.snapshots.values()
    assert [one["metadata"]["name"] for one in snapshot.taskruns] == ["mine", "strange"]


async def test_a_pipelinerun_of_which_a_taskrun_is_not_done_is_not_stored_yet() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    scene.put("TaskRun", a_run("TaskRun", "t", "Unknown", metadata=owned_by("p")))
    children = [{"kind": "TaskRun", "name": "t"}]
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
    with pytest.raises(errors.Unavailable, match="TaskRun t is not Done yet"):
        await scene.run_reconciler.reconcile(key)
    assert (scene.store.snapshots, settling.settled(scene.known(key))) == ({}, False)


async def test_a_taskrun_of_a_pipelinerun_is_kept_whole_until_that_one_is_stored() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    parent = scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown"))
    child = scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p")))
    for key in (parent, child):
        await scene.run_reconciler.reconcile(key)
    assert (settling.settled(scene.known(child)), scene.store.snapshots) == (False, {})
    references = [{"kind": "TaskRun", "name": "t"}]
    scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=references))
    await scene.run_reconciler.reconcile(parent)
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.taskruns[0]["status"]["results"]
    assert settling.settled(scene.known(child))
    assert scene.api.asked == []


async def test_a_taskrun_that_is_seen_before_its_pipelinerun_is_kept_whole_for_that_ones_record() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    child = scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p")))
    await scene.run_reconciler.reconcile(child)
    assert not settling.settled(scene.known(child))


async def test_what_was_made_anew_under_a_name_is_not_put_aside_with_its_predecessor() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata={"uid": "another"}))
    assert settling.put_aside(scene.cache, key, "t-uid") == ()
    assert not settling.settled(scene.known(key))


async def test_the_pods_of_a_pipelineruns_taskruns_are_forgotten_once_it_is_put_aside() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", phase="Pending"))
    scene.put("TaskRun", a_run("TaskRun", "t", "True", podName="pod", metadata=owned_by("p")))
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", done_with("t")))
    assert len(scene.store.snapshots) == 1
    assert not scene.run_reconciler.pods.of("team", "t-uid")


async def test_a_taskrun_that_goes_on_is_kept_whole_although_its_pipelinerun_is_put_aside() -> None:
    scene = Scene(pipelines=[{"name": "another"}])
    child = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown", metadata=owned_by("p")))
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "False"))
    await scene.run_reconciler.reconcile(key)
    assert (settling.settled(scene.known(key)), settling.settled(scene.known(child))) == (True, False)


@pytest.mark.parametrize("pipeline", [{"name": "build"}, {"matchLabels": {"app": "shop"}}])
async def test_a_taskrun_of_a_pipelinerun_that_was_put_aside_is_still_that_ones(pipeline: dict[str, Any]) -> None:
    scene = Scene(pipelines=[pipeline], tasks=[{"name": "build"}])
    labelled = {"labels": {"app": "shop"}}
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", a_run("PipelineRun", "p", "True", metadata=labelled)))
    late = a_run("TaskRun", "late", "True", metadata=owned_by("p"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", late))
    assert [run.subject_kind for run in scene.store.stored.values()] == ["PipelineRun"]


async def test_what_ended_before_a_restart_is_put_aside_by_one_question() -> None:
    scene = Scene(tasks=[{"name": "build"}], pipelines=[{"name": "build"}])
    for number in range(3):
        await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", f"t{number}", "True")))
    scene.cache.drop(Key("TaskRun", "team", "t0"))
    again = [scene.put("TaskRun", a_run("TaskRun", f"t{number}", "True")) for number in range(3)]
    unseen = scene.put("TaskRun", a_run("TaskRun", "unseen", "True"))
    for key in again:
        scene.cache.put(key, a_run("TaskRun", key.name, "True"))
    scene.store.asked.clear()
    await scene.work.settle()
    for key in (*again, unseen):
        await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == ["ended", "open", "finish"]  # the last two are of the one that nobody saw


async def test_what_ended_before_a_restart_is_put_aside_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tektonwork, "_PAGE", 2)
    scene = Scene(tasks=[{"name": "build"}])
    keys = [scene.put("TaskRun", a_run("TaskRun", f"t{number}", "True")) for number in range(5)]
    for key in keys:
        await scene.run_reconciler.reconcile(key)
        scene.put("TaskRun", a_run("TaskRun", key.name, "True"))
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t4", phase="Pending"))
    await scene.work.settle()
    assert all(settling.settled(scene.known(key)) for key in keys)
    assert not scene.run_reconciler.pods.of("team", "t4-uid")


async def test_a_later_change_of_an_object_put_aside_asks_for_nothing_and_stays_small() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    await scene.run_reconciler.reconcile(key)
    old, new = scene.known(key), a_run("TaskRun", "t", "True", metadata={"annotations": {"chains": "signed"}})
    scene.cache.put(key, new)
    scene.work.changed(key, old, new)
    assert (len(scene.work.queue), settling.settled(scene.known(key))) == (0, True)
    anew = a_run("TaskRun", "t", "True", metadata={"uid": "another"})
    scene.cache.put(key, anew)
    scene.work.changed(key, settling.settle(old), anew)
    assert len(scene.work.queue) == 1


CREATED = datetime(2026, 1, 1, 11, tzinfo=UTC)  # of each run here


def taking(scene: Scene, since: datetime | None, until: datetime | None = None) -> None:
    (known,) = scene.store.known
    scene.store.known.put(replace(known, open_since=since, open_until=until))


@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
@pytest.mark.parametrize("status", ["Unknown", "True"])
@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        (CREATED + timedelta(seconds=1), None),
        (CREATED - timedelta(hours=1), CREATED - timedelta(seconds=1)),
    ],
)
async def test_a_build_that_was_created_while_its_workflow_took_none_is_not_opened_and_is_told_so(
    kind: str, status: str, since: datetime | None, until: datetime | None
) -> None:
    scene = Scene(pipelines=[{"name": "build"}], tasks=[{"name": "build"}])
    taking(scene, since, until)
    key = scene.put(kind, a_run(kind, "old", status, completionTime="2026-01-01T11:55:00Z"))
    for _ in range(2):
        await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == []
    assert {event.reason for event in scene.recorder.told} == {"NotAttested"}
    assert "it was created at 2026-01-01T11:00:00Z, " in scene.recorder.told[0].note


async def test_a_build_that_several_workflows_take_no_run_of_is_told_so_by_one_event() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    (known,) = scene.store.known
    for number in range(5):
        scene.store.known.put(replace(known, name=f"w{number}", uid=f"wu{number}", open_since=CREATED + timedelta(1)))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    (event,) = scene.recorder.told  # a second of its reason would not be recorded
    assert all(f"Workflow {name} " in event.note for name in ("w0", "w1", "w2"))
    assert "; and 2 more (fix: " in event.note


async def test_a_build_that_ended_long_ago_is_told_nothing() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    taking(scene, CREATED + timedelta(seconds=1))
    await scene.run_reconciler.reconcile(
        scene.put("TaskRun", a_run("TaskRun", "old", "True", completionTime="2026-01-01T11:30:00Z"))
    )
    assert (scene.store.asked, scene.recorder.told) == ([], [])


async def test_a_run_that_was_opened_is_finished_and_not_called_unattested_when_its_workflow_opened_anew() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    taking(scene, NOW)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True")))
    assert (len(scene.store.snapshots), scene.recorder.told) == (1, [])


async def test_a_build_that_is_seen_late_is_opened_although_its_workflow_was_suspended_since() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    taking(scene, CREATED, CREATED + timedelta(minutes=1))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True")))
    assert scene.store.asked == ["open", "finish"]


KEPT = {"retention": {"runs": "2h"}}


@pytest.mark.parametrize(
    ("own", "common", "hours", "opened"),
    [
        ({}, {}, 9000, True),
        (KEPT, {}, 1, True),
        (KEPT, {}, 3, False),
        ({}, KEPT, 3, False),
        ({"retention": {"runs": "4h"}}, KEPT, 3, True),
        ({"retention": {"keepLast": 3}}, KEPT, 3, False),
        ({"retention": {"runs": "soon"}}, {}, 3, True),
    ],
)
async def test_a_build_that_ended_longer_ago_than_runs_are_kept_is_not_opened_again(
    own: dict[str, Any], common: dict[str, Any], hours: int, opened: bool
) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.put("Workflow", {"metadata": {"name": "w", "namespace": "team", "uid": "wu"}, "spec": own})
    claims = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}, **common}
    scene.cache.put(Key("Organization", "", "o"), {"metadata": {"name": "o"}, "spec": claims})
    scene.clock.at = datetime(2026, 1, 1, 11, 30, tzinfo=UTC) + timedelta(hours=hours)
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True", completionTime="2026-01-01T11:30:00Z"))
    await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == (["open", "finish"] if opened else [])


MADE = History("ours", datetime(2026, 1, 1, 11, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("ended_at", "history", "opened"),
    [
        ("2026-01-01T11:29:59Z", MADE, False),
        ("2026-01-01T11:30:00Z", MADE, True),
        ("2026-01-01T11:29:59Z", None, True),
        ("2026-01-01T11:29:59Z", replace(MADE, born_at=NOW - timedelta(days=9)), True),
        ("2026-01-01T11:29:59Z", replace(MADE, born_at=NOW - timedelta(days=9), rewound_at=MADE.born_at), False),
    ],
)
async def test_a_build_that_ended_before_the_history_of_the_database_begins_is_not_opened(
    ended_at: str, history: History | None, opened: bool
) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.run_reconciler = replace(scene.run_reconciler, history=lambda: history)
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True", completionTime=ended_at))
    await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == (["open", "finish"] if opened else [])
    assert scene.recorder.told == []
    assert settling.settled(scene.known(key))


async def test_a_build_that_works_is_opened_although_the_clock_of_the_database_is_ahead_of_ours() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    made = replace(MADE, born_at=NOW + timedelta(seconds=9))
    scene.run_reconciler = replace(scene.run_reconciler, history=lambda: made)
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "Unknown")))
    assert scene.store.asked == ["open"]


async def test_a_stored_run_is_finished_although_it_ended_before_the_history_begins_and_says_so() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.run_reconciler = replace(scene.run_reconciler, history=lambda: MADE)
    scene.put("TaskRun", a_run("TaskRun", "t", "True", completionTime="2026-01-01T11:20:00Z"))
    await scene.run_reconciler.reconcile(key)
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.interrupted == "the database was made at 2026-01-01T11:30:00Z"


async def test_a_build_of_the_history_of_the_database_lost_nothing() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    scene.run_reconciler = replace(scene.run_reconciler, history=lambda: replace(MADE, born_at=CREATED))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.interrupted == ""


async def test_a_run_that_the_database_lost_is_opened_again() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.store.stored.clear()
    scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    with pytest.raises(errors.NotFound):
        await scene.run_reconciler.reconcile(key)
    await scene.run_reconciler.reconcile(key)
    assert len(scene.store.snapshots) == 1


async def test_orphans_are_found_behind_any_number_of_runs_that_still_work() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    for number in range(7):
        await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", f"t{number}", "Unknown")))
    for name in ("t5", "t6"):
        scene.cache.drop(Key("TaskRun", "team", name))
    del scene.api.objects["TaskRun", "t6"]
    await scene.run_reconciler.look_up_unfinished(limit=2)
    assert [scene.store.stored[run_id].subject_name for run_id in scene.store.snapshots] == ["t6"]
    assert scene.api.asked == ["get TaskRun t5", "get TaskRun t6"]  # the others are watched


async def test_a_run_opened_after_its_subject_was_put_aside_is_finished_by_the_next_look() -> None:
    scene = Scene(tasks=[{"name": "another"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    await scene.run_reconciler.reconcile(key)
    assert (settling.settled(scene.known(key)), scene.store.asked) == (True, [])
    spec = {"tekton": {"tasks": [{"name": "build"}]}}
    late = contracts.WorkflowRecord("team", "nu", "late", "lu", 1, spec, {}, "team", "c")
    scene.store.known.put(late)
    covered = await planning.covered("team", scene.api.objects["TaskRun", "t"], None, scene.store)
    (owed,) = await planning.owed_by(covered, scene.store)
    await scene.store.open(owed.run(NOW))
    await scene.run_reconciler.look_up_unfinished()
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject["status"]["results"]
    assert settling.settled(scene.known(key))


@pytest.mark.parametrize("became", [{"suspend": True}, {"tekton": {"tasks": [{"name": "renamed"}]}}, None])
async def test_a_run_is_finished_at_done_whatever_became_of_its_workflow(became: dict[str, Any] | None) -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    changed = contracts.WorkflowRecord("team", "nu", "w", "wu", 2, became or {}, {}, "team", "c")
    scene.store.known = matching.Index([changed] if became else [])
    if became is None:
        scene.cache.drop(Key("Workflow", "team", "w"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", a_run("TaskRun", "t", "True")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject["status"]["results"]
    assert settling.settled(scene.known(key))


async def test_a_run_whose_subject_is_put_aside_is_finished_by_the_next_look_whatever_became_of_its_workflow() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.store.known = matching.Index()
    scene.cache.drop(Key("Workflow", "team", "w"))
    scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    scene.cache.put(key, settling.settle(scene.known(key)))
    await scene.run_reconciler.look_up_unfinished()
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject["status"]["results"]


async def test_a_run_opened_after_its_pipelinerun_was_put_aside_gets_its_taskruns_whole() -> None:
    scene = Scene(pipelines=[{"name": "another"}])
    children = [{"kind": "TaskRun", "name": "t"}]
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
    for name in ("t", "unlisted"):
        child = scene.put("TaskRun", a_run("TaskRun", name, "True", metadata=owned_by("p")))
    await scene.run_reconciler.reconcile(key)
    assert settling.settled(scene.known(child))
    spec = {"tekton": {"pipelines": [{"name": "build"}]}}
    scene.store.known.put(contracts.WorkflowRecord("team", "nu", "late", "lu", 1, spec, {}, "team", "c"))
    about = scene.api.objects["PipelineRun", "p"]
    (owed,) = await planning.owed_by(await planning.covered("team", None, about, scene.store), scene.store)
    await scene.store.open(owed.run(NOW))
    await scene.run_reconciler.look_up_unfinished()
    (snapshot,) = scene.store.snapshots.values()
    assert [one["status"]["results"] for one in snapshot.taskruns] == [[{"name": "r", "value": "v"}]] * 2


async def test_of_a_build_that_was_put_aside_and_deleted_nothing_is_known_for_a_run_that_was_opened_late() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True", completionTime="2026-01-01T11:20:00Z"))
    await scene.run_reconciler.reconcile(key)
    beside(scene, "late")
    about = scene.api.objects["TaskRun", "t"]
    owed = await planning.owed_by(await planning.covered("team", about, None, scene.store), scene.store)
    for one in owed:
        await scene.store.open(one.run(NOW))
    scene.store.snapshots.clear()
    drop(scene, key)
    while len(scene.work.queue):
        await scene.work._one(await scene.work.queue.get())
    assert {str(snapshot.subject) for snapshot in scene.store.snapshots.values()} == {"{}"}


async def test_a_run_that_is_finished_late_ended_when_its_build_did() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.put("TaskRun", a_run("TaskRun", "t", "True", completionTime="2026-01-01T11:20:00Z"))
    scene.cache.drop(key)
    await scene.run_reconciler.look_up_unfinished()
    assert [*scene.store.ended_at.values()] == [datetime(2026, 1, 1, 11, 20, tzinfo=UTC)]


async def test_a_taskrun_of_another_pipelinerun_is_not_in_the_record_whatever_its_name() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    children = [{"kind": "TaskRun", "name": name} for name in ("mine", "other")]
    scene.put("TaskRun", a_run("TaskRun", "mine", "True", metadata=owned_by("p")))
    scene.put("TaskRun", a_run("TaskRun", "other", "True", metadata=owned_by("another")))
    await scene.run_reconciler.reconcile(
        scene.put("PipelineRun", a_run("PipelineRun", "p", "True", childReferences=children))
    )
    (snapshot,) = scene.store.snapshots.values()
    assert [one["metadata"]["name"] for one in snapshot.taskruns] == ["mine"]


def done_with(*names: str, **more: Any) -> dict[str, Any]:
    children = [{"kind": "TaskRun", "name": name} for name in names]
    return a_run("PipelineRun", "p", "True", childReferences=children, completionTime="2026-01-01T11:59:30Z", **more)


def drop(scene: Scene, key: Key) -> None:
    """As the watch of its kind tells that an object was deleted."""
    scene.api.objects.pop((key.kind, key.name), None)
    old = scene.cache.drop(key)
    assert old is not None
    scene.work.changed(key, old, None)


async def told_in_turn(scene: Scene) -> runs.Snapshot:
    while len(scene.work.queue):
        key = await scene.work.queue.get()
        await scene.work._one(key)
        scene.work.queue.done(key)
    (snapshot,) = scene.store.snapshots.values()
    return snapshot


@pytest.mark.parametrize("first", ["PipelineRun", "TaskRun"])
async def test_a_run_that_was_deleted_after_it_was_done_keeps_its_taskruns_whichever_watch_tells_first(
    first: str,
) -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown")))
    child = scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p")))
    key = scene.put("PipelineRun", done_with("t"))
    for gone in (key, child) if first == "PipelineRun" else (child, key):
        drop(scene, gone)
    snapshot = await told_in_turn(scene)
    assert [one["metadata"]["name"] for one in snapshot.taskruns] == ["t"]
    assert len(scene.run_reconciler.gone) == 0
    assert [*scene.store.ended_at.values()] == [NOW - timedelta(seconds=30)]


async def test_a_run_that_ended_is_not_ended_again_when_its_build_is_deleted() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "True"))
    await scene.run_reconciler.reconcile(key)
    scene.store.stored = {run_id: replace(run, finished_at=NOW) for run_id, run in scene.store.stored.items()}
    drop(scene, key)
    await told_in_turn(scene)
    assert scene.store.asked == ["open", "finish"]


async def test_a_taskrun_that_was_deleted_while_its_pipelinerun_worked_is_missing_in_the_record() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown"))
    child = scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p")))
    scene.clock.at = NOW - timedelta(minutes=1)
    drop(scene, child)
    scene.clock.at = NOW
    await scene.run_reconciler.reconcile(key)
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", done_with("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.taskruns == ()
    assert len(scene.run_reconciler.gone) == 0


async def test_a_listed_taskrun_that_was_deleted_before_the_record_was_taken_is_in_it_as_it_was() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.put("PipelineRun", done_with("t", "back"))
    scene.work.pod_seen(Key("Pod", "team", "pod"), None, a_pod("pod", "t", sidecar=True, phase="Pending"))
    for name in ("t", "unlisted", "back"):
        child = scene.put("TaskRun", a_run("TaskRun", name, "True", podName="pod", metadata=owned_by("p")))
        whole = scene.known(child)
        drop(scene, child)
        await scene.run_reconciler.vanished(child, whole)
    scene.put("TaskRun", {**whole, "status": {**whole["status"], "podName": ""}})
    await scene.run_reconciler.reconcile(key)
    (snapshot,) = scene.store.snapshots.values()
    assert sorted(one["metadata"]["name"] for one in snapshot.taskruns) == ["back", "t"]
    assert (snapshot.injected, snapshot.pods) == (("pod-uid",), {"pod": "pod-uid"})


async def test_of_a_pipelinerun_that_was_deleted_while_it_worked_no_half_of_a_taskrun_is_recorded() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    working = a_run("PipelineRun", "p", "Unknown", childReferences=[{"kind": "TaskRun", "name": n} for n in "tu"])
    key = scene.put("PipelineRun", working)
    await scene.run_reconciler.reconcile(key)
    drop(scene, scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata=owned_by("p"))))
    scene.put("TaskRun", a_run("TaskRun", "u", "Unknown", metadata=owned_by("p")))
    drop(scene, key)
    snapshot = await told_in_turn(scene)
    assert snapshot.taskruns == ()


async def test_a_taskrun_that_was_taken_from_its_done_pipelinerun_is_known_as_it_was_and_one_of_before_is_not() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown")))
    whole, before = (a_run("TaskRun", name, "True", metadata=owned_by("p")) for name in ("t", "u"))
    for at, taskrun in ((NOW, whole), (NOW - timedelta(minutes=1), before)):
        child = scene.put("TaskRun", taskrun)
        orphan = a_run("TaskRun", child.name, "True", metadata={"ownerReferences": []})
        scene.put("TaskRun", orphan)
        scene.clock.at = at
        scene.work.changed(child, taskrun, orphan)
    scene.clock.at = NOW
    drop(scene, scene.put("PipelineRun", done_with("t", "u")))
    snapshot = await told_in_turn(scene)
    assert list(snapshot.taskruns) == [whole]


async def test_no_more_taskruns_are_kept_than_fit_and_none_whose_record_is_taken_or_that_was_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departed, "_MOST", 2)
    scene = Scene(pipelines=[{"name": "another"}])
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", a_run("PipelineRun", "recorded", "True")))
    for name, status, owner in (
        ("a", "True", "p"),
        ("b", "True", "p"),
        ("c", "Unknown", "p"),
        ("d", "True", "recorded"),
    ):
        drop(scene, scene.put("TaskRun", a_run("TaskRun", name, status, metadata=owned_by(owner))))
    gone = scene.run_reconciler.gone
    assert [one["metadata"]["name"] for one in gone.of(("team", "p-uid"), NOW)] == ["a", "b"]
    drop(scene, scene.put("TaskRun", a_run("TaskRun", "e", "True", metadata=owned_by("p"))))
    assert [one["metadata"]["name"] for one in gone.of(("team", "p-uid"), NOW)] == ["b", "e"]
    child = scene.put("TaskRun", a_run("TaskRun", "f", "True", metadata=owned_by("recorded")))
    await scene.run_reconciler.reconcile(child)
    drop(scene, Key("PipelineRun", "team", "recorded"))
    drop(scene, child)
    assert [one["metadata"]["name"] for one in gone.of(("team", "p-uid"), NOW)] == ["b", "e"]


async def test_a_pod_that_is_gone_before_anybody_saw_it_is_in_the_record_as_such() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.pods, snapshot.unseen) == ({}, ("pod",))


async def test_a_pod_that_many_others_pushed_out_and_that_is_gone_is_in_the_record_as_hidden() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    for name in [*(f"decoy-{number}" for number in range(64)), "pod"]:
        scene.work.pod_seen(Key("Pod", "team", name), None, a_pod(name, "t", sidecar=name == "pod"))
    await scene.run_reconciler.reconcile(scene.put("TaskRun", ended("t")))
    (snapshot,) = scene.store.snapshots.values()
    assert (snapshot.injected, snapshot.unseen, snapshot.crowded) == ((), ("pod",), True)


async def test_a_run_whose_subject_was_made_anew_under_its_name_never_gets_the_record_of_the_new_one() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    scene.put("TaskRun", a_run("TaskRun", "t", "True", metadata={"uid": "another"}))
    await scene.run_reconciler.look_up_unfinished()
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot == runs.Snapshot({}, ())


async def test_a_run_that_cannot_be_finished_yet_keeps_no_other_waiting() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    for name in ("first", "second"):
        key = scene.put("PipelineRun", a_run("PipelineRun", name, "Unknown"))
        await scene.run_reconciler.reconcile(key)
        scene.cache.drop(key)
        scene.api.objects["PipelineRun", name] = a_run("PipelineRun", name, "True")
    scene.put("TaskRun", a_run("TaskRun", "late", "Unknown", metadata=owned_by("first")))
    scene.api.objects["PipelineRun", "first"]["status"]["childReferences"] = [{"kind": "TaskRun", "name": "late"}]
    await scene.run_reconciler.look_up_unfinished()
    assert [scene.store.stored[run_id].subject_name for run_id in scene.store.snapshots] == ["second"]


async def test_an_object_deleted_before_it_was_done_is_finished_with_what_was_last_known() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    gone = scene.cache.drop(key)
    assert gone is not None
    await scene.run_reconciler.vanished(key, gone)
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject is gone


@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
async def test_a_build_that_was_deleted_before_its_run_could_be_opened_has_one(kind: str) -> None:
    scene = Scene(**{"pipelines" if kind == "PipelineRun" else "tasks": [{"name": "build"}]})
    key = scene.put(kind, a_run(kind, "t", "Unknown"))
    gone = scene.cache.drop(key)
    assert gone is not None
    await scene.run_reconciler.vanished(key, gone)
    assert scene.store.asked == ["open", "finish"]
    (snapshot,) = scene.store.snapshots.values()
    assert snapshot.subject is gone


async def test_a_build_that_no_workflow_takes_has_no_run_when_it_is_deleted() -> None:
    scene = Scene(pipelines=[{"name": "other"}])
    key = scene.put("PipelineRun", a_run("PipelineRun", "t", "Unknown"))
    gone = scene.cache.drop(key)
    assert gone is not None
    await scene.run_reconciler.vanished(key, gone)
    assert scene.store.asked == []


async def test_a_part_of_a_build_is_no_build_when_it_is_deleted() -> None:
    scene = Scene(tasks=[{"name": "build"}])
    key = scene.put("TaskRun", a_run("TaskRun", "t", "Unknown", metadata=owned_by("p")))
    gone = scene.cache.drop(key)
    assert gone is not None
    await scene.run_reconciler.vanished(key, gone)
    assert scene.store.asked == []


@pytest.mark.parametrize(
    ("label", "most", "inject", "said"),
    [
        ("enabled", "32Mi", "auto", "LimitRange l leaves no room for the sidecar, which needs at least 64Mi of memory"),
        ("enabled", "32Mi", "always", "LimitRange l leaves no room"),
        ("enabled", "32Mi", "never", ""),
        ("enabled", "100Mi", "auto", ""),
        ("", "32Mi", "auto", ""),
    ],
)
async def test_a_limitrange_that_keeps_the_sidecar_out_is_told_at_the_start(
    label: str, most: str, inject: str, said: str
) -> None:
    sbom = {"name": "sbom", "task": "build", "workspace": {"name": "source", "path": "sbom.json"}}
    scene = Scene(pipelines=[{"name": "build"}], materials=[sbom], inject=inject)
    material = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}
    contract = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}}
    scene.store.contract = revisions.canonical(reading.read({**contract, "spec": {"materials": [material]}}))
    scene.cache.put(
        Key("Namespace", "", "team"), {"metadata": {"name": "team", "labels": {"avouch.dev/inject": label}}}
    )
    limit = {"type": "Container", "max": {"memory": most}}
    scene.api.objects["LimitRange", "l"] = {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}
    key = scene.put("PipelineRun", a_run("PipelineRun", "p", "Unknown"))
    await scene.run_reconciler.reconcile(key)
    await scene.run_reconciler.reconcile(key)
    assert [event.reason for event in scene.recorder.told] == (["SidecarNotInjected"] if said else [])
    assert all(said in event.note for event in scene.recorder.told)


async def test_a_pending_pipelinerun_is_opened_when_it_begins_and_not_before() -> None:
    scene = Scene(pipelines=[{"name": "build"}])
    waits = a_run("PipelineRun", "p", "Unknown", metadata={"generation": 1})
    waits["spec"]["status"] = "PipelineRunPending"
    key = scene.put("PipelineRun", waits)
    scene.work.changed(key, None, waits)
    await scene.run_reconciler.reconcile(key)
    assert scene.store.asked == []
    released = a_run("PipelineRun", "p", "Unknown", metadata={"generation": 2})
    begun = a_run("PipelineRun", "p", "Unknown", metadata={"generation": 2}, startTime="2026-02-01T00:00:00Z")
    assert [tektonruns.worth_a_look(*pair) for pair in ((waits, released), (released, begun))] == [False, True]
    await scene.run_reconciler.reconcile(scene.put("PipelineRun", begun))
    assert scene.store.asked == ["open"]
