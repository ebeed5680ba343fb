"""Requests that wait for a verdict: a bounded number of them, each for a bounded time."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from avouch import errors
from avouch.controlplane.model import runs, verdicts

_LONGEST = 30.0  # seconds
_LOOK = 0.03  # seconds until the first look; each pause is half as long again, up to a second
_MOST = 200  # requests that wait at a time; others are answered at once

Look = Callable[[uuid.UUID], Awaitable[runs.Run | None]]


class Verdicts:
    """Waits for verdicts. Owned by one event loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._places = asyncio.Semaphore(most)

    async def wait(self, run: runs.Run, until: float, look: Look) -> bool:
        """Wait until the run is judged, or until this moment of the monotonic clock. False: nothing was waited for."""
        if run.result is not verdicts.VerdictResult.PENDING or time.monotonic() >= until or self._places.locked():
            return False
        async with self._places:
            await _judged(run.id, until, look)
        return True


def seconds(request: Request) -> float:
    """How long the request wants to wait, within limits. Raises errors.Invalid."""
    said = request.query_params.get("wait", "0")
    if not said.isascii() or not said.isdigit() or len(said) > 4:
        raise errors.Invalid("not a number of seconds", field="wait", fix="wait=30")
    return min(float(said), _LONGEST)


async def _judged(run_id: uuid.UUID, until: float, look: Look) -> None:
    pause = _LOOK
    while time.monotonic() < until:
        found = await look(run_id)
        if found is None or found.result is not verdicts.VerdictResult.PENDING:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
