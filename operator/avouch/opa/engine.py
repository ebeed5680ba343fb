"""Processes of OPA, warm and apart: one for each tenant that was last judged.

Scripts and documents of two tenants are never in one process. Of one tenant, one document is judged at a time: what
it takes too much of, it takes from itself.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from avouch import errors
from avouch.opa import program, server, style
from avouch.policy import evaluation, rego

TENANTS = 4  # processes that are kept
_SCRIPTS = 1024  # that stay compiled, over all tenants
_PROCESSES = 3  # that one document may use up


class Engine:
    """Implements `policy.evaluation.Engine`."""

    def __init__(self, opa: program.Program) -> None:
        self._opa = opa
        self._compiled: OrderedDict[str, rego.Compiled | Sequence[rego.Flaw]] = OrderedDict()
        self._servers: OrderedDict[str, server.Server] = OrderedDict()
        self._turns: dict[str, asyncio.Lock] = {}

    @property
    def version(self) -> str:
        """Of OPA."""
        return self._opa.version

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as the engine holds it, or what is wrong with it."""
        name = rego.name_of(source)
        if name not in self._compiled:
            self._compiled[name] = await self._opa.compiled(source)
        self._compiled.move_to_end(name)
        while len(self._compiled) > _SCRIPTS:
            self._compiled.popitem(last=False)
        return self._compiled[name]

    async def style(self, source: str) -> Sequence[rego.Flaw]:
        """What OPA's formatter would change in a script, and what Regal says of it, where that is on PATH."""
        return await style.of(self._opa, source)

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        """Hold a document of a tenant, to ask scripts about it."""
        async with self._turns.setdefault(tenant, asyncio.Lock()):
            shown = _Shown(self, tenant, content)
            try:
                yield shown
            finally:
                await shown.close()

    async def server(self, tenant: str) -> server.Server:
        """The process of a tenant, which has its turn. Raises errors.Unavailable."""
        found = self._servers.pop(tenant, None)
        if found is not None and (found.full or not found.alive):
            await found.end()
            found = None
        self._servers[tenant] = found or await server.Server.started(self._opa)
        for other in list(self._servers)[:-TENANTS]:
            if not self._turns[other].locked():
                await self._servers.pop(other).end()
        return self._servers[tenant]

    async def close(self) -> None:
        """End every process."""
        while self._servers:
            await self._servers.popitem()[1].end()


class _Shown:
    """A document that scripts are asked about, whatever becomes of the process that holds it."""

    def __init__(self, engine: Engine, tenant: str, content: bytes) -> None:
        self._engine, self._tenant, self._content = engine, tenant, content
        self._held = contextlib.AsyncExitStack()
        self._server: server.Server | None = None
        self._name = ""
        self._used = 0

    async def ask(self, script: rego.Compiled, beside: Mapping[str, Any], at: datetime | None = None) -> Any:
        """The result of a script for the document, with more fields beside those of the document."""
        holder = await self._holding()
        await holder.hold(script)
        return await holder.ask(script, self._name, beside, at)

    async def _holding(self) -> server.Server:
        """The process that holds the document; another one where a script ended the last."""
        if self._server is not None and self._server.alive:
            return self._server
        if self._used >= _PROCESSES:
            raise errors.TooLarge(f"not evaluated: {_PROCESSES} scripts before it ended the engine over this document")
        self._used += 1
        await self._held.aclose()
        self._server = await self._engine.server(self._tenant)
        self._name = await self._held.enter_async_context(self._server.document(self._content))
        return self._server

    async def close(self) -> None:
        """Let the document go."""
        await self._held.aclose()


@contextlib.asynccontextmanager
async def opened(environment: Mapping[str, str]) -> AsyncIterator[Engine]:
    """The engine of this machine, for as long as it is needed. Raises errors.NotInstalled."""
    made = Engine(await program.found(environment))
    try:
        yield made
    finally:
        await made.close()
