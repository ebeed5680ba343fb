"""Jobs that type commands: as processes, or inside the test's process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crafting import jobs
from tests.crafting.jobs import GITHUB as GITHUB
from tests.crafting.jobs import Ended as Ended
from tests.crafting.jobs import Job as Job


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Each command is a process."""
    with jobs.begun(tmp_path, jobs.Job) as found:
        yield found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Job]:
    """Commands run inside this process."""
    with jobs.begun(tmp_path, jobs.Here) as found:
        yield found
