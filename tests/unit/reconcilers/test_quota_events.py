"""An Event on a namespace whose quota is nearly used up: hourly while it holds, and no oftener."""

from collections.abc import Sequence
from typing import Any

from avouch.controlplane.model import quotas
from avouch.kube import events
from avouch.reconcilers import quota_events

FULL = quotas.NearlyFull("team", "u", "artifactBytes", 95, 100)


class Uses:
    def __init__(self, *found: quotas.NearlyFull) -> None:
        self.found = found

    async def nearly_full(self, share: float, limit: int) -> Sequence[quotas.NearlyFull]:
        assert share == quotas.NEAR  # what the metric counts
        return self.found


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], events.Event]] = []

    async def record(self, regarding: dict[str, Any], event: events.Event) -> None:
        self.told.append((regarding, event))


async def test_it_is_told_hourly_for_as_long_as_it_holds() -> None:
    uses, recorder, now = Uses(FULL), Recorder(), [0.0]
    watch = quota_events.QuotaWatch(uses, recorder, clock=lambda: now[0])
    for at, told in ((0, 1), (300, 1), (3599, 1), (3600, 2), (3900, 2)):
        now[0] = float(at)
        await watch.look()
        assert len(recorder.told) == told
    uses.found = ()
    await watch.look()
    uses.found = (FULL,)
    await watch.look()  # full again: that is news
    assert len(recorder.told) == 3


async def test_the_event_is_in_the_namespace_and_says_what_helps() -> None:
    recorder = Recorder()
    await quota_events.QuotaWatch(Uses(FULL), recorder).look()
    ((regarding, event),) = recorder.told
    assert regarding == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"namespace": "team", "name": "team", "uid": "u"},
    }
    assert event.warning
    assert event.reason == "ArtifactQuotaNearlyFull"
    assert "95 of 100 bytes of artifacts are used (quotas.artifactBytes)" in event.note
    assert "spec.settings.quotas" in event.note
    assert len(event.note) < 1024
