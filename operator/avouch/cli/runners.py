"""`avouch runner show`: the CI system around us, and what of it an attestation would record."""

from typing import Any

import click

from avouch.cli import failures, options, output, session
from avouch.runners import detection, table

_TYPES = tuple(str(row.name) for row in table.RUNNERS if row.name)


@click.command(cls=options.Command)
@click.option(
    "--runner", "wanted", type=click.Choice(_TYPES), metavar="TYPE", help="Fail if the CI system is another one."
)
@options.output("table", "json", "yaml")
@session.given
def show(started: session.Session, wanted: str | None, form: str) -> int:
    """Show the detected CI system and what is recorded of it.

    Missing variables are an error only if --runner asks for the runner that needs them.
    """
    pod = started.adapters.pod()
    found = detection.discover(started.environment, None if pod is None else detection.Pod(*pod))
    if form == "table":
        _show(found)
    else:
        output.document(form, _as_json(found))
    problem, fix = _fault(wanted, found)
    if problem:
        failures.show(started, problem, fix=fix)
    return failures.FAILED if problem else failures.OK


def _fault(wanted: str | None, found: detection.Runner) -> tuple[str, str]:
    """What keeps this from being the runner that was asked for, and its fix."""
    if not wanted:
        return "", ""
    kind = next(row for row in table.RUNNERS if row.name == wanted)
    if wanted != found.type:
        fix = f"run this in {kind.title}, which is recognised by {detection.recognised_by(kind)}"
        return f"this is {found.title}, not {kind.title}", fix
    names = ", ".join(found.missing)
    return (f"required variables not present: {names}", "set them before init") if names else ("", "")


def _as_json(found: detection.Runner) -> dict[str, Any]:
    return {
        "type": found.type,
        "title": found.title,
        "url": found.url,
        "environment": str(found.hosting),
        "variables": dict(found.variables),
        "missing": list(found.missing),
        "withheld": [each._asdict() for each in found.refused],
    }


def _show(found: detection.Runner) -> None:
    facts = (("Runner", found.title), ("Type", found.type), ("Run", found.url), ("Environment", str(found.hosting)))
    output.facts(facts)
    rows = [
        *((name, "recorded", value) for name, value in found.variables),
        *((name, "missing", "required") for name in found.missing),
        *((each.name, "withheld", f"looks like {each.reason}") for each in found.refused),
    ]
    click.echo()
    output.tabulate(output.Table(("VARIABLE", "STATE", "VALUE"), tuple(sorted(rows)), "No variables are recorded."))
