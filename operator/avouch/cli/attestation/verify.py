"""`avouch verify`: believe a bundle, or say at which step it fails. Offline, with a trust root.

Here: attestations that attesters pushed, signed by a certificate. What the server signed with a key: `keyed`.

The time matters: leaves live ten minutes, so a bundle is judged at the time when the server received it, which the
run's verdict holds. It is never taken from the bundle unless somebody asks for that by name.
"""

import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from avouch import errors, rfc3339
from avouch.attestation import bundle as bundles
from avouch.attestation import trust, verification
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, keyed

STEPS = (
    ("1 size", "no larger than a bundle may be"),
    ("2 bundle", "strict JSON, a known media type, one leaf certificate and no chain"),
    ("3 one signature", "exactly one"),
    ("4 payload type", "an in-toto statement"),
    ("5 chain", "a trusted authority issued the certificate"),
    ("6 time", "certificate and authority were valid"),
    ("7 use", "the certificate is one for signing, with a P-256 key"),
    ("8 identity", "signed by the expected identity"),
    ("9 signature", "over exactly these bytes"),
    ("10 statement", "an in-toto statement v1 with subjects and digests"),
    ("11 predicate type", "Chainloop's attestation v0.2"),
)
OF_LEAF = "certificate"
_NAMESPACE = re.compile(r"https://(?:avouch\.dev|kubernetes\.io)/namespaces/([^/]+)/", re.ASCII)
_IDENTITY = "8 identity"

Results = tuple[tuple[str, str, str], ...]


OPTIONS: options.Declared = (
    (
        ("--trust", "roots"),
        {"multiple": True, "type": click.Path(dir_okay=False), "metavar": "FILE",
         "help": "What avouch trust export wrote, or CA certificates, PEM; default: the server is asked."},
    ),
    (
        ("--key", "keys"),
        {"multiple": True, "metavar": "FAMILY=FILE",
         "help": "Public key of the server, PEM: passed=, failed= (verdicts) or attestation=; as often as needed."},
    ),
    (
        ("--certificate-identity", "identities"),
        {"multiple": True, "metavar": "URI",
         "help": "Who must have signed: a URI of the certificate, or its subject if it has none; all of them count."},
    ),
    (
        ("--certificate-identity-regexp", "identity_regexp"),
        {"default": "", "metavar": "REGEXP",
         "help": "The same, as a regular expression that a whole URI of the certificate matches."},
    ),
    (
        ("--at", "moment"),
        {"default": "", "metavar": "TIME|certificate",
         "help": "When the server received it, as the run's verdict says (RFC 3339); default: now."},
    ),
    (("--type",), {"type": click.Choice((keyed.ATTESTATION, keyed.VERDICT)), "help": "Require this type of bundle."}),
    (("--verifier-id", "verifier"), {"default": "", "metavar": "URI", "help": "Require this installation."}),
    (("--workflow",), {"default": "", "metavar": "NAME", "help": "Require this Workflow."}),
    (
        ("--namespace-uid", "namespace_uid"),
        {"default": "", "metavar": "UID", "help": "Of a verdict: require the namespace of this UID."},
    ),
    (
        ("--level", "levels"),
        {"multiple": True, "metavar": "LEVEL",
         "help": "Of a verdict: require this level, such as AVOUCH_EVIDENCE_SIDECAR; as often as needed."},
    ),
    (
        ("--subject",),
        {"default": "", "metavar": "FILE|DIGEST",
         "help": "Require this subject: a file, or its sha256 digest."},
    ),
)  # fmt: skip


@click.command(cls=common.Command)
@click.option("-b", "--bundle", "source", required=True, metavar="FILE|URL|-", help="The bundle; - for standard input.")
@options.several(OPTIONS)
@options.output("table", "json", "yaml")
@session.given
def verify(started: session.Session, /, **said: Any) -> int:
    """Verify a bundle, step by step.

    The same as `avouch verify FILE`, whose help explains it.
    """
    return _verify(started, said)


@click.command(cls=common.Command)
@click.argument("source", metavar="FILE|URL|-")
@options.several(OPTIONS)
@options.output("table", "json", "yaml")
@session.given
def verify_any(started: session.Session, /, **said: Any) -> int:
    """Verify an attestation or a verdict, step by step.

    \b
    avouch verify bundle.json --trust ca.crt --at 2026-11-21T11:07:18Z
    kubectl get --raw /apis/runs.avouch.dev/v1alpha1/namespaces/skynet/workflowruns/RUN/vsa > vsa.json
    avouch verify vsa.json --key passed=passed.pub

    An attestation that a job pushed is signed by a certificate; verdicts, and the server's own attestation of a run, by
    keys of the server, each of which signs one family. The file that avouch trust export writes verifies all of them:
    --trust trust.json. Instead of it, --trust takes the certificate of a CA, and --key the public half of one key. With
    either the network is not used.

    Who must have signed is never guessed: say it by --certificate-identity or --certificate-identity-regexp, or by the
    --key of a server. -n NAMESPACE, --namespace-uid, --type, --workflow, --subject, --level and --verifier-id say what
    it must be and be about: without them any namespace, Workflow and artifact passes.

    Exits with 1 if a step fails, and with 5 if everything is verified and the verdict is FAILED.

    --at certificate verifies a certificate at the start of its own validity: enough to tell whether the bundle is
    whole, and no proof of when it was signed.
    """  # noqa: D301  # click reads the backspace
    return _verify(started, said)


def _verify(started: session.Session, said: Mapping[str, Any]) -> int:
    content = _content(started, said["source"])
    certified = keyed.has_certificate(content)
    documents = tuple(map(keyed.document, said["roots"]))
    if certified is False or (certified is None and not said["roots"]):  # what cannot be read needs no authority
        return keyed.verify(started, content, said, tuple(each for each in documents if each))
    if said["keys"] and not said["roots"]:
        fix = "give --trust FILE to accept an attester's certificate"
        raise errors.Invalid("the bundle is not signed by a key of the server", field="--key", fix=fix)
    form, moment = said["form"], said["moment"]
    root = trust.TrustRoot.from_pems(_authorities(started, said["roots"]))
    at = _moment(started, moment, content)
    try:
        verified = verification.verify(content, root, None, at)
        names = verified.uris or _subject(content)
        signer = Signer(names, said["identities"], said["identity_regexp"])
        facts = keyed.attested(verified.statement).metadata
        if not signer.wrong:
            about = keyed.About(
                keyed.ATTESTATION, namespace_of(verified.uris), facts.workflow_name, verified.statement.subjects
            )
            keyed.check(about, started.options.namespace, said)
    except errors.NotVerified as exc:
        _show_steps(form, _results(exc), {"bundle": str(bundles.digest(content))})
        early = "give the time at which it was received with --at TIME: the run's verdict holds it"
        fix = early if exc.step.startswith("6") and not moment else ""
        failures.show(started, f"NOT VERIFIED: step {exc.step}: {exc.reason}", fix=fix)
        return failures.FAILED
    _show(form, verified, names, _results(None, signer.wrong))
    if moment == OF_LEAF:
        common.note(
            started, "verified at the start of the certificate's validity: this does not prove when it was signed"
        )
    if signer.wrong:
        failures.show(started, f"NOT VERIFIED: step {_IDENTITY}: {signer.wrong}", fix=signer.fix)
        return failures.FAILED
    return failures.OK


def namespace_of(uris: tuple[str, ...]) -> str:
    """The namespace in a certificate's URIs; empty if they name none.

    >>> namespace_of(("https://avouch.dev/namespaces/shop/tokens/ci/1-2",))
    'shop'
    """
    found = _NAMESPACE.match(uris[0]) if uris else None
    return found[1] if found else ""


class Signer:
    """Who signed, against who was expected; to expect nobody is a mistake, as it is for cosign.

    Attributes:
        wrong: why the signer is not the expected one; "" if it is.
        fix: what helps.

    Raises:
        Invalid: the pattern is no regular expression.
    """

    def __init__(self, found: tuple[str, ...], identities: tuple[str, ...], pattern: str) -> None:
        names = ", ".join(found) or "a certificate without a name"
        self.wrong = self.fix = ""
        absent = [each for each in identities if each not in found]
        if not identities and not pattern:
            self.wrong = f"signed by {names}, and no signer was expected"
            self.fix = f"--certificate-identity {found[0]}, if that is who should have signed" if found else ""
        elif absent or not _matches(pattern, found):
            self.wrong = f"signed by {names}, expected {absent[0] if absent else pattern}"


def _matches(pattern: str, uris: tuple[str, ...]) -> bool:
    try:
        return not pattern or any(re.fullmatch(pattern, each) for each in uris)
    except re.error as exc:
        fix = "write a regular expression as Python reads it"
        raise errors.Invalid(str(exc), field="--certificate-identity-regexp", fix=fix) from exc


def _content(started: session.Session, source: str) -> bytes:
    limit = bundles.MAX_BUNDLE
    if source == "-":
        return sys.stdin.buffer.read(limit + 1)
    if source.lower().startswith(("https://", "http://")):
        return started.adapters.download(source, limit)
    with Path(source).open("rb") as file:
        return file.read(limit + 1)


def _authorities(started: session.Session, roots: tuple[str, ...]) -> tuple[bytes, ...]:
    if not roots:
        return common.adapters(started).trust()
    found = []
    for name in roots:
        if document := keyed.document(name):
            found += [pem.encode() for pem in document.authorities]
            continue
        with Path(name).open("rb") as file:
            found.append(file.read(trust.MAX_PEM + 1))
        trust.certificates(found[-1], f"--trust {name}", "give the certificate of a CA, PEM")
    return tuple(found)


def _moment(started: session.Session, said: str, content: bytes) -> datetime:
    if not said:
        return common.adapters(started).now()
    if said != OF_LEAF:
        return rfc3339.read(said, "--at")
    try:
        leaf = bundles.parse(content).certificate
        return x509.load_der_x509_certificate(leaf or b"").not_valid_before_utc
    except (errors.Invalid, ValueError):
        return common.adapters(started).now()  # no certificate to ask: an early step says so


def _subject(content: bytes) -> tuple[str, ...]:
    """Whom a certificate names that has no URI, as Chainloop's have none; nobody where that is empty, too."""
    leaf = x509.load_der_x509_certificate(bundles.parse(content).certificate or b"")
    found = leaf.subject.rfc4514_string()
    return (found,) if found else ()


def _show(form: str, verified: verification.VerifiedAttestation, names: tuple[str, ...], results: Results) -> None:
    facts = keyed.attested(verified.statement).metadata
    contract = f"{facts.contract_name}, revision {facts.contract_version}"
    said = {
        "bundle": str(verified.digest),
        "signedBy": list(names),
        "judgedAt": rfc3339.write(verified.verified_at),
        "workflow": facts.workflow_name,
        "run": facts.workflow_run_id,
        "contract": contract,
    }
    _show_steps(form, results, said)
    if form == "table":
        who = ", ".join(names) or "the certificate names no signer"
        run = ("Workflow", facts.workflow_name), ("Run", facts.workflow_run_id), ("Contract", contract)
        click.echo()
        title = "Verified" if _good(results) else "Bundle"
        output.facts([(title, str(verified.digest)), ("Signed by", who), *run])


def _results(failed: errors.NotVerified | None, signer: str = "") -> Results:
    """The result of each step. Who signed is compared when all of `verification` is done; `signer` is what is wrong."""
    rows: list[tuple[str, str, str]] = []
    for step, meaning in (*STEPS, keyed.EXPECTED) if failed and failed.step == keyed.EXPECTED[0] else STEPS:
        if failed is not None and step == failed.step:
            rows.append((step, "failed", failed.reason))
            break
        if step == _IDENTITY and (signer or (failed is not None and failed.step != keyed.EXPECTED[0])):
            rows.append((step, "failed", signer) if signer else (step, "not reached", ""))
        else:
            rows.append((step, "ok", meaning))
    return (*rows, *((step, "not reached", "") for step, _ in STEPS[len(rows) :]))


def _good(results: Results) -> bool:
    return all(result == "ok" for _, result, _ in results)


def _show_steps(form: str, results: Results, said: Mapping[str, object]) -> None:
    if form == "table":
        output.tabulate(output.Table(("STEP", "RESULT", "MEANING"), results))
        return
    steps = [{"step": step, "result": result, "meaning": meaning} for step, result, meaning in results]
    output.document(form, {**said, "verified": _good(results), "steps": steps})
