"""An archive of SBOMs or SARIF logs as several materials: which names its files get. Whoever adds them reads each one.

Files are taken in the order of their paths, whatever the order they are stored in: `name`, `name-1`, `name-2` and so
on. The first one fills the contract's line. One unsafe path refuses the whole archive; directories and links are passed
over.
"""

import itertools
from dataclasses import dataclass

from avouch import errors
from avouch.contract.readers import archives

TYPES = frozenset({"SBOM_CYCLONEDX_JSON", "SBOM_SPDX_JSON", "SARIF"})
BOUNDS = archives.Bounds(10_000, 256 * archives.MIB)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an archive as a material."""

    name: str
    path: str
    content: bytes


def is_archive(type_name: str, content: bytes) -> bool:
    """Whether this is an archive of materials of a type that may come in one."""
    packed = archives.is_zip(content) or archives.is_gzip(content) or archives.is_tar(content)
    return packed and type_name in TYPES


def exploded(name: str, content: bytes, bounds: archives.Bounds = BOUNDS) -> tuple[Part, ...]:
    """The files of a zip, tar or tar.gz.

    Args:
        name: the material's name.
        content: the archive.
        bounds: most files and most bytes after unpacking.

    Raises:
        Invalid: it cannot be read, holds no file, holds one path twice, or a path that leads out of it.
        TooLarge: more than the bounds.
    """
    entries = sorted(archives.files(content, bounds), key=lambda entry: entry.name)
    if not entries:
        raise errors.Invalid("the archive holds no file", fix="pack at least one report")
    for one, other in itertools.pairwise(entries):
        if one.name == other.name:
            raise errors.Invalid(f"the archive holds {one.name[:64]!r} twice", fix="pack each report once")
    return tuple(
        Part(f"{name}-{number}" if number else name, entry.name, entry.content) for number, entry in enumerate(entries)
    )
