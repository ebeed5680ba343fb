"""What the use cases exchange: frozen values, free of I/O. Times are timezone-aware UTC."""

import uuid
from dataclasses import dataclass

from avouch.controlplane.model import runs, verdicts

NOBODY = uuid.UUID(int=0)  # comes before every run


@dataclass(frozen=True, slots=True)
class Judged:
    """A run that was judged, in the order of COMMIT by (`version`, `run_id`), and the first of its findings."""

    version: int = 0
    run_id: uuid.UUID = NOBODY
    run: runs.Run | None = None
    first: verdicts.Finding | None = None
    findings: int = 0
