"""What every long-lived process does alike: tell the time, and run until it is asked to stop."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import uvloop

from avouch import errors
from avouch.processes import logs

_log = logging.getLogger(__name__)


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


class Configured(Protocol):
    """Settings of a process."""

    @property
    def log_level(self) -> str:
        """From which level it logs."""
        ...


Config = TypeVar("Config", bound=Configured)


def run(read: Callable[[Mapping[str, str]], Config], serve: Callable[[Config, asyncio.Event], Awaitable[None]]) -> int:
    """Read the settings and serve until SIGTERM. Returns the exit code."""
    try:
        config = read(os.environ)
    except errors.Invalid as exc:
        logs.configure("INFO")
        _log.error("cannot start: %s", exc)
        return 2
    logs.configure(config.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signal(lambda stop: serve(config, stop)))
    return 0


async def until_signal(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` with an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    await serve(stop)
