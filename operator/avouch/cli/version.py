"""`avouch version`."""

import platform

import click

import avouch
from avouch.cli import options, output


@click.command(cls=options.Command)
@options.output("table", "json", "yaml")
def version(form: str) -> None:
    """Print the version."""
    said = {"version": avouch.__version__, "python": platform.python_version(), "platform": platform.platform()}
    if form == "table":
        click.echo(said["version"])
    else:
        output.document(form, said)
