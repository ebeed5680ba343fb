"""The sidecar's budget ends its work, whatever the work does with the first word of it."""

import time

from avouch.sidecar import work


def test_a_second_run_has_no_more_time_than_the_first_left_it(monkeypatch) -> None:
    """What fails for one run is told and the next one begins: it is ended, too."""
    monkeypatch.setattr(work, "_AGAIN", 0.1)
    start, ended = time.monotonic(), 0
    with work._Alarm(0.1):
        for _ in range(3):
            try:
                time.sleep(5)
            except OSError:
                ended += 1
    assert (ended, time.monotonic() - start < 5) == (3, True)
