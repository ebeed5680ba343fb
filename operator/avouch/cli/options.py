"""Options that every command takes, before the command's name or after it, and those that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from avouch.cli import session

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("table", "json", "yaml", "name")
Declared = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]  # names and settings of options, in the order of the help
_EVERYWHERE: Declared = (
    (("-n", "--namespace", "--project"), {"metavar": "NAME", "help": "Namespace (Chainloop: project)."}),
    (("--kubeconfig",), {"metavar": "FILE", "help": "Kubeconfig file, passed to kubectl."}),
    (("--context",), {"metavar": "NAME", "help": "Context of the kubeconfig, passed to kubectl."}),
    (("--server",), {"metavar": "URL", "help": "avouch's server, for work outside the cluster [AVOUCH_SERVER]."}),
    (
        ("--token",),
        {"metavar": "TEXT", "help": "Token for the server; better in AVOUCH_TOKEN, which ps does not show."},
    ),
    (("--debug",), {"is_flag": True, "help": "Show the traceback of an error."}),
)
# Options that may stand without a value, and what they mean then. Like kubectl, they take a value with = only.
_BARE = {"--dry-run": "client"}


def everywhere(*, hidden: bool) -> list[click.Parameter]:
    """The options of all commands; commands below the top take them silently."""
    return [
        click.Option([*flags], expose_value=False, callback=_take, hidden=hidden, **said) for flags, said in _EVERYWHERE
    ]


def _take(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    found = context.find_object(session.Session)
    if found is not None and value:
        found.options = found.options._replace(**{str(parameter.name): value})


class Command(click.Command):
    """A command that takes the options of all commands too."""

    def __init__(self, *args: Any, **said: Any) -> None:
        super().__init__(*args, **said)
        self.params += everywhere(hidden=True)
        self.epilog = self.epilog or "Options of all commands: avouch --help"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an option that stands without its value gets it first."""
        end = args.index("--") if "--" in args else len(args)
        filled = [f"{each}={_BARE[each]}" if each in _BARE else each for each in args[:end]]
        return super().parse_args(ctx, filled + args[end:])


def several(declared: Declared) -> Callable[[F], F]:
    """Options that several commands share."""

    def decorated(function: F) -> F:
        for flags, said in reversed(declared):
            function = click.option(*flags, **said)(function)
        return function

    return decorated


def output(*formats: str) -> Callable[[F], F]:
    """Output format."""
    known = formats or FORMATS
    return click.option(
        "-o", "--output", "form", type=click.Choice(known), default=known[0], show_default=True,
        help="Output format.",
    )  # fmt: skip


def dry_run(function: F) -> F:
    """Change nothing: only here (client), or as far as the API server decides (server)."""
    return click.option(
        "--dry-run", "dry_run", type=click.Choice(("client", "server")), metavar="[=client|server]", default=None,
        callback=lambda _context, _option, value: value or "",
        help="Change nothing; with -o yaml, print what would be sent to the cluster.",
    )(function)  # fmt: skip
