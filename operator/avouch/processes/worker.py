"""`avouch worker`: judges runs, also past ones anew, delivers verdicts, fetches policies. Replicas share the queue.

Judging in batches, judging what needs more than the database, a few runs of one namespace at a time, and delivering
have loops and slots of their own: none of them waits for another.
"""

import asyncio
import contextlib
import functools
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from avouch import errors, pinned, webfiles
from avouch.attestation import signing, trust
from avouch.cas import remote
from avouch.controlplane.deliveries import sending
from avouch.controlplane.judging import artifact_check, documents, judge, policies, reevaluation, replay
from avouch.controlplane.model import artifacts, judging
from avouch.controlplane.model import deliveries as delivery_model
from avouch.integrations import registry
from avouch.kube import connection, secrets
from avouch.oci import client
from avouch.opa import engine, launching, memo, program
from avouch.processes import (
    artifact_reading,
    health,
    housekeeping,
    keyfiles,
    lifetime,
    listeners,
    policyfetching,
    settings,
    workermetrics,
)
from avouch.reading import pool
from avouch.store import artifacts as artifact_store
from avouch.store import (
    contracts,
    database,
    deletions,
    fetches,
    inline,
    jobs,
    judgingqueue,
    notifications,
    quotas,
    reevaluations,
    replays,
    retention,
    schema,
    verdicts,
    workflows,
)
from avouch.store import deliveries as delivery_store
from avouch.store import policies as policy_store
from avouch.store import policyexceptions as exception_store

_log = logging.getLogger(__name__)

_BATCHES = 2  # batches at once: while one is written, the next is judged
_OUTSIDE = 6  # namespaces at once, some of them twice, whose runs need bytes of artifacts, or policies
_REST = 0.1  # seconds after a batch that was not full: verdicts that are due meanwhile share a transaction
_POLL = 2.0  # seconds between looks for jobs that no NOTIFY tells of: those that are due now, or taken up again
_PAUSE = 2.0  # seconds before another try where the database does not answer
_FETCHING = 2.0  # seconds between looks at files of policies that are due
_FORGETTING = 3600.0  # seconds between looks at those that nobody asks for any more
_REPLAYING = 5.0  # seconds between looks for revisions that past runs are to be held to
_REEVALUATING = 2.0  # seconds between looks for runs that somebody wants judged again
_DELETING = 5.0  # seconds between looks at what is to be deleted
_RESTING = 15.0  # seconds between looks for reader processes that nobody needs any more
_BEATS = 3  # signs of life within the time after which a silent worker's jobs are taken up
_GRACE = 20.0  # seconds after SIGTERM for what is being judged or delivered
_CONNECTIONS = (
    14  # to the database: two for each batch, one for each few runs outside of them, the rest for the other loops
)

Step = Callable[[], Awaitable[bool]]
"""One piece of work; True where there may be more."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """Every adapter of the process."""

    config: settings.Worker
    database: database.Database
    queue: judgingqueue.Queue
    ledger: delivery_store.Deliveries
    content: artifacts.Content
    readers: pool.Readers
    engine: memo.Remembering
    pins: policies.Pins
    web: webfiles.WebFiles
    integrations: Mapping[str, delivery_model.Integration]
    secrets: secrets.Secrets
    metrics: workermetrics.Metrics
    keys: keyfiles.FileCache[documents.Keys]
    trust_root: keyfiles.FileCache[trust.TrustRoot]

    def judging(self) -> judge.Judging:
        """The use case, with keys and authorities as they are on disk now: they rotate under us."""
        return judge.Judging(
            queue=self.queue,
            artifacts=artifact_check.Artifacts(self.content, self.readers),
            clock=lifetime.Clock(),
            trust_root=self.trust_root.get(),
            keys=self.keys.get(),
            evaluating=policies.Evaluating(
                policy_store.Policies(self.database),
                exception_store.Exceptions(self.database),
                self.engine,
                self.content,
                self.readers,
                pins=self.pins,
                memory=self.engine,
            ),
        )

    def replaying(self) -> replay.Replaying:
        """Past runs held to new revisions of their Contracts."""
        asked = replays.Replays(self.database)
        known = workflows.Workflows(self.database)
        return replay.Replaying(asked, asked.record, contracts.Contracts(self.database), known, self.judging())

    def reevaluating(self) -> reevaluation.Reevaluating:
        """Runs that somebody wants judged again."""
        asked, known = reevaluations.Reevaluations(self.database), workflows.Workflows(self.database)
        revisions = contracts.Contracts(self.database)
        return reevaluation.Reevaluating(asked, revisions, known, self.judging(), lifetime.Clock())

    def delivering(self) -> sending.Delivering:
        """Delivery of verdicts."""
        return sending.Delivering(
            self.ledger, self.secrets, lifetime.Clock(), self.integrations, tried=lambda: self.metrics.delivered(1)
        )

    def fetching(self) -> policyfetching.Fetching:
        """Files of policies on the web."""
        return policyfetching.Fetching(fetches.Fetches(self.database), self.web, lambda: _registries(self.config))

    def housekeeping(self) -> housekeeping.Housekeeping:
        """Retention and garbage collection."""
        known = artifact_store.Artifacts(self.database)
        counted = delivery_store.Deliveries(self.database)
        used = quotas.Usage(self.database)
        return housekeeping.Housekeeping(retention.Retention(self.database), known, counted, used, lifetime.Clock())


@dataclass(slots=True)
class Loops:
    """The judging loops of one worker, and what wakes them. They end after the step in which `stop` is set."""

    adapters: Adapters
    stop: asyncio.Event
    batches: list[asyncio.Event] = field(default_factory=lambda: [asyncio.Event() for _ in range(_BATCHES)])
    outside: list[asyncio.Event] = field(default_factory=lambda: [asyncio.Event() for _ in range(_OUTSIDE)])
    idle: set[asyncio.Event] = field(default_factory=set)  # of loops that found nothing

    def queued(self) -> None:
        """Wake the loops: something may be due."""
        self.batches[0].set()

    def end(self) -> None:
        """Wake every loop, so that it sees that it has to end."""
        for event in (*self.batches, *self.outside):
            event.set()

    async def run(self) -> None:
        """Judge until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for slots, step in ((self.batches, self._batch), (self.outside, self._few)):
                for at, event in enumerate(slots):
                    tasks.create_task(self._repeat(event, functools.partial(step, at), _POLL if at == 0 else None))

    async def _batch(self, at: int) -> bool:
        outcomes = await self._timed(self.adapters.judging().batch)
        if len(outcomes) == judge.BATCH:
            _wake_next(self.batches, at)
        if any(isinstance(one, judging.Outside) for one in outcomes):
            self._wake_idle(self.outside)
        if 0 < len(outcomes) < judge.BATCH and not self.stop.is_set():
            await asyncio.sleep(_REST)
        return bool(outcomes)

    async def _few(self, _at: int) -> bool:
        few = functools.partial(self.adapters.judging().few, taken=lambda: self._wake_idle(self.outside))
        return bool(await self._timed(few))

    def _wake_idle(self, slots: Sequence[asyncio.Event]) -> None:
        """Have one loop look, which wakes the next one if it finds something; where each of them works, all of them."""
        idle = next((one for one in slots if one in self.idle and not one.is_set()), None)
        for event in slots if idle is None else (idle,):
            event.set()

    async def _timed(self, judge: Callable[[], Awaitable[Sequence[judging.Outcome]]]) -> Sequence[judging.Outcome]:
        started = time.monotonic()
        outcomes = await judge()
        share = (time.monotonic() - started) / max(len(outcomes), 1)
        for one in outcomes:
            if isinstance(one, judging.Decided):
                found = one.signed.verdict
                self.adapters.metrics.judged(found.result, found.evidence, share)
                _log.info("run judged", extra={"run": str(found.run_id), "verdict": str(found.result)})
            elif isinstance(one, judging.Later) and one.reason:
                self.adapters.metrics.put_off()
        return outcomes

    async def _repeat(self, wake: asyncio.Event, step: Step, poll: float | None) -> None:
        """`poll`: seconds after which a loop looks although nothing wakes it; None: the one before it wakes it."""
        while not self.stop.is_set():
            wake.clear()
            if not await _tried("judging", step) and not self.stop.is_set():
                self.idle.add(wake)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(poll):
                        await wake.wait()
                self.idle.discard(wake)


def _wake_next(slots: Sequence[asyncio.Event], at: int) -> None:
    """There is more to do than one loop does."""
    if at + 1 < len(slots):
        slots[at + 1].set()


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    return lifetime.run(settings.Worker.from_environment, work)


async def work(config: settings.Worker, stop: asyncio.Event) -> None:
    """Judge and deliver until `stop`; what is under way is finished, all else is left to the next worker."""
    async with _opened(config) as adapters, asyncio.TaskGroup() as tasks:

        async def ready() -> None:
            await schema.check(adapters.database)

        listener = listeners.Listener(health.create(ready, adapters.metrics.registry), config.host, config.health_port)
        serving = tasks.create_task(listener.run_until_told())
        loops, delivering = Loops(adapters, stop), adapters.delivering()
        calls = {judgingqueue.QUEUED: loops.queued, verdicts.DELIVERIES: delivering.due.set}
        judged = tasks.create_task(loops.run())
        others = [
            tasks.create_task(each)
            for each in (
                delivering.run(),
                notifications.listen(adapters.database, calls),
                _regularly("heartbeat", config.takeover / _BEATS, lambda: _look_after(adapters)),
                _regularly("readers", _RESTING, lambda: _rest(adapters)),
                _regularly("replays", _REPLAYING, lambda: adapters.replaying().step()),
                _regularly("reevaluations", _REEVALUATING, lambda: _all(lambda: adapters.reevaluating().step())),
                _regularly("deletions", _DELETING, lambda: _delete(adapters)),
                _regularly("files of policies", _FETCHING, lambda: _all(lambda: adapters.fetching().step())),
                _regularly("old files of policies", _FORGETTING, adapters.fetching().forget),
                _regularly("sweep", config.takeover, lambda: _sweep(adapters)),
                adapters.housekeeping().run(),
                _watch_schema(adapters),
            )
        ]
        await stop.wait()
        for task in others:
            task.cancel()
        loops.end()
        await asyncio.gather(_ended(judged), delivering.finish(_GRACE))
        listener.should_exit = True
        await serving


def _registries(config: settings.Worker) -> client.Options:
    """How to reach registries of policies: over TLS, at addresses that were checked, wherever they redirect to."""
    return client.Options(plain=False, transport=pinned.Transport(ssl.create_default_context(), config.destinations))


async def _watch_schema(adapters: Adapters) -> None:
    known = await schema.there(adapters.database)
    while True:
        known = await schema.replaced(adapters.database, known)
        adapters.queue.forget()


async def _ended(judged: "asyncio.Task[None]") -> None:
    """What takes longer than the grace is broken off: the queue gives it to another worker."""
    await asyncio.wait([judged], timeout=_GRACE)
    judged.cancel()


async def _regularly(name: str, seconds: float, step: Step) -> None:
    while True:
        await _tried(name, step)
        await asyncio.sleep(seconds)


async def _tried(name: str, step: Step) -> bool:
    """One step. What fails is said and tried again after a pause: the process has other work."""
    try:
        return await step()
    except errors.AvouchError as exc:
        _log.warning("%s: %s", name, exc)
    except Exception:
        _log.exception("%s failed unexpectedly", name)
    await asyncio.sleep(_PAUSE)
    return True


async def _look_after(adapters: Adapters) -> bool:
    if taken_over := await adapters.queue.look_after():
        _log.warning("%d runs of stopped workers were queued again", taken_over)
    return False


async def _rest(adapters: Adapters) -> bool:
    await adapters.readers.rest()
    return False


async def _delete(adapters: Adapters) -> bool:
    """Delete the runs that somebody wants to be gone."""
    deleted = deletions.Deletions(adapters.database)
    while gone := await deleted.carry_out():
        _log.info("%d runs were deleted because somebody asked for it", gone)
    return False


async def _all(step: Step) -> bool:
    """Every step of what is due now."""
    while await step():
        pass
    return False


async def _sweep(adapters: Adapters) -> bool:
    """Queue runs that ended and that nothing is going to judge; read the gauges of the shared queue."""
    if forgotten := await jobs.Jobs(adapters.database).judge_forgotten():
        _log.warning("%d finished runs without a judging job were queued", forgotten)
    await adapters.metrics.look(adapters.database)
    return False


@contextlib.asynccontextmanager
async def _opened(config: settings.Worker) -> AsyncIterator[Adapters]:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(database.Database(config.database_url, pool_size=_CONNECTIONS))
        api = connection.of_environment(config.kubeconfig, os.environ)
        stack.push_async_callback(api.close)
        through = remote.Remote(config.server_url, config.authority / "serving.crt", config.token)
        near = inline.Inline(opened) if config.blobs == "inline:" else None
        delivered = delivery_store.Deliveries(opened)
        stack.push_async_callback(delivered.close)
        readers = pool.Readers()
        stack.push_async_callback(readers.close)
        rego = engine.Engine(lambda: _opa(config.policies), config.destinations)
        stack.push_async_callback(rego.close)
        queue = judgingqueue.Queue(opened, config.takeover)
        stack.push_async_callback(_leave, queue)
        yield Adapters(
            config=config,
            database=opened,
            queue=queue,
            ledger=delivered,
            readers=readers,
            engine=memo.Remembering(rego),
            pins=policies.pins(),
            content=artifact_reading.NearestContent(artifact_store.Artifacts(opened), through, near),
            web=await stack.enter_async_context(webfiles.WebFiles(config.destinations)),
            integrations=await stack.enter_async_context(registry.opened(config.destinations)),
            secrets=secrets.Secrets(api, "avouch-worker", "integrations.secrets"),
            metrics=workermetrics.Metrics(config.quotas),
            keys=_keys(config),
            trust_root=keyfiles.FileCache(
                lambda: sorted(config.authority.glob("pods*.crt")), trust.TrustRoot.from_pems
            ),
        )


async def _opa(limits: launching.Limits) -> program.Program:
    """The policy engine. A worker without it judges runs without policies, and leaves the others to another one."""
    try:
        return await program.found(os.environ, limits)
    except errors.NotInstalled as exc:
        raise errors.Unavailable(f"policies cannot be evaluated: {exc}") from exc


async def _leave(queue: judgingqueue.Queue) -> None:
    try:
        await queue.leave()
    except errors.Unavailable as exc:
        _log.warning("other workers take over when this one has been silent for a while: %s", exc)


def _keys(config: settings.Worker) -> keyfiles.FileCache[documents.Keys]:
    paths = [config.keys / name for name in ("attestation.pem", "passed.pem", "failed.pem")]

    def read(pems: Sequence[bytes]) -> documents.Keys:
        attestation, passed, failed = map(signing.KeySigner.from_pem, pems)
        return documents.Keys(attestation, passed, failed, config.verifier_id)

    return keyfiles.FileCache(lambda: paths, read)
