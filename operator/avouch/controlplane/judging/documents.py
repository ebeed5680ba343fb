"""What is signed for a verdict: the run's own attestation and the verification summary. Pure but for the keys."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from avouch import digests, plan, rfc3339
from avouch.api import vocabulary
from avouch.attestation import bundle, dsse, materials, predicate, signing, statement, uris, vsa
from avouch.controlplane.judging import examination, policyfields, tekton_run
from avouch.controlplane.model import runs, verdicts
from avouch.controlplane.model.verdicts import Evidence, VerdictResult

TEKTON = vocabulary.RunnerType.TEKTON_PIPELINE
LEVEL = "AVOUCH_CONTRACT_SATISFIED"
EVIDENCE_LEVELS = {  # where the evidence of a PASSED verdict came from; a run without evidence never passes
    Evidence.SIDECAR: "AVOUCH_EVIDENCE_SIDECAR",
    Evidence.STEP: "AVOUCH_EVIDENCE_STEP",
    Evidence.TASKRUN: "AVOUCH_EVIDENCE_TASKRUN",
    Evidence.CLI: "AVOUCH_EVIDENCE_CLI",
}
BUILDER = "https://avouch.dev/worker"
_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)
_COMMIT_BYTES = 16 * 1024  # of what is told of a commit: message, author, remotes


@dataclass(frozen=True, slots=True)
class Keys:
    """One key per family: a FAILED verdict is never signed with the key that admission trusts for PASSED."""

    attestation: signing.Signer
    passed: signing.Signer
    failed: signing.Signer
    verifier_id: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What the documents are written from: the judged case, its claims as facts, and what was signed before."""

    case: examination.Case
    verdict: verdicts.Verdict
    claims: tuple[examination.ReadClaim, ...]
    facts: predicate.AttestationFacts
    keys: Keys
    signed: tuple[verdicts.Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement and who signs it."""

    kind: str
    predicate_type: str
    statement: bytes
    signer: signing.Signer


def seal(case: examination.Case, verdict: verdicts.Verdict, keys: Keys) -> verdicts.SignedVerdict:
    """Sign every document of a verdict, in the order of `DOCUMENTS`."""
    basis = _basis(case, verdict, keys)
    for write in DOCUMENTS:
        draft = write(basis)
        document = verdicts.Document(
            draft.kind, draft.predicate_type, draft.statement, _bundle(draft.signer, draft.statement)
        )
        basis = replace(basis, signed=(*basis.signed, document))
    return verdicts.SignedVerdict(verdict, basis.signed)


def described(
    case: examination.Case, verdict: verdicts.Verdict
) -> list[tuple[verdicts.JudgedMaterial, dict[str, object]]]:
    """Every material with the descriptor that the attestation has of it; {} where it has none."""
    taken = {material.name for material in case.plan.materials}
    found = [(one, _material(one, _free(one.name, taken, index))) for index, one in _numbered(verdict.materials)]
    return [(one, statement.to_dict(materials.descriptor(made)) if made else {}) for one, made in found]


def attested(case: examination.Case, verdict: verdicts.Verdict, keys: Keys) -> bytes:
    """The statement of a run's attestation, as policies on it see it: without what they say themselves."""
    return attestation(_basis(case, verdict, keys)).statement


def _basis(case: examination.Case, verdict: verdicts.Verdict, keys: Keys) -> Basis:
    claims = case.said if case.external is not None else tekton_run.counting_claims(case)
    return Basis(case, verdict, claims, _facts(case, verdict, [said.claim for said in claims]), keys)


def attestation(basis: Basis) -> Draft:
    """The run's own attestation: what it delivered, in Chainloop's predicate."""
    return Draft(verdicts.ATTESTATION, predicate.TYPE, predicate.build(basis.facts), basis.keys.attestation)


def summary(basis: Basis) -> Draft:
    """The verdict as a SLSA verification summary, over the claims and everything that was signed before it."""
    case, verdict, keys = basis.case, basis.verdict, basis.keys
    passed = verdict.result is VerdictResult.PASSED
    inputs = [vsa.InputAttestation(said.claim.digest, said.claim.received_at) for said in basis.claims]
    inputs += [vsa.InputAttestation(bundle.digest(one.bundle), verdict.judged_at) for one in basis.signed]
    found = basis.facts.materials
    outputs = tuple(materials.subject(each) for each in found if materials.is_subject(each))
    asked, run = case.plan, case.run
    facts = vsa.VsaFacts(
        verifier_id=keys.verifier_id,
        time_verified=verdict.judged_at,
        resource_uri=str(uris.Named(run.namespace, "workflows", run.workflow, run.namespace_uid)),
        policy_uri=str(_contract(run, asked)),
        policy_digest=digests.Digest.parse(asked.contract_digest),
        inputs=tuple(inputs),
        passed=passed,
        levels=(LEVEL, EVIDENCE_LEVELS[verdict.evidence]) if passed else (),
        subjects=outputs or (vsa.run_subject(run.name, predicate.record_digest(basis.facts)),),
        replaces=digests.Digest.parse(case.standing.digest) if case.standing and case.standing.digest else None,
        reevaluation=_asked(case),
    )
    return Draft(verdicts.VSA, vsa.TYPE, vsa.build(facts), keys.passed if passed else keys.failed)


def _contract(run: runs.Run, asked: plan.Plan) -> uris.Named:
    """The contract in its own namespace; plans of before it was recorded were of the run's."""
    where = (asked.contract_namespace, asked.contract_namespace_uid)
    namespace, uid = where if asked.contract_namespace else (run.namespace, run.namespace_uid)
    return uris.Named(namespace, "contracts", f"{asked.contract}@{asked.revision}", uid)


def _asked(case: examination.Case) -> vsa.Reevaluation | None:
    """What is signed of a reevaluation, with the revision under which the run was opened."""
    about, run = case.reevaluation, case.run
    if about is None:
        return None
    pinned = str(_contract(run, run.pinned()))
    return vsa.Reevaluation(about.by, about.asked_at, about.reason, pinned, digests.Digest.parse(run.contract_digest))


def _server(case: examination.Case) -> dict[str, object]:
    """What only the server knows: who attested, and who had the run judged again."""
    found: dict[str, object] = {}
    if case.external is not None:
        found["auth"] = {"id": case.external.attester.id, "type": case.external.attester.type}
    if (about := case.reevaluation) is not None:
        run = case.run
        opened = {"name": run.contract, "revision": str(run.revision), "digest": run.contract_digest}
        asked = {"askedBy": about.by, "askedAt": rfc3339.write(about.asked_at), "reason": about.reason}
        found["reevaluation"] = {**asked, "replaces": about.replaces, "openedUnder": opened}
    return found


DOCUMENTS: tuple[Callable[[Basis], Draft], ...] = (
    attestation,  # what the run delivered
    summary,  # the verdict on it: the last one, for its inputs are all others
)


def _bundle(signer: signing.Signer, content: bytes) -> bytes:
    envelope = signing.sign_envelope(signer, dsse.IN_TOTO, content)
    return bundle.to_bytes(bundle.Bundle(envelope, key_hint=signer.keyid))


def _facts(case: examination.Case, verdict: verdicts.Verdict, claims: list[runs.Claim]) -> predicate.AttestationFacts:
    asked = case.plan
    taken = {material.name for material in asked.materials}
    found = [_material(one, _free(one.name, taken, index)) for index, one in _numbered(verdict.materials)]
    return predicate.AttestationFacts(
        metadata=_metadata(case, verdict.judged_at),
        builder_id=BUILDER,
        runner=_runner(case),
        materials=(*(one for one in found if one is not None), *(_claim(claim) for claim in claims)),
        env=verdict.env,
        annotations=verdict.annotations,
        git_head=_commit(case),
        policy=policyfields.of(verdict.evaluations) if case.plan.has_policies else {},
        server=_server(case),
    )


def _commit(case: examination.Case) -> statement.ResourceDescriptor | None:
    """The commit of an external run, as its attester says; the commit of a Tekton run comes from a material.

    Nothing that an attester writes may keep its run from being sealed: without a hash there is no commit, and what is
    told of it is left out where it is long.
    """
    head = next((said.facts.git_head for said in case.said if said.facts is not None), None)
    if case.external is None or head is None:
        return None
    commit = head.digest.get("sha1", "")
    short = len(json.dumps(dict(head.annotations))) <= _COMMIT_BYTES
    return predicate.git_head(commit, head.annotations if short else {}) if _SHA1.fullmatch(commit) else None


def _runner(case: examination.Case) -> predicate.Runner:
    """Only what the cluster's record or a verified token proves; what a client says of its runner is in its claim."""
    if case.external is None:
        return predicate.Runner(str(TEKTON), environment="self-hosted", authenticated=True)
    told = case.external.runner
    if not told.authenticated:
        return predicate.Runner("", environment="unknown")
    return predicate.Runner(told.type, told.proven_url, told.environment, True, told.workflow_file_path)


def _numbered(found: tuple[verdicts.JudgedMaterial, ...]) -> list[tuple[int, verdicts.JudgedMaterial]]:
    """Each with how many of its name came before: a matrix delivers several."""
    return [(sum(other.name == one.name for other in found[:at]), one) for at, one in enumerate(found)]


def _free(name: str, taken: set[str], index: int) -> str:
    """`sbom`, then `sbom-1`, `sbom-2`: as Chainloop names several of one; never the name of another material."""
    if index == 0:
        return name
    while f"{name}-{index}" in taken:
        index += 1
    taken.add(f"{name}-{index}")
    return f"{name}-{index}"


def _material(found: verdicts.JudgedMaterial, name: str) -> materials.Material | None:
    """None for an image whose digest is no digest: the finding says so, an attestation cannot."""
    content = found.value.encode() if found.type == materials.STRING else None
    digest = digests.of_bytes(content) if content is not None else _parsed(found)
    if digest is None:
        return None
    return materials.Material(
        name=name,
        type=found.type,
        digest=digest,
        resource="" if content is not None else found.filename or found.value,
        content=content,
        size=found.size or None,
        output=found.output,
        storage="uploaded" if found.uploaded else "none",
        extracted=found.extracted,
        annotations=found.annotations,
    )


def _parsed(found: verdicts.JudgedMaterial) -> digests.Digest | None:
    unusable = not digests.well_formed(found.digest) or not (found.filename or found.value)
    return None if unusable else digests.Digest.parse(found.digest)


def _claim(claim: runs.Claim) -> materials.Material:
    name = f"claim-{claim.digest.hex[:12]}"
    return materials.Material(name, "ATTESTATION", claim.digest, resource=f"{claim.taskrun or 'claim'}.sigstore.json")


def _metadata(case: examination.Case, finished: datetime) -> predicate.Metadata:
    run, asked, external = case.run, case.plan, case.external
    return predicate.Metadata(
        name=run.workflow,
        workflow_name=run.workflow,
        workflow_id=run.key.workflow_uid,
        workflow_run_id=str(run.id),
        project=asked.project or run.namespace,
        organization=external.organization if external else "",
        project_version=external.version if external else "",
        project_version_prerelease=external is not None and external.prerelease and not external.release,
        contract_name=asked.contract,
        contract_version=str(asked.revision),
        initialized_at=run.created_at,
        finished_at=run.finished_at or finished,
        team=asked.team,
    )
