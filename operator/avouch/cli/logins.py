"""`avouch login`: save a server's address and token; builds use AVOUCH_SERVER, AVOUCH_TOKEN and AVOUCH_CA."""

import sys

import click

from avouch import errors
from avouch.cli import failures, session
from avouch.cli.attestation import common

_MAX_TOKEN = 16 * 1024


@click.command(cls=common.Command)
@click.option("--ca", default="", type=click.Path(dir_okay=False), metavar="FILE", help="CA of the server, PEM.")
@click.option("--token-stdin", "piped", is_flag=True, help="Read the token from standard input.")
@session.given
def login(started: session.Session, /, ca: str, piped: bool) -> int:
    """Save a server's address and token.

    Checks that the server answers, then saves its address, CA and token in a file that only you can read.
    """
    token = sys.stdin.read(_MAX_TOKEN).strip() if piped else started.options.token
    if not token:
        fix = "pipe it in with --token-stdin, so that neither ps nor the shell's history shows it"
        raise errors.Invalid("no token was given", field="--token-stdin", fix=fix)
    if not started.options.server:
        raise errors.Invalid("no server was given", field="--server", fix="give --server URL")
    file = common.adapters(started).login(started.options.server, token, ca)
    click.echo(f"Saved {started.options.server} in {file}")
    return failures.OK
