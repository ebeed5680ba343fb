"""What every long-lived process does alike: tell the time, and run until it is asked to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime


class Clock:
    """The wall clock."""

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def until_signal(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` with an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    await serve(stop)
