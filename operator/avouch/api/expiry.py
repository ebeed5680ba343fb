"""Retention: how long runs are kept. On an Organization for all its projects, on a Workflow for its own runs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from avouch.api import meta, rules

_DURATION = rules.Pattern(
    "^[1-9][0-9]{0,6}h$", "is not a number of hours", "write hours as in 8760h (a year), at least 1h"
)


class Retention(meta.Model):
    """How long runs are kept. A run is deleted with its claims, verdict, deliveries; unreferenced artifacts follow."""

    runs: Annotated[str, meta.bounded(8, _DURATION, minimum=2), AfterValidator(_DURATION.check)] | None = None
    """How long a run is kept after its verdict, such as 8760h for a year; default: forever."""
    keep_last: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Number of newest runs of each Workflow that are kept regardless of their age. Default 1."""
