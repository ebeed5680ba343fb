"""Progress of what takes long: shown on a terminal only, after two seconds, and gone when it is done."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from avouch.cli import session
from avouch.crafting import uploads

Watch = Callable[[str, int], AbstractContextManager[uploads.Progress]]
PATIENCE = 2.0  # seconds before anything is shown


def watch(started: session.Session) -> Watch:
    """How progress is shown: as a bar on a terminal, else not at all."""
    shown = sys.stderr.isatty() and started.environment.get("TERM") != "dumb"
    return _shown if shown else _unseen


@contextmanager
def _unseen(_title: str, _size: int) -> Iterator[uploads.Progress]:
    yield uploads.quiet


@contextmanager
def _shown(title: str, size: int) -> Iterator[uploads.Progress]:
    bar = Bar(title, size, time.monotonic)
    try:
        yield bar
    finally:
        bar.end()


class Bar:
    """One transfer in progress, drawn once it has taken two seconds."""

    def __init__(self, title: str, size: int, clock: Callable[[], float]) -> None:
        self._title, self._size, self._clock = title, size, clock
        self._start = clock()
        self._drawn: Drawn | None = None

    def __call__(self, done: int) -> None:
        """Show how many bytes are done."""
        if self._drawn is None and self._clock() - self._start > PATIENCE:
            self._drawn = _begin(self._title, self._size)
        if self._drawn is not None:
            self._drawn(done)

    def end(self) -> None:
        """Remove the bar."""
        if self._drawn is not None:
            self._drawn(None)


Drawn = Callable[[int | None], None]


def _begin(title: str, size: int) -> Drawn:
    """Draw a bar; the function takes the bytes that are done, and None at the end."""
    from rich import console, progress  # lazy: 34 ms, as long as a whole command, for what takes over two seconds

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(title, total=size or None)
    bar.start()

    def update(done: int | None) -> None:
        if done is None:
            bar.stop()
        else:
            bar.update(task, completed=done)

    return update
