"""What the policies of a run's contract say of it: those of the revision that it is held to, before its verdict.

1. Each material is shown to every policy that judges materials of its name and type; then the attestation, as it is
   going to be signed, to the policies on it. Beside each of them stands the record of the run (`run_record`).
2. A policy that has no result, fails, takes too much or answers what no policy answers has not passed: its status is
   Error. It stops neither the other policies nor the run.
3. Scripts are those whose digests the revision names, whatever became of the objects since.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from avouch import digests, errors, kept, storable
from avouch.api import policy as kind
from avouch.contract import legacy, owed
from avouch.controlplane.judging import documents, examination, run_record
from avouch.controlplane.model import artifacts, policies, policyexceptions, verdicts
from avouch.materials import types as material_types
from avouch.policy import documents as shown_documents
from avouch.policy import evaluation, finding_types, resolution, scripts

_log = logging.getLogger(__name__)

ALLOWED = 120.0  # seconds for all policies of one run, without those for which it waits until others are done
EVALUATIONS = 1000  # of one run
VIOLATIONS = 1000  # of one run that its verdict keeps
_REMEMBERED = 8 * 1024 * 1024  # bytes of what revisions are held to and of their policies, as they are stored
_MESSAGE = 500  # characters of one message
_DESCRIPTION = 200  # characters of what an author says of a policy
_FINDING = 2000  # characters of what one says beside its message


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the revision of a run is held to, and the policies that it names, by their digests."""

    owed: owed.Owed
    known: Mapping[str, kind.Policy]


Pins = kept.Bounded[str, Pinned]
"""What revisions are held to, by the digest of how it is recorded: each is read once."""


def pins() -> Pins:
    """Room for what revisions are held to."""
    return kept.Bounded(_REMEMBERED)


@dataclass(frozen=True, slots=True)
class Evaluating:
    """The use case, with the ports it needs. `pins`: of all runs that one process judges."""

    recorded: policies.Policies
    exceptions: policyexceptions.Exceptions
    engine: evaluation.Engine
    content: artifacts.Content
    reader: artifacts.Shows
    clock: Callable[[], float] = time.monotonic
    pins: Pins = field(default_factory=pins)

    async def evaluated(
        self, case: examination.Case, verdict: verdicts.Verdict, keys: documents.Keys
    ) -> tuple[policies.Evaluation, ...]:
        """What every policy says of the run. `verdict`: what is known of its materials.

        Raises:
            errors.Corrupt: what the run is held to is not kept any more.
            errors.Unavailable: the engine, the database or the store cannot answer now.
        """
        pinned = await self._pinned(case)
        evaluating = _Run(self, case, pinned, self.clock() + ALLOWED)
        evaluating.read_record()
        for found, known in documents.described(case, verdict):
            await evaluating.judge_material(found, known)
        if any(one.attestation for one in pinned.owed.policies):
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
        pinned = Pinned(found, {one: resolution.policy_of(text) for one, text in stored.items()})
        self.pins.keep(digest, pinned, len(form) + sum(map(len, stored.values())))
        return pinned


@dataclass(slots=True)
class _Run:
    """The policies of one run, one after the other."""

    use: Evaluating
    case: examination.Case
    pinned: Pinned
    until: float
    said: list[policies.Evaluation] = field(default_factory=list)
    allowance: artifacts.Allowance = field(default_factory=artifacts.Allowance)
    beside: Mapping[str, Any] = field(default_factory=dict)  # every document: the record of the run
    unshown: str = ""  # why that record cannot be shown

    def read_record(self) -> None:
        """Read once what stands beside every document; where it cannot be shown, no policy is evaluated."""
        try:
            self.beside = shown_documents.of_run(run_record.shown(self.case))
        except errors.TooLarge as exc:
            self.unshown = str(exc)

    async def judge_material(self, found: verdicts.JudgedMaterial, known: Mapping[str, Any]) -> None:
        about = _About(found.name, found.digest, found.type)
        judging = [
            one
            for one in self.pinned.owed.policies
            if one.judges(found.name, found.type) and about.judged_by(self._scripts(one))
        ]
        if judging:
            await self._judge(judging, about, known, lambda: self._shown(found))

    async def judge_attestation(self, statement: bytes) -> None:
        judging = [one for one in self.pinned.owed.policies if one.attestation]

        async def shown() -> bytes:
            return statement

        about = _About("", str(digests.of_bytes(statement)), scripts.ATTESTATION)
        await self._judge(judging, about, {}, shown)

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
            self.said += [self._failed(one, about, str(exc)) for one in judging]
            return
        async with self.use.engine.document(self.case.run.namespace_uid, document) as asked:
            for one in judging:
                self.said.append(await self._said(one, about, known, asked))
            self.until += asked.waited  # others took that time

    async def _said(
        self, one: owed.Bound, about: "_About", known: Mapping[str, Any], asked: evaluation.Asked
    ) -> policies.Evaluation:
        if len(self.said) >= EVALUATIONS:
            return self._failed(one, about, f"not evaluated: a run has at most {EVALUATIONS} evaluations")
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
        policy = self.pinned.known[one.digest]
        question, _ = evaluation.question(policy, dict(one.inputs), known, self.beside)
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
        return scripts.of(self.pinned.known[one.digest].spec)

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


@dataclass(frozen=True, slots=True)
class _About:
    """What is judged: the name of a material ("": the attestation), its digest and its type."""

    material: str
    digest: str
    type: str

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
