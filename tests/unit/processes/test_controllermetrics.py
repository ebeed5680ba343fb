"""What the controller tells Prometheus, and kubelet."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import prometheus_client
import pytest

from avouch import errors
from avouch.kube import reflector
from avouch.processes import controllermetrics, health


def fresh(**read: Callable[[], float]) -> controllermetrics.Metrics:
    names = (*controllermetrics.GAUGES, *controllermetrics.COUNTERS)
    return controllermetrics.Metrics({**{name: lambda: 0.0 for name in names}, **read})


def scraped(metrics: controllermetrics.Metrics) -> str:
    return prometheus_client.generate_latest(metrics.registry).decode()


def test_reconciles_are_counted_and_timed_by_kind_and_result() -> None:
    metrics = fresh()
    metrics.reconciled("Workflow", "error", 0.2)
    text = scraped(metrics)
    assert 'avouch_reconcile_seconds_count{kind="Workflow",result="error"} 1.0' in text
    assert 'avouch_reconcile_seconds_bucket{kind="Workflow",le="0.1",result="error"} 0.0' in text


def test_a_gauge_and_a_count_are_read_when_somebody_scrapes() -> None:
    now = {"depth": 1.0, "writes": 4.0}
    metrics = fresh(avouch_objects_waiting=lambda: now["depth"], avouch_status_writes=lambda: now["writes"])
    now["depth"] = 7.0
    assert "avouch_objects_waiting 7.0" in scraped(metrics)
    assert "avouch_status_writes_total 4.0" in scraped(metrics)


def test_each_watch_tells_how_long_it_has_been_silent() -> None:
    metrics, progress = fresh(), reflector.Progress()
    progress.seen_at -= 120
    progress.relists = 3
    metrics.watches({"taskruns": progress})
    text = scraped(metrics)
    age = float(text.split('avouch_watch_age_seconds{resource="taskruns"} ')[1].split("\n")[0])
    assert 120 <= age < 130
    assert 'avouch_relists_total{resource="taskruns"} 3.0' in text


def test_the_end_of_each_certificate_is_told() -> None:
    metrics = fresh()
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    metrics.certificates(lambda: {"avouch-ca/ca.crt": ends})
    assert 'certificate="avouch-ca/ca.crt"' in scraped(metrics)
    assert f"{ends.timestamp():.9e}".split("e")[0].rstrip("0") in scraped(metrics)


def test_a_failing_watch_is_silent_and_yet_not_idle() -> None:
    progress = reflector.Progress()
    progress.seen_at = progress.tried_at = progress.seen_at - 400
    assert progress.idle() > 300
    progress.failed("no route to host")
    assert progress.idle() < 1
    assert progress.age() > 300


@pytest.mark.parametrize(("path", "alive", "ready", "status"), [
    ("/healthz", True, False, 200),
    ("/healthz", False, True, 503),
    ("/readyz", True, True, 200),
    ("/readyz", True, False, 503),
    ("/metrics", False, False, 200),
])  # fmt: skip
async def test_the_probes_say_what_holds(path: str, alive: bool, ready: bool, status: int) -> None:
    async def check() -> None:
        if not ready:
            raise errors.Unavailable("not yet")

    app = health.create(check, fresh().registry, lambda: alive)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://probe") as kubelet:
        assert (await kubelet.get(path)).status_code == status
