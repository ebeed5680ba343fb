"""`avouch attestation status`: how the attestation under construction stands, and the commands that complete it."""

import click

from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, showing


@click.command(cls=common.Command)
@click.option("--full", is_flag=True, help="Show annotations, variables and whole digests, too.")
@common.where
@options.output("table", "json", "yaml")
@session.given
def status(started: session.Session, /, full: bool, path: str, identity: str, form: str) -> int:
    """Show what was added and what is still missing."""
    place = common.Place(path, identity)
    found = common.state_store(common.adapters(started), place).load()
    if form == "table":
        showing.show(found, showing.way(place), full=full)
    else:
        output.document(form, showing.as_json(found, showing.way(place)))
    return failures.OK
