"""What one file is. Bytes are read once, and no more of them than the readers of its type want to see."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from avouch import digests, errors
from avouch.materials import detection, validation
from avouch.materials import types as material_types
from avouch.materials.readers import document

BY_ITSELF = frozenset({*detection.ORDER, material_types.IMAGE, "ARTIFACT", material_types.STRING})
_READ = max(kind.readable for kind in material_types.MATERIALS)  # more than this no reader looks at
_PACKED = ("SBOM_CYCLONEDX_JSON", "SBOM_SPDX_JSON", "SARIF")  # as explosion.TYPES
_KIB = 1024
_UNITS = ("KiB", "MiB", "GiB")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file is, or why it is not what it claims to be.

    Attributes:
        file: its name; a file of an archive is archive:path.
        type: its type; the wanted one where there is a problem.
        near: types that it nearly was, and why it is none of them.
        notes: what was forgiven in it, or could not be recorded.
        problem: why it is not of its type, or cannot be read; empty where all is well.
    """

    file: str
    type: str = ""
    size: int = 0
    digest: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    near: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    fix: str = ""

    def as_json(self) -> dict[str, object]:
        """The finding as JSON holds it."""
        said = {"file": self.file, "type": self.type, "ok": not self.problem}
        if self.digest:
            said |= {"size": self.size, "digest": self.digest, "annotations": dict(self.annotations)}
        near = [{"type": name, "reason": reason} for name, reason in self.near]
        more = {"problem": self.problem, "fix": self.fix, "near": near, "notes": list(self.notes)}
        return {**said, **{key: value for key, value in more.items() if value}}


def inspected(name: str, wanted: str) -> Iterator[Finding]:
    """What a file is; several findings for an archive of materials.

    Args:
        name: path of the file.
        wanted: type that it must be of; empty, whichever it is.
    """
    try:
        path = Path(name)
        with open(path, "rb", opener=_at_once) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                yield from _of(name, file, wanted)
            else:
                yield Finding(name, problem="is no regular file", fix="write what it gives into a file, and name that")
    except IsADirectoryError:
        yield Finding(name, problem="is a folder", fix=f"name its files, such as {path}/*")
    except OSError as exc:
        yield Finding(name, problem=f"cannot be read: {exc.strerror}", fix="name a file that is there and may be read")


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO that nobody writes to would be waited for for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def human(size: int) -> str:
    """A size for people.

    >>> human(512), human(64 * 1024), human(3 * 1024 * 1024 // 2)
    ('512 B', '64 KiB', '1.5 MiB')
    """
    value, unit = float(size), "B"
    for larger in _UNITS:
        if value < _KIB:
            break
        value, unit = value / _KIB, larger
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def _of(name: str, file: BinaryIO, wanted: str) -> Iterator[Finding]:
    content = file.read(_READ + 1)
    if len(content) > _READ:
        yield _unread(name, file, content, wanted or "ARTIFACT")
    elif wanted in _PACKED and not content.lstrip().startswith(b"{"):
        yield from _packed(name, content, wanted)
    else:
        yield _whole(name, content, wanted)


def _unread(name: str, file: BinaryIO, begun: bytes, wanted: str) -> Finding:
    """A file that is larger than any reader looks at: only hashed, and no further than its type may be long."""
    kind = material_types.of(wanted)
    hasher = digests.Hasher()
    chunk = begun
    while chunk and hasher.size <= kind.limit:
        hasher.update(chunk)
        chunk = file.read(digests.CHUNK)
    if hasher.size > kind.limit:
        flaw = validation.oversized(kind).flaws[0]
        return Finding(name, wanted, problem=flaw.message, fix=flaw.fix)
    return Finding(name, wanted, hasher.size, str(hasher.digest()))


def _packed(name: str, content: bytes, wanted: str) -> Iterator[Finding]:
    """Each file of an archive, or the file itself if it is not an archive."""
    from avouch.materials import unpacking  # lazy: 13 ms (archives, YAML) that plain JSON need not pay

    if not unpacking.is_archive(wanted, content):
        yield _whole(name, content, wanted)
        return
    try:
        *parts, _ = unpacking.exploded(wanted.lower().replace("_", "-"), wanted, content)  # last: the archive
    except errors.Invalid as exc:
        yield Finding(name, wanted, problem=str(exc.args[0]), fix=exc.fix)
        return
    for part in parts:
        yield _whole(f"{name}:{part.path}", part.content, wanted)


def _whole(name: str, content: bytes, wanted: str) -> Finding:
    digest = str(digests.of_bytes(content))
    if wanted:
        found = validation.read(wanted, content)
        flaw = found.flaws[0] if found.flaws else document.Flaw("", "", "")
        return Finding(name, wanted, len(content), digest, found.annotations, (), found.notes, flaw.message, flaw.fix)
    try:
        detected = detection.file(content)
    except errors.Invalid as exc:
        return Finding(name, "", len(content), digest, problem=str(exc.args[0]), fix=exc.fix)
    near = tuple((near, flaw.message) for near, flaw in detected.near) if detected.type == "ARTIFACT" else ()
    found = detected.found
    notes = (*found.notes, *(_broken(content) if detected.type == "ARTIFACT" else ()))
    return Finding(name, detected.type, len(content), digest, found.annotations, near, notes)


def _broken(content: bytes) -> Iterator[str]:
    """Why what begins like JSON is none: a report that was cut off is no other type's business."""
    if not content.lstrip().startswith((b"{", b"[")):
        return
    from avouch.materials.readers import jsons  # lazy: 3 ms that most files need not pay

    try:
        for _ in jsons.several(content):
            pass
    except errors.Invalid as exc:
        yield f"it begins like JSON and is none: {exc.args[0]}"
