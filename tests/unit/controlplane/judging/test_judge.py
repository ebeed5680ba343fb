"""Judging as an act: what does not answer now puts a run off, what kills workers ends it, never with a yes."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from avouch import digests, errors
from avouch.attestation import authority, bundle, identity, keysigned, predicate, signing, trust, vsa
from avouch.controlplane.judging import documents, verdict
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.model import artifacts, deliveries, external, verdicts
from avouch.controlplane.model import judging as judging_model
from tests.unasked import UNASKED
from tests.unit.attestation import builders
from tests.unit.controlplane.judging import tekton_cases as cases


@dataclass
class Queue:
    """Runs that wait, in memory; remembers what was settled, and whether it was in a batch."""

    batched: list[judging_model.Record] = field(default_factory=list)
    single: list[judging_model.Record] = field(default_factory=list)
    attachments: tuple[deliveries.AttachmentRecord, ...] = ()
    settled: list[judging_model.Outcome] = field(default_factory=list)
    refuses: set[uuid.UUID] = field(default_factory=set)  # runs whose verdict the database refuses, unless it is Error
    refuses_errors: bool = False  # verdicts Error, too
    failure: Exception | None = None
    failures: list[Exception] = field(default_factory=list)  # of the next times that it settles
    taken: judging_model.Taken = field(default_factory=judging_model.Taken)

    @contextlib.asynccontextmanager
    async def batch(self, limit: int) -> AsyncIterator[judging_model.Work]:
        self.taken = self._taken(self.batched[:limit])
        yield self

    @contextlib.asynccontextmanager
    async def few(self, limit: int) -> AsyncIterator[judging_model.Work]:
        self.taken = self._taken(self.single[:limit])
        yield self

    async def settle(self, outcomes: Sequence[judging_model.Outcome]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.failure is not None:
            raise self.failure
        for one in outcomes:
            refused = isinstance(one, judging_model.Decided) and one.run_id in self.refuses
            if refused and self.refuses_errors:
                raise errors.Invalid("the database refuses a value")
            if refused and one.signed.verdict.result is not verdicts.VerdictResult.ERROR:  # type: ignore[union-attr]
                raise errors.Invalid("the database refuses a value")
        self.settled += outcomes
        done = {one.run_id for one in outcomes}
        self.single += [each for each in self.batched if judging_model.Outside(each.run.id) in outcomes]
        self.batched = [each for each in self.batched if each.run.id not in done]
        self.single = [each for each in self.single if each.run.id not in done or each.run.id in self._alone(outcomes)]

    async def isolate(self, run_ids: Sequence[uuid.UUID]) -> None:
        self.single += [each for each in self.batched if each.run.id in run_ids]
        self.batched = [each for each in self.batched if each.run.id not in run_ids]

    def results(self) -> list[str]:
        return [one.signed.verdict.result.value for one in self.settled if isinstance(one, judging_model.Decided)]

    def _alone(self, outcomes: Sequence[judging_model.Outcome]) -> set[uuid.UUID]:
        return {one.run_id for one in outcomes if isinstance(one, judging_model.Outside)}

    def _taken(self, records: Sequence[judging_model.Record]) -> judging_model.Taken:
        return judging_model.Taken(tuple(records), {"team-a": self.attachments})


class Store:
    """The artifact store."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[str] = []
        self.read_: list[bytes] = []
        self.namespaces: set[str] = set()

    async def read(
        self, content: bytes, type_: str, *, namespace_uid: str = "", allowance: artifacts.Allowance | None = None
    ) -> artifacts.Checked:
        self.read_.append(content)
        self.namespaces.add(namespace_uid)
        return artifacts.Checked(True)

    async def check(
        self,
        digest: object,
        type_: str,
        *,
        namespace_uid: str = "",
        allowance: artifacts.Allowance | None = None,
    ) -> artifacts.Checked:
        self.asked.append(type_)
        self.namespaces.add(namespace_uid)
        if self.failure is not None:
            raise self.failure
        return artifacts.Checked(True)


class Clock:
    """A day after the runs were Done: the certificates of their claims have expired."""

    def now(self) -> object:
        return cases.LATER + timedelta(days=1)


def record(number: int = 0, *materials: object, crashes: int = 0, **changes: object) -> judging_model.Record:
    """A run that is Done and owes these materials."""
    plan = cases.planned(*materials).to_json()
    run = cases.run(id=uuid.UUID(int=100 + number), plan=plan, **changes)
    return judging_model.Record(run, cases.snapshot(cases.taskrun()), crashes=crashes)


ATTESTATION, PASSED, FAILED = (signing.KeySigner.generate() for _ in range(3))


def judge(queue: Queue, store: Store | None = None, root: trust.TrustRoot | None = None) -> judging.Judging:
    keys = documents.Keys(ATTESTATION, PASSED, FAILED, "https://verifier.example.com")
    return judging.Judging(queue, store or Store(), Clock(), root or trust.TrustRoot(()), keys, UNASKED)  # type: ignore[arg-type]


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> judging_model.Record:
    """A run with one claim, of a document whose bytes lie in the store."""
    said = cases.said(cases.file(), workflow_run_id=str(uuid.UUID(int=100)))
    monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: said)
    return replace(record(0, cases.asked()), claims=(said.claim,))


async def test_a_batch_is_decided_as_a_whole_and_only_what_owes_nothing_passes() -> None:
    queue = Queue(batched=[record(0, resource_version=7), record(1, cases.asked())])
    await judge(queue).batch()
    assert queue.results() == ["Passed", "Failed"]
    assert [one.over for one in queue.settled if isinstance(one, judging_model.Decided)] == [0, 0]


async def test_what_is_written_of_a_verdict_is_signed_with_the_key_of_its_result() -> None:
    good, bad = record(1), record(2, cases.asked())
    queue = Queue(batched=[good, bad, record(3)], refuses={uuid.UUID(int=103)})
    await judge(queue).batch()
    while queue.single:
        await judge(queue).few()
    found = {one.run_id.int: one.signed for one in queue.settled if isinstance(one, judging_model.Decided)}
    for number, result, key in ((101, "Passed", PASSED), (102, "Failed", FAILED), (103, "Error", FAILED)):
        signed = found[number]
        assert signed.verdict.result.value == result
        family = keysigned.Family.PASSED if key is PASSED else keysigned.Family.FAILED
        verified = keysigned.verify(signed.document(verdicts.VSA).bundle, {family: key.public_key_pem})
        assert vsa.passed(verified.statement) is (result == "Passed")


async def test_every_attachment_that_wants_the_verdict_gets_one_delivery_with_the_statement_digest() -> None:
    config: dict[str, object] = {"verdicts": ["Passed"]}
    wanting = deliveries.AttachmentRecord("team-a", "chat", "chat-uid", "chat", "webhook", config, workflow="app")
    other = replace(wanting, uid="other-uid", config={"verdicts": ["Failed"]})
    queue = Queue(batched=[record(0)], attachments=(wanting, other))
    (decided,) = await judge(queue).batch()
    assert isinstance(decided, judging_model.Decided)
    (sent,) = decided.deliveries
    assert sent.attachment_uid == "chat-uid"
    assert json.loads(sent.payload)["verdict"] == "Passed"
    assert [one.kind for one in decided.signed.documents] == ["attestation", "vsa"]


async def test_a_run_that_is_judged_already_or_has_not_ended_gets_no_verdict() -> None:
    judged, open_ = record(0, result=verdicts.VerdictResult.FAILED), replace(record(1), snapshot=None)
    queue = Queue(batched=[judged, open_])
    await judge(queue).batch()
    assert queue.settled == [judging_model.Settled(judged.run.id), judging_model.Settled(open_.run.id)]


async def test_a_run_whose_evidence_lies_in_the_store_leaves_the_batch_and_is_judged_alone(
    claimed: judging_model.Record,
) -> None:
    queue, store = Queue(batched=[claimed, record(1)]), Store()
    await judge(queue, store).batch()
    assert (queue.results(), store.asked) == (["Passed"], [])
    assert queue.settled[0] == judging_model.Outside(claimed.run.id)
    await judge(queue, store).few()
    assert (queue.results(), store.asked) == (["Passed", "Passed"], ["SBOM_CYCLONEDX_JSON"])


async def test_claims_that_can_hold_no_document_are_judged_in_the_batch(claimed: judging_model.Record) -> None:
    bare = record(0)
    queue, store = Queue(batched=[replace(claimed, run=bare.run)]), Store()
    await judge(queue, store).batch()
    assert (queue.results(), store.asked) == (["Passed"], [])


async def test_nothing_is_fetched_for_a_run_that_has_not_ended(claimed: judging_model.Record) -> None:
    queue, store = Queue(single=[replace(claimed, snapshot=None)]), Store()
    await judge(queue, store).few()
    assert (queue.settled, store.asked) == ([judging_model.Settled(claimed.run.id)], [])


async def test_a_store_that_does_not_answer_puts_the_run_off_and_decides_nothing(claimed: judging_model.Record) -> None:
    queue, store = Queue(single=[claimed]), Store()
    store.failure = errors.Unavailable("the store is away")
    await judge(queue, store).few()
    (later,) = queue.settled
    assert isinstance(later, judging_model.Later)
    assert later.at == judging.next_try(claimed.run, Clock().now())


async def test_a_run_over_which_workers_die_is_an_error_and_never_passes() -> None:
    queue = Queue(single=[record(crashes=judging_model.CRASHES)])
    (decided,) = await judge(queue).few()
    assert queue.results() == ["Error"]
    assert isinstance(decided, judging_model.Decided)
    (finding,) = decided.signed.verdict.findings
    assert finding.code == "JudgingFailed"
    assert "workers stopped" in finding.message
    queue = Queue(single=[record(crashes=judging_model.CRASHES - 1)])
    await judge(queue).few()
    assert queue.results() == ["Passed"]


async def test_one_verdict_that_the_database_refuses_never_fails_its_batch() -> None:
    queue = Queue(batched=[record(number) for number in range(4)], refuses={record(2).run.id})
    assert len(await judge(queue).batch()) == 4
    assert queue.settled == []
    while queue.single:
        await judge(queue).few()
    assert sorted(queue.results()) == ["Error", "Passed", "Passed", "Passed"]


async def test_one_verdict_that_the_database_refuses_takes_none_of_those_with_it_that_are_judged_beside_it() -> None:
    queue = Queue(single=[record(number) for number in range(4)], refuses={record(2).run.id})
    assert len(await judge(queue).few()) == 4
    assert queue.results() == ["Passed", "Passed", "Error", "Passed"]
    assert not queue.single


async def test_one_run_that_cannot_be_judged_takes_none_of_those_with_it_that_are_judged_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = verdict.examine

    def examine(case: object, now: object) -> object:
        if case.run.id == record(1).run.id:  # type: ignore[attr-defined]  # a case
            raise KeyError("a bug")
        return real(case, now)  # type: ignore[arg-type]  # a case and a moment

    monkeypatch.setattr(judging.verdict, "examine", examine)
    queue = Queue(single=[record(number) for number in range(3)])
    await judge(queue).few()
    assert queue.results() == ["Passed", "Error", "Passed"]


async def test_what_is_decided_is_written_before_a_slow_one_ends_and_who_waits_behind_it_is_taken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, queue = [0.0], Queue(single=[record(number) for number in range(4)])
    settled: list[int] = []
    real = judging.Judging._alone

    async def alone(self: judging.Judging, one: judging_model.Record, *rest: object) -> judging_model.Outcome:
        settled.append(len(queue.settled))
        now[0] += 100.0 if one.run.id == record(2).run.id else 0.6
        return await real(self, one, *rest)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(judging.Judging, "_alone", alone)
    slow = replace(judge(queue), monotonic=lambda: now[0])
    outcomes = await slow.few()
    assert settled == [0, 1, 2], "each was written while the next one was judged"
    assert queue.results() == ["Passed"] * 3
    assert outcomes[-1] == judging_model.Later(record(3).run.id, Clock().now())  # type: ignore[arg-type]  # a moment


async def test_runs_that_a_batch_did_not_read_leave_it() -> None:
    class Unread(Queue):
        def _taken(self, records: Sequence[judging_model.Record]) -> judging_model.Taken:
            return judging_model.Taken(outside=frozenset(one.run.id for one in records))

    queue = Unread(batched=[record(1)])
    assert await judge(queue).batch() == [judging_model.Outside(record(1).run.id)] == queue.settled


async def test_a_run_whose_verdict_error_is_refused_too_is_put_off_and_said(caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue(single=[record()], refuses={record().run.id}, refuses_errors=True)
    (later,) = await judge(queue).few()
    at = judging.next_try(record().run, Clock().now())  # type: ignore[arg-type]
    assert queue.settled == [later] == [judging_model.Later(record().run.id, at, "the database refuses a value")]
    assert f"the verdict Error on run {record().run.id} cannot be written" in caplog.text


async def test_the_reason_of_an_error_holds_no_character_that_the_database_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise errors.Invalid("no\0t this")

    monkeypatch.setattr(judging.verdict, "judge", refuse)
    (decided,) = await judge(Queue(batched=[record()])).batch()
    assert isinstance(decided, judging_model.Decided)
    assert [one.message for one in decided.signed.verdict.findings] == ["no\ufffdt this"]


async def test_a_database_that_does_not_answer_leaves_every_run_as_it_is() -> None:
    queue = Queue(batched=[record()], single=[record(1, crashes=judging_model.CRASHES)])
    queue.failure = errors.Unavailable("the database is away")
    for act in (judge(queue).batch, judge(queue).few):
        with pytest.raises(errors.Unavailable):
            await act()
    assert (len(queue.batched), len(queue.single), queue.settled) == (1, 1, [])


@pytest.mark.parametrize("how", ["batch", "few"])
@pytest.mark.parametrize("broken", [{"run": replace(cases.run(), plan="{")}, {"problem": "its claims cannot be read"}])
async def test_what_cannot_be_read_of_a_run_may_be_of_a_newer_version_and_is_error_after_an_hour(
    how: str, broken: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = replace(record(), **broken)
    unread = replace(unread, run=replace(unread.run, finished_at=Clock().now() - timedelta(minutes=50)))  # type: ignore[operator]
    queue = Queue(batched=[unread], single=[unread])
    await getattr(judge(queue), how)()
    (later,) = queue.settled
    assert isinstance(later, judging_model.Later)
    assert later.reason
    unread = replace(unread, run=replace(unread.run, finished_at=Clock().now() - timedelta(minutes=60)))  # type: ignore[operator]
    queue = Queue(batched=[unread, record(1)], single=[unread])
    await getattr(judge(queue), how)()
    assert queue.results() == (["Error", "Passed"] if how == "batch" else ["Error"])
    (said,) = queue.settled[0].signed.verdict.findings  # type: ignore[union-attr]
    assert said.code == "JudgingFailed"
    assert "plan" in said.message or "claims" in said.message


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(seconds=10)),
        (timedelta(minutes=4), timedelta(minutes=1)),
        (timedelta(days=3), timedelta(minutes=10)),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_the_older_an_unreadable_run_is_the_less_often_it_is_tried(
    age: timedelta, wait: timedelta, finished: bool
) -> None:
    began = cases.DONE - timedelta(minutes=4)
    times = {"created_at": began, "finished_at": cases.DONE} if finished else {"finished_at": None}
    assert judging.next_try(cases.run(**times), cases.DONE + age) == cases.DONE + age + wait


async def test_a_run_that_goes_on_is_not_looked_at_however_much_is_claimed_of_it(
    claimed: judging_model.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: pytest.fail("it was verified"))
    going_on = replace(claimed, run=replace(claimed.run, finished_at=None), snapshot=None)
    for queue, way in ((Queue(batched=[going_on]), "batch"), (Queue(single=[going_on]), "few")):
        (outcome,) = await getattr(judge(queue), way)()
        assert outcome == judging_model.Settled(going_on.run.id)


@dataclass(frozen=True)
class Signed:
    """An authority, and runs with one claim of a document that a pod or an external attester signed."""

    pki: builders.Pki
    record: judging_model.Record

    def judge(self, queue: Queue, store: Store | None = None) -> judging.Judging:
        return judge(queue, store, self.pki.trust)

    def claiming(self, **changes: object) -> judging_model.Record:
        """The run with its claim, of which something is another."""
        claim = replace(self.record.claims[0], **changes)  # type: ignore[arg-type]  # tests name the fields
        return replace(self.record, claims=(claim,))


ATTESTER = identity.TokenIdentity("team-a", "ci", "uid")


def signed(who: identity.Identity, **changes: object) -> Signed:
    pki = builders.pki()
    record_ = replace(record(0, cases.asked()), **changes)  # type: ignore[arg-type]  # tests name the fields
    said = cases.said(cases.file(), workflow_run_id=str(record_.run.id))
    leaf = authority.issue(pki.ca, signing.csr(pki.signer, "sidecar"), who, builders.NOW)
    assert said.facts is not None
    content = pki.bundle(predicate.build(said.facts), leaf=leaf)
    claim = replace(said.claim, run_id=record_.run.id, bundle=content, digest=bundle.digest(content))
    return Signed(pki, replace(record_, claims=(claim,)))


def of_a_pod() -> Signed:
    return signed(identity.PodIdentity("team-a", "default", "build-1-pod-uid", "build-1-uid"))


def of_an_attester(who: identity.Identity = ATTESTER) -> Signed:
    attester = external.Attester("AUTH_TYPE_API_TOKEN", "team-a/ci", ATTESTER.uris())
    lifetime = timedelta(hours=1)
    runner = external.Runner("TEKTON_PIPELINE")
    part = external.ExternalPart(uuid.UUID(int=100), attester, runner, "acme", cases.LATER, lifetime, "v0")
    return signed(who, external=part, snapshot=None)


@pytest.mark.parametrize("made", [of_a_pod, of_an_attester])
async def test_a_stored_claim_is_believed_as_of_the_moment_at_which_it_came(made: Callable[[], Signed]) -> None:
    found = made()
    queue = Queue(single=[found.record])
    await found.judge(queue).few()
    assert queue.results() == ["Passed"]


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": digests.of_bytes(b"another bundle")},
        {"pod_uid": "another-pod-uid"},
        {"service_account": "other"},
        {"received_at": cases.DONE + timedelta(days=1)},
        {"bundle": b"{}"},
    ],
)
async def test_a_stored_claim_that_is_no_longer_as_it_came_is_an_error(changes: dict[str, object]) -> None:
    found = of_a_pod()
    queue = Queue(single=[found.claiming(**changes)])
    await found.judge(queue).few()
    assert queue.results() == ["Error"]


async def test_the_claim_of_an_external_run_must_be_signed_by_the_attester_that_opened_it() -> None:
    found = of_an_attester(identity.TokenIdentity("team-a", "another", "uid"))
    queue = Queue(single=[found.record])
    await found.judge(queue).few()
    assert queue.results() == ["Error"]


async def test_a_document_of_an_external_run_is_looked_at_although_the_contract_does_not_name_it() -> None:
    found, store = of_an_attester(), Store()
    run = replace(found.record.run, plan=cases.planned().to_json())
    queue = Queue(single=[replace(found.record, run=run)])
    await found.judge(queue, store).few()
    assert (queue.results(), store.asked) == (["Passed"], [cases.SBOM])


@pytest.mark.parametrize(("type_", "times"), [("STRING", 1), (cases.SBOM, 2)])
async def test_a_verdict_is_worked_out_anew_only_where_documents_were_looked_at(
    claimed: judging_model.Record, monkeypatch: pytest.MonkeyPatch, type_: str, times: int
) -> None:
    calls, real = [], verdict.examine
    monkeypatch.setattr(verdict, "examine", lambda case, now: calls.append(case) or real(case, now))
    plan = claimed.run.plan.replace(cases.SBOM, type_)
    queue = Queue(single=[replace(claimed, run=replace(claimed.run, plan=plan))])
    await judge(queue).few()
    assert (len(queue.settled), len(calls)) == (1, times)


async def test_documents_are_looked_for_in_the_namespace_of_the_run(claimed: judging_model.Record) -> None:
    queue, store = Queue(single=[claimed]), Store()
    await judge(queue, store).few()
    assert store.namespaces == {"ns-uid"}


async def test_a_run_that_is_judged_already_is_not_judged_alone_either() -> None:
    judged = record(0, result=verdicts.VerdictResult.FAILED)
    queue = Queue(single=[judged])
    await judge(queue).few()
    assert queue.settled == [judging_model.Settled(judged.run.id)]


async def test_a_sidecar_that_works_is_waited_for_and_its_run_judged_then() -> None:
    shot = cases.snapshot(cases.taskrun(), injected=["build-1-pod-uid"], working=["build-1-pod-uid"])
    finished = Clock().now() - timedelta(seconds=20)  # type: ignore[operator]  # a moment
    working = replace(record(0, finished_at=finished), snapshot=shot)
    for queue, way in ((Queue(batched=[working]), "batch"), (Queue(single=[working]), "few")):
        store = Store()
        await getattr(judge(queue, store), way)()
        assert queue.settled == [judging_model.Later(working.run.id, finished + timedelta(seconds=60))]
        assert not store.asked


JUDGED_AT = cases.DONE + timedelta(minutes=2)


def late(monkeypatch: pytest.MonkeyPatch, digest: str, *, pod: str = "", **changes: object) -> judging_model.Record:
    """A run that passed with an honest claim, and a claim of such a file that came after it, of its pod or another."""
    run = str(uuid.UUID(int=100))
    honest = cases.said(cases.file(), workflow_run_id=run)
    after = cases.said(cases.file(digest), workflow_run_id=run, explicit=True, pod=pod or None, name=pod or None)
    told = {one.claim.digest: one for one in (honest, after)}
    monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: told[claim.digest])
    judged = {"result": verdicts.VerdictResult.PASSED, "judged_at": JUDGED_AT, "resource_version": 7}
    made = record(0, cases.asked(), **{**judged, **changes})
    return replace(made, claims=(honest.claim, after.claim), heard=frozenset({str(honest.claim.digest)}))


async def test_a_late_claim_that_contradicts_takes_the_verdicts_place_and_who_wanted_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config: dict[str, object] = {"verdicts": ["Passed"]}
    wanting = deliveries.AttachmentRecord("team-a", "chat", "chat-uid", "chat", "webhook", config, workflow="app")
    found, store = late(monkeypatch, cases.EVIL), Store()
    queue = Queue(single=[found], attachments=(wanting,))
    (decided,) = await judge(queue, store).few()
    assert isinstance(decided, judging_model.Decided)
    assert [one.code for one in decided.signed.verdict.findings] == ["MaterialContradicted", "VerdictSuperseded"]
    assert (queue.results(), decided.over, len(decided.deliveries)) == (["Rejected"], 7, 1)
    assert decided.signed.verdict.claims == tuple(str(one.digest) for one in found.claims)
    assert store.asked  # its documents are looked at like those of any verdict


@pytest.mark.parametrize(
    ("digest", "pod"), [(cases.GOOD, "somebodys-pod"), (cases.FILE, "")], ids=["of no pod of the run", "that agrees"]
)
async def test_a_late_claim_changes_nothing_and_nothing_is_fetched_for_it(
    digest: str, pod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, store = late(monkeypatch, digest, pod=pod), Store()
    queue = Queue(single=[found])
    await judge(queue, store).few()
    assert (queue.settled, store.asked) == ([judging_model.Settled(found.run.id)], [])


async def test_a_rejected_run_is_judged_no_more_and_another_once_a_claim_came_after_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for result, again in ((verdicts.VerdictResult.REJECTED, False), (verdicts.VerdictResult.FAILED, True)):
        found = late(monkeypatch, cases.EVIL, result=result)
        every = frozenset(str(one.digest) for one in found.claims)
        for heard, expected in ((found, again), (replace(found, heard=every), False)):
            if not expected:
                monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: pytest.fail("it was verified"))
            queue = Queue(single=[heard])
            await judge(queue).few()
            assert queue.results() == (["Rejected"] if expected else [])


async def test_a_judged_run_keeps_its_verdict_where_late_claims_cannot_be_judged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = late(monkeypatch, cases.EVIL)
    broken = replace(found, run=replace(found.run, plan="{"))
    queue = Queue(single=[broken])
    await judge(queue).few()
    assert queue.settled == [judging_model.Settled(found.run.id)]
    assert "keeps its verdict" in caplog.text


@pytest.mark.parametrize(("failure", "traced"), [(errors.Invalid("a known reason"), False), (KeyError("a bug"), True)])
async def test_a_run_that_cannot_be_judged_is_an_error_and_only_a_bug_leaves_its_trace_in_the_log(
    failure: Exception, traced: bool, claimed: judging_model.Record, caplog: pytest.LogCaptureFixture
) -> None:
    just_now = replace(claimed.run, finished_at=Clock().now())  # type: ignore[arg-type]  # a moment
    store, queue = Store(), Queue(single=[replace(claimed, run=just_now)])
    store.failure = failure
    await judge(queue, store).few()
    assert queue.results() == ["Error"]  # at once: no newer version would do better
    (decided,) = queue.settled
    assert isinstance(decided, judging_model.Decided)
    (finding,) = decided.signed.verdict.findings
    assert finding.message == ("KeyError" if traced else "a known reason")  # what a bug says is for the log
    assert ("Traceback" in caplog.text) is traced


@pytest.mark.parametrize("failure", [errors.Invalid("the database refuses a value"), ValueError("of a driver")])
async def test_a_verdict_that_cannot_be_written_is_an_error_and_a_database_that_is_away_decides_nothing(
    failure: Exception,
) -> None:
    away, queue = errors.Unavailable("the database is away"), Queue(single=[record()])
    for first in (away, failure):  # of the verdict, of the verdict Error that stands for it
        queue.failures = [away] if first is away else [first, away]
        with pytest.raises(errors.Unavailable):
            await judge(queue).few()
        assert queue.settled == []
    queue.failures = [failure]
    await judge(queue).few()
    assert queue.results() == ["Error"]


async def test_a_batch_that_fails_for_whatever_reason_is_judged_one_by_one() -> None:
    queue = Queue(batched=[record()], failure=ValueError("of a driver"))
    assert await judge(queue).batch() == [judging_model.Outside(record().run.id)]
    assert (queue.settled, [one.run.id for one in queue.single]) == ([], [record().run.id])


@pytest.mark.parametrize(
    ("changes", "read", "asked"),
    [
        ({"storage": "inline", "content": b"{}"}, [b"{}"], []),
        ({"storage": "inline", "content": None}, [], [cases.SBOM]),
        ({"storage": "uploaded", "content": b"{}"}, [], [cases.SBOM]),
    ],
)
async def test_a_document_is_read_from_the_attestation_that_holds_it_and_else_from_the_store(
    changes: dict[str, object], read: list[bytes], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = cases.said(replace(cases.file(), **changes), workflow_run_id=str(uuid.UUID(int=100)))  # type: ignore[arg-type]
    monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: said)
    store = Store()
    await judge(Queue(single=[replace(record(0, cases.asked()), claims=(said.claim,))]), store).few()
    assert (store.read_, store.asked) == (read, asked)


async def test_only_what_may_be_a_document_is_looked_at_and_only_where_its_claim_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = str(uuid.UUID(int=100))
    good = cases.said(cases.file(), cases.claimed_image(), cases.file(cases.EVIL, "unasked"), workflow_run_id=run)
    lost = cases.said(facts=False)
    told = {one.claim.digest: one for one in (good, lost)}
    monkeypatch.setattr(judging.Judging, "_read", lambda self, claim, case: told[claim.digest])
    found = replace(record(0, cases.asked(), cases.image()), claims=(lost.claim, good.claim))
    store, queue = Store(), Queue(single=[found])
    await judge(queue, store).few()
    assert (store.asked, queue.results()) == ([cases.SBOM], ["Error"])


async def test_an_external_run_that_goes_on_is_looked_at_again_when_it_would_expire() -> None:
    found = of_an_attester()
    run = replace(found.record.run, finished_at=None)
    part = replace(found.record.external, expires_at=Clock().now() + timedelta(hours=1))  # type: ignore[type-var,operator]
    waiting = replace(found.record, run=run, external=part, claims=())
    queue = Queue(batched=[waiting])
    await found.judge(queue).batch()
    assert queue.settled == [judging_model.Later(run.id, part.expires_at)]


async def test_between_two_runs_and_two_claims_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def turns(judging_: Callable[[], object]) -> int:
        taken = 0

        async def other() -> None:
            nonlocal taken
            while True:
                taken += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await judging_()  # type: ignore[misc]
        beside.cancel()
        return taken

    assert await turns(judge(Queue(batched=[record(number) for number in range(5)])).batch) >= 5
    found = late(monkeypatch, cases.EVIL)
    many = replace(found, claims=found.claims * 5)
    assert await turns(judge(Queue(single=[many])).few) >= 10


async def test_an_external_run_leaves_the_batch_whatever_its_contract_asks_for() -> None:
    found = of_an_attester()
    free = replace(found.record, run=replace(found.record.run, plan=cases.planned().to_json()))
    queue, store = Queue(batched=[free]), Store()
    await found.judge(queue, store).batch()
    assert (queue.settled, store.asked) == ([judging_model.Outside(free.run.id)], [])


async def test_where_nothing_waits_nothing_is_written() -> None:
    assert await judge(Queue(failure=ValueError("it was written"))).few() == ()
