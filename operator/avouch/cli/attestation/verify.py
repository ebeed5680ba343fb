"""`avouch attestation verify`: believe a bundle, or say at which step it fails. Offline, with a trust root.

The time matters: leaves live ten minutes, so a bundle is judged at the time when the server received it, which the
run's verdict holds. It is never taken from the bundle unless somebody asks for that by name.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from avouch import errors, rfc3339
from avouch.attestation import bundle as bundles
from avouch.attestation import predicate, trust, verification
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common

STEPS = (
    ("1 size", "the bundle is not larger than any of ours"),
    ("2 bundle", "strict JSON, a known media type, one leaf certificate and no chain"),
    ("3 one signature", "exactly one"),
    ("4 payload type", "an in-toto statement"),
    ("5 chain", "a trusted authority issued the certificate"),
    ("6 time", "certificate and authority were valid"),
    ("7 use", "the certificate is one for signing, with a P-256 key"),
    ("8 identity", "signed by who was expected"),
    ("9 signature", "over exactly these bytes"),
    ("10 statement", "an in-toto statement v1 with subjects and digests"),
    ("11 predicate type", "Chainloop's attestation v0.2"),
)
OF_LEAF = "certificate"
_IDENTITY = "8"

Results = tuple[tuple[str, str, str], ...]


@click.command(cls=common.Command)
@click.option("-b", "--bundle", "source", required=True, metavar="FILE|URL|-", help="The bundle; - for standard input.")
@click.option("--trust", "roots", multiple=True, type=click.Path(dir_okay=False), metavar="FILE",
              help="Trusted authorities, PEM; without it the server is asked.")  # fmt: skip
@click.option("--identity", "identities", multiple=True, metavar="URI",
              help="Who must have signed: all names of the certificate, in order.")  # fmt: skip
@click.option("--at", "moment", default="", metavar="TIME|certificate",
              help="When it was received, as the run's verdict says (RFC 3339); default: now.")  # fmt: skip
@options.output("table", "json", "yaml")
@session.given
def verify(started: session.Session, /, **said: Any) -> int:
    """Verify a bundle, step by step.

    Exits with 1 where a step fails.

    --at certificate judges the certificate at the beginning of its own validity: enough to tell whether the bundle is
    whole, and no proof of when it was signed.
    """
    content, form, moment = _content(started, said["source"]), said["form"], said["moment"]
    root = trust.TrustRoot.from_pems(_authorities(started, said["roots"]))
    at = _moment(started, moment, content)
    expected = Names(said["identities"]) if said["identities"] else None
    try:
        verified = verification.verify(content, root, expected, at)
    except errors.NotVerified as exc:
        _tell_steps(form, _results(exc, expected), {"bundle": str(bundles.digest(content))})
        early = "give the time at which it was received with --at TIME: the run's verdict holds it"
        fix = early if exc.step.startswith("6") and not moment else ""
        failures.tell(started, f"NOT VERIFIED: step {exc.step}: {exc.reason}", fix=fix)
        return failures.FAILED
    _tell(form, verified, _results(None, expected))
    if moment == OF_LEAF:
        common.note(started, "judged at the certificate's own beginning: this does not prove when it was signed")
    if expected is None:
        common.note(started, "nobody in particular was expected: compare who signed with --identity URI")
    return failures.OK


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
        return started.world.download(source, limit)
    with Path(source).open("rb") as file:
        return file.read(limit + 1)


def _authorities(started: session.Session, roots: tuple[str, ...]) -> tuple[bytes, ...]:
    if not roots:
        return common.adapters(started).trust()
    found = []
    for name in roots:
        with Path(name).open("rb") as file:
            found.append(file.read(trust.MAX_PEM + 1))
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


def _tell(form: str, verified: verification.VerifiedAttestation, results: Results) -> None:
    facts = predicate.read(verified.statement).metadata
    contract = f"{facts.contract_name}, revision {facts.contract_version}"
    said = {
        "bundle": str(verified.digest),
        "signedBy": list(verified.uris),
        "judgedAt": rfc3339.write(verified.verified_at),
        "workflow": facts.workflow_name,
        "run": facts.workflow_run_id,
        "contract": contract,
    }
    _tell_steps(form, results, said)
    if form == "table":
        who = ", ".join(verified.uris) or "nobody in particular: the certificate names no one"
        run = ("Workflow", facts.workflow_name), ("Run", facts.workflow_run_id), ("Contract", contract)
        click.echo()
        output.facts([("Verified", str(verified.digest)), ("Signed by", who), *run])


def _results(failed: errors.NotVerified | None, expected: Names | None) -> Results:
    """What became of each step."""
    rows: list[tuple[str, str, str]] = []
    for step, meaning in STEPS:
        number = step.partition(" ")[0]
        if failed is not None and number == failed.step.partition(" ")[0]:
            rows.append((step, "failed", failed.reason))
            break
        asked = expected is not None or number != _IDENTITY
        rows.append((step, "ok" if asked else "not asked", meaning if asked else "no --identity was given"))
    return (*rows, *((step, "not reached", "") for step, _ in STEPS[len(rows) :]))


def _tell_steps(form: str, results: Results, said: Mapping[str, object]) -> None:
    if form == "table":
        output.tabulate(output.Table(("STEP", "RESULT", "MEANING"), results))
        return
    steps = [{"step": step, "result": result, "meaning": meaning} for step, result, meaning in results]
    output.document(form, {**said, "verified": all(each[1] in ("ok", "not asked") for each in results), "steps": steps})
