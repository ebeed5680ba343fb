"""How long something holds up whoever else is served by its event loop."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

MOST = 0.05  # seconds


async def held(doing: Coroutine[Any, Any, object]) -> float:
    """The most CPU seconds of this process between two turns of the loop, while something is done once.

    CPU and not time on the wall, which other processes take as they like. What a thread works meanwhile counts as far
    as it lets the loop wait, so a thread that keeps the interpreter to itself is no way out.
    """
    await asyncio.sleep(0)
    task, most, last = asyncio.ensure_future(doing), 0.0, time.process_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.process_time()
        most, last = max(most, now - last), now
    await task
    return most
