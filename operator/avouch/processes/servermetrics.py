"""What the server counts. Labels are closed lists: operations, statuses and outcomes, never a user's text."""

from collections.abc import Callable

import prometheus_client

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


class Metrics:
    """Implements `ingest.observer.Observer`, and counts admissions."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._seconds = prometheus_client.Histogram(
            "avouch_ingest_request_seconds",
            "Time to answer an ingest request, by operation.",
            ["operation", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._claims = prometheus_client.Counter(
            "avouch_claims", "Pushed bundles, by outcome.", ["outcome"], registry=self.registry
        )
        self._admissions = prometheus_client.Counter(
            "avouch_admissions", "Pods reviewed at admission, by decision.", ["decision"], registry=self.registry
        )
        waiting_pushes = prometheus_client.Gauge(
            "avouch_pushes_waiting", "Pushes that wait for their COMMIT.", registry=self.registry
        )
        waiting_pushes.set_function(waiting)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """An ingest request was answered."""
        self._seconds.labels(operation, str(status)).observe(seconds)

    def claimed(self, outcome: str) -> None:
        """A push ended."""
        self._claims.labels(outcome).inc()

    def admitted(self, decision: str) -> None:
        """Admission decided about a pod."""
        self._admissions.labels(decision).inc()
