"""One reader process, seen by the worker: started, given documents one at a time, and ended."""

import asyncio
import contextlib
import logging
import resource
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

import avouch
from avouch import errors
from avouch.materials import types as material_types
from avouch.materials.readers import document
from avouch.reading import wire

_log = logging.getLogger(__name__)

_ROOT = str(Path(avouch.__file__).parents[1])
_CODE = (
    "import sys; sys.path.insert(1, sys.argv[1]); from avouch.reading import child, wire;"
    " child.main(wire.Limits(*map(int, sys.argv[2:])))"
)
_PIECE = 256 * 1024
_START = 60.0  # seconds until it has imported its readers; an idle machine takes half of one
_FLAWS = frozenset({"DocumentEmpty", "DocumentInvalid", "DocumentTooLarge"})
_TEXT = 1024  # characters of a flaw's message, of its fix, and of a note
_NOTES = 100
T = TypeVar("T")


class Ended(NamedTuple):
    """The process ended over a document. `code` is its exit code, None: it was ended, because it took too long."""

    code: int | None

    @property
    def of_time(self) -> bool:
        """It took more time than a reader may; otherwise more memory, or its parser failed."""
        return self.code in (None, -signal.SIGPROF, -signal.SIGXCPU)


class _Answer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a reader may answer."""

    flaws: tuple[tuple[str, str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    parsed: bool = False
    notes: tuple[str, ...] = ()
    size: int | None = None
    broke: str = ""
    traceback: str = ""


@dataclass(eq=False, slots=True)
class Process:
    """A running reader. `documents` counts what it was given, `seconds` how long it had it."""

    running: asyncio.subprocess.Process
    into: asyncio.StreamWriter
    out: asyncio.StreamReader
    documents: int = 0
    seconds: float = 0.0

    @classmethod
    async def start(cls, limits: wire.Limits) -> "Process":
        """Start one, without environment and without descriptors but its pipes.

        Raises:
            Unavailable: it does not start, for example because the machine has no memory left.
        """
        try:
            running = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _CODE, _ROOT, *map(str, limits)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env={},
            )
        except OSError as exc:
            raise errors.Unavailable(f"no process to read documents in: {exc}") from exc
        made = cls(running, cast(asyncio.StreamWriter, running.stdin), cast(asyncio.StreamReader, running.stdout))
        try:
            async with asyncio.timeout(_START):
                said = await made._answer()
        except TimeoutError:
            said = Ended(None)
        except BaseException:
            await made.end()
            raise
        if said != wire.READY:
            await made.end()
            raise errors.Unavailable(f"no process to read documents in: it said {said!r} when it started")
        return made

    async def read(self, type_: str, content: bytes, seconds: float) -> document.Document | Ended:
        """Have one document read. Where this is not answered by a document, the process is gone.

        Args:
            type_: the material's type.
            content: all of its bytes.
            seconds: on the wall, after which the process is ended.

        Raises:
            AvouchError: the reader itself is broken.
        """
        return await self._timed(self._read(type_, content), seconds)

    async def show(self, type_: str, content: bytes, seconds: float) -> bytes | document.Document | Ended:
        """Have made of one document what policies see of it: JSON, or the flaw for which they see nothing.

        Args and Raises as `read`.
        """
        return await self._timed(self._show(type_, content), seconds)

    async def _read(self, type_: str, content: bytes) -> document.Document | Ended:
        said = await self._exchange(wire.READ, type_, content)
        return said if isinstance(said, Ended) else _document(_checked(said, type_), type_)

    async def _show(self, type_: str, content: bytes) -> bytes | document.Document | Ended:
        said = await self._exchange(wire.SHOW, type_, content)
        if isinstance(said, Ended):
            return said
        answer = _checked(said, type_)
        if answer.size is None:
            found = _document(answer, type_)
            if not found.flaws:
                raise _odd(type_)
            return found
        if not 0 <= answer.size <= wire.SHOWN:
            raise _odd(type_)
        try:
            return await self.out.readexactly(answer.size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Ended(await self.running.wait())

    async def _timed(self, exchange: Coroutine[Any, Any, T | Ended], seconds: float) -> T | Ended:
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await exchange
        except TimeoutError:
            await self.end()
            return Ended(None)
        except BaseException:
            await self.end()
            raise
        finally:
            self.documents += 1
            self.seconds += time.monotonic() - started

    @property
    def alive(self) -> bool:
        """Whether it can be given another document."""
        return self.running.returncode is None

    def memory(self) -> int:
        """Bytes that it has in memory now; 0 where the system does not say."""
        try:
            pages = Path(f"/proc/{self.running.pid}/statm").read_text("ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * resource.getpagesize()

    async def end(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.running.kill()
        await self.running.wait()

    async def _exchange(self, question: int, type_: str, content: bytes) -> bytes | Ended:
        name = type_.encode("ascii")
        with contextlib.suppress(ConnectionError):  # it ended while it was given the document: its answer says so
            self.into.write(wire.REQUEST.pack(question, len(name), len(content)) + name)
            view = memoryview(content)
            for at in range(0, len(view), _PIECE):
                self.into.write(view[at : at + _PIECE])
                await self.into.drain()
        return await self._answer()

    async def _answer(self) -> bytes | Ended:
        try:
            (size,) = wire.LENGTH.unpack(await self.out.readexactly(wire.LENGTH.size))
            if size > wire.LONGEST:
                raise errors.AvouchError("a reader answered more than any reader has to say")
            return await self.out.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Ended(await self.running.wait())


def _odd(type_: str) -> errors.AvouchError:
    return errors.AvouchError(f"the reader of {type_} answered what no reader answers")


def _checked(answer: bytes, type_: str) -> _Answer:
    """The answer, if the reader itself is not broken."""
    try:
        said = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as exc:
        raise _odd(type_) from exc
    if said.broke:
        _log.error("the reader of %s failed with %s", type_, said.broke, extra={"traceback": said.traceback})
        raise errors.AvouchError(f"the reader of {type_} failed: {said.broke[:64]!r}")
    return said


def _document(said: _Answer, type_: str) -> document.Document:
    """The answer as a value, if it is one that a reader of this type gives."""
    known = material_types.of(type_).annotations
    plain = (
        all(code in _FLAWS and _plain(message, _TEXT) and _plain(fix, _TEXT) for code, message, fix in said.flaws)
        and all(key in known and _plain(value, document.MOST) for key, value in said.annotations)
        and len(said.annotations) <= len(known)
        and len(said.notes) <= _NOTES
        and all(_plain(note, _TEXT) for note in said.notes)
        and said.size is None
    )
    if not plain:
        raise _odd(type_)
    return document.Document(
        tuple(document.Flaw(*flaw) for flaw in said.flaws), said.annotations, said.parsed, said.notes
    )


def _plain(text: str, longest: int) -> bool:
    return len(text) <= longest and (text.isprintable() or document.plain(text) == text)
