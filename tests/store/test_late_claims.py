"""Claims that come after the verdict: kept, shown, and where they contradict it, the end of it. Against PostgreSQL."""

import asyncio
import itertools
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.attestation import signing, trust
from avouch.controlplane.judging import documents, examination
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.model import artifacts, runs, verdicts
from avouch.store import database, judgingqueue, rundocuments, tables, views
from avouch.store import deliveries as ledger
from avouch.store import runs as run_store
from tests import postgres
from tests.store.conftest import NOW, a_claim, a_run, a_verdict, decide
from tests.unasked import UNASKED
from tests.unit.controlplane.judging import tekton_cases as cases

HONEST, LIE = b"sbom c of the sidecar", b"sbom b of a step"
POD = {"pod": "build-1-pod", "pod_uid": "build-1-pod-uid", "taskrun_uid": "build-1-uid", "taskrun": "build-1"}
PLAN = cases.planned(cases.asked()).to_json()
_NUMBERS = itertools.count()


class Clock:
    def now(self) -> object:
        return NOW + timedelta(hours=1)


class Artifacts:
    async def check(self, *_: object, **__: object) -> artifacts.Checked:
        return artifacts.Checked(True)


def read(self: judging.Judging, claim: runs.Claim, case: examination.Case) -> examination.ReadClaim:
    """What a bundle says: the tests write its digest's letter into it."""
    material = cases.file({b"b": cases.EVIL, b"c": cases.FILE}[claim.bundle.split()[1]])
    told = {"workflow_run_id": str(case.run.id), "workflow_name": case.run.workflow}
    return replace(cases.said(material, **told), claim=claim)


class Shop:
    """One run that is Done, with one attachment."""

    def __init__(
        self, opened: database.Database, worker: database.Database, run: runs.Run, store: run_store.Runs
    ) -> None:
        self.opened, self.run, self.store = opened, run, store
        keys = documents.Keys(*(signing.KeySigner.generate() for _ in range(3)), "https://verifier.example")
        queue = judgingqueue.Queue(worker)
        root = trust.TrustRoot(())
        self.judge = judging.Judging(queue, Artifacts(), Clock(), root, keys, UNASKED)  # type: ignore[arg-type]

    async def push(self, bundle: bytes, **changes: object) -> runs.Receipt:
        return await self.store.accept(a_claim(self.run, bundle + f" {self.run.id}".encode(), **{**POD, **changes}))

    async def judged(self) -> dict[str, Any]:
        while await self.judge.batch() or await self.judge.few():
            pass
        shown = await views.RunViews(self.opened).view(self.run.namespace, self.run.name)
        assert shown is not None
        return shown

    async def jobs(self) -> int:
        query = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE lock = 'judge:' || :run")
        async with self.opened.transaction() as connection:
            return int((await connection.execute(query, {"run": str(self.run.id)})).scalar_one())


@pytest.fixture
async def shop(server: postgres.Postgres, opened: database.Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(judging.Judging, "_read", read)
    namespace = f"late-{next(_NUMBERS)}"
    async with opened.transaction() as connection:
        epoch = int((await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one())
        await connection.execute(sa.insert(tables.namespaces).values({"name": namespace, "uid": f"uid-{namespace}"}))
        told = {"namespace": namespace, "name": "chat", "uid": f"chat-{namespace}", "integration": "chat",
                "type": "webhook", "config": {"verdicts": ["Passed"]}, "workflow": "build", "selector": {}}  # fmt: skip
        await connection.execute(sa.insert(tables.attachments).values(told))
    store = run_store.Runs(opened)
    made = a_run(namespace, plan=PLAN, contract="contract", revision=3, contract_digest=cases.GOOD)
    run = await store.open(made)
    shot = cases.snapshot(cases.taskrun(), injected=["build-1-pod-uid"])
    async with database.Database(server.url_of("worker")) as worker, database.Database(server.url_of("server")) as own:
        pushed = run_store.Runs(own)
        shop = Shop(opened, worker, run, pushed)
        await shop.push(HONEST)
        await store.finish(run.id, shot, NOW, epoch=epoch)
        yield shop
        await pushed.close()
    await store.close()


async def sent(shop: Shop) -> list[tuple[uuid.UUID, str, str, dict[str, Any]]]:
    """(id, state, verdict, supersedes) of the run's deliveries, the first verdict's first."""
    query = (
        sa.select(tables.deliveries.c.id, tables.deliveries.c.state, tables.payloads.c.content)
        .join_from(tables.deliveries, tables.payloads, sa.and_(
            tables.payloads.c.run_id == tables.deliveries.c.run_id,
            tables.payloads.c.digest == tables.deliveries.c.payload_digest))
        .where(tables.deliveries.c.run_id == shop.run.id)
    )  # fmt: skip
    async with shop.opened.transaction() as connection:
        rows = (await connection.execute(query)).all()
    found = [(row.id, row.state, json.loads(row.content)) for row in rows]
    return sorted(
        ((id_, state, body["verdict"], body.get("supersedes", {})) for id_, state, body in found),
        key=lambda one: one[2],
    )


async def kinds(shop: Shop) -> list[str]:
    query = sa.select(tables.verdict_documents.c.kind).where(tables.verdict_documents.c.run_id == shop.run.id)
    async with shop.opened.transaction() as connection:
        return sorted((await connection.execute(query)).scalars())


async def test_a_claim_before_the_verdict_is_not_late(shop: Shop) -> None:
    assert not (await shop.push(LIE)).late
    found = await shop.judged()
    assert (found["result"], found["superseded"], found["lateClaims"]) == ("Rejected", None, [])


async def test_a_late_claim_that_contradicts_ends_the_verdict_which_is_kept_and_whoever_got_it_is_told(
    shop: Shop,
) -> None:
    first = await shop.judged()
    (passed,) = await sent(shop)
    await ledger.Deliveries(shop.opened).delivered(passed[0], NOW)
    assert (first["result"], first["superseded"]) == ("Passed", None)
    assert (await shop.push(LIE)).late
    found = await shop.judged()
    assert (found["result"], found["reason"]) == ("Rejected", "MaterialContradicted")
    assert found["findings"][-1]["code"] == "VerdictSuperseded"
    assert {key: found["superseded"][key] for key in ("verdict", "evidence", "findings")} == {
        "verdict": "Passed", "evidence": "sidecar", "findings": []}  # fmt: skip
    assert found["superseded"]["attestationBundle"] == first["attestationBundle"] != found["attestationBundle"]
    assert [claim["pod"] for claim in found["lateClaims"]] == ["build-1-pod"]
    assert await kinds(shop) == ["attestation", "superseded-attestation", "superseded-vsa", "vsa"]
    before, after = await sent(shop)  # although the attachment asks for Passed alone
    assert (before[:3], after[1:3]) == ((passed[0], "delivered", "Passed"), ("pending", "Rejected"))
    assert (before[0] != after[0], after[3]["verdict"]) == (True, "Passed")
    assert await shop.jobs() == 0


async def test_a_verdict_that_is_not_delivered_yet_never_arrives_after_the_one_that_supersedes_it(shop: Shop) -> None:
    await shop.judged()
    await shop.push(LIE)
    await shop.judged()
    assert [one[1:3] for one in await sent(shop)] == [("pending", "Rejected")]


async def test_a_late_claim_that_agrees_is_kept_and_shown_and_changes_nothing(shop: Shop) -> None:
    first = await shop.judged()
    assert (await shop.push(HONEST + b" again")).late
    found = await shop.judged()
    assert len(found.pop("lateClaims")) == 1
    assert not first.pop("lateClaims")
    assert found == first
    assert (len(await sent(shop)), await shop.jobs()) == (1, 0)


async def test_the_same_late_claim_twice_is_answered_as_a_resend_and_changes_nothing_more(shop: Shop) -> None:
    await shop.judged()
    await shop.push(LIE)
    found = await shop.judged()
    receipt = await shop.push(LIE)
    assert (receipt.created, receipt.late) == (False, False)
    assert await shop.judged() == found


async def test_a_verdict_is_superseded_once_however_many_claims_contradict_it(shop: Shop) -> None:
    await shop.judged()
    await shop.push(LIE)
    found = await shop.judged()
    await shop.push(LIE + b" again")
    again = await shop.judged()
    assert len(again.pop("lateClaims")) == 2
    assert len(found.pop("lateClaims")) == 1
    assert again == found


async def test_two_workers_that_supersede_one_verdict_at_once_supersede_it_once(
    shop: Shop, opened: database.Database
) -> None:
    await shop.judged()
    version = (await shop.store.get(shop.run.id)).resource_version  # type: ignore[union-attr]
    rejected = a_verdict(shop.run, verdicts.VerdictResult.REJECTED)
    done = await asyncio.gather(*(decide(opened, rejected, [], version) for _ in range(4)))
    assert sorted(done) == [False, False, False, True]
    assert await kinds(shop) == ["attestation", "superseded-attestation", "superseded-vsa", "vsa"]


async def test_a_verdict_over_another_one_than_the_judge_saw_is_not_written(
    shop: Shop, opened: database.Database
) -> None:
    first = await shop.judged()
    rejected = a_verdict(shop.run, verdicts.VerdictResult.REJECTED)
    assert not await decide(opened, rejected, [], first["resourceVersion"] - 1)
    assert await shop.judged() == first


async def test_late_claims_of_two_pods_at_once_leave_one_superseding_verdict(shop: Shop) -> None:
    await shop.judged()
    receipts = await asyncio.gather(shop.push(LIE), shop.push(LIE + b" again"))
    await asyncio.gather(shop.judged(), shop.judged())
    found = await shop.judged()
    assert [receipt.late for receipt in receipts] == [True, True]
    assert (found["result"], len(found["lateClaims"]), len(await sent(shop))) == ("Rejected", 2, 1)


@pytest.mark.parametrize(
    "whose", [{"pod": "x", "pod_uid": "x"}, {"taskrun": "mine", "taskrun_uid": "mine-uid"}], ids=["pod", "TaskRun"]
)
async def test_nobody_beside_the_run_takes_its_verdict_away(shop: Shop, whose: dict[str, str]) -> None:
    await shop.judged()
    await shop.push(LIE, **whose)
    found = await shop.judged()
    assert (found["result"], len(found["lateClaims"])) == ("Passed", 1)


async def test_a_late_claim_for_a_run_that_was_deleted_is_refused_and_one_that_waits_with_it_ends_with_it(
    shop: Shop, opened: database.Database
) -> None:
    await shop.judged()
    await shop.push(LIE)
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == shop.run.id))
    with pytest.raises(errors.NotFound):
        await shop.push(LIE + b" again")
    while await shop.judge.batch() or await shop.judge.few():
        pass
    assert await shop.jobs() == 0


async def test_a_watcher_of_passed_runs_is_told_that_a_superseded_one_left(shop: Shop) -> None:
    since = (await shop.judged())["resourceVersion"]
    await shop.push(LIE)
    await shop.judged()
    async with shop.opened.transaction() as connection:
        (row,) = (await connection.execute(sa.select(tables.runs).where(tables.runs.c.id == shop.run.id))).all()
    told = {verdict: rundocuments.event(row, since, {"verdict": verdict}) for verdict in ("Passed", "Rejected")}
    assert told == {"Passed": "DELETED", "Rejected": "ADDED"}
    assert rundocuments.event(row, 0, {"verdict": "Passed"}) == ""
