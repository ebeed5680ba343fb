"""Where a watch may start: at a version that was handed out, and from which nothing was deleted since."""

import pytest

from avouch import errors
from avouch.store import versions


@pytest.mark.parametrize(("since", "reached"), [(4, False), (5, True), (7, True), (9, True), (10, False)])
def test_a_watch_starts_between_the_last_deletion_and_the_newest_version(since: int, reached: bool) -> None:
    if reached:
        versions.must_reach(since, (5, 9))
    else:
        with pytest.raises(errors.Conflict, match="list again"):
            versions.must_reach(since, (5, 9))
