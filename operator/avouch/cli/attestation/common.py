"""What the commands share: their options, how they fail, and how they find the attestation that they are about."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from avouch import errors
from avouch.cli import failures, options, session
from avouch.cli.attestation import ports
from avouch.crafting import state, statestore

F = TypeVar("F", bound=Callable[..., Any])
ID = "AVOUCH_ATTESTATION_ID"
GRACEFUL = "--graceful-exit"
_GRACEFUL = "AVOUCH_GRACEFUL_EXIT"
_META = "avouch.graceful"
_LOUD = "ATTENTION: this failed, and exits with 0 only because of --graceful-exit: nothing was attested here."


class Command(options.Command):
    """A command with --graceful-exit: its failures are printed, and the exit code is 0."""

    def __init__(self, *args: Any, **said: Any) -> None:
        super().__init__(*args, **said)
        help_text = f"Exit with 0 even if the command fails; the failure is printed [{_GRACEFUL}]."
        self.params.append(
            click.Option(
                [GRACEFUL], is_flag=True, expose_value=False, envvar=_GRACEFUL, callback=_remember, help=help_text
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; --dry-run takes no value here."""
        return click.Command.parse_args(self, ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments; a mistake in them is graceful too."""
        graceful = GRACEFUL in args
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as exc:
            if not graceful:
                raise
            exc.show()
            click.echo(_LOUD, err=True)
            raise click.exceptions.Exit(failures.OK) from exc

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --graceful-exit a failure becomes exit code 0."""
        if not ctx.meta.get(_META):
            return super().invoke(ctx)
        try:
            code = super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit):
            raise
        except click.ClickException as exc:
            exc.show()
            code = failures.FAILED
        except Exception as exc:
            failures.explain(session.of(ctx), exc)
            code = failures.FAILED
        if code:
            click.echo(_LOUD, err=True)
        return failures.OK


def _remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    context.meta[_META] = value


def where(function: F) -> F:
    """The options that locate the state."""
    local = click.option(
        "--local-state-path", "path", type=click.Path(dir_okay=False), metavar="FILE", default="",
        help="State file of the attestation [AVOUCH_ATTESTATION_STATE].",
    )  # fmt: skip
    remote = click.option(
        "--attestation-id", "identity", metavar="ID", default="", envvar=ID,
        help="Attestation whose state is on the server (init --remote-state).",
    )  # fmt: skip
    return local(remote(function))


def annotations(function: F) -> F:
    """The option --annotation."""
    return click.option(
        "--annotation", "notes", multiple=True, metavar="NAME=VALUE", help="Annotation; as often as needed."
    )(function)


class Place(NamedTuple):
    """Where the user keeps the state."""

    path: str = ""
    identity: str = ""


def adapters(started: session.Session) -> ports.Adapters:
    """The adapters of these commands."""
    found: ports.Adapters = started.adapters.attesting(started.options)
    return found


def state_store(adapters: ports.Adapters, place: Place) -> statestore.StateStore:
    """Where the state is kept.

    Raises:
        Invalid: two places at once.
    """
    if place.identity and place.path:
        fix = "give --attestation-id for the server, or --local-state-path for a file"
        raise errors.Invalid("two places for the state", field="--attestation-id", fix=fix)
    if place.identity:
        return adapters.remote(place.identity)
    return adapters.local(place.path)


def server_of(adapters: ports.Adapters, found: state.State) -> ports.Server:
    """The server that an attestation belongs to."""
    return adapters.server(found.server)


def note(started: session.Session, *messages: str) -> None:
    """Print notes, which are no errors, on stderr."""
    for message in messages:
        failures.show(started, message, kind="note")
