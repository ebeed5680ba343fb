"""An engine in front of the real one, for tests that look at what it is asked."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from avouch.policy import evaluation, rego

Over = TypeVar("Over", bound=evaluation.Engine)


class Front(Generic[Over]):
    """Implements `policy.evaluation.Engine` over another one, and changes nothing."""

    def __init__(self, running: Over) -> None:
        self.running = running

    @property
    def version(self) -> str:
        return self.running.version

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        return await self.running.compiled(source)

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        async with self.running.document(tenant, content) as asked:
            yield asked
