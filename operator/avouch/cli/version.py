"""`avouch version`."""

import platform
from typing import Any

import click

import avouch
from avouch.cli import options, output, session


@click.command(cls=options.Command)
@click.option("--client", "alone", is_flag=True, help="Print avouch's own version only, and start no other program.")
@options.output("table", "json", "yaml")
@session.given
def version(started: session.Session, alone: bool, form: str) -> None:
    """Print the version, and which OPA evaluates policies on this machine.

    That is `opa` on PATH, or the program that AVOUCH_OPA names. Any OPA 1.x does; the server has its own.
    """
    said: dict[str, Any] = {
        "version": avouch.__version__, "python": platform.python_version(), "platform": platform.platform(),
    }  # fmt: skip
    lines = [avouch.__version__]
    if not alone:
        found = started.adapters.opa()
        said["opa"] = {name: value for name, value in found._asdict().items() if value}
        there = f"{found.version} ({found.path})" if found.version else f"none: {found.problem}"
        lines.append(f"OPA {there}; the server's is {found.wanted}")
    if form == "table":
        output.lines(lines)
    else:
        output.document(form, said)
