"""The process that reads: one document after another from its input, answers to its output, nothing else.

Everything that readers import or open later is imported and opened before the first document: afterwards nothing can
be. Schemas are kept as texts and compiled when a document needs one: all of them would take 40 MB.
"""

import codecs
import contextlib
import difflib  # noqa: F401 - readers import it late, as the next four
import encodings
import io
import json
import os
import pkgutil
import signal
import tarfile  # noqa: F401
import traceback
import unicodedata  # noqa: F401
import zipfile  # noqa: F401
from typing import BinaryIO

import jsonschema_rs  # noqa: F401

from avouch import errors
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document, schemas
from avouch.policy import documents
from avouch.reading import confinement, wire

_WORDS = 4000  # characters of a traceback that the worker's log gets


def main(limits: wire.Limits) -> None:
    """Serve until the input ends. A document that takes more CPU time than it may ends the process by SIGPROF."""
    source, target = os.fdopen(0, "rb", buffering=0), os.fdopen(1, "wb", buffering=0)
    prepare()
    confinement.confine(limits)
    _write(target, wire.framed(wire.READY))
    while header := _exactly(source, wire.REQUEST.size):
        question, name_size, size = wire.REQUEST.unpack(header)
        name = bytes(_exactly(source, name_size)).decode("ascii")
        content = _exactly(source, size)
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)
        answer, document = shown(name, content) if question == wire.SHOW else (answered(name, content), b"")
        signal.setitimer(signal.ITIMER_PROF, 0)
        del content
        _write(target, wire.framed(answer))
        _write(target, document)


def prepare() -> None:
    """Import and open what readers may want later."""
    for name in {kind.reader for kind in material_types.MATERIALS if kind.reader}:
        validation.reader(name)
    for name in _encodings():
        with contextlib.suppress(LookupError):  # modules that are no codec, and codecs of other systems
            codecs.lookup(name)
    schemas.keep_texts()


def _encodings() -> list[str]:
    """XML names its encoding, and a codec is imported when it is first named."""
    return [each.name for each in pkgutil.iter_modules(encodings.__path__)]


def answered(name: str, content: bytes) -> bytes:
    """What the reader says, or what went wrong with the reader itself."""
    try:
        found: dict[str, object] = _said(validation.read(name, content))
    except Exception as exc:
        found = _broken(exc)
    return json.dumps(found).encode("ascii")


def shown(name: str, content: bytes) -> tuple[bytes, bytes]:
    """What is said of a document for policies, and the document; or why there is none."""
    made = b""
    try:
        made = documents.of_material(name, content)
        found: dict[str, object] = {"size": len(made)}
    except errors.Invalid as exc:
        code = validation.EXHAUSTING if isinstance(exc, errors.TooLarge) else validation.INVALID
        found = _said(validation.wrong(code, exc.args[0], exc.fix))
    except Exception as exc:
        found = _broken(exc)
    return json.dumps(found).encode("ascii"), made


def _broken(exc: Exception) -> dict[str, object]:
    return {"broke": type(exc).__name__, "traceback": traceback.format_exc(limit=-8)[-_WORDS:]}


def _said(found: document.Document) -> dict[str, object]:
    return {"flaws": found.flaws, "annotations": found.annotations, "parsed": found.parsed, "notes": found.notes}


def _exactly(source: io.RawIOBase | BinaryIO, size: int) -> bytes:
    """So many bytes, without a second copy of them; fewer only where the input ends."""
    found = bytearray(size)
    view, have = memoryview(found), 0
    while have < size:
        got = source.readinto(view[have:])  # type: ignore[union-attr]  # of every raw stream
        if not got:
            return b""
        have += got
    view.release()
    return bytes(found)


def _write(target: BinaryIO | io.RawIOBase, answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[target.write(rest) or 0 :]
