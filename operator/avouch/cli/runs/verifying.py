"""`avouch run verify`: saved evidence against a trust root, offline: the verdict, and everything that it rests on.

The verdict says which attestations it was reached with, and when each of them was received. So each claim is verified
at that time, and each has to be here: a verdict whose evidence is missing is not verified.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from avouch import errors, rfc3339
from avouch.attestation import bundle as bundles
from avouch.attestation import keysigned, trust, trustroot, verification, vsa
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import keyed
from avouch.cli.attestation import verify as certified
from avouch.cli.runs import bundles as saved

_TAKEN = ("identities", "identity_regexp", "verifier", "--workflow", "namespace_uid", "levels", "--subject")
_EXPECTED = tuple(each for each in certified.OPTIONS if each[0][-1] in _TAKEN)
_EXPORT = "avouch trust export > trust.json"
_NO_SIGNER = "where the record is enough expect nobody, or say --without-claims"


class Checked(NamedTuple):
    """One bundle. `wrong`: why it is not believed; `fix`: what helps."""

    file: str
    what: str
    meaning: str = ""
    wrong: str = ""
    fix: str = ""


class Claimed(NamedTuple):
    """What a job signed, the run that it must be about, and when the server received it, as the verdict says."""

    piece: saved.Piece
    run: str
    at: datetime


class Keyed(NamedTuple):
    """A bundle that a key of the server signed, and is believed."""

    piece: saved.Piece
    verified: keysigned.Verified


@click.command(cls=options.Command)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@click.option("--trust", "root", required=True, type=click.Path(dir_okay=False), metavar="FILE",
              help="Trust root, as avouch trust export printed it.")  # fmt: skip
@options.several(_EXPECTED)
@click.option("--without-claims", "alone", is_flag=True, help="Do not ask for what jobs signed; nothing is said of it.")
@options.output("table", "json", "yaml")
@session.given
def verify(started: session.Session, /, paths: tuple[str, ...], root: str, alone: bool, form: str, **said: Any) -> int:
    """Verify the evidence that avouch run bundle saved, offline.

    \b
    avouch run verify first-2b521137d6 --trust trust.json \\
      --certificate-identity-regexp 'https://kubernetes.io/namespaces/shop/serviceaccounts/builder'

    PATH is a folder, a file of JSON lines, or single bundles. The verdict must be signed by the server's key for such
    verdicts, and name the attestation and every claim; each must be there, be about the same run, and be signed by
    whom you expect, at the time at which the verdict says that it was received.

    Who must have signed the claims is never guessed: say it by --certificate-identity or --certificate-identity-regexp.
    -n NAMESPACE, --namespace-uid, --workflow, --subject, --level and --verifier-id say what the verdict must be about.

    Exits with 1 if something is not verified, and with 5 if everything is and the verdict is FAILED.
    """  # noqa: D301  # click reads the backspace
    trusted, pieces = _trusted(root), saved.read(paths)
    signed, checked = _by_keys(pieces, trusted)
    verdict = _only(signed, saved.VERDICT, checked)
    attestation = _only(signed, saved.ATTESTATION, checked)
    told = None
    if verdict and attestation:
        told = keyed.told_of(verdict.verified)
        checked.append(_judged(verdict, told, started.options.namespace, said))
        checked += _inputs(verdict, attestation, pieces, trusted, None if alone else said)
    return _show(started, form, checked, told, verdict)


def _trusted(name: str) -> trustroot.Document:
    with Path(name).open("rb") as file:
        content = file.read(trustroot.MAX_BYTES + 1)
    try:
        return trustroot.Document.parse(content)
    except errors.Invalid as exc:
        raise errors.Invalid(f"{name}: {exc.args[0]}", field="--trust", fix=_EXPORT) from exc


def _by_keys(pieces: list[saved.Piece], trusted: trustroot.Document) -> tuple[list[Keyed], list[Checked]]:
    """What keys of the server signed, and what is not believed of it."""
    good, bad = [], []
    for piece in pieces:
        if keyed.has_certificate(piece.content):
            continue
        try:
            keys = trusted.keys_for(keyed.hint(piece.content))
            good.append(Keyed(piece, keysigned.verify(piece.content, keys)))
        except errors.NotVerified as exc:
            bad.append(Checked(piece.name, "bundle", wrong=str(exc), fix=_EXPORT if exc.step.startswith("12") else ""))
    return good, bad


def _only(signed: list[Keyed], what: str, checked: list[Checked]) -> Keyed | None:
    """The one of its kind; that there is none, or several, is noted."""
    found = [
        one for one in signed if (one.verified.family is keysigned.Family.ATTESTATION) is (what == saved.ATTESTATION)
    ]
    if len(found) == 1:
        return found[0]
    wrong = f"there are {len(found)}" if found else "it is not here"
    fix = "give the evidence of one run" if found else "save it with avouch run bundle"
    checked.append(Checked("", what, wrong=wrong, fix=fix))
    return None


def _judged(verdict: Keyed, told: keyed.Told, namespace: str, said: Mapping[str, Any]) -> Checked:
    name, key = verdict.piece.name, verdict.verified.keyid
    try:
        keyed.check(told.about, namespace, {**said, "type": None})
    except errors.NotVerified as exc:
        return Checked(name, saved.VERDICT, wrong=str(exc))
    return Checked(name, saved.VERDICT, f"signed by the server's key for {verdict.verified.family}, {key}")


def _inputs(
    verdict: Keyed,
    attestation: Keyed,
    pieces: list[saved.Piece],
    trusted: trustroot.Document,
    said: Mapping[str, Any] | None,
) -> Iterator[Checked]:
    """Everything that the verdict rests on; `said` is who is expected to have signed claims, None asks for none."""
    received = vsa.received(verdict.verified.statement)
    digest, here = attestation.verified.digest, {bundles.digest(piece.content): piece for piece in pieces}
    if digest not in received:
        yield Checked(attestation.piece.name, saved.ATTESTATION, wrong=f"the verdict was not reached with {digest}")
        return
    run = keyed.attested(attestation.verified.statement).metadata.workflow_run_id
    yield Checked(attestation.piece.name, saved.ATTESTATION, f"of run {run}, as the verdict names it")
    claims = {each: at for each, at in received.items() if each != digest}
    if said is None:
        yield Checked("", saved.CLAIM, f"{len(claims)} not looked at: --without-claims")
        return
    if not claims and (said["identities"] or said["identity_regexp"]):
        wrong = "nobody signed one: the verdict rests on Tekton's record alone"
        yield Checked("", saved.CLAIM, wrong=f"{wrong}, and a signer was expected", fix=_NO_SIGNER)
    for each, at in claims.items():
        piece = here.get(each)
        if piece is None:
            fix = "save it with avouch run bundle, or say --without-claims"
            yield Checked("", saved.CLAIM, wrong=f"{each} is not here, and the verdict was reached with it", fix=fix)
        else:
            yield _claimed(Claimed(piece, run, at), trusted.root(), said)
    for unused in sorted(here.keys() - received.keys() - {verdict.verified.digest}, key=str):
        yield Checked(here[unused].name, saved.CLAIM, "not counted: the verdict was not reached with it")


def _claimed(claim: Claimed, root: trust.TrustRoot, said: Mapping[str, Any]) -> Checked:
    """One claim at the time at which it was received."""
    name = claim.piece.name
    try:
        verified = verification.verify(claim.piece.content, root, None, claim.at)
    except errors.NotVerified as exc:
        return Checked(name, saved.CLAIM, wrong=str(exc))
    signer = certified.Signer(verified.uris, said["identities"], said["identity_regexp"])
    if signer.wrong:
        return Checked(name, saved.CLAIM, wrong=f"step 8 identity: {signer.wrong}", fix=signer.fix)
    run = keyed.attested(verified.statement).metadata.workflow_run_id
    if run != claim.run:
        return Checked(name, saved.CLAIM, wrong=f"it is about run {run}, not about {claim.run}")
    return Checked(name, saved.CLAIM, f"signed by {', '.join(verified.uris)} at {rfc3339.write(claim.at)}")


def _show(
    started: session.Session, form: str, checked: list[Checked], told: keyed.Told | None, verdict: Keyed | None
) -> int:
    bad = [each for each in checked if each.wrong]
    if form == "table":
        rows = tuple(
            (each.file or "-", each.what, "failed" if each.wrong else "ok", each.wrong or each.meaning)
            for each in checked
        )
        output.tabulate(output.Table(("FILE", "WHAT", "RESULT", "MEANING"), rows))
        if told and not bad:
            click.echo()
            output.facts(list(told.facts))
    else:
        listed = [{key: value for key, value in each._asdict().items() if value} for each in checked]
        output.document(form, {**(told.document if told else {}), "verified": not bad, "checked": listed})
    if bad:
        failures.show(started, f"NOT VERIFIED: {bad[0].what}: {bad[0].wrong}", fix=bad[0].fix)
        return failures.FAILED
    if verdict and verdict.verified.family is keysigned.Family.FAILED:
        failures.show(started, "the verdict is FAILED; its signature and its evidence are good")
        return failures.VERDICT
    return failures.OK
