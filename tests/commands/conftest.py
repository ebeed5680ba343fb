"""Jobs whose every command is a process of its own, as a shell starts them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crafting import jobs


@pytest.fixture
def job(tmp_path: Path) -> Iterator[jobs.Job]:
    """A job of GitHub's with the inputs of the real run."""
    with jobs.begun(tmp_path, jobs.Job) as found:
        yield found
