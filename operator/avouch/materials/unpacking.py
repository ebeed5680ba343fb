"""An archive of SBOMs or SARIF logs as several materials: names, order and links, as Chainloop gives them.

Files are taken in the order of their paths, whatever the order they are stored in: `name`, `name-1`, `name-2` and so
on. The first one fills the contract's line of that name. The archive itself becomes the EVIDENCE `name-archive`; it
and its parts name each other in `chainloop.material.references`. One unsafe path refuses the whole archive; directories
and links are passed over. The caller validates each part, and stores all of them or none.
"""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from avouch import errors
from avouch.materials.readers import archives, document

TYPES = frozenset({"SBOM_CYCLONEDX_JSON", "SBOM_SPDX_JSON", "SARIF"})
BOUNDS = archives.Bounds(10_000, 256 * archives.MIB)
REFERENCES = f"{document.PREFIX}references"
LONGEST = 63  # characters of a material's name
_EVIDENCE = "EVIDENCE"


@dataclass(frozen=True, slots=True)
class Part:
    """One material of several: a file of the archive, or the archive itself, whose `path` is empty."""

    name: str
    type: str
    path: str
    content: bytes
    references: tuple[str, ...]

    @property
    def annotations(self) -> tuple[tuple[str, str], ...]:
        """Annotations that link it with the other parts."""
        return ((REFERENCES, ",".join(self.references)),)


def is_archive(type_name: str, content: bytes) -> bool:
    """Whether this is an archive of materials of a type that may come in one; its first 512 bytes are enough."""
    return archives.is_packed(content) and type_name in TYPES


def exploded(
    name: str,
    type_name: str,
    content: bytes,
    taken: Collection[str] = (),
    bounds: archives.Bounds = BOUNDS,
) -> tuple[Part, ...]:
    """The files of a zip, tar or tar.gz, and last the archive itself as evidence.

    Args:
        name: the material's name.
        type_name: the type of each file, one of `TYPES`.
        content: the archive.
        taken: names that no further part may get: the contract's other materials, and what the run has already.
        bounds: most files, and most bytes after unpacking; all of them are in memory at once.

    Raises:
        Invalid: not such a type; it cannot be read, holds no file, an empty file, one path twice, or a path
            outside it; or there is no name left for a part.
        TooLarge: more than the bounds.
    """
    if type_name not in TYPES:
        raise errors.Invalid(
            f"{type_name[:64]!r} cannot be read from an archive",
            fix=f"add it as a file, or use {', '.join(sorted(TYPES))}",
        )
    entries = _entries(content, bounds)
    free = _names(name, frozenset(taken))
    names = [name, *itertools.islice(free, len(entries) - 1)]
    archive = next(_names(f"{name}-archive", frozenset({*taken, *names}), first=True))
    parts = (
        Part(each, type_name, entry.name, entry.content, (archive,)) for each, entry in zip(names, entries, strict=True)
    )
    return (*parts, Part(archive, _EVIDENCE, "", content, tuple(names)))


def _entries(content: bytes, bounds: archives.Bounds) -> list[archives.Entry]:
    """Sorted by path; two spellings of one path are one path."""
    entries = sorted(archives.files(content, bounds), key=_path)
    if not entries:
        raise errors.Invalid("the archive holds no file", fix="pack at least one report")
    for one, other in itertools.pairwise(entries):
        if _path(one) == _path(other):
            raise errors.Invalid(f"the archive holds {one.name[:64]!r} twice", fix="pack each report once")
    empty = next((entry.name for entry in entries if not entry.content), None)
    if empty is not None:
        raise errors.Invalid(f"{empty[:64]!r} in the archive is empty", fix="pack only reports that are not empty")
    return entries


def _path(entry: archives.Entry) -> str:
    parts = entry.name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _names(name: str, taken: frozenset[str], *, first: bool = False) -> Iterator[str]:
    """`name-1`, `name-2` and so on, preceded by the name itself if requested; without names that are taken."""
    numbered = (f"{name}-{number}" for number in itertools.count(1))
    for each in itertools.chain((name,) if first else (), numbered):
        if len(each) > LONGEST:
            raise errors.Invalid(f"{each[:80]!r} would be longer than {LONGEST} characters", fix="use a shorter name")
        if each not in taken:
            yield each
