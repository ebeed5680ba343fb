"""The reader processes of one worker: started at the first document, ended when nobody needs them.

Small documents have a few processes with little memory, large ones a single process with much: so that what the
worker's container may take is enough for all of them. A document that needs more than the little gets the much. In
each, namespaces take turns: whose documents take long waits for himself.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from avouch import errors
from avouch.controlplane.model import artifacts
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document
from avouch.policy import documents
from avouch.reading import process, turns, wire

T = TypeVar("T")
MIB = 1024 * 1024
LARGE = 4 * MIB  # bytes of content: reading takes up to twelve times as much memory
_WALL = 300.0  # seconds for one document, whatever else the machine does
_IDLE = 60.0  # seconds after which a process without a document is ended
_DOCUMENTS, _SECONDS, _MEMORY = 1000, 120.0, 192 * MIB  # after which a process is replaced


@dataclass(slots=True)
class Pool:
    """Processes of one size: what each may take, whose turn it is, and those that have no document now."""

    limits: wire.Limits
    turns: turns.Turns
    idle: list[tuple[float, process.Process]] = field(default_factory=list)  # since when; the newest last

    @contextlib.asynccontextmanager
    async def reader(self, namespace: str) -> AsyncIterator[process.Process]:
        """A process, when it is this namespace's turn. Raises errors.Unavailable: none starts."""
        async with self.turns.turn(namespace):
            taken = await self._started()
            try:
                yield taken
            finally:
                if not taken.alive or _used_up(taken):
                    await taken.end()
                else:
                    self.idle.append((time.monotonic(), taken))

    async def _started(self) -> process.Process:
        while self.idle:
            _, found = self.idle.pop()
            if found.alive:
                return found
        return await process.Process.start(self.limits)

    async def rest(self, seconds: float) -> None:
        """End processes that have had no document for so long."""
        now = time.monotonic()
        while self.idle and now - self.idle[0][0] >= seconds:
            _, found = self.idle.pop(0)
            await found.end()


def _used_up(one: process.Process) -> bool:
    return one.documents >= _DOCUMENTS or one.seconds >= _SECONDS or one.memory() > _MEMORY


@dataclass(slots=True)
class Readers:
    """Implements `artifacts.Reader`. Close it before its loop ends."""

    small: Pool = field(default_factory=lambda: Pool(wire.Limits(memory=320 * MIB), turns.Turns(places=2, share=1)))
    large: Pool = field(default_factory=lambda: Pool(wire.Limits(), turns.Turns(places=1, share=1)))

    async def read(
        self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance
    ) -> document.Document:
        """What the reader of the type says; a flaw where it needs more than it may have.

        Raises:
            Unavailable: no process can be started now.
            AvouchError: the reader itself is broken.
        """
        kind = material_types.of(type_)
        if not content or not kind.reader or len(content) > kind.readable:
            return validation.read(type_, content)  # nothing is parsed
        return await self._asked(process.Process.read, kind, content, namespace_uid, allowance)

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance) -> bytes:
        """What policies see of a material, as JSON.

        Raises:
            Invalid: they cannot be shown it; TooLarge: it has more than they are shown, or needs more than it may have.
            Unavailable: no process can be started now.
            AvouchError: the reader itself is broken.
        """
        if not documents.is_parsed(type_, content):
            return documents.of_material(type_, content)  # only looked over
        kind = material_types.of(type_)
        found = await self._asked(process.Process.show, kind, content, namespace_uid, allowance)
        if isinstance(found, bytes):
            return found
        flaw = found.flaws[0]
        raise (errors.TooLarge if flaw.code == validation.EXHAUSTING else errors.Invalid)(flaw.message, fix=flaw.fix)

    async def _asked(
        self,
        question: Callable[[process.Process, str, bytes, float], Awaitable[T | document.Document | process.Ended]],
        kind: material_types.MaterialType,
        content: bytes,
        namespace_uid: str,
        allowance: artifacts.Allowance,
    ) -> T | document.Document:
        """The answer; a flaw where it takes more than it may. What is too much for a small process is asked again."""
        found: T | document.Document | process.Ended = process.Ended(0)
        for pool in (self.large,) if len(content) > LARGE else (self.small, self.large):
            async with pool.reader(namespace_uid) as reader:
                if allowance.seconds <= 0:
                    return validation.exhausted(kind, f"time than is left of the {artifacts.ALLOWED:g} s for a run")
                before = reader.seconds
                try:
                    found = await question(reader, kind.name, content, min(_WALL, allowance.seconds))
                finally:
                    allowance.seconds -= reader.seconds - before
            short = isinstance(found, process.Ended) and not found.of_time
            if not short and found != validation.exhausted(kind, validation.MEMORY):
                break
        return _flaw(kind, found, pool.limits) if isinstance(found, process.Ended) else found

    async def rest(self) -> None:
        """End processes that nobody needs; to be called now and then."""
        for pool in (self.small, self.large):
            await pool.rest(_IDLE)

    async def close(self) -> None:
        """End all of them."""
        for pool in (self.small, self.large):
            await pool.rest(0)


def _flaw(kind: material_types.MaterialType, ended: process.Ended, limits: wire.Limits) -> document.Document:
    if ended.code is None:
        return validation.exhausted(kind, f"time than {_WALL:g} s")
    if ended.of_time:
        return validation.exhausted(kind, f"time than {limits.seconds} s of CPU")
    return validation.exhausted(kind, f"memory than {limits.memory // MIB} MiB")
