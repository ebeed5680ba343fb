"""The worker's part in policies that lie on the web: it fetches what the controller asked for, and decides nothing."""

import asyncio
import logging

from avouch import errors, webfiles
from avouch.contract import references
from avouch.controlplane.model import fetches
from avouch.values import dataclass

_log = logging.getLogger(__name__)

TOGETHER = 8  # files at once, of as many namespaces as can be


@dataclass(frozen=True, slots=True)
class Fetching:
    """What is due, and from where."""

    due: fetches.Due
    files: webfiles.WebFiles

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
            content = await self.files.get(references.parted(asked.reference)[0], fetches.MOST)
            references.hold(asked.reference, content)
        except (errors.Invalid, errors.Denied, errors.NotFound, errors.Unavailable) as exc:
            await self.due.fail(asked, str(exc))
            return
        await self.due.keep(asked, content)
