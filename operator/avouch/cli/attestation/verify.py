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
_IDENTITY = "8"

Results = tuple[tuple[str, str, str], ...]


OPTIONS: options.Declared = (
    (
        ("--trust", "roots"),
        {"multiple": True, "type": click.Path(dir_okay=False), "metavar": "FILE",
         "help": "CA certificates that attesters' certificates must come from, PEM; default: the server is asked."},
    ),
    (
        ("--key", "keys"),
        {"multiple": True, "metavar": "FAMILY=FILE",
         "help": "Public key of the server, PEM: passed=, failed= (verdicts) or attestation=; as often as needed."},
    ),
    (
        ("--identity", "identities"),
        {"multiple": True, "metavar": "URI",
         "help": "Require this attester: all URIs of the certificate, in order."},
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

    An attestation that a job pushed is signed by a certificate, which --trust verifies. Verdicts, and the server's own
    attestation of a run, are signed by keys of the server, each of which signs one family; --key names the public half
    of one. With --trust or --key the network is not used.

    -n NAMESPACE, --type, --workflow, --subject, --identity and --verifier-id say what it must be, what it must be about
    and who must have signed: without them any namespace, Workflow, artifact and attester passes.

    Exits with 1 if a step fails, and with 5 if everything is verified and the verdict is FAILED.

    --at certificate verifies a certificate at the start of its own validity: enough to tell whether the bundle is
    whole, and no proof of when it was signed.
    """  # noqa: D301  # click reads the backspace
    return _verify(started, said)


def _verify(started: session.Session, said: Mapping[str, Any]) -> int:
    content = _content(started, said["source"])
    certified = keyed.has_certificate(content)
    if certified is False or (certified is None and not said["roots"]):  # what cannot be read needs no authority
        return keyed.verify(started, content, said)
    if said["keys"] and not said["roots"]:
        fix = "give --trust FILE to accept an attester's certificate"
        raise errors.Invalid("the bundle is not signed by a key of the server", field="--key", fix=fix)
    form, moment = said["form"], said["moment"]
    root = trust.TrustRoot.from_pems(_authorities(started, said["roots"]))
    at = _moment(started, moment, content)
    expected = Names(said["identities"]) if said["identities"] else None
    try:
        verified = verification.verify(content, root, expected, at)
        facts = keyed.attested(verified.statement).metadata
        about = keyed.About(
            keyed.ATTESTATION, namespace_of(verified.uris), facts.workflow_name, verified.statement.subjects
        )
        keyed.check(about, started.options.namespace, said)
    except errors.NotVerified as exc:
        _show_steps(form, _results(exc, expected), {"bundle": str(bundles.digest(content))})
        early = "give the time at which it was received with --at TIME: the run's verdict holds it"
        fix = early if exc.step.startswith("6") and not moment else ""
        failures.show(started, f"NOT VERIFIED: step {exc.step}: {exc.reason}", fix=fix)
        return failures.FAILED
    _show(form, verified, _results(None, expected))
    if moment == OF_LEAF:
        common.note(
            started, "verified at the start of the certificate's validity: this does not prove when it was signed"
        )
    if expected is None:
        common.note(started, "any signer was accepted: give --identity URI to require one")
    return failures.OK


def namespace_of(uris: tuple[str, ...]) -> str:
    """The namespace in a certificate's URIs; empty if they name none.

    >>> namespace_of(("https://avouch.dev/namespaces/shop/tokens/ci/1-2",))
    'shop'
    """
    found = _NAMESPACE.match(uris[0]) if uris else None
    return found[1] if found else ""


class Names:
    """An expected identity, given by its names."""

    def __init__(self, uris: tuple[str, ...]) -> None:
        self._uris = uris

    def uris(self) -> tuple[str, ...]:
        """The names, in order."""
        return self._uris


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


def _show(form: str, verified: verification.VerifiedAttestation, results: Results) -> None:
    facts = keyed.attested(verified.statement).metadata
    contract = f"{facts.contract_name}, revision {facts.contract_version}"
    said = {
        "bundle": str(verified.digest),
        "signedBy": list(verified.uris),
        "judgedAt": rfc3339.write(verified.verified_at),
        "workflow": facts.workflow_name,
        "run": facts.workflow_run_id,
        "contract": contract,
    }
    _show_steps(form, results, said)
    if form == "table":
        who = ", ".join(verified.uris) or "the certificate names no signer"
        run = ("Workflow", facts.workflow_name), ("Run", facts.workflow_run_id), ("Contract", contract)
        click.echo()
        output.facts([("Verified", str(verified.digest)), ("Signed by", who), *run])


def _results(failed: errors.NotVerified | None, expected: Names | None) -> Results:
    """The result of each step."""
    rows: list[tuple[str, str, str]] = []
    for step, meaning in (*STEPS, keyed.EXPECTED) if failed and failed.step == keyed.EXPECTED[0] else STEPS:
        number = step.partition(" ")[0]
        if failed is not None and number == failed.step.partition(" ")[0]:
            rows.append((step, "failed", failed.reason))
            break
        asked = expected is not None or number != _IDENTITY
        rows.append((step, "ok" if asked else "not asked", meaning if asked else "no --identity was given"))
    return (*rows, *((step, "not reached", "") for step, _ in STEPS[len(rows) :]))


def _show_steps(form: str, results: Results, said: Mapping[str, object]) -> None:
    if form == "table":
        output.tabulate(output.Table(("STEP", "RESULT", "MEANING"), results))
        return
    steps = [{"step": step, "result": result, "meaning": meaning} for step, result, meaning in results]
    output.document(form, {**said, "verified": all(each[1] in ("ok", "not asked") for each in results), "steps": steps})
