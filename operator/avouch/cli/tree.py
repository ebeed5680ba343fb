"""Commands that are imported when they are typed: help and completion come from the table alone."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from avouch.cli import options


class Entry(NamedTuple):
    """One command or group of commands.

    Attributes:
        help: one line of what it does.
        target: `module:command`; empty for a group.
        section: where the top of the tree shows it; empty for what lies below.
        alias: the path that this is another name of; an alias is in no list.
        hidden: in no list, but there for those who know it.
        process: the target is a plain function that returns an exit code, imported only when it runs.
    """

    help: str = ""
    target: str = ""
    section: str = ""
    alias: str = ""
    hidden: bool = False
    process: bool = False


Table = Mapping[str, Entry]  # by path, such as "contract lint"


class Tree(click.Group):
    """A group whose commands lie in a table."""

    def __init__(self, table: Table, path: str = "", **said: Any) -> None:
        super().__init__(path.rpartition(" ")[2] or None, **said)
        self.params += options.everywhere(hidden=bool(path))
        self._table = table
        self._path = path

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of this group's commands, in the table's order."""
        return [name for name, _ in self._below()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None if no command has this name."""
        path = f"{self._path} {cmd_name}".strip()
        entry = self._table.get(path)
        if entry is not None and entry.alias:
            path, entry = entry.alias, self._table[entry.alias]
        if entry is None:
            return None
        if not entry.target:
            return Tree(self._table, path, help=entry.help)
        if entry.process:
            target = entry.target
            return click.Command(cmd_name, callback=lambda: _load(target)(), help=entry.help)
        found: click.Command = _load(entry.target)
        found.name = path.rpartition(" ")[2]  # functions may be called otherwise: list, for one, is Python's
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of this name; otherwise an error with similar names."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as exc:
            raise click.exceptions.NoSuchCommand(
                exc.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands by their sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self._below():
            sections.setdefault(entry.section or "Commands", []).append((name, entry.help))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names of commands with this prefix, without importing them."""
        from click import shell_completion  # lazy: 5 ms, for completion only

        item = shell_completion.CompletionItem
        found = [(name, entry.help) for name, entry in self._below() if name.startswith(incomplete)]
        names = [item(name, help=said) for name, said in found]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def _below(self) -> list[tuple[str, Entry]]:
        prefix = f"{self._path} " if self._path else ""
        found = [(path.removeprefix(prefix), entry) for path, entry in self._table.items() if path.startswith(prefix)]
        return [(name, entry) for name, entry in found if not (" " in name or entry.alias or entry.hidden)]


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
