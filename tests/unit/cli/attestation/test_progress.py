from avouch.cli.attestation import progress
from avouch.crafting import uploads


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_drawn_before_two_seconds_and_nothing_is_left_behind(capsys):
    clock = Clock()
    bar = progress.Bar("uploading big.bin", 1000, clock)
    bar(10)
    bar.end()
    assert capsys.readouterr().err == ""
    clock.now = 2.5
    bar(500)
    assert bar._drawn is not None
    bar(1000)
    bar.end()


def test_progress_that_nobody_watches_costs_nothing():
    assert uploads.quiet(1) is None  # type: ignore[func-returns-value]  # that is what is asked
