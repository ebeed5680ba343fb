"""What the policies of a run's contract say of it: those of the revision that it is held to, before its verdict.

1. Each material is shown to every policy that judges materials of its name and type; then the attestation, as it is
   going to be signed, to the policies on it. Beside each of them stands the record of the run (`run_record`).
2. A policy that has no result, fails, takes too much or answers what no policy answers has not passed: its status is
   Error. It stops neither the other policies nor the run.
3. Scripts are those whose digests the revision names, whatever became of the objects since.
4. Of a few runs of one namespace, what their policies say of values is asked all at once (`foresee`), before the first
   of them is evaluated. Each is then evaluated as if it were alone, only that what it asks is remembered.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from avouch import digests, errors, kept, storable
from avouch.api import policy as kind
from avouch.contract import legacy, owed
from avouch.controlplane.judging import documents, examination, run_record
from avouch.controlplane.model import artifacts, policies, policyexceptions, verdicts
from avouch.materials import types as material_types
from avouch.policy import documents as shown_documents
from avouch.policy import evaluation, finding_types, rego, resolution, scripts

_log = logging.getLogger(__name__)

ALLOWED = 120.0  # seconds for all policies of one run, without those for which it waits until others are done
COMPILING = 120.0  # seconds beside those in which its scripts are compiled, once for all runs
EVALUATIONS = 1000  # of one run; of each policy one more says that it was not evaluated
_PAUSE = 20  # evaluations between which others have their turn
_SHOWN = 64 * 1024  # bytes of a value that is asked about together with others
_FORESEEING = 5.0  # seconds in which it is found out what can be asked together
VIOLATIONS = 1000  # of one run that its verdict keeps
_REMEMBERED = 8 * 1024 * 1024  # bytes of what revisions are held to and of their policies, as they are stored
_MESSAGE = 500  # characters of one message
_DESCRIPTION = 200  # characters of what an author says of a policy
_NOTHING: Mapping[str, Any] = {}  # is known of an attestation beside what it says itself
_FINDING = 2000  # characters of what one says beside its message


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the revision of a run is held to, and the policies that it names, by their digests."""

    owed: owed.Owed
    known: Mapping[str, kind.Policy]
    scripts: Mapping[str, Sequence[scripts.Script]]


Pins = kept.Bounded[str, Pinned]
"""What revisions are held to, by the digest of how it is recorded: each is read once."""


def pins() -> Pins:
    """Room for what revisions are held to."""
    return kept.Bounded(_REMEMBERED)


@dataclass(frozen=True, slots=True)
class Evaluating:
    """The use case, with the ports it needs.

    `pins`: of all runs that one process judges. `memory`: that of the engine, if it has one.
    """

    recorded: policies.Policies
    exceptions: policyexceptions.Exceptions
    engine: evaluation.Engine
    content: artifacts.Content
    reader: artifacts.Shows
    clock: Callable[[], float] = time.monotonic
    pins: Pins = field(default_factory=pins)
    memory: evaluation.Memory | None = None
    begun: "dict[uuid.UUID, _Run]" = field(default_factory=dict)
    compiled: set[str] = field(default_factory=set)  # scripts

    def of_few(self) -> "Evaluating":
        """The same for a few runs that are judged together: what a revision owes is read once for all of them."""
        return replace(self, recorded=_ReadOnce(self.recorded), begun={}, compiled=set())

    async def foresee(self, judged: Sequence[tuple[examination.Case, verdicts.Verdict]]) -> None:
        """Ask at once what the policies of runs of one namespace say of their values; nothing fails here."""
        if self.memory is None or len(judged) < 2:
            return
        asked: list[evaluation.Ahead] = []
        until = self.clock() + _FORESEEING
        for case, verdict in judged:
            try:
                run = _Run(self, case, await self._pinned(case), documents.described(case, verdict), until)
                run.read_record()
                asked += [one async for one in run.ahead()]
                self.begun[case.run.id] = run
            except errors.AvouchError as exc:
                _log.debug("nothing of run %s is asked together with others: %s", case.run.id, exc)
            await asyncio.sleep(0)
        await self.memory.foresee(judged[0][0].run.namespace_uid, asked)

    async def evaluated(
        self, case: examination.Case, verdict: verdicts.Verdict, keys: documents.Keys
    ) -> tuple[policies.Evaluation, ...]:
        """What every policy says of the run. `verdict`: what is known of its materials.

        Raises:
            errors.Corrupt: what the run is held to is not kept any more.
            errors.Unavailable: the engine, the database or the store cannot answer now.
        """
        evaluating = self.begun.pop(case.run.id, None)
        if evaluating is None or evaluating.case is not case:
            evaluating = _Run(self, case, await self._pinned(case), documents.described(case, verdict))
            evaluating.read_record()
        evaluating.until = self.clock() + ALLOWED
        await evaluating.compile()
        for found, known in evaluating.described:
            await evaluating.judge_material(found, known)
        if any(one.attestation for one in evaluating.pinned.owed.policies):
            so_far = replace(verdict, evaluations=tuple(evaluating.said))
            await evaluating.judge_attestation(documents.attested(case, so_far, keys))
        return _kept(evaluating.said)

    async def declared(self, case: examination.Case) -> tuple[policyexceptions.PolicyException, ...]:
        """The exceptions that are declared now; nobody is asked for a run that none would help.

        Raises:
            errors.Unavailable: the database cannot answer now.
        """
        if not any(one.gate and one.bad for one in case.evaluations or ()):
            return ()
        return tuple(await self.exceptions.of_workflow(case.run.namespace_uid, case.run.workflow))

    async def _pinned(self, case: examination.Case) -> Pinned:
        asked, run = case.plan, case.run
        uid = asked.contract_namespace_uid or run.namespace_uid
        form = await self.recorded.resolved(policies.Revision(uid, asked.contract, asked.revision))
        if not form:
            text = f"what the policies of contract {asked.contract}, revision {asked.revision}, say is not recorded"
            raise errors.Corrupt(text)
        digest = str(digests.of_bytes(form))
        if (known := self.pins.recall(digest)) is not None:
            return known
        found = owed.restore(form)
        wanted = frozenset(one.digest for one in found.policies)
        stored = await self.recorded.documents(wanted)
        if missing := sorted(wanted - stored.keys()):
            raise errors.Corrupt(f"policy {missing[0]} is not kept any more")
        named = {one: resolution.policy_of(text) for one, text in stored.items()}
        pinned = Pinned(found, named, {one: scripts.of(policy.spec) for one, policy in named.items()})
        self.pins.keep(digest, pinned, len(form) + sum(map(len, stored.values())))
        return pinned


@dataclass(slots=True)
class _Run:
    """The policies of one run, one after the other."""

    use: Evaluating
    case: examination.Case
    pinned: Pinned
    described: Sequence[tuple[verdicts.JudgedMaterial, Mapping[str, Any]]]
    until: float = 0.0
    questions: dict[tuple[int, int], evaluation.Question] = field(default_factory=dict)
    said: list[policies.Evaluation] = field(default_factory=list)
    allowance: artifacts.Allowance = field(default_factory=artifacts.Allowance)
    beside: Mapping[str, Any] = field(default_factory=dict)  # every document: the record of the run
    unshown: str = ""  # why that record cannot be shown
    refused: set[int] = field(default_factory=set)  # places of policies that were asked too often

    def read_record(self) -> None:
        """Read once what stands beside every document; where it cannot be shown, no policy is evaluated."""
        try:
            self.beside = shown_documents.of_run(run_record.shown(self.case))
        except errors.TooLarge as exc:
            self.unshown = str(exc)

    async def compile(self) -> None:
        """Have scripts compiled before the time of the run begins; they are remembered, and so is what fails."""
        began = self.use.clock()
        sources = dict.fromkeys(one.embedded for each in self.pinned.owed.policies for one in self._scripts(each))
        for source in (one for one in sources if one and one not in self.use.compiled):
            if self.use.clock() - began > COMPILING:
                break
            try:
                await self.use.engine.compiled(source)
            except errors.AvouchError as exc:
                if exc.retry:
                    raise
            except Exception:  # it fails again where its policy is evaluated: an error of that policy alone
                _log.debug("a script cannot be compiled", exc_info=True)
            self.use.compiled.add(source)
        self.until += min(self.use.clock() - began, COMPILING)

    async def ahead(self) -> AsyncIterator[evaluation.Ahead]:
        """What its policies are going to be asked about its values, as far as their scripts are compiled."""
        count = 0
        for found, known in self.described:
            if found.type not in material_types.VALUE_TYPES or len(found.value) > _SHOWN or self.unshown:
                continue
            document = await self._shown(found)
            for one in self._judging(found):
                count += 1
                if count > EVALUATIONS or self.use.clock() > self.until:
                    return
                question = self._question(one, known)
                for script in _About.of(found).judged_by(self._scripts(one)):
                    made = await self.use.engine.compiled(script.embedded)
                    if isinstance(made, rego.Compiled):
                        yield evaluation.Ahead(document, made, question.beside)

    def _question(self, one: owed.Bound, known: Mapping[str, Any]) -> evaluation.Question:
        """What a policy is asked; `known`: of the material, one of those that are described. Raises errors.Invalid."""
        key = id(one), id(known)
        if (found := self.questions.get(key)) is None:
            found, _ = evaluation.question(self.pinned.known[one.digest], dict(one.inputs), known, self.beside)
            self.questions[key] = found
        return found

    def _judging(self, found: verdicts.JudgedMaterial) -> Sequence[owed.Bound]:
        return [
            one
            for one in self.pinned.owed.policies
            if one.judges(found.name, found.type) and _About.of(found).judged_by(self._scripts(one))
        ]

    async def judge_material(self, found: verdicts.JudgedMaterial, known: Mapping[str, Any]) -> None:
        if judging := self._judging(found):
            await self._judge(judging, _About.of(found), known, lambda: self._shown(found))

    async def judge_attestation(self, statement: bytes) -> None:
        judging = [one for one in self.pinned.owed.policies if one.attestation]

        async def shown() -> bytes:
            return statement

        about = _About("", str(digests.of_bytes(statement)), scripts.ATTESTATION)
        await self._judge(judging, about, _NOTHING, shown)

    async def _judge(
        self,
        judging: Sequence[owed.Bound],
        about: "_About",
        known: Mapping[str, Any],
        shown: Callable[[], Awaitable[bytes]],
    ) -> None:
        """Show one document to its policies; where it cannot be shown, each of them is an error."""
        try:
            document = await shown()
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            self.said += [self._failed(one, about, str(exc)) for one in judging if not self._refuses(one, about)]
            return
        async with self.use.engine.document(self.case.run.namespace_uid, document) as asked:
            for one in judging:
                if len(self.said) % _PAUSE == 0:
                    await asyncio.sleep(0)  # what is remembered is answered without one
                if not self._refuses(one, about):
                    self.said.append(await self._said(one, about, known, asked))
            self.until += asked.waited  # others took that time

    def _refuses(self, one: owed.Bound, about: "_About") -> bool:
        """Whether the run has as many evaluations as it may: what each policy leaves out is said once."""
        if len(self.said) < EVALUATIONS:
            return False
        if id(one) not in self.refused:
            self.refused.add(id(one))
            reason = (
                f"not evaluated, neither here nor on what comes after it: a run has at most {EVALUATIONS} evaluations"
            )
            self.said.append(self._failed(one, about, reason))
        return True

    async def _said(
        self, one: owed.Bound, about: "_About", known: Mapping[str, Any], asked: evaluation.Asked
    ) -> policies.Evaluation:
        if self.use.clock() > self.until + asked.waited:
            return self._failed(
                one, about, f"not evaluated: the policies of one run have {ALLOWED:.0f} seconds together"
            )
        if self.unshown:
            return self._failed(one, about, self.unshown)
        try:
            return await self._evaluated(one, about, known, asked)
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            return self._failed(one, about, str(exc))
        except Exception as exc:
            _log.exception("policy %s could not be evaluated for run %s", one.policy, self.case.run.id)
            return self._failed(one, about, f"the evaluation failed: {type(exc).__name__}")

    async def _evaluated(
        self, one: owed.Bound, about: "_About", known: Mapping[str, Any], asked: evaluation.Asked
    ) -> policies.Evaluation:
        question = self._question(one, known)
        chosen = about.judged_by(self._scripts(one))
        if not chosen:
            return self._failed(one, about, f"none of its scripts judges {about.type}")
        question = replace(question, hosts=self.pinned.owed.hosts)
        found = await evaluation.asked_about(self.use.engine, asked, chosen, question)
        if found is None:
            return replace(self._evaluation(one, about), status=policies.Status.SKIPPED, reason="it ignores this input")
        status = (
            policies.Status.VIOLATED
            if found.violations
            else policies.Status.SKIPPED
            if found.skipped
            else policies.Status.PASSED
        )
        kept = tuple(
            policies.Violation(finding_types.bounded(each.message, _MESSAGE), _finding(each.finding))
            for each in found.violations[: policies.MOST]
        )
        more = found.more + len(found.violations) - len(kept)
        return replace(
            self._evaluation(one, about),
            status=status,
            reason=finding_types.bounded(found.skipped, _MESSAGE),
            violations=kept,
            more=more,
        )

    def _failed(self, one: owed.Bound, about: "_About", reason: str) -> policies.Evaluation:
        return replace(self._evaluation(one, about), reason=finding_types.bounded(reason, 2 * _MESSAGE))

    def _evaluation(self, one: owed.Bound, about: "_About") -> policies.Evaluation:
        """What is known before the policy is asked: which it is, by what of the contract, on what."""
        annotations = self.pinned.known[one.digest].metadata.annotations
        return policies.Evaluation(
            policy=one.policy,
            digest=one.digest,
            line=one.line,
            status=policies.Status.ERROR,
            reference=one.reference,
            description=finding_types.bounded(annotations.get(legacy.DESCRIPTION, ""), _DESCRIPTION),
            scripts=tuple(each.place for each in about.judged_by(self._scripts(one))),
            group=one.group,
            material=about.material,
            material_digest=about.digest,
            gate=one.gate,
            inputs=one.inputs,
            requirements=one.requirements,
        )

    def _scripts(self, one: owed.Bound) -> Sequence[scripts.Script]:
        return self.pinned.scripts[one.digest]

    async def _shown(self, found: verdicts.JudgedMaterial) -> bytes:
        """A material as scripts see it. Raises errors.Invalid, errors.Unavailable."""
        content, uid = await self._content(found), self.case.run.namespace_uid
        return await self.use.reader.show(found.type, content, namespace_uid=uid, allowance=self.allowance)

    async def _content(self, found: verdicts.JudgedMaterial) -> bytes:
        """The bytes of a material: what an attestation holds of it, else what the namespace stored.

        Raises:
            errors.Invalid: nothing keeps them.
        """
        if found.type in material_types.VALUE_TYPES:
            return found.value.encode()
        for said in self.case.said:
            for one in said.facts.materials if said.facts else ():
                if str(one.digest) == found.digest and one.content is not None:
                    return one.content
        content = bytearray()
        try:
            async for piece in self.use.content.get(
                digests.Digest.parse(found.digest), namespace_uid=self.case.run.namespace_uid
            ):
                content += piece
                if len(content) > shown_documents.MOST:
                    break  # as many bytes as say that there are too many
        except errors.NotFound as exc:
            fix = "let the material be uploaded: remove skipUpload from the contract"
            raise errors.Invalid(f"the content of material {found.name} is not kept", fix=fix) from exc
        return bytes(content)


class _ReadOnce:
    """Implements `policies.Policies` over another one: each revision is read once."""

    def __init__(self, recorded: policies.Policies) -> None:
        self._recorded = recorded
        self._known: dict[policies.Revision, bytes | None] = {}

    async def resolved(self, revision: policies.Revision) -> bytes | None:
        """What a revision owes."""
        if revision not in self._known:
            self._known[revision] = await self._recorded.resolved(revision)
        return self._known[revision]

    async def documents(self, digests: frozenset[str]) -> Mapping[str, bytes]:
        """Policies by their digests."""
        return await self._recorded.documents(digests)


@dataclass(frozen=True, slots=True)
class _About:
    """What is judged: the name of a material ("": the attestation), its digest and its type."""

    material: str
    digest: str
    type: str

    @classmethod
    def of(cls, found: verdicts.JudgedMaterial) -> Self:
        """A material."""
        return cls(found.name, found.digest, found.type)

    def judged_by(self, found: Iterable[scripts.Script]) -> Sequence[scripts.Script]:
        """The scripts that judge it: of phases only an attestation has more than one."""
        return [one for one in found if one.judges in ("", self.type) and (one.at_push or self.material)]


def _kept(said: Sequence[policies.Evaluation]) -> tuple[policies.Evaluation, ...]:
    """As many violations as one verdict keeps; the others are counted."""
    room, kept = VIOLATIONS, []
    for one in said:
        shown = one.violations[:room]
        room -= len(shown)
        kept.append(replace(one, violations=shown, more=one.more + len(one.violations) - len(shown)))
    return tuple(kept)


def _finding(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    text = storable.text(json.dumps(found, sort_keys=True))
    return text if len(text) <= _FINDING else ""
