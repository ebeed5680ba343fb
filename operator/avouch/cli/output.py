"""How answers are written: tables for people, JSON, YAML and names for programs. One place for all commands.

A table is drawn by Rich on a terminal only; elsewhere columns are aligned with blanks and nothing is cut or wrapped, so
that grep, awk and logs have whole lines.
"""

import functools
import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

_GAP = "   "
_NOT_PLAIN = re.compile(r"[^\x00-\x7e]+")
_TONES = {
    **dict.fromkeys(("True", "Passed", "ok", "added"), "green"),
    **dict.fromkeys(("False", "Failed", "Rejected", "Error", "missing", "owed", "failed"), "red"),
}


class Table(NamedTuple):
    """Columns and rows; cells are text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "Nothing found."


def coloured(environment: Mapping[str, str], terminal: bool) -> bool:
    """Whether to write colours: NO_COLOR comes before FORCE_COLOR, and both before what the terminal is."""
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return terminal and environment.get("TERM") != "dumb"


def write(form: str, answer: Any, table: Table, names: Sequence[str] = ()) -> None:
    """Write an answer in the form that was asked for.

    Args:
        form: table, json, yaml or name.
        answer: all of it, as JSON holds it.
        table: what people see of it.
        names: one name per line.
    """
    if form == "table":
        tabulate(table)
    elif form == "name":
        lines(names)
    else:
        document(form, answer)


def harmless(text: str, kept: str = "") -> str:
    r"""A text that cannot command a terminal, whoever wrote it.

    >>> harmless("a\x1b[31mb\nc"), harmless("a\nb", "\n")
    ('a [31mb c', 'a\nb')
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c in kept else " " for c in text)


def named(manifest: Mapping[str, Any]) -> str:
    """An object as kubectl names it.

    >>> named({"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}})
    'contract.chainloop.dev/c'
    """
    group, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{str(manifest.get('kind')).lower()}{f'.{group}' if slash else ''}/{name}"


def document(form: str, answer: Any) -> None:
    """Write JSON or YAML; a list becomes documents of YAML."""
    if form == "json":
        json_text(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        documents = answer if isinstance(answer, list) else [answer]
        click.echo("---\n".join(map(yaml_text, documents)), nl=False)


def json_text(text: str) -> None:
    """Write JSON: as it is for programs; on a terminal in ASCII, which means the same and cannot command it."""
    shown = _NOT_PLAIN.sub(lambda found: "".join(map(_escaped, found[0])), text) if sys.stdout.isatty() else text
    click.echo(shown)


def _escaped(character: str) -> str:
    return r"\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def facts(found: Sequence[tuple[str, str]]) -> None:
    """Write what is known of one thing, a line for each; what is empty is left out."""
    known = [(name, value) for name, value in found if value]
    width = max((len(name) for name, _ in known), default=0) + 1
    lines([f"{f'{name}:':<{width}}  {harmless(value)}" for name, value in known])


def lines(found: Sequence[str], kept: str = "") -> None:
    """Write lines, harmless ones; `kept`: characters that are harmless in these."""
    for line in found:
        click.echo(harmless(line, kept))


def tabulate(table: Table) -> None:
    """Write a table."""
    if not table.rows:
        click.echo(table.empty, err=True)
    elif sys.stdout.isatty():
        click.echo(drawn(table, _colour()), nl=False, color=True)
    else:
        lines(aligned(table))


def aligned(table: Table) -> list[str]:
    """The lines of a table, aligned with blanks.

    >>> aligned(Table(("NAME", "AGE"), (("a", "1d"), ("longer", "2d"))))
    ['NAME     AGE', 'a        1d', 'longer   2d']
    """
    rows = [table.columns, *(tuple(map(harmless, row)) for row in table.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _colour() -> bool:
    context = click.get_current_context(silent=True)
    return context is None or context.color is not False


def drawn(found: Table, colour: bool) -> str:
    """A table as wide as the terminal, with cells that wrap."""
    from rich import box, console, table, text  # lazy: 23 ms, a third of a command, for terminals only

    grid = table.Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for number, column in enumerate(found.columns):
        grid.add_column(column, overflow="fold", no_wrap=number == 0)  # names stay whole, to be copied
    for row in found.rows:
        grid.add_row(*(text.Text(harmless(cell), style=_TONES.get(cell, "")) for cell in row))
    written = io.StringIO()
    console.Console(
        file=written, force_terminal=True, no_color=not colour, width=console.Console().width, highlight=False
    ).print(grid)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def yaml_text(answer: Any) -> str:
    """One document of YAML, as Kubernetes reads it."""
    import yaml  # lazy: 13 ms, for `-o yaml` only

    plain = (
        sys.stdout.isatty()
    )  # names may turn the direction of text, or command a terminal that knows more than ASCII
    dumped: str = yaml.dump(answer, Dumper=_dumper(), sort_keys=False, allow_unicode=not plain, width=10_000)
    return dumped


@functools.cache
def _dumper() -> Any:
    """A dumper that indents lists below their key, keeps many lines many lines, and writes no anchors."""
    import yaml  # lazy: as in `yaml_text`

    from avouch.contract.text import yamltext

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True  # readers of Kubernetes' YAML are people

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None if yamltext.is_text(value) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper
