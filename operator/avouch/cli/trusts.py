"""`avouch trust export`: the authorities and keys that verify signed evidence, for use without any network."""

import json
from pathlib import Path

import click

from avouch import errors
from avouch.cli import failures, objects, options, session
from avouch.cli.attestation import common

RESOURCE, NAME = "trustroots.runs.avouch.dev", "avouch"


@click.command(cls=options.Command)
@click.option("--output", "file", type=click.Path(dir_okay=False), default="", metavar="FILE",
              help="File to write; default: standard output.")  # fmt: skip
@session.given
def export(started: session.Session, file: str) -> int:
    """Print the trust root of an installation: every authority and key that has signed, replaced ones too.

    \b
    avouch trust export > trust.json
    avouch verify bundle.json --trust trust.json --certificate-identity URI

    Whoever may log in to the cluster may read it; with --server, avouch's server is asked instead, without a token. It
    is as good as the way by which you get it: fetch it once, keep it, and hand it to whoever verifies.
    """  # noqa: D301  # click reads the backspace
    if started.options.server:
        found = common.adapters(started).trust_root()
    else:
        found = objects.part(started.cluster.get(RESOURCE, NAME), "spec")
    if not found.get("keys"):
        raise errors.NotFound("this installation has no trust root: is its server older than this command?")
    text = json.dumps(found, indent=2) + "\n"
    if file:
        Path(file).write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    return failures.OK
