"""Processes of OPA, warm and apart: one for each tenant that was last judged, and never more than a few.

Scripts and documents of two tenants are never in one process. Of one tenant, one document is judged at a time: what
it takes too much of, it takes from itself. A document whose scripts take long leaves its place to others in between.
"""

import asyncio
import contextlib
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from avouch import destinations, errors
from avouch.opa import compiling, launching, program, sending, server, style
from avouch.policy import evaluation, rego

TENANTS = 2  # processes at most
TURN = 10.0  # seconds after which a document leaves its place to tenants that wait, between two scripts
_PROCESSES = 3  # that one document may use up


class Engine:
    """Implements `policy.evaluation.Engine`."""

    def __init__(
        self,
        find: Callable[[], Awaitable[program.Program]],
        allowed: destinations.Destinations = destinations.PUBLIC,
    ) -> None:
        """An engine.

        Args:
            find: the program, asked for when it is first needed, and until it is found.
            allowed: addresses of hosts that scripts may ask.
        """
        self.allowed = allowed
        self._compiler = compiling.Compiler(find)
        self._servers: OrderedDict[str, server.Server] = OrderedDict()
        # Each is kept for as long as somebody has or awaits it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._places = asyncio.Semaphore(TENANTS)
        self._busy: set[str] = set()
        self._waiting = 0  # tenants, for a place

    @property
    def version(self) -> str:
        """Of OPA; "" until it was needed."""
        return self._compiler.version

    async def found(self) -> None:
        """Look for the program now. Raises what `find` raises."""
        await self._compiler.program()

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as the engine holds it, or what is wrong with it."""
        return await self._compiler.compiled(source)

    async def style(self, source: str) -> Sequence[rego.Flaw]:
        """What OPA's formatter would change in a script, and what Regal says of it, where that is on PATH."""
        return await style.of(await self._compiler.program(), source)

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        """Hold a document of a tenant, to ask scripts about it."""
        began = time.monotonic()
        async with self._turns.setdefault(tenant, asyncio.Lock()):
            shown = _Shown(self, tenant, content)
            try:
                await shown.enter()
                shown.waited = time.monotonic() - began
                yield shown
            finally:
                await shown.leave()

    async def enter(self, tenant: str) -> None:
        """Wait for a place for a process of this tenant, which has its turn."""
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        self._busy.add(tenant)

    def leave(self, tenant: str) -> None:
        """Leave the place to whoever waits; the process stays until it is needed for another."""
        self._busy.discard(tenant)
        self._places.release()

    @property
    def awaited(self) -> bool:
        """Whether tenants wait for a place."""
        return self._waiting > 0

    async def together(self, tenant: str, asked: Sequence[evaluation.Ahead]) -> Mapping[int, Any]:
        """Results of scripts that last, of a tenant, by one request."""
        documents = list(dict.fromkeys(one.document for one in asked))
        places = {document: at for at, document in enumerate(documents)}
        questions = [server.Question(one.script, places[one.document], one.beside) for one in asked]
        async with self._turns.setdefault(tenant, asyncio.Lock()):
            await self.enter(tenant)
            try:
                holder = await self.server(tenant)
                for one in questions:
                    await holder.hold(one.script)
                return await holder.together(documents, questions)
            finally:
                self.leave(tenant)

    async def server(self, tenant: str) -> server.Server:
        """The process of a tenant, which has its turn. Raises errors.Unavailable."""
        found = self._servers.pop(tenant, None)
        if found is not None and (found.full or not found.alive):
            await found.end()
            found = None
        if found is None:
            idle = [other for other in self._servers if other not in self._busy]
            for other in idle[: max(0, len(idle) + len(self._busy) - TENANTS)]:
                await self._servers.pop(other).end()
            found = await server.Server.started(await self._compiler.program())
        self._servers[tenant] = found
        return found

    async def close(self) -> None:
        """End every process."""
        while self._servers:
            await self._servers.popitem()[1].end()


class _Shown:
    """A document that scripts are asked about, whatever becomes of the process that holds it."""

    def __init__(self, engine: Engine, tenant: str, content: bytes) -> None:
        self._engine, self._tenant, self._content = engine, tenant, content
        self.waited = 0.0
        self._since: float | None = None  # when it got its place
        self._held = contextlib.AsyncExitStack()
        self._server: server.Server | None = None
        self._name = ""
        self._used = 0

    async def enter(self) -> None:
        """Wait for a place."""
        await self._engine.enter(self._tenant)
        self._since = time.monotonic()

    async def leave(self) -> None:
        """Let the document go, and the place."""
        try:
            await self._held.aclose()
        finally:
            self._server = None
            if self._since is not None:
                self._since = None
                self._engine.leave(self._tenant)

    async def _give_way(self) -> None:
        """Let others have the place who wait for it, once this document had it for long; and wait for it again."""
        began = time.monotonic()
        if self._since is not None and began - self._since > TURN and self._engine.awaited:
            self._used += self._server is not None and not self._server.alive
            await self.leave()
            await self.enter()
            self.waited += time.monotonic() - began

    async def ask(
        self,
        script: rego.Compiled,
        beside: Mapping[str, Any],
        at: datetime | None = None,
        hosts: Sequence[str] = (),
    ) -> Any:
        """The result of a script for the document, with more fields beside those of the document."""
        await self._give_way()
        holder = await self._holding()
        await holder.hold(script)
        reach = sending.Reach(frozenset(hosts), self._engine.allowed)
        return await holder.ask(script, self._name, server.Asking(beside, at, reach))

    async def _holding(self) -> server.Server:
        """The process that holds the document; another one where a script ended the last."""
        if self._server is not None and self._server.alive:
            return self._server
        if self._server is not None:
            self._used += 1
        if self._used >= _PROCESSES:
            raise errors.TooLarge(f"not evaluated: {_PROCESSES} scripts before it ended the engine over this document")
        await self._held.aclose()
        self._server = await self._engine.server(self._tenant)
        self._name = await self._held.enter_async_context(self._server.document(self._content))
        return self._server


@contextlib.asynccontextmanager
async def rested(made: Engine) -> AsyncIterator[Engine]:
    """The engine for a while, after which no process of it is left; scripts that it compiled are remembered."""
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def opened(environment: Mapping[str, str], limits: launching.Limits | None = None) -> AsyncIterator[Engine]:
    """The engine of a user's machine, for as long as it is needed: hosts that its user names may be anywhere.

    Raises:
        errors.NotInstalled: there is no program.
    """
    async with rested(Engine(lambda: program.found(environment, limits), destinations.ANYWHERE)) as made:
        await made.found()
        yield made
