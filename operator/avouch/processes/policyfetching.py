"""The worker's part in policies that lie on the web: it fetches what the controller asked for, and decides nothing."""

import asyncio
import logging
from collections.abc import Callable

from avouch import errors, webfiles
from avouch.contract import references
from avouch.controlplane.model import fetches
from avouch.oci import client
from avouch.policy import places
from avouch.registry import artifacts
from avouch.values import dataclass

_log = logging.getLogger(__name__)

TOGETHER = 8  # files at once, of as many namespaces as can be


@dataclass(frozen=True, slots=True)
class Fetching:
    """What is due, and from where."""

    due: fetches.Due
    files: webfiles.WebFiles
    registries: Callable[[], client.Options]  # how to reach one, anew for each artifact

    async def step(self) -> bool:
        """Fetch what is due; True where there may be more."""
        asked = await self.due.due(TOGETHER)
        await asyncio.gather(*map(self._one, asked))
        return len(asked) == TOGETHER

    async def forget(self) -> bool:
        """Delete what nobody asks for any more."""
        if gone := await self.due.forget():
            _log.info("%d files of policies were deleted, for nobody asks for them", gone)
        return False

    async def _one(self, asked: fetches.Asked) -> None:
        try:
            content = await self._content(asked.reference)
            references.hold(asked.reference, content)
        except (errors.Invalid, errors.Denied, errors.NotFound, errors.Corrupt, errors.Unavailable) as exc:
            await self.due.fail(asked, str(exc))
            return
        await self.due.keep(asked, content)

    async def _content(self, reference: str) -> bytes:
        if not reference.startswith(places.OCI):
            return await self.files.get(references.parted(reference)[0], fetches.MOST)
        try:
            async with asyncio.timeout(webfiles.SECONDS):
                return await artifacts.content(reference.removeprefix(places.OCI), self.registries(), fetches.MOST)
        except TimeoutError as exc:
            raise errors.Unavailable(f"its registry did not answer within {webfiles.SECONDS:g} s") from exc
