"""What `--value` names: a file, an archive of reports, a text, an image, a page to download.

Files are read as their type's readers read them. Where the type is known, the official schemas are left to the server,
which checks them in any case, unless `--strict` asks for them here; where it is to be found, they take part in that.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from avouch import digests, errors
from avouch.cli import session
from avouch.cli.attestation import ports
from avouch.crafting import adding, uploads
from avouch.materials import detection, types, validation
from avouch.materials import types as material_types
from avouch.materials.readers import document

_READ = max(kind.readable for kind in types.MATERIALS)  # more than this no reader looks at
_INLINE = 4 * 1024 * 1024  # bytes; a statement has no room for more
_PATHLIKE = re.compile(r"[^\s@]{0,240}\.[A-Za-z][A-Za-z0-9]{1,9}")  # ends like the name of a file, as no version does
_NEAR = 3  # reasons why a file is only an ARTIFACT, at most
_URL = ("https://", "http://")
_CHART = "oci://"
_ARCHIVES = frozenset({"SBOM_CYCLONEDX_JSON", "SBOM_SPDX_JSON", "SARIF"})  # as explosion.TYPES
_IMAGE, _TEXT, _HELM = material_types.IMAGE, material_types.STRING, "HELM_CHART"


class Wanted(NamedTuple):
    """What the user said of one value."""

    name: str
    kind: str  # empty: to be detected
    value: str
    strict: bool = False
    entries: int = 10_000
    size: int = 256 * 1024 * 1024
    login: ports.Login = ports.Login()  # frozen
    option: str = "--value"  # as the user gave the value, for messages


class Found(NamedTuple):
    """One material, and where its bytes can be read again. `name` differs from the wanted one in an archive's parts."""

    name: str
    gathered: adding.Gathered
    source: uploads.Source | None = None
    notes: tuple[str, ...] = ()


def gather(
    started: session.Session, adapters: ports.Adapters, wanted: Wanted, taken: frozenset[str], progress: Any
) -> tuple[Found, ...]:
    """The materials that a value names: one, or the parts of an archive.

    Args:
        started: the session.
        adapters: ports.
        wanted: what the user said.
        taken: names that parts of an archive may not get.
        progress: makes a watcher of a long read from a title and a size.

    Raises:
        Invalid: the value is not of its type, or cannot be read.
        TooLarge: more than its type may have.
    """
    form = types.of(wanted.kind).form if wanted.kind else None
    if form is types.Form.VALUE:
        return (_text(wanted),)
    if form is types.Form.IMAGE or _is_image(wanted):
        return (_image(adapters, wanted),)
    if wanted.value.lower().startswith(_URL):
        content = started.adapters.download(wanted.value, _READ)
        name = wanted.value.partition("?")[0].rstrip("/").rpartition("/")[2] or "download"
        return tuple(_of_content(wanted, name, content, None, taken))
    path = Path(wanted.value)
    if path.is_file():
        return tuple(_of_file(wanted, path, taken, progress))
    if wanted.kind or path.is_dir():
        why = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        fix = f"name a file with the {wanted.kind or 'material'}"
        raise errors.Invalid(f"{wanted.value[:200]} {why}", field=wanted.option, fix=fix)
    return (_text(wanted),)


def of_bytes(name: str, kind: str, file: str, content: bytes) -> Found:
    """Bytes that we made ourselves, as a material.

    Raises:
        Invalid: they are not of the type.
    """
    return _material(Wanted(name, kind, file), _Piece(name, kind, file, content))


def _is_image(wanted: Wanted) -> bool:
    """Whether a value is certainly an image or a chart. A plain text is never looked up in a registry."""
    if wanted.kind == _HELM:
        return wanted.value.startswith(_CHART)
    if wanted.kind:
        return False
    layout = Path(wanted.value.partition("@")[0]) / "oci-layout"
    return "@sha256:" in wanted.value or (len(wanted.value) < 1024 and layout.is_file())


def _text(wanted: Wanted) -> Found:
    found = validation.read(_TEXT, wanted.value.encode("utf-8", "surrogateescape"))
    _require(wanted, found, _TEXT)
    content = wanted.value.encode()
    gathered = adding.Gathered(_TEXT, digests.of_bytes(content), size=len(content), content=content)
    return Found(wanted.name, gathered, notes=_mistakable(wanted))


def _mistakable(wanted: Wanted) -> tuple[str, ...]:
    """A note where a text may have been meant as a file: a misspelt path must not pass for evidence in silence."""
    if not _PATHLIKE.fullmatch(wanted.value):
        return ()
    if Path(wanted.value).is_file():
        return (f"{wanted.name} is a {_TEXT}: the text {wanted.value} is recorded, not the content of that file",)
    return () if wanted.kind else (f"there is no file {wanted.value}: {wanted.name} is recorded as a text",)


def _image(adapters: ports.Adapters, wanted: Wanted) -> Found:
    found = adapters.image(wanted.value, wanted.login)
    gathered = adding.Gathered(
        wanted.kind or _IMAGE,
        found.digest,
        found.name,
        image_tag=found.tag,
        image_latest=found.latest,
        extracted=found.extracted(),
    )
    return Found(wanted.name, gathered, notes=found.notes)


def _of_file(wanted: Wanted, path: Path, taken: frozenset[str], progress: Any) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            most = max(types.of(wanted.kind).readable, _INLINE) if wanted.kind else _READ
            content = file.read(most + 1)
            if len(content) <= most:
                yield from _of_content(wanted, path.name, content, path, taken)
                return
            yield _unread(wanted, path, content, file, progress)
    except OSError as exc:
        raise errors.Invalid(f"{path} cannot be read: {exc.strerror}", field=wanted.option) from exc


def _unread(wanted: Wanted, path: Path, begun: bytes, file: Any, progress: Any) -> Found:
    """A file that is larger than any reader looks at: hashed, and no further than its type may be long."""
    kind = types.of(wanted.kind or "ARTIFACT")
    hasher, chunk = digests.Hasher(), begun
    with progress(f"hashing {path.name}", path.stat().st_size) as watch:
        while chunk and hasher.size <= kind.limit:
            hasher.update(chunk)
            watch(hasher.size)
            chunk = file.read(digests.CHUNK)
    if hasher.size > kind.limit:
        _require(wanted, validation.oversized(kind), kind.name)
    digest = hasher.digest()
    gathered = adding.Gathered(kind.name, digest, path.name, hasher.size)
    return Found(wanted.name, gathered, uploads.Source(digest, hasher.size, path))


def _of_content(wanted: Wanted, name: str, content: bytes, path: Path | None, taken: frozenset[str]) -> Iterator[Found]:
    if wanted.kind in _ARCHIVES and not content.lstrip().startswith(b"{"):
        from avouch.materials import unpacking  # lazy: 13 ms (archives, YAML) that plain JSON need not pay
        from avouch.materials.readers import archives

        if unpacking.is_archive(wanted.kind, content):
            bounds = archives.Bounds(wanted.entries, wanted.size)
            for part in unpacking.exploded(wanted.name, wanted.kind, content, taken, bounds):
                file = Path(part.path).name or name
                piece = _Piece(part.name, part.type, file, part.content, part.annotations, inside=part.path)
                yield _material(wanted, piece)
            return
    yield _material(wanted, _Piece(wanted.name, wanted.kind, name, content, path=path))


class _Piece(NamedTuple):
    """Bytes that become one material. `path`: where they can be read again; `inside`: their path in an archive."""

    name: str
    kind: str
    file: str
    content: bytes
    links: tuple[tuple[str, str], ...] = ()
    path: Path | None = None
    inside: str = ""


def _material(wanted: Wanted, piece: _Piece) -> Found:
    kind, content = piece.kind, piece.content
    notes: tuple[str, ...] = ()
    if kind:
        found = (validation.read if wanted.strict else validation.sniff)(kind, content)
        _require(wanted, found, kind, piece.inside)
    else:
        detected = detection.file(content)
        kind, found = detected.type, detected.found
        notes = tuple(
            f"{piece.name} is recorded as an ARTIFACT, almost {near}: {flaw.message}"
            for near, flaw in detected.telling()[:_NEAR]
        )
    digest = digests.of_bytes(content)
    extracted: dict[str, object] = dict((*found.annotations, *piece.links))
    gathered = adding.Gathered(kind, digest, piece.file, len(content), content, extracted=extracted)
    source = uploads.Source(digest, len(content), piece.path, None if piece.path else content)
    return Found(piece.name, gathered, source, (*notes, *(f"{piece.name}: {said}" for said in found.notes)))


def _require(wanted: Wanted, found: document.Document, kind: str, inside: str = "") -> None:
    if found.flaws:
        flaw = found.flaws[0]
        file = f"{wanted.value[:200]}:{inside[:200]}" if inside else wanted.value[:200]
        message = f"{file}: unexpected material type, not {kind}: {flaw.message}"
        raise errors.Invalid(message, field=wanted.option, fix=flaw.fix)
