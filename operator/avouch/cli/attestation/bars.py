"""A bar on the terminal. Imported only where one is drawn: Rich costs as much time as a whole command."""

from collections.abc import Callable

from rich import console, progress


def begin(title: str, size: int) -> Callable[[int | None], None]:
    """Draw a bar; the function takes the bytes that are done, and None when it is over."""
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
