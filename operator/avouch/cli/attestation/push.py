"""`avouch attestation push`: close the attestation, sign it, hand it to the server, and say what that makes of it.

The key is made here, lives as long as this process, and is certified by the server for the caller's identity. Nothing
that is owed is pushed: the server would refuse it later, and here the command that delivers it can still be typed.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

import avouch
from avouch import digests, errors
from avouch.attestation import bundle, dsse, signing, trust
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, ports, showing
from avouch.crafting import adding, missing, state, statement, statestore
from avouch.crafting import run as crafting_run

_WAIT = 30  # seconds
_ASK = 30  # seconds that one question may wait for its answer
_OBSERVE = "observe"  # spec.enforcement of the Workflow: a verdict is shown, and nothing more
_SILENT = 2  # seconds before people are told that we wait
_NO_KEY = (
    "signing with your own key is not supported: each attestation is signed with a new key that the server "
    "certifies for who pushes"
)


OPTIONS: options.Declared = (
    (
        ("--bundle", "file"),
        {"type": click.Path(dir_okay=False), "default": "", "metavar": "FILE",
         "help": "Write the signed bundle to a file, too."},
    ),
    (
        ("--wait",),
        {"type": click.IntRange(0, 3600), "default": _WAIT, "show_default": True, "metavar": "SECONDS",
         "help": "How long to wait for the verdict."},
    ),
    (
        ("--exception-bypass-policy-check", "bypass"),
        {"is_flag": True,
         "help": "Ask that violations of policies block nothing: recorded, and granted only by a PolicyException."},
    ),
    (("--deactivate-ci-report", "silent"), {"is_flag": True, "help": "Write no report for the CI."}),
)  # fmt: skip


class Pushed(NamedTuple):
    """What the server has now."""

    digest: str
    run: crafting_run.Run


@click.command(cls=common.Command)
@common.annotations
@options.several(OPTIONS)
@click.option("-k", "--key", default="", hidden=True)
@common.where
@options.output("table", "json", "yaml")
@session.given
def push(started: session.Session, /, **said: Any) -> int:
    """Sign the attestation and push it.

    Exits with 1 if something is missing, and with 4 if the Workflow is a gate and the verdict is not Passed. Without a
    gate it exits with 0, and a verdict that is not Passed prints a warning, unless the Workflow says enforcement:
    observe.
    """
    if said["key"]:
        raise errors.Invalid(_NO_KEY, field="--key", fix="remove --key")
    place = common.Place(said["path"], said["identity"])
    adapters = common.adapters(started)
    state_store = common.state_store(adapters, place)
    change = adding.annotate(state_store.load(), adding.pairs(said["notes"]))
    common.note(started, *change.notes)
    owed = missing.owed(change.state, showing.way(place))
    if change.state.dry_run:
        return rehearse(change.state, owed, adapters, said)
    if owed:
        failures.show(started, f"the attestation is not complete: {len(owed)} owed")
        show_owed(owed)
        return failures.FAILED
    pushed = send(adapters, change.state, said)
    _forget(started, state_store)
    judged = judge(started, adapters, change.state, pushed, said)
    if said["form"] == "table":
        show(judged)
    else:
        output.document(said["form"], as_json(judged))
    return code_of(started, judged)


def show_owed(owed: tuple[Any, ...]) -> None:
    """Write to stderr what is missing."""
    for line in showing.owed_lines(owed):
        click.echo(line, err=True)


def rehearse(found: state.State, owed: tuple[Any, ...], adapters: ports.Adapters, said: Mapping[str, Any]) -> int:
    """A dry run ends here: the statement is written, nothing is signed and nothing is sent."""
    payload = statement.payload(found, statement.Ending(adapters.now(), avouch.__version__, bypass=said["bypass"]))
    if file := said["file"]:
        Path(file).write_bytes(payload)
    output.json_text(payload.decode())
    click.echo("This was a dry run: nothing was signed or sent.", err=True)
    if owed:
        show_owed(owed)
    return failures.OK


def send(adapters: ports.Adapters, found: state.State, said: Mapping[str, Any]) -> Pushed:
    """Sign the attestation with a key of its own and push the bundle.

    Raises:
        AvouchError: the server refuses, cannot be reached, or stored something else.
    """
    server = common.server_of(adapters, found)
    signer = signing.KeySigner.generate()
    leaf = _certificate(server.certificate(found.run.id, signing.csr(signer, found.run.id[:64])))
    ending = statement.Ending(adapters.now(), avouch.__version__, _name(leaf), said["bypass"])
    envelope = signing.sign_envelope(signer, dsse.IN_TOTO, statement.payload(found, ending), with_keyid=False)
    content = bundle.to_bytes(bundle.Bundle(envelope=envelope, certificate=leaf.public_bytes(Encoding.DER)))
    if file := said["file"]:
        Path(file).write_bytes(content)
    try:
        digest = server.push(found.run.id, content)
    except errors.Conflict as exc:
        raise errors.Conflict(f"{exc}; to attest again, start over with attestation init --replace") from exc
    if digest != str(bundle.digest(content)):
        raise errors.Corrupt(f"the server stored {digest}, not {digests.of_bytes(content)} that was sent")
    return Pushed(digest, found.run)


def _forget(started: session.Session, state_store: statestore.StateStore) -> None:
    """What was pushed is stored: a state that cannot be removed now is no failure."""
    try:
        state_store.remove()
    except errors.AvouchError as exc:
        common.note(started, f"the attestation is pushed, but its state could not be deleted: {exc}")


def _certificate(pem: str) -> x509.Certificate:
    found, *_ = trust.certificates(pem.encode("utf-8", "replace"), "certificate", "is this an avouch server?")
    return found


def _name(leaf: x509.Certificate) -> str:
    """The name of the authority that certified the key."""
    found = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def judge(
    started: session.Session, adapters: ports.Adapters, found: state.State, pushed: Pushed, said: Mapping[str, Any]
) -> Pushed:
    """Wait for the verdict and report it to the CI; the run without a verdict if there is none in time."""
    judged = _judged(started, adapters, found, pushed, said["wait"])
    _report(started, adapters, found.runner_type, judged, silent=said["silent"])
    return judged


def _judged(
    started: session.Session, adapters: ports.Adapters, found: state.State, pushed: Pushed, wait: int
) -> Pushed:
    """The run with its verdict; what the server cannot answer now is no failure of the push."""
    server, run, told = common.server_of(adapters, found), pushed.run, False
    end = time.monotonic() + wait
    try:
        while run.verdict == showing.PENDING and (left := end - time.monotonic()) > 0:
            asked = time.monotonic()
            run = server.run(run.id, max(1, min(_ASK if told else _SILENT, int(left))))
            if run.verdict == showing.PENDING and time.monotonic() - asked < 1:
                started.adapters.wait(min(1.0, max(0.0, left)))  # a server that does not hold the question
            if run.verdict == showing.PENDING and not told:
                told = True
                common.note(started, f"waiting up to {wait} s for the verdict")
    except (errors.Unavailable, errors.NotFound, errors.Denied) as exc:
        common.note(started, f"the attestation is stored; its verdict is not known yet: {exc}")
    return Pushed(pushed.digest, run)


def _report(started: session.Session, adapters: ports.Adapters, runner: str, judged: Pushed, *, silent: bool) -> None:
    if silent:
        return
    run = judged.run
    lines = [f"Attestation {judged.digest}", f"Run {run.name} of workflow {run.workflow}", *showing.verdict_lines(run)]
    where, why = adapters.report(started.environment, runner, "\n".join(lines))
    common.note(started, *(each for each in (f"report: {where}" if where else "", why) if each))


def show(judged: Pushed) -> None:
    """Write the verdict for people."""
    run = judged.run
    output.facts([("Attestation", judged.digest), ("Run", run.name), ("Workflow", run.workflow)])
    output.lines(showing.verdict_lines(run))


def as_json(judged: Pushed) -> dict[str, Any]:
    """The verdict for programs."""
    run = judged.run
    said = {"digest": judged.digest, "run": run.id, "name": run.name, "verdict": run.verdict, "gate": run.gate}
    return {**said, "findings": crafting_run.write(run)["findings"]}


def code_of(started: session.Session, judged: Pushed) -> int:
    """The exit code; verdicts that are not Passed are reported on stderr."""
    run = judged.run
    if run.gate and run.verdict != showing.PASSED:
        fix = "resolve the findings above"
        if run.verdict == showing.PENDING:
            fix = "it is not judged yet: push with a longer --wait"
        failures.show(started, f"the workflow {run.workflow} is a gate, and its verdict is {run.verdict}", fix=fix)
        return failures.GATE
    if run.verdict not in (showing.PASSED, showing.PENDING) and run.enforcement != _OBSERVE:
        message = f"the verdict is {run.verdict.upper()}; the workflow is not a gate, so the build continues"
        failures.show(started, message, kind="ATTENTION")
    return failures.OK
