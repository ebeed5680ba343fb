"""Jobs whose commands run inside the test's process; those that are processes are in tests/commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crafting import jobs


@pytest.fixture
def job(tmp_path: Path) -> Iterator[jobs.Job]:
    """A job of GitHub's with the inputs of the real run."""
    with jobs.begun(tmp_path, jobs.Here) as found:
        yield found
