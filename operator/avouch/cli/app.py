"""The command line as a whole: the top of the tree, and a run of it."""

from collections.abc import Mapping, Sequence

from avouch.cli import commands, failures, ports, session, tree

_ABOUT = "Contract-based attestations, native to Kubernetes."
_SETTINGS = {"max_content_width": 120, "help_option_names": ["-h", "--help"]}


def root(more: Mapping[str, tree.Entry] | None = None) -> tree.Tree:
    """All commands.

    Args:
        more: commands that are not of this package, by path.
    """
    return tree.Tree({**commands.TABLE, **(more or {})}, help=_ABOUT, context_settings=_SETTINGS)


def run(top: tree.Tree, arguments: Sequence[str], program: str, adapters: ports.Adapters) -> int:
    """Run one command to its exit code.

    Args:
        top: all commands.
        arguments: what the user typed, without the program.
        program: the program as the user calls it.
        adapters: where its adapters come from.
    """
    return failures.guarded(top, arguments, program, session.Session(adapters))
