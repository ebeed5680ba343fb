"""Random histories of a cluster: each run that is opened was owed and reaches exactly one end.

The real reconcilers, store and judge, over a real PostgreSQL; the cluster is a dictionary that tells its controller of
every change, while one runs. Builds begin, end and are deleted in part or whole, Workflows are made, suspended and made
anew, controllers come and go, claims come late, Contracts are revised and runs judged again, clocks step, and the
database is lost.
"""

import asyncio
import contextlib
import copy
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from avouch import errors, plan
from avouch.attestation import signing, trust
from avouch.contract import reading, revisions
from avouch.controlplane.judging import documents, examination, reevaluation
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.model import artifacts, reevaluations, run_moves, runs
from avouch.controlplane.model import judging as judging_model
from avouch.controlplane.model.history import History
from avouch.controlplane.model.run_moves import State
from avouch.integrations import registry
from avouch.kube import resources, status
from avouch.kube.cache import Key, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import context, kinds, recorded, specs, tektonruns, tektonwork
from avouch.store import contracts as contract_store
from avouch.store import database, judgingqueue, rows, tables
from avouch.store import reevaluations as request_store
from avouch.store import runs as run_store
from avouch.store import workflows as workflow_store
from tests import postgres
from tests.unasked import UNASKED
from tests.unit.controlplane.judging import tekton_cases as cases

pytestmark = pytest.mark.postgres

Object = dict[str, Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_NUMBERS = itertools.count()
SBOM, SCAN = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}, {"name": "scan", "type": "SARIF"}
CONTRACT = {"materials": [SBOM]}
TEKTON = {
    "pipelines": [{"name": "build"}],
    "materials": [{"name": "sbom", "task": "build", "workspace": {"name": "src", "path": "bom.json"}}],
}
LIE, HONEST = b"lie", b"honest"
JUDGED = {State.JUDGED, State.REEVALUATED, State.SUPERSEDED}
FINAL = {
    State.OPEN: {State.OPEN, State.ENDED, *JUDGED},
    State.ENDED: {State.ENDED, *JUDGED},
    State.JUDGED: JUDGED,
    State.REEVALUATED: {State.REEVALUATED, State.SUPERSEDED},
    State.SUPERSEDED: {State.SUPERSEDED},
}


class Artifacts:
    async def check(self, *_: object, **__: object) -> artifacts.Checked:
        return artifacts.Checked(True)


def read(self: judging.Judging, claim: runs.Claim, case: examination.Case) -> examination.ReadClaim:
    """What a bundle says: its last word is whether it lies about its run."""
    lies = claim.bundle.endswith(LIE)
    told = cases.said(
        cases.file(cases.EVIL if lies else cases.FILE), workflow_run_id=str(case.run.id),
        workflow_name=case.plan.workflow, contract_name=case.plan.contract, contract_version=str(case.plan.revision),
    )  # fmt: skip
    return replace(told, claim=claim)


def rfc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """What the API server has, and who watches."""

    def __init__(self, namespace: str) -> None:
        self.namespace, self.at, self.version = namespace, NOON, 0
        self.objects: dict[Key, Object] = {}
        self.watcher: Callable[[Key, Object | None, Object | None], None] | None = None

    def now(self) -> datetime:
        return self.at

    def put(self, key: Key, obj: Object) -> None:
        self.version += 1
        old = self.objects.get(key)
        new = copy.deepcopy(obj)
        new["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = new
        if self.watcher is not None:
            self.watcher(key, old, copy.deepcopy(new))

    def change(self, key: Key, change: Callable[[Object], Any]) -> None:
        new = copy.deepcopy(self.objects[key])
        change(new)
        self.put(key, new)

    def drop(self, key: Key) -> None:
        old = self.objects.pop(key, None)
        if old is not None and self.watcher is not None:
            self.watcher(key, old, None)

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> Object | None:
        return copy.deepcopy(self.objects.get(Key(resource.kind, namespace, name)))

    async def list_all(self, resource: resources.Resource, namespace: str = "", **_: str) -> tuple[list[Object], str]:
        return [copy.deepcopy(obj) for key, obj in self.objects.items() if key.kind == resource.kind], "1"

    async def apply(self, resource: resources.Resource, body: Object, *, subresource: str = "") -> Object:
        key = Key(resource.kind, self.namespace, body["metadata"]["name"])
        if key not in self.objects:
            raise errors.NotFound("gone")
        self.version += 1
        self.objects[key] = {**self.objects[key], "status": copy.deepcopy(body["status"])}
        self.objects[key]["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.objects[key])

    async def create(self, resource: resources.Resource, body: Object) -> Object:
        return body

    async def record(self, *_: object) -> None:
        """Events are told elsewhere."""


class Queue(WorkQueue[Key]):
    """What is for later is for when the history's clock went on."""

    def __init__(self) -> None:
        super().__init__()
        self.later: set[Key] = set()

    def add_after(self, key: Key, delay: float) -> None:
        self.later.add(key)

    def on(self) -> None:
        self.add_many(self.later)
        self.later.clear()


class Controller:
    """One life of a controller."""

    def __init__(self, cluster: Cluster, opened: database.Database, epoch: int, history: History) -> None:
        self.cluster, self.cache, self.waiting = cluster, ObjectCache(specs.INDEXERS), Queue()
        self.stored = workflow_store.Workflows(opened)
        self.workflows = recorded.Workflows(self.stored)
        self.runs = run_store.Runs(opened)
        there = context.Context(
            cache=self.cache, workflows=self.workflows,
            contracts=recorded.Contracts(contract_store.Contracts(opened), lambda name: f"uid-{name}"),
            organizations=None, issuing=None, deliveries=None, backends=None, exceptions=None,  # type: ignore[arg-type]
            canonical=lambda obj: revisions.canonical(reading.read(obj)), clock=cluster, epoch=lambda: epoch,
            creator=cluster, integrations=registry.Types(), compiler=None, fetches=None,
        )  # fmt: skip
        self.kinds = kinds.KindReconciler(there, Queue(), status.StatusWriter(cluster), cluster)  # type: ignore[arg-type]
        self.keeper = tektonruns.RunReconciler(there, self.runs, cluster, {}, cluster, history=lambda: history)  # type: ignore[arg-type]
        self.work = tektonwork.TektonWork(self.cache, self.runs, self.keeper, None, self.waiting, self.keeper.pods)  # type: ignore[arg-type]

    async def start(self) -> None:
        """As `processes.controller` does: watch, list, compare, declarations first, then runs."""
        self.cache.put(
            Key("Namespace", "", self.cluster.namespace),
            {"metadata": {"name": "n", "uid": f"uid-{self.cluster.namespace}"}},
        )
        await self.workflows.load()
        self.cluster.watcher = self.heard
        for key, obj in list(self.cluster.objects.items()):
            self.heard(key, None, copy.deepcopy(obj))
        await self.work.settle()
        for namespace, name, uid in await self.workflows.keys():
            key = Key("Workflow", namespace, name)
            if namespace == self.cluster.namespace and key not in self.cluster.objects:
                self.kinds.changed(key, {"metadata": {"namespace": namespace, "name": name, "uid": uid}})

    def heard(self, key: Key, old: Object | None, new: Object | None) -> None:
        if key.kind == "Pod":
            if new is not None:
                self.work.pod_seen(key, None, new)
            return
        known = self.cache.get(key)
        if new is None:
            self.cache.drop(key)
        elif not self.cache.put(key, new):
            return
        if key.kind in ("PipelineRun", "TaskRun"):
            self.work.changed(key, known if new is not None else known or old, new)
        else:
            self.kinds.changed(key, old if new is None else None)

    async def settle(self) -> None:
        """Work until nothing is to be done now; what has to wait is tried again when the clock went on."""
        while len(self.kinds.queue) or len(self.work.queue):
            queue, attempt = (
                (self.kinds.queue, self.kinds.reconcile) if len(self.kinds.queue) else (self.work.queue, self.work._one)
            )
            key = await queue.get()
            try:
                recheck = await attempt(key)
            except errors.Unavailable:
                recheck = 1.0
            finally:
                queue.done(key)
            if recheck is not None:
                queue.add_after(key, recheck)

    async def again(self) -> None:
        """What waited for the clock, and what the ten-minute look does."""
        self.waiting.on()
        await self.settle()

    async def stop(self) -> None:
        self.cluster.watcher = None
        await asyncio.gather(self.stored.close(), self.runs.close())


@dataclass
class Build:
    """What the history knows of one build."""

    name: str
    uid: str
    created: datetime
    injected: bool
    seen: bool  # a controller ran when it was created
    done: datetime | None = None
    gone: bool = False
    touched: bool = False  # a TaskRun of it was taken away
    claims: list[bytes] = field(default_factory=list)


class Histories:
    """One cluster and its database, through everything that may happen to both. Each step takes a random number."""

    runner: asyncio.Runner
    opened: database.Database
    epochs: Iterator[int]
    keys: documents.Keys

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    def __init__(self) -> None:
        self.namespace = f"history-{next(_NUMBERS)}"
        self.cluster = Cluster(self.namespace)
        self.builds: dict[str, Build] = {}
        self.intervals: list[list[datetime | None]] = []  # in which the Workflow took runs, as controllers saw it
        self.states: dict[Any, tuple[State, str]] = {}
        self.told: dict[Any, bytes] = {}
        self.judged_at: dict[Any, datetime | None] = {}
        self.history = History("first", NOON - timedelta(days=1))
        self.lost: list[datetime] = []
        self.controller: Controller | None = None
        self.judge = judging.Judging(
            judgingqueue.Queue(self.opened),
            Artifacts(),
            self.cluster,
            trust.TrustRoot(()),
            self.keys,
            UNASKED,
        )
        self.pushes = run_store.Runs(self.opened)
        self.requests = request_store.Reevaluations(self.opened)
        told = {"reevaluations": True}
        attachment = {"namespace": self.namespace, "name": "chat", "uid": f"chat-{self.namespace}", "integration": "i",
                      "type": "webhook", "config": told, "workflow": "w", "selector": {}}  # fmt: skip
        self.attachment = attachment
        self.run(self._attached())
        self.declare("Contract", "c", "chainloop.dev/v1", CONTRACT)
        self.up()

    async def _attached(self) -> None:
        async with self.opened.transaction() as connection:
            await connection.execute(sa.insert(tables.attachments).values(self.attachment))

    def key(self, kind: str, name: str) -> Key:
        return Key(kind, self.namespace, name)

    def made(self, name: str) -> Object:
        uid = f"{name}-{next(_NUMBERS)}"
        return {"name": name, "namespace": self.namespace, "uid": uid, "generation": 1,
                "creationTimestamp": rfc(self.cluster.at)}  # fmt: skip

    def declare(self, kind: str, name: str, version: str, spec: Object) -> None:
        self.cluster.put(
            self.key(kind, name), {"apiVersion": version, "kind": kind, "metadata": self.made(name), "spec": spec}
        )
        self.react()

    def react(self) -> None:
        """Let the controller, if there is one, work off what it heard; note when the Workflow turned for it."""
        if self.controller is None:
            return
        self.run(self.controller.settle())
        workflow = self.cluster.objects.get(self.key("Workflow", "w"))
        takes = (
            workflow is not None
            and not workflow["spec"].get("suspend")
            and self.key("Contract", "c") in self.cluster.objects
        )
        opened = bool(self.intervals) and self.intervals[-1][1] is None
        anew = opened and workflow is not None and workflow["metadata"]["uid"] != self.workflow_uid
        if opened and (not takes or anew):
            self.intervals[-1][1] = self.cluster.at
        if takes and (not opened or anew):
            self.intervals.append([self.cluster.at, None])
        self.workflow_uid = "" if workflow is None else workflow["metadata"]["uid"]
        self.observe()

    workflow_uid = ""

    # What may happen

    def apply_workflow(self, number: int) -> None:
        suspend = number % 3 == 1
        key = self.key("Workflow", "w")
        spec = {"contractRef": {"name": "c"}, "tekton": TEKTON, "suspend": suspend}
        if key not in self.cluster.objects:
            self.declare("Workflow", "w", "avouch.dev/v1alpha1", spec)
            return
        self.cluster.change(
            key,
            lambda obj: (obj.update(spec=spec), obj["metadata"].update(generation=obj["metadata"]["generation"] + 1)),
        )
        self.react()

    def delete_workflow(self, number: int) -> None:
        self.cluster.drop(self.key("Workflow", "w"))
        if number % 2:
            self.apply_workflow(0)
        self.react()

    def delete_or_restore_the_contract(self, _: int) -> None:
        key = self.key("Contract", "c")
        if key in self.cluster.objects:
            self.cluster.drop(key)
            self.react()
        else:
            self.declare("Contract", "c", "chainloop.dev/v1", CONTRACT)

    def create_build(self, number: int) -> None:
        injected = number % 2 == 1
        meta = self.made(f"b{len(self.builds)}")
        name, uid = meta["name"], meta["uid"]
        self.builds[name] = Build(name, uid, self.cluster.at, injected, self.controller is not None)
        owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": name, "uid": uid, "controller": True}
        labels = {"tekton.dev/pipelineTask": "build", "tekton.dev/memberOf": "tasks"}
        self.cluster.put(self.key("PipelineRun", name), {
            "kind": "PipelineRun", "metadata": meta, "spec": {"pipelineRef": {"name": "build"}},
            "status": {"conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "m"}]},
        })  # fmt: skip
        child = {**self.made(f"{name}-t"), "ownerReferences": [owner], "labels": labels}
        self.cluster.put(self.key("TaskRun", f"{name}-t"), {
            "kind": "TaskRun", "metadata": child, "spec": {"taskRef": {"name": "build"}},
            "status": {"podName": f"{name}-pod"},
        })  # fmt: skip
        pod_owner = {**owner, "kind": "TaskRun", "name": f"{name}-t", "uid": child["uid"]}
        containers = [{"name": "avouch-sidecar"}] if injected else []
        self.cluster.put(self.key("Pod", f"{name}-pod"), {
            "metadata": {**self.made(f"{name}-pod"), "ownerReferences": [pod_owner]},
            "spec": {"initContainers": containers}, "status": {"phase": "Pending"},
        })  # fmt: skip
        self.react()
        if self.controller is not None and self.intervals and self.intervals[-1][1] is None:
            assert name in {run.subject_name for run in self.stored()}, "a build that is owed is opened at once"

    def some(self, number: int, wanted: Callable[[Build], bool]) -> Build | None:
        found = [build for build in self.builds.values() if wanted(build)]
        return found[number % len(found)] if found else None

    def finish_build(self, number: int) -> None:
        build = self.some(number, lambda one: one.done is None and not one.gone)
        if build is None:
            return
        build.done = self.cluster.at
        ended = {"type": "Succeeded", "status": "True" if number % 5 else "False", "reason": "Ended", "message": "m"}
        over = {"conditions": [ended], "completionTime": rfc(self.cluster.at)}
        child = self.key("TaskRun", f"{build.name}-t")
        if child in self.cluster.objects:
            self.cluster.change(child, lambda obj: obj["status"].update(over))
        self.react()
        children = [{"kind": "TaskRun", "name": f"{build.name}-t", "pipelineTaskName": "build"}]
        pipeline = {"tasks": [{"name": "build", "taskRef": {"name": "build"}}]}
        done = {**over, "childReferences": children, "pipelineSpec": pipeline}
        self.cluster.change(self.key("PipelineRun", build.name), lambda obj: obj["status"].update(done))
        self.react()
        if number % 3:
            self.end_pod(build)

    def end_pod(self, build: Build) -> None:
        key = self.key("Pod", f"{build.name}-pod")
        if key in self.cluster.objects:
            self.cluster.change(key, lambda obj: obj["status"].update(phase="Succeeded"))
        self.react()

    def delete_build(self, number: int) -> None:
        cascade = ("background", "foreground", "orphan")[number % 3]
        build = self.some(number, lambda one: not one.gone)
        if build is None:
            return
        build.gone = True
        own, child, pod = (self.key(*one) for one in (
            ("PipelineRun", build.name), ("TaskRun", f"{build.name}-t"), ("Pod", f"{build.name}-pod")))  # fmt: skip
        if cascade == "orphan":
            if child in self.cluster.objects:
                self.cluster.change(child, lambda obj: obj["metadata"].update(ownerReferences=[]))
            self.cluster.drop(own)
        else:
            for key in (own, child, pod) if cascade == "background" else (pod, child, own):
                self.cluster.drop(key)
        self.react()

    def delete_a_part(self, number: int) -> None:
        what = ("TaskRun", "Pod")[number % 2]
        build = self.some(number, lambda one: not one.gone)
        if build is None:
            return
        build.touched = build.touched or what == "TaskRun"
        self.cluster.drop(self.key(what, f"{build.name}-{'t' if what == 'TaskRun' else 'pod'}"))
        self.react()

    def time_goes_on(self, number: int) -> None:
        self.cluster.at += timedelta(seconds=(1, 5, 61, 4000)[number % 4])
        if self.controller is not None:
            self.run(self.controller.again())
        self.observe()

    def claim(self, number: int) -> None:
        """The sidecar or a step of a build's pod speaks, whether or not the run has its verdict."""
        found = [run for run in self.stored() if self.builds[run.subject_name].injected]
        if not found:
            return
        run = found[number % len(found)]
        build = self.builds[run.subject_name]
        pod, taskrun = (self.cluster.objects.get(self.key(*one)) for one in (
            ("Pod", f"{build.name}-pod"), ("TaskRun", f"{build.name}-t")))  # fmt: skip
        if pod is None or taskrun is None:
            return
        bundle = f"{run.id} {len(build.claims)} ".encode() + (HONEST if number % 4 else LIE)
        build.claims.append(bundle)
        made = runs.Claim(
            run.id, cases.digests.of_bytes(bundle), bundle, pod["metadata"]["uid"], taskrun["metadata"]["uid"],
            f"{build.name}-t", "build", "default", self.cluster.at, False, f"{build.name}-pod",
        )  # fmt: skip
        self.run(self.pushes.accept(made))

    def judge_what_is_due(self, _: int = 0) -> None:
        self.run(self._judged())
        self.observe()

    async def _judged(self) -> None:
        for _ in range(60):
            outcomes = await self.judge.batch() or await self.judge.few()
            if not outcomes or all(isinstance(one, judging_model.Later) for one in outcomes):
                return

    def revise_the_contract(self, number: int) -> None:
        """It asks for more, for less, or for what it did."""
        key = self.key("Contract", "c")
        if key in self.cluster.objects:
            asked = ([SBOM], [SBOM, SCAN], [SCAN], [])[number % 4]
            self.cluster.change(key, lambda obj: obj.update(spec={"materials": asked}))
            self.react()

    def judge_again(self, number: int) -> None:
        """Somebody asks for a run, whether or not it may be judged again."""
        found = self.stored()
        if not found:
            return
        asked = reevaluations.Asked("ann", "it is needed", self.cluster.at)
        with contextlib.suppress(errors.Conflict):
            self.run(self.requests.ask(self.namespace, found[number % len(found)].name, asked))
        if number % 3:  # else it waits for the next time, and something may happen before
            self.answer()

    def answer(self) -> None:
        stores = contract_store.Contracts(self.opened), workflow_store.Workflows(self.opened)
        asked = reevaluation.Reevaluating(self.requests, *stores, self.judge, self.cluster)
        self.run(self._answered(asked))
        self.observe()

    async def _answered(self, asked: reevaluation.Reevaluating) -> None:
        while await asked.step():
            pass

    def down(self, _: int = 0) -> None:
        if self.controller is None:
            return
        self.run(self.controller.stop())
        self.controller = None

    def up(self, _: int = 0) -> None:
        """Another controller leads: one that has seen nothing yet."""
        if self.controller is not None:
            self.down()
        self.controller = Controller(self.cluster, self.opened, next(self.epochs), self.history)
        self.run(self.controller.start())
        self.react()

    def lose_the_database(self, _: int) -> None:
        self.cluster.at += timedelta(seconds=2)
        if self.controller is not None:
            self.down()
        self.run(self._emptied())
        self.lost.append(self.cluster.at)
        self.history = History(f"lost-{len(self.lost)}", self.cluster.at)
        self.states.clear()
        self.judged_at.clear()
        self.up()

    async def _emptied(self) -> None:
        async with self.opened.transaction() as connection:
            for table in (tables.runs, tables.workflows, tables.contract_revisions):
                await connection.execute(sa.delete(table).where(table.c.namespace == self.namespace))

    # What must hold

    def stored(self) -> list[runs.Run]:
        return [run for run, _ in self.run(self._stored())]

    async def _stored(self) -> list[tuple[runs.Run, Any]]:
        query = sa.select(tables.runs).where(tables.runs.c.namespace == self.namespace)
        async with self.opened.transaction() as connection:
            return [(rows.run_of(row), row.superseded) for row in (await connection.execute(query)).all()]

    def observe(self) -> None:
        found = self.run(self._stored())
        abouts = [run.key.subject_uid for run, _ in found]
        assert len(set(abouts)) == len(abouts), "one run for one build and Workflow"
        for run, superseded in found:
            build = self.builds[run.subject_name]
            taken = any(
                since <= build.created and (until is None or build.created <= until) for since, until in self.intervals
            )
            assert taken, f"{build} was not owed: {self.intervals}"
            before = self.lost and build.done is not None and build.done < self.lost[-1]
            assert not before, f"{build} ended before the database was lost"
            state = run_moves.of(run, superseded)
            was, verdict = self.states.get(run.id, (State.OPEN, "Pending"))
            assert state in FINAL[was], f"{was} -> {state}"
            assert state is not was or state is State.REEVALUATED or verdict == run.result, "a verdict is an end"
            assert (state is State.SUPERSEDED) <= (run.result == "Rejected")
            assert verdict in ("Pending", "Passed", "Failed") or verdict == run.result or run.result == "Rejected"
            if superseded is not None:
                chain = [*superseded["before"], superseded]
                assert superseded["number"] == len(chain)
                assert [one["version"] for one in chain] == sorted({one["version"] for one in chain})
                lied = [at for at, one in enumerate(chain) if one["verdict"] == "Rejected"]
                assert lied == [], "what was Rejected stays Rejected"
            judged_at = self.judged_at.setdefault(run.id, run.judged_at) if state in JUDGED else run.judged_at
            assert state is State.SUPERSEDED or run.judged_at == judged_at, "no order moves"
            self.states[run.id] = state, str(run.result)
        self.run(self._delivered())

    async def _delivered(self) -> None:
        """An id is told with one content, whatever became of the database."""
        known = tables.deliveries, tables.payloads
        same = sa.and_(known[0].c.run_id == known[1].c.run_id, known[0].c.payload_digest == known[1].c.digest)
        query = sa.select(known[0].c.id, known[1].c.content).join_from(*known, same)
        async with self.opened.transaction() as connection:
            found = await connection.execute(query.where(known[0].c.namespace == self.namespace))
            for row in found.all():
                assert self.told.setdefault(row.id, bytes(row.content)) == bytes(row.content)

    async def _verdicts(self) -> dict[Any, list[Object]]:
        query = sa.select(tables.verdicts.c.run_id, tables.verdicts.c.findings)
        async with self.opened.transaction() as connection:
            return {row.run_id: row.findings for row in (await connection.execute(query)).all()}

    def end(self) -> None:
        """After the last event: one controller, a minute, one look, one judge. Then each run has its one end."""
        while self.some(0, lambda one: one.done is None and not one.gone):
            self.finish_build(1)
        if self.controller is None:
            self.up()
        self.time_goes_on(2)
        assert self.controller is not None
        self.run(self.controller.keeper.look_up_unfinished())
        self.judge_what_is_due()
        self.answer()
        found, verdicts = self.stored(), self.run(self._verdicts())
        assert {run.result for run in found if run.result == "Pending"} == set()
        for run in found:
            codes = [finding["code"] for finding in verdicts[run.id]]
            assert "JudgingFailed" not in codes
            build = self.builds[run.subject_name]
            if build.gone and build.done is None:
                assert codes == ["RunNotDone"], codes
            if "RecordNotWhole" in codes:
                assert "MaterialMissing" not in codes, codes
            plan.Plan.from_json(run.plan)
        self.down()
        self.run(self.pushes.close())


STEPS: tuple[Callable[[Histories, int], None], ...] = (
    *(Histories.create_build,) * 5,
    *(Histories.finish_build,) * 4,
    *(Histories.time_goes_on,) * 4,
    *(Histories.apply_workflow,) * 3,
    *(Histories.up,) * 3,
    *(Histories.claim,) * 3,
    *(Histories.judge_what_is_due,) * 3,
    *(Histories.judge_again,) * 4,
    *(Histories.revise_the_contract,) * 2,
    *(Histories.delete_build,) * 2,
    *(Histories.delete_workflow,) * 2,
    Histories.delete_or_restore_the_contract,
    Histories.delete_a_part,
    Histories.down,
    *(Histories.lose_the_database,) * 2,
)


# Chance seldom leads there: a run that passed is judged again, twice, and then a claim contradicts.
AGAIN: tuple[tuple[Callable[[Histories, int], None], int, State], ...] = (
    (Histories.create_build, 1, State.OPEN),
    (Histories.claim, 1, State.OPEN),
    (Histories.finish_build, 1, State.ENDED),
    (Histories.judge_what_is_due, 0, State.JUDGED),
    (Histories.revise_the_contract, 1, State.JUDGED),
    (Histories.judge_again, 1, State.REEVALUATED),
    (Histories.revise_the_contract, 0, State.REEVALUATED),
    (Histories.judge_again, 1, State.REEVALUATED),
    (Histories.claim, 0, State.REEVALUATED),
    (Histories.judge_what_is_due, 0, State.SUPERSEDED),
    (Histories.judge_again, 1, State.SUPERSEDED),
)


def test_each_run_of_a_random_history_was_owed_and_reaches_exactly_one_end(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging.Judging, "_read", read)
    with asyncio.Runner() as runner:
        opened = database.Database(server.url)
        Histories.runner, Histories.opened, Histories.epochs = runner, opened, itertools.count(1)
        Histories.keys = documents.Keys(*(signing.KeySigner.generate() for _ in range(3)), "https://verifier.example")

        @settings(
            max_examples=30,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.reuse, Phase.generate),  # each try takes a second: what fails is told as it is
        )
        @given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=20, max_size=40))
        def lived(steps: list[tuple[Callable[[Histories, int], None], int]]) -> None:
            history = Histories()
            for step, number in steps:
                step(history, number)
            history.end()

        try:
            history = Histories()
            history.apply_workflow(0)
            for step, number, state in AGAIN:
                step(history, number)
                history.observe()
                assert {found for found, _ in history.states.values()} == {state}, step
            history.end()
            lived()
        finally:
            runner.run(opened.close())
