"""`avouch attestation reset`: end the run without an attestation, and forget what was gathered."""

import click

from avouch import errors
from avouch.cli import failures, session
from avouch.cli.attestation import common, ports, showing
from avouch.crafting import run

_WAIT = 5  # seconds for the verdict: it follows at once where a worker is there
_RECORDED = {"failure": "will be recorded as Failed", "cancellation": "will be recorded as Canceled"}


@click.command(cls=common.Command)
@click.option(
    "--trigger",
    type=click.Choice(("failure", "cancellation")),
    default="failure",
    show_default=True,
    help="How the run ended.",
)
@click.option("--reason", default="", metavar="TEXT", help="Reason, shown with the run.")
@common.where
@session.given
def reset(started: session.Session, /, trigger: str, reason: str, path: str, identity: str) -> int:
    """End the run without an attestation.

    The run is recorded as failed or as canceled, and the state is deleted.
    """
    adapters = common.adapters(started)
    state_store = common.state_store(adapters, common.Place(path, identity))
    try:
        found = state_store.load()
    except errors.Invalid as exc:
        state_store.remove()
        failures.show(started, f"the state could not be read and was deleted; its run will expire: {exc}")
        return failures.FAILED
    run = found.run
    if not found.dry_run:
        try:
            server = common.server_of(adapters, found)
            run = _judged(server, server.reset(run.id, trigger, reason))
        except (errors.NotFound, errors.Conflict) as exc:
            common.note(started, f"the run had ended already: {exc}")
    state_store.remove()
    said = run.verdict if run.verdict != showing.PENDING else _RECORDED[trigger]
    click.echo(f"Run {run.name}: {said}; the state is deleted.")
    return failures.OK


def _judged(server: ports.Server, run: run.Run) -> run.Run:
    """The run with its verdict, or as it was: that it ends is certain already."""
    try:
        return server.run(run.id, _WAIT) if run.verdict == showing.PENDING else run
    except (errors.Unavailable, errors.NotFound, errors.Denied):
        return run
