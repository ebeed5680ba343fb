"""Time and waiting as a value, so that tests need neither."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """The machine's clock, unless a test says otherwise."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def backoff(attempt: int, first: float, longest: float) -> float:
    """Seconds before the next try: doubling, capped, with half of it random so that clients do not retry in step."""
    whole: float = min(longest, first * 2**attempt)
    return whole * (0.5 + 0.5 * os.urandom(1)[0] / 255)
