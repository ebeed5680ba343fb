"""`avouch attestation reset`: end the run without an attestation, and forget what was gathered."""

import click

from avouch import errors
from avouch.cli import failures, session
from avouch.cli.attestation import common


@click.command(cls=common.Command)
@click.option("--trigger", type=click.Choice(("failure", "cancellation")), default="failure", show_default=True)
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who look at the run.")
@common.where
@session.given
def reset(started: session.Session, /, trigger: str, reason: str, path: str, identity: str) -> int:
    """End the run without an attestation.

    It is recorded as failed or as canceled, and what was gathered is forgotten.
    """
    world = common.adapters(started)
    keeper = common.keeper(world, common.Place(path, identity))
    try:
        found = keeper.load()
    except errors.Invalid as exc:
        keeper.remove()
        failures.tell(started, f"a state that cannot be read was removed; its run expires by itself: {exc}")
        return failures.FAILED
    run = found.run
    if not found.dry_run:
        try:
            run = common.server_of(world, found).reset(run.id, trigger, reason)
        except (errors.NotFound, errors.Conflict) as exc:
            common.note(started, f"the run was over already: {exc}")
    keeper.remove()
    click.echo(f"Run {run.name}: {run.verdict if run.verdict != 'Pending' else trigger}; the attestation is forgotten.")
    return failures.OK
