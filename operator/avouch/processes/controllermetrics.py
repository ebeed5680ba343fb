"""What the controller counts. Labels are closed lists: kinds, resources and results, never a user's text."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import prometheus_client
from prometheus_client import core, registry

from avouch.kube import reflector

_BUCKETS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 15, 30)

GAUGES = {
    "avouch_leader": "Whether this replica leads.",
    "avouch_objects_waiting": "Objects that wait to be reconciled.",
    "avouch_awaited_verdicts": "Runs that finished and have no verdict yet.",
}
COUNTERS = {
    "avouch_status_writes": "Status writes.",
    "avouch_pods_rescued": "Pods whose sidecar image could not be pulled.",
}


class Metrics:
    """Reconciles as they end, and figures that are read when somebody scrapes: `read` has one for each name above."""

    def __init__(self, read: Mapping[str, Callable[[], float]]) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._seconds = prometheus_client.Histogram(
            "avouch_reconcile_seconds",
            "Time of one reconcile, by kind and result: ok, retry (a dependency failed) or error (unexpected).",
            ["kind", "result"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        for name, text in GAUGES.items():
            prometheus_client.Gauge(name, text, registry=self.registry).set_function(read[name])
        for name, text in COUNTERS.items():
            self.registry.register(_Count(name, text, read[name]))

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """A reconcile ended."""
        self._seconds.labels(kind, result).observe(seconds)

    def watches(self, progress: Mapping[str, reflector.Progress]) -> None:
        """Add the watches: how long each has been silent, and how often it had to start over."""
        self.registry.register(_Watches(progress))

    def certificates(self, read: Callable[[], Mapping[str, datetime]]) -> None:
        """Add when the certificates end, by Secret and file."""
        self.registry.register(_Certificates(read))


class _Count(registry.Collector):
    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterable[core.Metric]:
        """Collect the values, for Prometheus."""
        return (core.CounterMetricFamily(self._name, self._text, value=self._read()),)


class _Watches(registry.Collector):
    def __init__(self, progress: Mapping[str, reflector.Progress]) -> None:
        self._progress = progress

    def collect(self) -> Iterable[core.Metric]:
        """Collect the values, for Prometheus."""
        label = ["resource"]
        age = core.GaugeMetricFamily("avouch_watch_age_seconds", "Time since the last event of a watch.", labels=label)
        events = core.CounterMetricFamily("avouch_watch_events", "Changes that a watch reported.", labels=label)
        relists = core.CounterMetricFamily("avouch_relists", "Full lists.", labels=label)
        repairs = core.CounterMetricFamily(
            "avouch_resync_repairs", "Deletions found by a list and missed by the watch.", labels=label
        )
        for name, each in self._progress.items():
            age.add_metric([name], each.age())
            events.add_metric([name], each.events)
            relists.add_metric([name], each.relists)
            repairs.add_metric([name], each.repairs)
        return (age, events, relists, repairs)


class _Certificates(registry.Collector):
    def __init__(self, read: Callable[[], Mapping[str, datetime]]) -> None:
        self._read = read

    def collect(self) -> Iterable[core.Metric]:
        """Collect the values, for Prometheus."""
        ends = core.GaugeMetricFamily(
            "avouch_certificate_expiry_timestamp_seconds",
            "Expiry of the certificates that the controller renews, in seconds since 1970.",
            labels=["certificate"],
        )
        for name, at in self._read().items():
            ends.add_metric([name], at.timestamp())
        return (ends,)
