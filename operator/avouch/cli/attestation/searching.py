"""Materials of a contract that lie in a folder under their own names: `tests` in tests.xml, `sbom` in sbom.cdx.json.

Only types whose content tells whether a file is one are looked for: any file could pass as an ARTIFACT, so a
`package.json` must never become the material `package` because of its name.
"""

from pathlib import Path
from typing import NamedTuple

from avouch import errors, plan
from avouch.materials import types, validation


class Search(NamedTuple):
    """The file of a material, if there is one, and what people should know about the others of its name."""

    path: Path | None = None
    notes: tuple[str, ...] = ()


def search(planned: plan.PlannedMaterial, folder: Path) -> Search:
    """The one file that is named like a material, and is of its type.

    Raises:
        Invalid: several are.
    """
    kind = types.of(planned.type)
    if kind.form is not types.Form.FILE or not _tells(kind):
        return Search()
    named = sorted(path for path in folder.iterdir() if path.name.partition(".")[0] == planned.name and path.is_file())
    flaws = {path: _flaw(kind, path) for path in named}
    fitting = [path for path, flaw in flaws.items() if not flaw]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        fix = f"choose one: --material {planned.name}={fitting[0].name}"
        raise errors.Invalid(
            f"several files could be the material {planned.name}: {names}", field="--material", fix=fix
        )
    notes = tuple(f"{path.name} is not used as {planned.name}: {flaw}" for path, flaw in flaws.items() if flaw)
    return Search(fitting[0] if fitting else None, notes)


def _tells(kind: types.MaterialType) -> bool:
    """Whether content can be told apart from content of other types."""
    return bool(kind.reader) and bool(validation.sniff(kind.name, b"\0").flaws)


def _flaw(kind: types.MaterialType, path: Path) -> str:
    """Why a file is not of a type; empty if it is."""
    try:
        with path.open("rb") as file:
            content = file.read(kind.readable + 1)
    except OSError as exc:
        return f"cannot be read: {exc.strerror}"
    flaws = validation.sniff(kind.name, content).flaws
    return flaws[0].message if flaws else ""
