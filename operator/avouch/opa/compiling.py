"""Scripts that were compiled, and what is wrong with those that were not: as many as a bound of bytes takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from avouch import errors, kept
from avouch.opa import launching, program
from avouch.policy import rego

_log = logging.getLogger(__name__)

_BYTES = 32 * launching.MIB  # of source that is remembered
_FAILED, _A_WHILE = 1000, 600.0  # scripts that took too much, and seconds until they are tried again
_AT_ONCE = 2  # of all that may run: each takes a processor, and the memory that `program.COMPILING` says


class Scripts:
    """What a program says of scripts; each is remembered while there is room, one that takes too much for a while."""

    def __init__(self, find: Callable[[], Awaitable[program.Program]]) -> None:
        """`find`: the program, asked for when it is first needed, and until it is found."""
        self._find = find
        self._known: kept.Bounded[str, rego.Compiled | Sequence[rego.Flaw]] = kept.Bounded(_BYTES)
        self._too_large: kept.Kept[str, errors.TooLarge] = kept.Kept(_FAILED)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as an engine holds it, or what is wrong with it. Raises errors.TooLarge."""
        name = rego.name_of(source)
        if (known := self._known.recall(name)) is not None:
            return known
        async with self._turns:
            found = self._known.recall(name)  # somebody may have looked at it meanwhile
            if found is None:
                found = await self._looked_at(name, source)
                self._known.keep(name, found, len(source))
        return found

    async def _looked_at(self, name: str, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        if (failed := self._too_large.recall(name)) is not None:
            raise errors.TooLarge(failed.args[0], field=failed.field, fix=failed.fix)
        try:
            return await (await self._find()).compiled(source)
        except errors.TooLarge as exc:
            self._too_large.keep(name, exc, _A_WHILE)
            raise


class Compiler:
    """Implements `policy.evaluation.Compiler`; the program is looked for when it is needed, until it is found."""

    def __init__(self, find: Callable[[], Awaitable[program.Program]]) -> None:
        self._find = find
        self._opa: program.Program | None = None
        self._looking = asyncio.Lock()
        self._scripts = Scripts(self.program)

    @property
    def version(self) -> str:
        """Of OPA; "" until it was needed."""
        return self._opa.version if self._opa else ""

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as an engine holds it, or what is wrong with it. Raises errors.TooLarge, what `find` raises."""
        return await self._scripts.compiled(source)

    async def program(self) -> program.Program:
        """The program. Raises what `find` raises."""
        async with self._looking:
            if self._opa is None:
                self._opa = await self._find()
                _log.info("policies are compiled by OPA %s", self._opa.version)
            return self._opa
