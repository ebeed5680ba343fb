"""`avouch material types` and `inspect`: what materials there are, and what files are."""

from collections.abc import Iterator
from typing import Any

import click

from avouch.cli import failures, inspection, options, output, session
from avouch.materials import types as material_types

_HEAD = ("Type", "No.", "Media type", "At most", "Checked", "Annotations", "Found by itself")


@click.command(cls=options.Command)
@options.output("table", "json", "yaml", "markdown", "name")
def types(form: str) -> None:
    """List all material types.

    -o markdown and -o json show more: the annotations that each type adds, and whether it can be detected.
    """
    if form == "markdown":
        output.lines(markdown())
        return
    rows = tuple((name, media_type, limit, checked) for name, _, media_type, limit, checked, *_ in _rows())
    names = [kind.name for kind in material_types.MATERIALS]
    table = output.Table(("TYPE", "MEDIA TYPE", "AT MOST", "CHECKED"), rows)
    output.write(form, [_as_json(kind) for kind in material_types.MATERIALS], table, names)


@click.command(cls=options.Command)
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--type", "wanted", type=click.Choice([kind.name for kind in material_types.MATERIALS], case_sensitive=False),
    metavar="TYPE", help="Type that all files must have; default: detected.",
)  # fmt: skip
@options.output("table", "json", "yaml")
@session.given
def inspect(started: session.Session, files: tuple[str, ...], wanted: str | None, form: str) -> int:
    """Detect the type of files and show what is extracted.

    For each file: its type, digest, size and the annotations that an attestation would carry, or why it is not of
    its type. With --type, archives of SBOMs or SARIF logs are unpacked. Nothing leaves this machine. Exits with 1 if a
    file is not of its type or cannot be read.
    """
    found = [finding for name in files for finding in inspection.inspected(name, wanted or "")]
    if form == "table":
        output.lines([line for finding in found for line in _lines(finding)])
    else:
        output.document(form, [finding.as_json() for finding in found])
    return failures.FAILED if any(finding.problem for finding in found) else failures.OK


def markdown() -> list[str]:
    """The table of types for documentation; annotations are written without their prefix."""
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for name, number, media_type, limit, checked, keys, itself in _rows():
        noted = ", ".join(f"`{key}`" for key in keys.split(", ")) if keys else "-"
        lines.append(f"| `{name}` | {number} | `{media_type}` | {limit} | {checked} | {noted} | {itself} |")
    return lines


def _rows() -> Iterator[tuple[str, ...]]:
    for kind in material_types.MATERIALS:
        checked = kind.checked + ("; may be empty" if kind.empty else "")
        keys = ", ".join(kind.extracts)
        limit, itself = inspection.human(kind.limit), "yes" if kind.name in inspection.BY_ITSELF else "no"
        yield kind.name, str(kind.number), kind.media_type, limit, checked, keys, itself


def _as_json(kind: material_types.MaterialType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "number": kind.number,
        "mediaType": kind.media_type,
        "form": str(kind.form),
        "maxBytes": kind.limit,
        "checked": kind.checked,
        "annotations": list(kind.annotations),
        "mayBeEmpty": kind.empty,
        "detected": kind.name in inspection.BY_ITSELF,
    }


def _lines(finding: inspection.Finding) -> Iterator[str]:
    if finding.problem and not finding.digest:
        yield f"{finding.file}: {finding.problem}"
    else:
        said = (f"no {finding.type}" if finding.type else "of no type") if finding.problem else finding.type
        yield f"{finding.file}: {said}, {inspection.human(finding.size)}, {finding.digest}"
        yield from (f"  {key}: {value}" for key, value in finding.annotations)
        yield from (f"  note: {said}" for said in finding.notes)
        yield from (f"  almost {name}: {why}" for name, why in finding.near)
        if finding.problem:
            yield f"  why: {finding.problem}"
    if finding.fix:
        yield f"  fix: {finding.fix}"
