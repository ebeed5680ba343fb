"""Results of scripts that were asked before: what an engine said once of an input is not computed again.

1. A result is known by the tenant, the script's digest, the document's digest, and of what lies beside it by the fields
   that the script can see (`rego.Compiled.seen`).
2. A script that calls for what changes (the time, chance, the network) is asked each time, and so is one that failed,
   took too much or had no result.
3. What is remembered is the result as it was told, and it is read anew each time: what it means is decided as if the
   engine had just said it.
4. Questions that are known in advance are asked many at a time (`foresee`), and what is said to them is remembered. A
   script that takes long or fails spoils that for the others: all of them are asked by themselves until each has
   answered at once, and the one that spoiled it until it has done so for a while.
5. Each tenant has a share that nobody else fills, sees, or finds something in sooner than by asking.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from avouch import digests, errors, kept
from avouch.policy import evaluation, rego

_log = logging.getLogger(__name__)

TENANTS = 64  # that were judged last
BYTES = 512 * 1024  # of one tenant: some 1,000 results
_LARGEST = 64 * 1024  # bytes of one result
_BESIDE = 300  # bytes that an entry takes beside its result
_SHORT = 1024 * 1024  # bytes of a document that are hashed in a millisecond or two
_TOGETHER = 256  # questions of one request
_WEIGHT = 512 * 1024  # bytes of documents, and of what lies beside them, of one request
_AT_ONCE = 0.1  # seconds in which a script answers that may be asked together with others
_SPOILERS = 1000  # scripts of one tenant that are asked by themselves
# How often a script has to answer at once before it is asked together with others: one that was beside a spoiler,
_BESIDE_ONE, _FAILED, _TOO_MUCH = 1, 32, 1000  # one that failed, and one that took too much.


class _Results:
    """What is known of one tenant's scripts: what they said, and which of them are asked by themselves."""

    def __init__(self) -> None:
        self.said: kept.Bounded[str, bytes] = kept.Bounded(BYTES)
        self.apart: kept.Bounded[str, int] = kept.Bounded(_SPOILERS)  # how often each has to answer at once

    def keep(self, key: str, result: Any) -> None:
        """Remember a result, unless it is a large one."""
        text = json.dumps(result).encode()
        if len(text) <= _LARGEST:
            self.said.keep(key, text, len(text) + _BESIDE)


class _Key(NamedTuple):
    """The digest of all that a result depends on, and how many bytes that is without the document."""

    digest: str
    size: int


class Remembering:
    """Implements `policy.evaluation.Engine` over another one, and `Memory`. Owned by one event loop."""

    def __init__(self, engine: evaluation.Joining) -> None:
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

    async def foresee(self, tenant: str, asked: Sequence[evaluation.Ahead]) -> None:
        """(4) Ask many questions at once. Nothing fails here: what has no answer then is asked when it is needed."""
        results, waiting = self._results(tenant), dict[str, tuple[evaluation.Ahead, int]]()
        for at, one in enumerate(asked):
            if at % 50 == 49:
                await asyncio.sleep(0)
            if one.script.lasting and not results.apart.recall(one.script.name):
                key = _key(str(digests.of_bytes(one.document)), one.script, one.beside)
                if results.said.recall(key.digest) is None:
                    seen = replace(one, beside=one.script.seen(one.beside))
                    waiting[key.digest] = (seen, key.size + len(one.document))
        while waiting and await self._asked_together(tenant, results, _part(waiting)):
            pass

    async def _asked_together(self, tenant: str, results: "_Results", part: Mapping[str, evaluation.Ahead]) -> bool:
        """Whether the engine answered these questions."""
        try:
            said = await self._engine.together(tenant, list(part.values()))
        except errors.AvouchError as exc:
            _log.debug("%d questions of %s are asked one by one: %s", len(part), tenant, exc)
            for one in part.values() if not exc.retry else ():
                results.apart.keep(one.script.name, _BESIDE_ONE)
            return False
        for place, key in enumerate(part):
            if place in said:
                results.keep(key, said[place])
        return True

    def _results(self, tenant: str) -> _Results:
        found = self._tenants.recall(tenant)
        if found is None:
            found = _Results()
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
        if (known := self._results.said.recall(key)) is not None:
            return json.loads(known)
        engines, began = await self._engines(), time.monotonic()
        try:
            result = await engines.ask(script, beside, at, hosts)
        except errors.Invalid as exc:
            much = isinstance(exc, errors.TooLarge)
            self._results.apart.keep(script.name, _TOO_MUCH if much else _FAILED)
            raise
        if time.monotonic() - began <= _AT_ONCE and (owed := self._results.apart.recall(script.name)):
            self._results.apart.keep(script.name, owed - 1)
        self._results.keep(key, result)
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
        return _key(self._digest, script, beside).digest


def _key(document: str, script: rego.Compiled, beside: Mapping[str, Any]) -> _Key:
    text = json.dumps([document, script.name, script.seen(beside)], sort_keys=True)
    return _Key(digests.of_bytes(text.encode()).hex, len(text))


def _part(waiting: dict[str, tuple[evaluation.Ahead, int]]) -> Mapping[str, evaluation.Ahead]:
    """As many as one request takes, which wait no more; at least one."""
    room, part = _WEIGHT, dict[str, evaluation.Ahead]()
    for key, (one, size) in waiting.items():
        room -= size
        if part and (room < 0 or len(part) >= _TOGETHER):
            break
        part[key] = one
    for key in part:
        del waiting[key]
    return part


async def _digest(content: bytes) -> digests.Digest:
    if len(content) <= _SHORT:
        return digests.of_bytes(content)
    return await asyncio.to_thread(digests.of_bytes, content)
