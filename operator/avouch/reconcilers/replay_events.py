"""What a new revision of a Contract would have done to past runs, brought to the Contract: its status, and an Event.

A warning, and no more: Ready stays as it is, for a contract that asks for more than it did is no error.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from avouch.controlplane.model import replays
from avouch.kube import events, resources
from avouch.kube.cache import Key, Object
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import looking
from avouch.reconcilers.context import Context

TICK = 5.0  # seconds between looks at the database
_AGAIN = timedelta(minutes=1)  # that is read twice: the order of COMMIT is not that of times
_EVER = datetime.min.replace(tzinfo=UTC)
_TEXT = 800  # characters of the note of an Event


def event_of(replay: replays.Replay) -> events.Event:
    """The Event that tells of a replay; a warning where runs that passed would have failed."""
    result, asked = replay.result, replay.asked
    note = f"revision {asked.revision}: {replays.told(result)}"
    failing = bool(result.would_fail)
    reason = "PastRunsWouldFail" if failing else "PastRunsReplayed"
    return events.Event(reason, note[:_TEXT], action="Replay", warning=failing)


@dataclass(slots=True)
class ReplayWatch:
    """Reads replays that are done, and passes each on once."""

    context: Context
    results: replays.Results
    queue: WorkQueue[Key]
    recorder: events.Recorder
    since: datetime = _EVER

    async def run(self) -> None:
        """Look every five seconds; a database that does not answer is asked again."""
        await looking.regularly(TICK, self.look, "replays")

    async def begin(self) -> None:
        """Learn what is done: nobody is told of it again. Raises errors.Unavailable."""
        for one in await self._read():
            self.context.replayed[one.asked.namespace, one.asked.name] = one

    async def look(self) -> None:
        """Pass on what was done since the last look."""
        for one in await self._read():
            place = (one.asked.namespace, one.asked.name)
            if self.context.replayed.get(place) == one:
                continue
            self.context.replayed[place] = one
            key = Key("Contract", *place)
            self.queue.add(key)
            if (obj := self.context.cache.get(key)) is not None and one.result.replayed:
                await self.recorder.record(_reference(obj), event_of(one))

    async def _read(self) -> list[replays.Replay]:
        found = list(await self.results.done(self.since))
        if found:
            self.since = found[-1].at - _AGAIN
        return found


def _reference(obj: Object) -> events.Json:
    meta = obj["metadata"]
    return events.reference(resources.CONTRACTS, meta["namespace"], meta["name"], meta["uid"])
