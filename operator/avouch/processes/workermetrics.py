"""What the worker counts. Labels are closed lists, never a user's text."""

import prometheus_client
import sqlalchemy as sa

from avouch.controlplane.model import deliveries, verdicts
from avouch.controlplane.model import quotas as quota_model
from avouch.store import database, quotas

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_WAITING = sa.text(
    "SELECT queue_name, count(*), extract(epoch FROM max(now() - greatest(scheduled_at, (SELECT max(at) FROM"
    " procrastinate_events e WHERE e.job_id = j.id AND e.type = 'deferred')))) FROM procrastinate_jobs j"
    " WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) GROUP BY queue_name"
)
_DUE = sa.text(
    "SELECT count(*), extract(epoch FROM max(now() - next_try)) FROM deliveries"
    " WHERE state = 'pending' AND next_try <= now() AND (leased_until IS NULL OR leased_until <= now())"
)
_STATES = sa.text(  # settled ones are counted as they settle (`store.deliveries`): history is not read
    "SELECT 'pending' AS state, count(*)::numeric FROM deliveries WHERE state = 'pending'"
    " UNION ALL SELECT state, sum(number) FROM (SELECT state, number FROM delivery_counts"
    "  UNION ALL SELECT state, number FROM delivery_changes) counted GROUP BY state"
)


class Metrics:
    """Counters of this worker, and gauges of the queue that all workers share."""

    def __init__(self, limits: quota_model.Quotas = quota_model.Quotas()) -> None:  # noqa: B008 - frozen
        self._quotas = limits
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._judging = prometheus_client.Histogram(
            "avouch_judging_seconds", "Time to judge a run.", buckets=_BUCKETS, registry=self.registry
        )
        self._verdicts = self._counter("avouch_runs_judged", "Judged runs.", "verdict", "evidence")
        self._put_off = prometheus_client.Counter(
            "avouch_runs_put_off", "Times that a run could not be judged and was put off.", registry=self.registry
        )
        self._tried = prometheus_client.Counter(
            "avouch_delivery_tries", "Tries to deliver a verdict.", registry=self.registry
        )
        self._depth = self._gauge("avouch_queue_depth", "Runs and deliveries that are due and wait.", "queue")
        self._oldest = self._gauge("avouch_queue_oldest_seconds", "Age of the oldest that is due.", "queue")
        self._artifacts = self._gauge("avouch_artifacts", "Artifacts of all namespaces.")
        self._bytes = self._gauge("avouch_artifact_bytes", "Bytes of the artifacts of all namespaces.")
        self._near = self._gauge(
            "avouch_namespaces_near_quota", "Namespaces that have used 80 % of a quota or more.", "quota"
        )
        self._states = self._gauge("avouch_deliveries", "Deliveries, by state.", "state")

    def _counter(self, name: str, text: str, *labels: str) -> prometheus_client.Counter:
        return prometheus_client.Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(name, text, labels, registry=self.registry)

    def judged(self, result: verdicts.VerdictResult, evidence: str, seconds: float) -> None:
        """A run got its verdict."""
        self._judging.observe(seconds)
        self._verdicts.labels(str(result), str(evidence)).inc()

    def put_off(self) -> None:
        """A run could not be judged now: its evidence, or what is stored of it, cannot be read or written."""
        self._put_off.inc()

    def delivered(self, tried: int) -> None:
        """So many deliveries were tried."""
        self._tried.inc(tried)

    async def look(self, opened: database.Database) -> None:
        """Read the gauges of the shared queue. Raises errors.Unavailable."""
        async with opened.snapshot() as connection:
            waiting = (await connection.execute(_WAITING)).all()
            due = (await connection.execute(_DUE)).one()
            states = (await connection.execute(_STATES)).all()
            used = await quotas.sums(connection, self._quotas)
        self._artifacts.set(used.count)
        self._bytes.set(used.bytes)
        self._near.labels("artifactCount").set(used.near_count)
        self._near.labels("artifactBytes").set(used.near_bytes)
        found = {queue: (count, age) for queue, count, age in waiting} | {"deliver": tuple(due)}
        for queue in ("judge", "deliver"):
            count, age = found.get(queue, (0, 0))
            self._depth.labels(queue).set(count)
            self._oldest.labels(queue).set(age or 0)
        known = {state: count for state, count in states}
        for state in deliveries.DeliveryState:
            self._states.labels(state.value).set(known.get(state.value, 0))
