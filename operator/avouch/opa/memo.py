"""Results of scripts that were asked before: what an engine said once of an input is not computed again.

1. A result is known by the tenant, the script's digest, the document's digest, and of what lies beside it by the fields
   that the script can see (`rego.Compiled.seen`).
2. A script that calls for what changes (the time, chance, the network) is asked each time, and so is one that failed,
   took too much or had no result.
3. What is remembered is the result as it was told, and it is read anew each time: what it means is decided as if the
   engine had just said it.
4. Each tenant has a share that nobody else fills, sees, or finds something in sooner than by asking.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from avouch import digests, kept
from avouch.policy import evaluation, rego

TENANTS = 64  # that were judged last
BYTES = 512 * 1024  # of one tenant: some 1,000 results
_LARGEST = 64 * 1024  # bytes of one result
_BESIDE = 300  # bytes that an entry takes beside its result
_SHORT = 1024 * 1024  # bytes of a document that are hashed in a millisecond or two

_Results = kept.Bounded[str, bytes]


class Remembering:
    """Implements `policy.evaluation.Engine` over another one. Owned by one event loop."""

    def __init__(self, engine: evaluation.Engine) -> None:
        self._engine = engine
        self._tenants: kept.Bounded[str, _Results] = kept.Bounded(TENANTS)

    @property
    def version(self) -> str:
        """Of the engine."""
        return self._engine.version

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as the engine holds it, or what keeps it from being compiled."""
        return await self._engine.compiled(source)

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        """Hold a document, which is JSON; the engine gets it when a script is asked whose result is not known."""
        async with contextlib.AsyncExitStack() as held:
            yield _Shown(self._engine, self._results(tenant), tenant, content, held)

    def _results(self, tenant: str) -> _Results:
        found = self._tenants.recall(tenant)
        if found is None:
            found = kept.Bounded(BYTES)
            self._tenants.keep(tenant, found)
        return found


class _Shown:
    """A document that scripts are asked about, and what they said of it."""

    def __init__(
        self, engine: evaluation.Engine, results: _Results, tenant: str, content: bytes, held: contextlib.AsyncExitStack
    ) -> None:
        self._engine, self._results, self._tenant, self._content, self._held = engine, results, tenant, content, held
        self._digest = ""
        self._asked: evaluation.Asked | None = None

    @property
    def waited(self) -> float:
        """Seconds for which the document waited for the engine, so far."""
        return 0.0 if self._asked is None else self._asked.waited

    async def ask(
        self,
        script: rego.Compiled,
        beside: Mapping[str, Any],
        at: datetime | None = None,
        hosts: Sequence[str] = (),
    ) -> Any:
        """The result of the script: the one that it had for this input before, else the engine's."""
        if not script.lasting:
            return await (await self._engines()).ask(script, beside, at, hosts)
        key = await self._key(script, beside)
        if (known := self._results.recall(key)) is not None:
            return json.loads(known)
        result = await (await self._engines()).ask(script, beside, at, hosts)
        text = json.dumps(result).encode()
        if len(text) <= _LARGEST:
            self._results.keep(key, text, len(text) + _BESIDE)
        return result

    async def _engines(self) -> evaluation.Asked:
        """The document as the engine holds it, from when it is first needed."""
        if self._asked is None:
            self._asked = await self._held.enter_async_context(self._engine.document(self._tenant, self._content))
        return self._asked

    async def _key(self, script: rego.Compiled, beside: Mapping[str, Any]) -> str:
        """The digest of everything that the result depends on."""
        if not self._digest:
            self._digest = str(await _digest(self._content))
        text = json.dumps([self._digest, script.name, script.seen(beside)], sort_keys=True)
        return digests.of_bytes(text.encode()).hex


async def _digest(content: bytes) -> digests.Digest:
    if len(content) <= _SHORT:
        return digests.of_bytes(content)
    return await asyncio.to_thread(digests.of_bytes, content)
