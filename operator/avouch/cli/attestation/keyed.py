"""What the server signed with a key: verdicts (SLSA verification summaries), and its own attestation of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from avouch import digests, errors
from avouch.attestation import bundle as bundles
from avouch.attestation import keysigned, predicate, signing, statement, trustroot, uris, vsa
from avouch.cli import failures, output, session
from avouch.cli.attestation import common
from avouch.crafting import adding

ATTESTATION, VERDICT = "attestation", "verdict"
EXPECTED = ("13 expectation", "of the type, namespace, workflow, artifact and verifier that were asked for")
STEPS = (
    ("1 size", "no larger than a bundle may be"),
    ("2 bundle", "strict JSON, a known media type, a key and no certificate"),
    ("12 family", "a trusted key for this kind of statement"),
    ("3 one signature", "exactly one"),
    ("4 payload type", "an in-toto statement"),
    ("9 signature", "by that key, over exactly these bytes"),
    ("10 statement", "an in-toto statement v1 with subjects and digests"),
    ("11 predicate type", "an attestation, or a verification summary"),
    EXPECTED,
)
_KEYS = "give --trust FILE, as avouch trust export writes it, or --key {0}=FILE"


class About(NamedTuple):
    """What a statement is, and what it is about."""

    type: str
    namespace: str
    workflow: str
    subjects: tuple[statement.ResourceDescriptor, ...]
    verifier: str = ""
    namespace_uid: str = ""
    levels: tuple[str, ...] = ()


def has_certificate(content: bytes) -> bool | None:
    """Whether an attester's certificate signed a bundle; None if it cannot be read, which the first steps refuse."""
    try:
        return bundles.parse(content).certificate is not None
    except errors.AvouchError:
        return None


def document(name: str) -> trustroot.Document | None:
    """The trust root in a file; None if it holds something else than JSON. Raises errors.Invalid."""
    with Path(name).open("rb") as file:
        content = file.read(trustroot.MAX_BYTES + 1)
    return trustroot.Document.parse(content) if content.lstrip().startswith(b"{") else None


def hint(content: bytes) -> str:
    """The name of the key that a bundle gives; what cannot be read is refused by the first steps."""
    try:
        found = bundles.parse(content)
    except errors.AvouchError:
        return ""
    return found.key_hint or next((each.keyid for each in found.envelope.signatures), "")


def verify(
    started: session.Session, content: bytes, said: Mapping[str, Any], trusted: tuple[trustroot.Document, ...] = ()
) -> int:
    """Verify a bundle that the server signed, with keys that are named or of trust roots; the exit code."""
    try:
        listed = {family: pem for each in trusted for family, pem in each.keys_for(hint(content)).items()}
        verified = keysigned.verify(content, {**listed, **_keys(said["keys"])})
        told = told_of(verified)
        if said["identities"] or said["identity_regexp"]:
            raise errors.NotVerified(EXPECTED[0], "it is signed by a key of the server, not by an attester")
        check(told.about, started.options.namespace, said)
    except errors.NotVerified as exc:
        _show_steps(said["form"], exc, {"bundle": str(bundles.digest(content))})
        missing = exc.step.startswith("12") and exc.reason.endswith("is trusted")
        fix = _KEYS.format(exc.reason.split()[2].rstrip(",")) if missing else ""
        failures.show(started, f"NOT VERIFIED: step {exc.step}: {exc.reason}", fix=fix)
        return failures.FAILED
    _show_steps(said["form"], None, told.document)
    if said["moment"]:
        common.note(started, "--at was not used: it is for certificates, and a key has no time")
    if said["form"] == "table":
        click.echo()
        output.facts(list(told.facts))
    if verified.family is keysigned.Family.FAILED:
        failures.show(started, "the verdict is FAILED; its signature is good")
        return failures.VERDICT
    return failures.OK


def check(about: About, namespace: str, said: Mapping[str, Any]) -> None:
    """Hold what a statement is about against what was asked for; what was not asked for passes.

    Raises:
        NotVerified: it is about something else, or another installation judged.
    """
    for what, wanted, found in (
        ("type", said["type"], about.type),
        ("namespace", namespace, about.namespace),
        ("namespace's UID", said["namespace_uid"], about.namespace_uid),
        ("workflow", said["workflow"], about.workflow),
        ("verifier", said["verifier"], about.verifier),
    ):
        if wanted and wanted != found:
            raise errors.NotVerified(EXPECTED[0], f"the {what} is {found or 'not named'}, expected {wanted}")
    for level in said["levels"]:
        if level not in about.levels:
            named = ", ".join(about.levels) or "none"
            raise errors.NotVerified(EXPECTED[0], f"{level} was not verified, but {named}")
    if said["subject"]:
        wanted = _subject(said["subject"])
        if all(each.digest.get("sha256") != wanted.hex for each in about.subjects):
            names = ", ".join(each.name for each in about.subjects) or "there is none"
            raise errors.NotVerified(EXPECTED[0], f"none of its subjects is {wanted}: {names}")


class Told(NamedTuple):
    """What is shown of a verified statement."""

    about: About
    facts: tuple[tuple[str, str], ...]
    document: Mapping[str, object]


def told_of(verified: keysigned.Verified) -> Told:
    """What is shown of a bundle that was verified."""
    key = f"the server's key for {verified.family}, {verified.keyid}"
    head = (("Verified", str(verified.digest)), ("Signed by", key))
    document = {"bundle": str(verified.digest), "family": str(verified.family), "keyId": verified.keyid}
    of = _told_attestation if verified.family is keysigned.Family.ATTESTATION else _told_verdict
    told = of(verified.statement)
    return told._replace(facts=(*head, *told.facts), document={**document, **told.document})


def attested(found: statement.Statement) -> predicate.AttestationFacts:
    """What a verified statement attests.

    Raises:
        Invalid: the signature is good, and what was signed says nothing of a run.
    """
    try:
        return predicate.read(found)
    except errors.Invalid as exc:
        where = f"predicate.{exc.field}" if exc.field else "predicate"
        message = f"every step passed, but what was signed is no attestation of a run: {exc.args[0]}"
        raise errors.Invalid(
            message, field=where, fix="ask its signer for the attestation that the run pushed"
        ) from exc


def _told_attestation(found: statement.Statement) -> Told:
    said = attested(found).metadata
    contract = f"{said.contract_name}, revision {said.contract_version}"
    facts = (
        ("Project", said.project), ("Workflow", said.workflow_name), ("Run", said.workflow_run_id),
        ("Contract", contract),
    )  # fmt: skip
    document = {
        "type": ATTESTATION, "project": said.project, "workflow": said.workflow_name, "run": said.workflow_run_id,
        "contract": contract,
    }  # fmt: skip
    return Told(About(ATTESTATION, said.project, said.workflow_name, found.subjects), facts, document)


def _told_verdict(found: statement.Statement) -> Told:
    said = vsa.read(found)
    verdict = "PASSED" if said.passed else "FAILED"
    facts = (
        ("Verdict", verdict), ("Levels", ", ".join(said.levels)), ("Resource", said.resource_uri),
        ("Policy", said.policy_uri),
        ("Policy digest", said.policy_digest), ("Judged at", said.time_verified), ("Verifier", said.verifier_id),
        ("Attestations", ", ".join(said.inputs)),
        *(("Subject", f"{each.name} {_digest(each)}") for each in said.subjects),
        ("Replaces", said.replaces), ("Asked by", said.asked_by), ("Reason", said.reason),
        ("Opened under", said.pinned_uri),
    )  # fmt: skip
    document = {
        "type": VERDICT, "verdict": verdict, "verifiedLevels": list(said.levels),
        "resourceUri": said.resource_uri, "policyUri": said.policy_uri,
        "policyDigest": said.policy_digest, "judgedAt": said.time_verified, "verifierId": said.verifier_id,
        "inputAttestations": list(said.inputs),
        "subjects": [{"name": each.name, "digest": dict(each.digest)} for each in said.subjects],
        **({"replaces": said.replaces} if said.replaces else {}),
        **({"askedBy": said.asked_by, "reason": said.reason, "openedUnder": said.pinned_uri} if said.asked_by else {}),
    }  # fmt: skip
    named = uris.parse(said.resource_uri)
    where = named if named and named.kind == "workflows" else uris.Named("", "", "")
    about = About(
        VERDICT, where.namespace, where.name, said.subjects, said.verifier_id, where.namespace_uid, said.levels
    )
    return Told(about, facts, document)


def _digest(subject: statement.ResourceDescriptor) -> str:
    return ", ".join(f"{name}:{value}" for name, value in subject.digest.items())


def _keys(texts: tuple[str, ...]) -> dict[keysigned.Family, bytes]:
    found: dict[keysigned.Family, bytes] = {}
    named = adding.pairs(texts, "--key", "FAMILY=FILE")
    if len(named) < len(texts):
        raise errors.Invalid("two keys for one family", field="--key", fix="verify once with each of them")
    for family, name in named.items():
        if family not in list(keysigned.Family):
            fix = f"write one of {', '.join(keysigned.Family)}, then =FILE"
            raise errors.Invalid(f"{family[:80]!r} is not a key family", field="--key", fix=fix)
        with Path(name).open("rb") as file:
            found[keysigned.Family(family)] = file.read(signing.MAX_KEY_PEM + 1)
    return found


def _subject(said: str) -> digests.Digest:
    if said.startswith("sha256:"):
        return digests.Digest.parse(said)
    with Path(said).open("rb") as file:
        return digests.of_file(file)[0]


def _show_steps(form: str, failed: errors.NotVerified | None, said: Mapping[str, object]) -> None:
    rows: list[tuple[str, str, str]] = []
    for step, meaning in STEPS:
        if failed is not None and step == failed.step:
            rows.append((step, "failed", failed.reason))
            break
        rows.append((step, "ok", meaning))
    rows += [(step, "not reached", "") for step, _ in STEPS[len(rows) :]]
    if form == "table":
        output.tabulate(output.Table(("STEP", "RESULT", "MEANING"), tuple(rows)))
        return
    steps = [{"step": step, "result": result, "meaning": meaning} for step, result, meaning in rows]
    output.document(form, {**said, "verified": failed is None, "steps": steps})
