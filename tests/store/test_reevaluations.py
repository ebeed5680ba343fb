"""Runs that are judged again when somebody asks, against PostgreSQL: the worker's role decides, the server's asks."""

import asyncio
import base64
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.attestation import signing, trust, vsa
from avouch.contract import reading, revisions
from avouch.controlplane.judging import documents, examination, reevaluation
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.model import artifacts, contracts, runs, verdicts
from avouch.controlplane.model import reevaluations as model
from avouch.store import contracts as contract_store
from avouch.store import (
    database,
    deletions,
    judgingqueue,
    reevaluations,
    retention,
    rundocuments,
    runqueries,
    tables,
    views,
    workflows,
)
from avouch.store import deliveries as ledger
from avouch.store import replays as replay_store
from avouch.store import runs as run_store
from tests import postgres
from tests.store.conftest import NOW
from tests.store.test_late_claims import HONEST, LIE, POD
from tests.unasked import UNASKED
from tests.unit.controlplane.judging import tekton_cases as cases

pytestmark = pytest.mark.postgres

SBOM = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}
SCAN = {"name": "scan", "type": "SARIF"}
LATER = NOW + timedelta(hours=1)
ASKED = model.Asked("ann", "the scan is needed now", LATER)
_NUMBERS = itertools.count()


def read(self: judging.Judging, claim: runs.Claim, case: examination.Case) -> examination.ReadClaim:
    """What a bundle says, of the revision under which its run was opened: the letter in it is that of its digest."""
    material = cases.file({b"b": cases.EVIL, b"c": cases.FILE}[claim.bundle.split()[1]])
    told = cases.said(
        material, workflow_run_id=str(case.run.id), workflow_name=case.run.workflow, contract_name=case.run.contract,
        contract_version=str(case.run.revision),
    )  # fmt: skip
    return replace(told, claim=claim)


class Clock:
    """It goes on by a minute whenever somebody looks."""

    def __init__(self) -> None:
        self.at = LATER

    def now(self) -> Any:
        self.at += timedelta(minutes=1)
        return self.at


class Artifacts:
    """Every document is stored, unless it is `gone`."""

    gone = False

    async def check(self, *_: object, **__: object) -> artifacts.Checked:
        return artifacts.Checked(not self.gone)


def a_revision(namespace: str, *materials: dict[str, Any]) -> contracts.ContractRevision:
    manifest = {
        "apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "contract"},
        "spec": {"materials": list(materials)},
    }  # fmt: skip
    canonical = revisions.canonical(reading.read(manifest))
    digest = digests.of_bytes(canonical)
    return contracts.ContractRevision(namespace, f"uid-{namespace}", "contract", "c", 0, digest, canonical, NOW)


class Shop:
    """One namespace with a Contract, a Workflow, and two attachments of which one hears of reevaluations."""

    def __init__(self, server: postgres.Postgres, opened: database.Database, worker: database.Database,
                 own: database.Database, epoch: int) -> None:  # fmt: skip
        self.namespace, self.opened, self.worker, self.epoch = f"again-{next(_NUMBERS)}", opened, worker, epoch
        self.store, self.pushes = run_store.Runs(opened), run_store.Runs(own)
        self.asking, self.requests = reevaluations.Reevaluations(own), reevaluations.Reevaluations(worker)
        self.views, self.clock, self.artifacts = views.RunViews(own), Clock(), Artifacts()
        keys = documents.Keys(*(signing.KeySigner.generate() for _ in range(3)), "https://verifier.example")
        queue = judgingqueue.Queue(worker)
        self.judge = judging.Judging(queue, self.artifacts, self.clock, trust.TrustRoot(()), keys, UNASKED)  # type: ignore[arg-type]

    async def begin(self) -> None:
        await self.declare(SBOM)
        record = contracts.WorkflowRecord(
            self.namespace, f"uid-{self.namespace}", "build", f"w-{self.namespace}", 1,
            {"contractRef": {"name": "contract"}}, {}, self.namespace, "contract",
        )  # fmt: skip
        await workflows.Workflows(self.opened).upsert(record, epoch=self.epoch)
        for name, config in (("quiet", {}), ("told", {"reevaluations": True})):
            told = {"namespace": self.namespace, "name": name, "uid": f"{name}-{self.namespace}", "integration": "i",
                    "type": "webhook", "config": config, "workflow": "build", "selector": {}}  # fmt: skip
            async with self.opened.transaction() as connection:
                await connection.execute(sa.insert(tables.attachments).values(told))

    async def declare(self, *materials: dict[str, Any]) -> contracts.ContractRevision:
        return await contract_store.Contracts(self.opened).record(
            a_revision(self.namespace, *materials), epoch=self.epoch
        )

    async def run(self, *claims: bytes) -> runs.Run:
        """One that was opened under the present revision, is Done and judged."""
        newest = await contract_store.Contracts(self.opened).newest(self.namespace, "contract")
        assert newest is not None
        plan = replace(
            cases.planned(cases.asked()), contract="contract", revision=newest.revision,
            contract_digest=str(newest.digest), namespace=self.namespace, workflow="build",
            contract_namespace=self.namespace, contract_namespace_uid=f"uid-{self.namespace}",
        )  # fmt: skip
        key = runs.RunKey(f"w-{self.namespace}", str(uuid.uuid4()))
        made = runs.Run(
            key.id, key.name("build"), key, self.namespace, f"uid-{self.namespace}", "build", "PipelineRun", "pr",
            "contract", newest.revision, str(newest.digest), plan.to_json(), NOW,
        )  # fmt: skip
        run = await self.store.open(made)
        for claim in claims or (HONEST,):
            await self.push(run, claim)
        shot = cases.snapshot(cases.taskrun(), injected=["build-1-pod-uid"])
        await self.store.finish(run.id, shot, NOW, epoch=self.epoch)
        await self.judged()
        return run

    async def push(self, run: runs.Run, bundle: bytes) -> None:
        whole = bundle + f" {run.id}".encode()
        told = {"pipeline_task": "build", "service_account": "sa", "received_at": NOW, **POD}
        await self.pushes.accept(runs.Claim(run.id, digests.of_bytes(whole), whole, **told))  # type: ignore[arg-type]

    async def judged(self) -> None:
        while await self.judge.batch() or await self.judge.few():
            pass

    def reevaluating(self) -> reevaluation.Reevaluating:
        known, revised = workflows.Workflows(self.worker), contract_store.Contracts(self.worker)
        return reevaluation.Reevaluating(self.requests, revised, known, self.judge, self.clock)

    async def again(self, run: runs.Run, asked: model.Asked = ASKED) -> dict[str, Any]:
        """The run after somebody asked, and the worker answered."""
        await self.asking.ask(self.namespace, run.name, asked)
        while await self.reevaluating().step():
            pass
        return await self.shown(run)

    async def weighed(self, run: runs.Run) -> tuple[model.Request, model.Answer]:
        """A request of somebody's, and what a worker answers that has not said so yet."""
        await self.asking.ask(self.namespace, run.name, ASKED)
        request = await self.requests.take()
        assert request is not None
        record = await self.requests.record(run.id)
        assert record is not None
        return request, await self.reevaluating()._answered(request, record)

    async def shown(self, run: runs.Run) -> dict[str, Any]:
        found = await self.views.view(self.namespace, run.name)
        assert found is not None
        return found

    async def sent(self, run: runs.Run) -> list[tuple[str, str, dict[str, Any]]]:
        known = tables.deliveries, tables.payloads
        same = sa.and_(known[0].c.run_id == known[1].c.run_id, known[0].c.payload_digest == known[1].c.digest)
        columns = known[0].c.attachment, known[0].c.state, known[1].c.content
        query = sa.select(*columns).join_from(*known, same).where(known[0].c.run_id == run.id)
        async with self.opened.transaction() as connection:
            rows = (await connection.execute(query)).all()
        found = [(row.attachment, row.state, json.loads(row.content)) for row in rows]
        return sorted(found, key=lambda one: (one[0], one[2]["judgedAt"]))

    async def delivered(self, run: runs.Run) -> None:
        async with self.opened.transaction() as connection:
            mine = sa.select(tables.deliveries.c.id).where(tables.deliveries.c.run_id == run.id)
            ids = (await connection.execute(mine)).scalars().all()
        for one in ids:
            await ledger.Deliveries(self.opened).delivered(one, NOW)

    async def row(self, run: runs.Run) -> Any:
        async with self.opened.transaction() as connection:
            return (await connection.execute(sa.select(tables.runs).where(tables.runs.c.id == run.id))).one()

    async def close(self) -> None:
        for one in (self.store, self.pushes):
            await one.close()


@pytest.fixture
async def shop(
    server: postgres.Postgres, opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    monkeypatch.setattr(judging.Judging, "_read", read)
    async with opened.transaction() as connection:
        epoch = int((await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one())
        await connection.execute(sa.text("DELETE FROM procrastinate_jobs"))
    async with database.Database(server.url_of("worker")) as worker, database.Database(server.url_of("server")) as own:
        shop = Shop(server, opened, worker, own, epoch)
        await shop.begin()
        yield shop
        await shop.close()


async def statement(shop: Shop, run: runs.Run, document: str, earlier: int = 0) -> dict[str, Any]:
    found = await shop.views.signed(shop.namespace, run.name, document, earlier)
    assert found is not None
    said: dict[str, Any] = json.loads(base64.b64decode(json.loads(found)["dsseEnvelope"]["payload"]))
    return said


async def test_a_run_is_judged_again_by_the_newest_revision_and_the_verdict_of_before_is_kept(shop: Shop) -> None:
    run = await shop.run()
    before = await shop.shown(run)
    revised = await shop.declare(SBOM, SCAN)
    found = await shop.again(run)
    assert (before["result"], found["result"]) == ("Passed", "Failed")
    assert [one["code"] for one in found["findings"]] == ["MaterialMissing", "VerdictReevaluated"]
    note = found["findings"][-1]["message"]
    assert "ann asked to hold the run to Contract contract, revision 2 (the run was opened under revision 1)" in note
    assert note.endswith(ASKED.reason)
    again = found["reevaluation"]
    assert again["contract"] == {"name": "contract", "revision": 2, "digest": str(revised.digest)}
    assert (again["askedBy"], again["reason"]) == ("ann", ASKED.reason)
    assert (found["contract"], found["revision"], found["contractDigest"]) == (
        "contract", 1, before["contractDigest"])  # fmt: skip
    assert (found["materialsFound"], found["materialsAsked"]) == (1, 2)
    assert found["superseded"]["verdict"] == "Passed"
    assert found["superseded"]["attestationBundle"] == before["attestationBundle"] != found["attestationBundle"]
    assert found["superseded"]["summaryBundle"] == again["replaces"]
    assert (found["reevaluationRequest"]["state"], found["earlier"]) == ("Replaced", [])
    assert found["resourceVersion"] > before["resourceVersion"]


async def test_what_is_signed_names_the_verdict_that_it_replaces_both_revisions_who_asked_and_why(shop: Shop) -> None:
    run = await shop.run()
    before = await shop.views.signed(shop.namespace, run.name, "vsa")
    assert before is not None
    revised = await shop.declare(SBOM, SCAN)
    await shop.again(run)
    signed = (await statement(shop, run, "vsa"))["predicate"]
    uid = f"uid-{shop.namespace}"
    assert signed["policy"]["digest"]["sha256"] == revised.digest.hex
    assert signed["policy"]["uri"].endswith("contract@2") or "contract@2" in signed["policy"]["uri"]
    assert uid in signed["policy"]["uri"]
    assert signed[vsa.REPLACES] == {"digest": {"sha256": digests.of_bytes(before).hex}}
    asked = signed[vsa.REEVALUATION]
    assert (asked["askedBy"], asked["reason"]) == ("ann", ASKED.reason)
    assert "contract@1" in asked["openedUnder"]["uri"]
    assert f"sha256:{asked['openedUnder']['digest']['sha256']}" == run.contract_digest
    attested = (await statement(shop, run, "attestation"))["predicate"]
    assert attested["metadata"]["contractVersion"] == "2"
    assert attested["reevaluation"]["openedUnder"]["revision"] == "1"
    assert attested["reevaluation"]["replaces"] == str(digests.of_bytes(before))
    assert await shop.views.signed(shop.namespace, run.name, "vsa", 1) == before


async def test_a_run_is_judged_again_and_again_and_each_verdict_stays_readable(shop: Shop) -> None:
    run = await shop.run()
    states = ["Passed"]
    for number in range(4):
        await shop.declare(*([SBOM] if number % 2 else [SBOM, SCAN]))
        states.append((await shop.again(run))["result"])
    assert states == ["Passed", "Failed", "Passed", "Failed", "Passed"]
    found = await shop.shown(run)
    chain = [*found["earlier"], found["superseded"]]
    assert [(one["number"], one["verdict"]) for one in chain] == [
        (1, "Passed"), (2, "Failed"), (3, "Passed"), (4, "Failed")]  # fmt: skip
    for one in chain:
        bundles = [
            await shop.views.signed(shop.namespace, run.name, what, one["number"]) for what in ("attestation", "vsa")
        ]
        assert [str(digests.of_bytes(each or b"")) for each in bundles] == [
            one["attestationBundle"],
            one["summaryBundle"],
        ]
    summaries = [await statement(shop, run, "vsa", number) for number in (2, 3, 4, 0)]
    replaced = [f"sha256:{one['predicate'][vsa.REPLACES]['digest']['sha256']}" for one in summaries]
    assert replaced == [one["summaryBundle"] for one in chain]
    assert await shop.views.signed(shop.namespace, run.name, "vsa", 5) is None


async def test_a_run_keeps_so_many_earlier_verdicts_and_then_takes_no_more_but_a_contradiction(shop: Shop) -> None:
    run = await shop.run()
    for number in range(model.EARLIER):
        await shop.declare(*([SBOM] if number % 2 else [SBOM, SCAN]))
        await shop.again(run)
    found = await shop.shown(run)
    assert len(found["earlier"]) + 1 == model.EARLIER
    await shop.declare(SBOM, SCAN, {"name": "more", "type": "SARIF"})
    with pytest.raises(errors.Conflict, match="10 earlier verdicts, which are kept"):
        await shop.asking.ask(shop.namespace, run.name, ASKED)
    await shop.push(run, LIE)
    await shop.judged()
    last = await shop.shown(run)
    assert (last["result"], len(last["earlier"])) == ("Rejected", model.EARLIER)


async def test_a_late_claim_ends_the_verdict_that_somebody_asked_for_and_nothing_follows(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SCAN)  # it asks for the sbom no more: the claim that lies about it counts all the same
    assert (await shop.again(run))["result"] == "Failed"
    await shop.push(run, LIE)
    await shop.judged()
    found = await shop.shown(run)
    assert (found["result"], found["reason"], found["reevaluation"]) == ("Rejected", "MaterialContradicted", None)
    assert "supersedes the verdict Failed of 2026-01-02T04:" in found["findings"][-1]["message"]
    assert [one["verdict"] for one in (*found["earlier"], found["superseded"])] == ["Passed", "Failed"]
    assert found["superseded"]["reevaluation"]["askedBy"] == "ann"
    assert [one["pod"] for one in found["lateClaims"]] == ["build-1-pod"]
    with pytest.raises(errors.Conflict, match="is Rejected: that is no matter of its Contract"):
        await shop.asking.ask(shop.namespace, run.name, ASKED)


async def test_a_contradiction_is_never_judged_away_by_a_weaker_contract_whoever_writes_the_request(shop: Shop) -> None:
    run = await shop.run(HONEST, LIE)
    assert (await shop.shown(run))["result"] == "Rejected"
    await shop.declare()
    async with shop.opened.transaction() as connection:  # as a captured server would
        row = {"run_id": run.id, "namespace_uid": run.namespace_uid, "asked_by": "x", "reason": "x", "asked_at": NOW}
        await connection.execute(sa.insert(tables.reevaluations).values(row))
    while await shop.reevaluating().step():
        pass
    found = await shop.shown(run)
    assert (found["result"], found["superseded"]) == ("Rejected", None)
    assert found["reevaluationRequest"]["state"] == "Kept"
    assert "MaterialContradicted" in found["reevaluationRequest"]["message"]


async def test_a_claim_that_waits_to_be_heard_is_held_against_the_new_verdict(shop: Shop) -> None:
    run = await shop.run()
    await shop.push(run, LIE)  # not judged yet
    await shop.declare(SBOM, SCAN)
    assert (await shop.again(run))["result"] == "Failed"
    await shop.judged()
    assert (await shop.shown(run))["result"] == "Rejected"


async def test_a_late_claim_that_agrees_stays_late_when_the_run_is_judged_again(shop: Shop) -> None:
    run = await shop.run()
    await shop.push(run, HONEST + b" again")
    await shop.judged()
    before = (await shop.shown(run))["lateClaims"]
    await shop.declare(SBOM, SCAN)
    found = await shop.again(run)
    assert (len(before), found["lateClaims"]) == (1, before)
    async with shop.opened.transaction() as connection:
        heard = (await connection.execute(sa.select(tables.verdicts.c.claims))).scalars().one()
    assert heard == [str(digests.of_bytes(HONEST + f" {run.id}".encode()))]


async def test_what_would_say_the_same_is_not_written_again(shop: Shop) -> None:
    run = await shop.run()
    before = await shop.shown(run)
    found = await shop.again(run)
    assert (found["superseded"], found["attestationBundle"]) == (None, before["attestationBundle"])
    assert found["reevaluationRequest"]["state"] == "Unchanged"
    await shop.declare(SBOM, SCAN)
    first = await shop.again(run)
    assert (await shop.again(run))["attestationBundle"] == first["attestationBundle"]


async def test_evidence_that_is_gone_leaves_the_verdict_as_it_is_and_the_answer_says_why(shop: Shop) -> None:
    run = await shop.run()
    before = await shop.shown(run)
    await shop.declare({**SBOM, "optional": True})  # by which the run would pass without it
    shop.artifacts.gone = True
    found = await shop.again(run)
    assert (found["result"], found["superseded"]) == ("Passed", None)
    assert found["attestationBundle"] == before["attestationBundle"]
    assert found["reevaluationRequest"]["state"] == "Kept"
    assert "its evidence is not kept any more" in found["reevaluationRequest"]["message"]


async def test_a_workflow_that_is_gone_or_bound_to_another_contract_keeps_the_verdicts_of_its_runs(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    async with shop.opened.transaction() as connection:
        await connection.execute(sa.update(tables.workflows).values(contract_name="weak"))
    assert "is bound to Contract" in (await shop.again(run))["reevaluationRequest"]["message"]
    async with shop.opened.transaction() as connection:
        await connection.execute(sa.delete(tables.workflows))
    found = await shop.again(run)
    assert found["reevaluationRequest"]["message"].endswith("Workflow build is gone")
    assert found["result"] == "Passed"


async def test_a_run_without_a_verdict_or_that_is_deleted_or_is_not_there_cannot_be_asked_for(shop: Shop) -> None:
    judged = await shop.run()
    key = runs.RunKey("w", str(uuid.uuid4()))
    pending = await shop.store.open(replace(judged, id=key.id, key=key, name=key.name("build")))
    for dry_run in (True, False):
        with pytest.raises(errors.Conflict, match="has no verdict yet"):
            await shop.asking.ask(shop.namespace, pending.name, ASKED, dry_run=dry_run)
        with pytest.raises(errors.NotFound):
            await shop.asking.ask(shop.namespace, "nobody", ASKED, dry_run=dry_run)
    await deletions.Deletions(shop.opened).ask(shop.namespace, judged.name, deletions.deletions.Asked("bob", "x", NOW))
    with pytest.raises(errors.Conflict, match="is being deleted"):
        await shop.asking.ask(shop.namespace, judged.name, ASKED)


async def test_a_dry_look_writes_nothing(shop: Shop) -> None:
    run = await shop.run()
    before = await shop.shown(run)
    said = await shop.asking.ask(shop.namespace, run.name, ASKED, dry_run=True)
    assert (said["state"], said["askedBy"], said["name"]) == ("Waiting", "ann", run.name)
    assert await shop.shown(run) == before
    assert await shop.requests.take() is None


async def test_a_request_that_waits_is_answered_and_no_second_one_takes_its_place(shop: Shop) -> None:
    run = await shop.run()
    await shop.asking.ask(shop.namespace, run.name, ASKED)
    other = await shop.asking.ask(shop.namespace, run.name, replace(ASKED, by="bob"))
    assert other["askedBy"] == "ann"
    assert (await shop.requests.take()).asked == ASKED  # type: ignore[union-attr]
    assert await shop.requests.take() is None


async def test_a_namespace_has_so_many_requests_that_wait(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "WAITING", 2)
    monkeypatch.setattr(reevaluations, "_WAITING", reevaluations._WAITING.replace("501", "3"))
    found = [await shop.run() for _ in range(3)]
    for run in found[:2]:
        await shop.asking.ask(shop.namespace, run.name, ASKED)
    with pytest.raises(errors.Overloaded, match="2 runs that wait"):
        await shop.asking.ask(shop.namespace, found[2].name, ASKED)
    assert (await shop.shown(found[2]))["reevaluationRequest"] is None
    await shop.asking.ask(shop.namespace, found[0].name, ASKED)


async def test_two_workers_never_write_two(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    await shop.asking.ask(shop.namespace, run.name, ASKED)
    first = await shop.requests.take()
    assert first is not None
    async with shop.opened.transaction() as connection:  # the first one is silent
        await connection.execute(sa.update(tables.reevaluations).values(leased_until=NOW))
    second = await shop.requests.take()
    assert second is not None
    record = await shop.requests.record(run.id)
    assert record is not None
    answers = [await shop.reevaluating()._answered(one, record) for one in (first, second)]
    written = await asyncio.gather(
        *(shop.requests.settle(one, answer) for one, answer in zip((first, second), answers, strict=True)),
        shop.requests.settle(second, answers[0]),
    )
    assert sorted(written) == [False, False, True]
    found = await shop.shown(run)
    assert (found["superseded"]["number"], found["earlier"]) == (1, [])


async def test_a_run_that_changed_since_it_was_read_is_judged_again_as_it_is_then(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    request, answer = await shop.weighed(run)
    await shop.push(run, LIE)
    await shop.judged()
    assert not await shop.requests.settle(request, answer)
    while await shop.reevaluating().step():
        pass
    found = await shop.shown(run)
    assert (found["result"], found["earlier"]) == ("Rejected", [])
    assert found["reevaluationRequest"]["state"] == "Kept"


async def test_a_late_claim_is_heard_although_the_run_was_judged_again_while_a_worker_weighed_it(
    shop: Shop, opened: database.Database
) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    await shop.push(run, LIE)
    await shop.judge.queue.isolate([run.id])
    async with shop.judge.queue.few(1) as work:
        outcomes = [await shop.judge._alone(record, work.taken, None) for record in work.taken.records]
        assert len(outcomes) == 1
        await shop.again(run)
        await work.settle(outcomes)
    assert (await shop.shown(run))["result"] == "Failed"
    await shop.judged()
    assert (await shop.shown(run))["result"] == "Rejected"


async def test_a_run_that_goes_while_it_is_judged_again_gets_nothing(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    request, answer = await shop.weighed(run)
    async with shop.opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run.id))
    assert not await shop.requests.settle(request, answer)
    assert await shop.requests.take() is None


async def test_only_attachments_that_ask_for_it_hear_of_it_and_what_others_still_get_stays(shop: Shop) -> None:
    run = await shop.run()
    assert [one[:2] for one in await shop.sent(run)] == [("quiet", "pending"), ("told", "pending")]
    await shop.declare(SBOM, SCAN)
    await shop.again(run)
    found = await shop.sent(run)
    assert [(name, state, body["verdict"]) for name, state, body in found] == [
        ("quiet", "pending", "Passed"), ("told", "pending", "Failed")]  # fmt: skip
    body = found[1][2]
    assert (body["contract"]["revision"], body["reevaluation"]["openedUnder"]["revision"]) == (2, 1)
    assert (body["reevaluation"]["by"], body["supersedes"]["verdict"]) == ("ann", "Passed")
    assert body["supersedes"]["digest"] == (await shop.shown(run))["superseded"]["summaryBundle"]
    await shop.delivered(run)
    await shop.push(run, LIE)
    await shop.judged()
    last = [(name, body["verdict"]) for name, state, body in await shop.sent(run) if state == "pending"]
    assert last == [("quiet", "Rejected"), ("told", "Rejected")]


async def test_that_an_old_run_is_judged_again_moves_it_in_no_order(shop: Shop) -> None:
    old = await shop.run()
    new = await shop.run()
    at = (await shop.row(old)).judged_at
    await shop.declare(SBOM, SCAN)
    await shop.again(old)
    assert (await shop.row(old)).judged_at == at
    assert (await shop.shown(old))["judgedAt"] > (await shop.shown(new))["judgedAt"]
    (newest,) = [run for namespace, _, run in await shop.store.summaries(0) if namespace == shop.namespace]
    assert newest.id == new.id
    asked = await replay_store.Replays(shop.worker).take()
    assert asked is not None
    assert list(await replay_store.Replays(shop.worker).runs(asked, 1)) == [new.id]
    kept = retention.Policy(f"w-{shop.namespace}", f"uid-{shop.namespace}", timedelta(hours=1), 1)
    await shop.delivered(old)
    assert await retention.Retention(shop.opened).expire(kept, shop.clock.at + timedelta(hours=2)) == 1
    assert await shop.views.view(shop.namespace, old.name) is None


async def test_a_watcher_is_told_what_left_whatever_verdict_it_saw_last(shop: Shop) -> None:
    run = await shop.run()
    seen = [(await shop.row(run)).judged_version]
    for number in range(3):
        await shop.declare(*([SBOM] if number % 2 else [SBOM, SCAN]))
        await shop.again(run)
        seen.append((await shop.row(run)).judged_version)
    async with shop.opened.transaction() as connection:
        (row,) = (await connection.execute(runqueries.one(shop.namespace, run.name))).all()
    told = [
        [rundocuments.event(row, since, {"verdict": verdict}) for verdict in ("Passed", "Failed")] for since in seen
    ]
    assert told == [["DELETED", "ADDED"], ["", "MODIFIED"], ["DELETED", "ADDED"], ["", "MODIFIED"]]


async def test_a_release_is_not_made_by_judging_again(shop: Shop) -> None:
    told: list[Any] = []
    run = await shop.run()
    await shop.declare(SCAN)
    await shop.again(run)
    async with shop.opened.transaction() as connection:
        released = sa.select(tables.project_versions.c.released_at)
        told = list((await connection.execute(released)).scalars())
    assert told == []


async def test_what_cannot_be_judged_now_is_tried_again_and_not_for_ever(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> artifacts.Checked:
        raise errors.Unavailable("the store does not answer")

    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    monkeypatch.setattr(shop.artifacts, "check", away)
    shop.clock.at = ASKED.at
    found = await shop.again(run)
    assert (found["reevaluationRequest"]["state"], found["result"]) == ("Waiting", "Passed")
    assert "the store does not answer" in found["reevaluationRequest"]["message"]
    async with shop.opened.transaction() as connection:
        await connection.execute(sa.update(tables.reevaluations).values(next_try=NOW))
    shop.clock.at = ASKED.at + model.PATIENCE
    while await shop.reevaluating().step():
        pass
    found = await shop.shown(run)
    assert (found["reevaluationRequest"]["state"], found["result"]) == ("Kept", "Passed")


async def test_workers_that_end_over_a_request_end_it(shop: Shop) -> None:
    run = await shop.run()
    await shop.declare(SBOM, SCAN)
    await shop.asking.ask(shop.namespace, run.name, ASKED)
    for _ in range(model.TRIES):
        assert await shop.requests.take() is not None
        async with shop.opened.transaction() as connection:
            await connection.execute(sa.update(tables.reevaluations).values(leased_until=NOW))
    while await shop.reevaluating().step():
        pass
    found = (await shop.shown(run))["reevaluationRequest"]
    assert (found["state"], found["message"]) == ("Kept", "3 workers stopped while they judged it again")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO reevaluations (run_id, namespace_uid, asked_by, reason, asked_at, state)"
        " VALUES (gen_random_uuid(), 'n', 'x', 'x', now(), 'Replaced')",
        "UPDATE reevaluations SET state = 'Replaced'",
        "INSERT INTO superseded_verdicts (run_id, number, document) VALUES (gen_random_uuid(), 1, '{}')",
        "DELETE FROM superseded_verdicts",
        "UPDATE verdicts SET reevaluation = '{}'",
    ],
)
def test_a_captured_server_asks_and_answers_nothing_itself(server: postgres.Postgres, statement: str) -> None:
    with (
        psycopg.connect(server.url_of("server"), options="-c search_path=avouch") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_results_of_verdicts_are_those_that_a_contract_may_change() -> None:
    assert verdicts.VerdictResult.REJECTED not in model.MAY_CHANGE
