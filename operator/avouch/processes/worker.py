"""`avouch worker`: judges runs and delivers verdicts. Any number of replicas share the queue."""

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import procrastinate

from avouch import errors
from avouch.attestation import signing, trust
from avouch.cas import remote
from avouch.controlplane import deliveries
from avouch.controlplane.judging import artifact_check, documents, judge
from avouch.controlplane.model import artifacts, verdicts
from avouch.controlplane.model import deliveries as delivery_model
from avouch.integrations import webhook
from avouch.kube import connection, secrets
from avouch.processes import health, housekeeping, lifetime, listeners, logs, settings, workermetrics
from avouch.store import artifacts as stored_artifacts
from avouch.store import database, external_runs, inline, jobs, retention, workflows
from avouch.store import deliveries as ledger
from avouch.store import runs as stored

_log = logging.getLogger(__name__)

INTEGRATIONS: Mapping[str, delivery_model.Integration] = {"webhook": webhook.Webhook()}

_AT_ONCE = 4  # jobs in one worker
_POLL = 5.0  # seconds between looks for jobs that no NOTIFY tells of: those that are due now, or taken up again
_BEATS = 3  # signs of life within the time after which a silent worker's jobs are taken up
_GRACE = 20.0  # seconds for running jobs after SIGTERM


@dataclass(frozen=True, slots=True)
class World:
    """Every adapter of the process."""

    config: settings.Worker
    database: database.Database
    runs: stored.Runs
    content: artifacts.Content
    secrets: secrets.Secrets
    metrics: workermetrics.Metrics

    def judging(self) -> judge.Judging:
        """The use case, with keys and authorities as they are on disk now: they rotate under us."""
        keys = self.config.keys
        return judge.Judging(
            runs=self.runs,
            outside=external_runs.OutsideRuns(self.database),
            workflows=workflows.Workflows(self.database),
            jobs=jobs.Jobs(self.database),
            artifacts=artifact_check.Artifacts(self.content),
            clock=lifetime.Clock(),
            trust_root=trust.TrustRoot.from_pems(
                [path.read_bytes() for path in sorted(self.config.authority.glob("pods*.crt"))]
            ),
            keys=documents.Keys(
                attestation=_key(keys / "attestation.pem"),
                passed=_key(keys / "passed.pem"),
                failed=_key(keys / "failed.pem"),
                verifier_id=self.config.verifier_id,
            ),
        )

    def housekeeping(self) -> housekeeping.Housekeeping:
        """What is cleared away."""
        known = stored_artifacts.Artifacts(self.database)
        counted = ledger.Deliveries(self.database)
        return housekeeping.Housekeeping(retention.Retention(self.database), known, counted, lifetime.Clock())

    def delivering(self) -> deliveries.Delivering:
        """The fan-out."""
        return deliveries.Delivering(ledger.Deliveries(self.database), self.secrets, lifetime.Clock(), INTEGRATIONS)


def _key(path: Path) -> signing.KeySigner:
    return signing.KeySigner.from_pem(path.read_bytes())


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    try:
        config = settings.Worker.from_environment(os.environ)
    except errors.Invalid as exc:
        logs.configure("INFO")
        _log.error("cannot start: %s", exc)
        return 2
    logs.configure(config.log_level)
    asyncio.run(lifetime.until_signal(lambda stop: work(config, stop)))
    return 0


async def work(config: settings.Worker, stop: asyncio.Event) -> None:
    """Work off both queues until `stop`; running jobs are finished, others are left to the next worker."""
    async with _world(config) as world, _queue(world) as app, asyncio.TaskGroup() as tasks:
        listener = listeners.Listener(
            health.create(world.database.ping, world.metrics.registry), config.host, config.health_port
        )
        serving = tasks.create_task(listener.run_until_told())
        running = tasks.create_task(_run(app, config.takeover))
        sweeping = tasks.create_task(_sweep(app, world))
        tidying = tasks.create_task(world.housekeeping().run())
        await stop.wait()
        sweeping.cancel()
        tidying.cancel()
        running.cancel()  # procrastinate takes this as "stop": it finishes what runs
        listener.should_exit = True
        await serving


async def _run(app: procrastinate.App, takeover: float) -> None:
    while True:
        try:
            await app.run_worker_async(
                queues=[jobs.JUDGE, jobs.DELIVER],
                concurrency=_AT_ONCE,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE,
                update_heartbeat_interval=takeover / _BEATS,
                stalled_worker_timeout=takeover,
                fetch_job_polling_interval=min(_POLL, takeover),
                delete_jobs="successful",
            )
        except procrastinate.exceptions.ConnectorException as exc:
            _log.warning("the queue waits for the database: %s", type(exc).__name__)
            await asyncio.sleep(2)


@contextlib.asynccontextmanager
async def _queue(world: World) -> AsyncIterator[procrastinate.App]:
    connector = procrastinate.PsycopgConnector(
        conninfo=world.config.database_url, kwargs={"options": database.options()}
    )
    app = procrastinate.App(connector=connector)

    async def judge(context: procrastinate.JobContext, run_id: str) -> None:
        await _judge(world, uuid.UUID(run_id), context.job.attempts)

    async def deliver(**_: Any) -> None:
        await _deliver(world)

    app.task(name=jobs.JUDGE, queue=jobs.JUDGE, pass_context=True)(judge)
    app.task(name=jobs.DELIVER, queue=jobs.DELIVER)(deliver)
    async with app.open_async():
        yield app


async def _judge(world: World, run_id: uuid.UUID, crashes: int) -> None:
    started = time.monotonic()
    try:
        result = await world.judging().judge(run_id, crashes=crashes)
    except errors.Unavailable as exc:
        # Not procrastinate's own retry: that collides with a job that a new claim may have queued meanwhile.
        _log.warning("run %s is judged later: %s", run_id, exc)
        run, now = await world.runs.get(run_id), lifetime.Clock().now()
        if run is not None:
            await jobs.Jobs(world.database).judge_later(run_id, judge.next_try(run, now))
        return
    if result is not verdicts.VerdictResult.PENDING:
        judged = await world.runs.get(run_id)
        world.metrics.judged(result, judged.evidence if judged else "", time.monotonic() - started)
        _log.info("run judged", extra={"run": str(run_id), "verdict": str(result)})


async def _deliver(world: World) -> None:
    while tried := await world.delivering().run():
        world.metrics.delivered(tried)


async def _sweep(app: procrastinate.App, world: World) -> None:
    """Take up what was left: jobs of a killed worker, leases that ran out, runs whose job failed by a fault of ours."""
    while True:
        try:
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=world.config.takeover):
                await _take_up(app, job)
            if forgotten := await jobs.Jobs(world.database).judge_forgotten():
                _log.warning("%d runs had ended and nothing was going to judge them: queued", forgotten)
            await _deliver(world)
            await world.metrics.look(world.database)
        except (errors.Unavailable, procrastinate.exceptions.ConnectorException) as exc:
            _log.warning("sweep: %s", exc)
        await asyncio.sleep(world.config.takeover)


async def _take_up(app: procrastinate.App, job: procrastinate.jobs.Job) -> None:
    try:
        await app.job_manager.retry_job(job)
    except procrastinate.exceptions.UniqueViolation:  # the same work waits already
        await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=True)


@contextlib.asynccontextmanager
async def _world(config: settings.Worker) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(database.Database(config.database_url))
        runs = stored.Runs(opened)
        stack.push_async_callback(runs.close)
        api = connection.of_environment(config.kubeconfig, os.environ)
        stack.push_async_callback(api.close)
        through = remote.Remote(config.server_url, config.authority / "serving.crt", config.token)
        near = inline.Inline(opened) if config.blobs == "inline:" else None
        content = housekeeping.Nearest(stored_artifacts.Artifacts(opened), through, near)
        yield World(config, opened, runs, content, secrets.Secrets(api), workermetrics.Metrics())
