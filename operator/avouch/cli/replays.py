"""`avouch contract replay`: what the newest revision of a Contract would have done to past runs."""

from typing import Any

import click

from avouch import errors
from avouch.cli import objects, options, output, session

_CONTRACTS = "contracts.chainloop.dev"
_COLUMNS = {"NAMESPACE": "namespace", "RUN": "run", "WOULD BE": "verdict", "REASON": "reason", "MESSAGE": "message"}


@click.command(cls=options.Command)
@objects.named("contract")
@click.option("--timeout", type=click.FloatRange(min=0, max=3600), default=60.0, show_default=True,
              metavar="SECONDS", help="How long to wait until the runs were judged again.")  # fmt: skip
@options.output("table", "json", "yaml")
@session.given
def replay(started: session.Session, name: str, timeout: float, form: str) -> None:
    """Show what the newest revision of a Contract would have done to the last 50 runs.

    When a Contract says something new, a worker judges the last runs of its Workflows again, by what is stored of
    them. No verdict changes. A material that no run collected, because nothing asked for it, is missing. Exits with 1
    if they are not done within --timeout.
    """
    found = objects.until(started, lambda: _known(started, name), timeout)
    if found is None:
        fix = "is avouch's worker running? It begins when no more than a few runs wait to be judged"
        raise errors.TimedOut(f"the last runs were not judged again within {timeout:g} s", fix=fix)
    if form == "table":
        output.lines([f"revision {found['revision']}: {found['message']}"])
        if examples := found.get("examples"):
            rows = (tuple(str(one[key]) for key in _COLUMNS.values()) for one in examples)
            output.tabulate(output.Table(tuple(_COLUMNS), tuple(rows)))
    else:
        output.document(form, found)


def _known(started: session.Session, name: str) -> dict[str, Any] | None:
    """The replay of the newest revision; None where it is not done. Raises errors.NotFound where there is none."""
    contract = started.cluster.get(_CONTRACTS, name)
    if not objects.seen(contract):
        return None
    status = objects.part(contract, "status")
    if status.get("revision") == 1:
        raise errors.NotFound(f"Contract {name} has one revision only: no run was held to another one")
    found = objects.part(status, "replay")
    return found if found.get("revision") == status.get("revision") else None
