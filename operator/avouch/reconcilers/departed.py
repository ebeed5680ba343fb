"""TaskRuns that went, or were taken from their PipelineRun, before its record was taken: what was last known of each.

Who deletes a PipelineRun that is Done deletes its TaskRuns with it, and their watch may tell of that first. So the last
state of a TaskRun that was Done is kept until its PipelineRun is recorded. It counts if it went after the PipelineRun
was Done: one that was deleted while the PipelineRun worked is missing in the record, and the verdict says so.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from avouch.kube.cache import Object
from avouch.tekton import labels

_MOST = 1000  # TaskRuns, of 26 KB each: beyond that the oldest are missing in the record

Owner: TypeAlias = tuple[str, str]  # namespace and UID of a PipelineRun


class Departed:
    """TaskRuns by their PipelineRun."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Owner, str], tuple[datetime, Object]] = OrderedDict()  # by owner and name

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, owner: Owner, taskrun: Object, at: datetime) -> None:
        """Remember a TaskRun that went at this time; of two of one name the later one."""
        key = owner, labels.name_of(taskrun)
        self._kept[key] = at, taskrun
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def of(self, owner: Owner, since: datetime) -> Sequence[Object]:
        """Those of a PipelineRun that did not go before this time."""
        return [found for (whose, _), (at, found) in self._kept.items() if whose == owner and at >= since]

    def forget(self, owner: Owner) -> None:
        """Its record is taken."""
        for key in [key for key in self._kept if key[0] == owner]:
            del self._kept[key]
