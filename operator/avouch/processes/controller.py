"""`avouch controller`: one active process that makes declarations true and brings runs to their end.

Order matters: health, Lease, list everything once, compare with the database, then workers, kopf last. Losing the Lease
ends the process at once: nothing here survives a second leader.
"""

import asyncio
import contextlib
import logging
import os
import sys
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from typing import Any

import kopf

from avouch import errors
from avouch.contract import reading, revisions
from avouch.controlplane.model import runs
from avouch.integrations import registry
from avouch.kube import cache, client, connection, events, lease, queue, reflector, resources, status
from avouch.opa import compiling, program
from avouch.processes import controllermetrics, health, lifetime, listeners, settings
from avouch.reconcilers import (
    context,
    historywatch,
    kinds,
    labelled,
    namespaces,
    policylookup,
    quota_events,
    recorded,
    replay_events,
    specs,
    tektonruns,
    tektonwork,
    token_secrets,
    verdict_events,
)
from avouch.reconcilers import watching as declaration_watch
from avouch.reconcilers.installation import apiservice, certificates, image_pull
from avouch.store import (
    casbackends,
    contracts,
    database,
    deliveries,
    fetches,
    history,
    organizations,
    policyexceptions,
    quotas,
    replays,
    schema,
    tokens,
    workflows,
)
from avouch.store import namespaces as namespace_store
from avouch.store import runs as run_store
from avouch.tekton import definitions, labels

log = logging.getLogger(__name__)

LEASE = "avouch-controller"
_STALE = 300.0  # seconds in which a watch neither hears nor tries anything: liveness gives the process up
_CERTIFICATES = 3600.0  # seconds between looks at certificates
_REST = 0.1  # seconds between two commits of runs: those that come meanwhile share the next one
_DECLARED_WAIT = 60.0  # seconds to wait until every declaration was looked at, before runs are worked on anyway
_TEKTON_WAIT = 30.0  # seconds to wait for Tekton's first lists before the controller is called ready anyway


class Controller:
    """Everything wired, for one life of the process."""

    def __init__(self, config: settings.Controller, api: client.KubeClient, opened: database.Database) -> None:
        self.config, self.api, self.database = config, api, opened
        self.lease = lease.Lease(api, config.namespace, LEASE, config.identity)
        self.recorder = events.Recorder(api, config.identity, fallback_namespace="default")
        self.cache = cache.ObjectCache(specs.INDEXERS)
        self.contracts = recorded.Contracts(contracts.Contracts(opened), self._namespace_uid)
        self.namespaces = namespaces.NamespaceRecorder(
            namespace_store.Namespaces(opened), self.cache, lambda: self.lease.epoch
        )
        self.stored_workflows = workflows.Workflows(opened)
        self.workflows = recorded.Workflows(self.stored_workflows)
        self.context = context.Context(
            cache=self.cache,
            contracts=self.contracts,
            workflows=self.workflows,
            organizations=organizations.Organizations(opened),
            issuing=token_secrets.Issuing(tokens.Tokens(opened), api, self._address, config.token_secrets),
            deliveries=deliveries.Deliveries(opened),
            backends=casbackends.CASBackends(opened),
            exceptions=policyexceptions.Exceptions(opened),
            canonical=lambda obj: revisions.canonical(reading.read(obj)),
            clock=api,
            epoch=lambda: self.lease.epoch,
            creator=api,
            integrations=registry.Types(),
            fetches=fetches.Fetches(opened),
            compiler=compiling.Compiler(lambda: program.found(os.environ)),
            definitions_listed=lambda: all(each.progress.synced for each in self.definitions),
        )
        self.writer = status.StatusWriter(api)
        self.kind_reconciler = kinds.KindReconciler(
            self.context, queue.WorkQueue(), self.writer, self.recorder, lambda *ended: self.metrics.reconciled(*ended)
        )
        self.declarations = declaration_watch.Declarations(api, self.cache, self.kind_reconciler.changed)
        self.run_store = run_store.Runs(opened, rest=_REST)
        awaited: dict[uuid.UUID, runs.Run] = {}
        self.history = historywatch.HistoryWatch(
            history.Histories(opened), self.lease, self.recorder, self._release, lambda: self.lease.epoch, _die
        )
        self.run_reconciler = tektonruns.RunReconciler(
            self.context, self.run_store, api, awaited, self.recorder, history=lambda: self.history.known
        )
        self.verdicts = verdict_events.VerdictWatch(
            self.context, self.run_store, self.kind_reconciler.queue, self.recorder, awaited
        )
        self.replays = replay_events.ReplayWatch(
            self.context, replays.Replays(opened), self.kind_reconciler.queue, self.recorder
        )
        self.labelled = labelled.LabelledRuns(self.context, self.recorder)
        self.quotas = quota_events.QuotaWatch(quotas.Usage(opened, config.quotas), self.recorder)
        self.rescuer = image_pull.Rescuer(api, self.cache, self.recorder, config.rescue_image)
        services = certificates.Services(config.server_service, config.runs_service, config.admission_service)
        self.certificates = certificates.CertificateReconciler(api, config.namespace, services, config.public_url)
        self.tekton = tektonwork.TektonWork(
            self.cache, self.run_store, self.run_reconciler, self.rescuer, pods=self.run_reconciler.pods
        )
        self.reflectors = self._reflectors()
        self.metrics, self.ready, self._prepared = self._measured(), False, False

    def _reflectors(self) -> list[reflector.Reflector]:
        self.definitions = [
            reflector.Abridged(self.api, each, self.cache, self._definition, definitions.slim)
            for each in (resources.PIPELINES, resources.TASKS)
        ]
        starting = {"labelSelector": labels.TASKRUN_UID, "fieldSelector": "status.phase=Pending"}
        ended = {"labelSelector": labels.TASKRUN_UID, "fieldSelector": "status.phase!=Pending,status.phase!=Running"}
        of_policies = {"fieldSelector": f"metadata.name={policylookup.CONFIG_MAP}"}
        of_pod = self.tekton.pod_changed if self.config.rescue_image else self.tekton.pod_seen
        return [
            reflector.Reflector(self.api, resources.NAMESPACES, self.cache, self._namespace),
            reflector.Reflector(self.api, resources.PIPELINERUNS, self.cache, self._run),
            reflector.Reflector(self.api, resources.TASKRUNS, self.cache, self._run),
            reflector.Reflector(self.api, resources.CONFIG_MAPS, self.cache, self._files, **of_policies),
            reflector.Reflector(self.api, resources.PODS, self.cache, of_pod, **starting),
            *self.definitions,
            reflector.Tail(self.api, resources.PODS, self.tekton.pod_seen, **ended),
        ]

    def _namespace(self, key: cache.Key, old: cache.Object | None, new: cache.Object | None) -> None:
        self.namespaces.changed(key, old, new)
        if old is None or new is None or old["metadata"].get("labels") != new["metadata"].get("labels"):
            self.kind_reconciler.changed(key, None)

    def _run(self, key: cache.Key, old: cache.Object | None, new: cache.Object | None) -> None:
        self.tekton.changed(key, old, new)
        self.labelled.changed(key, old, new)

    def _files(self, key: cache.Key, old: cache.Object | None, new: cache.Object | None) -> None:
        """The files of a namespace changed: what reads them says something else now."""
        said = [{field: (each or {}).get(field) for field in ("data", "binaryData")} for each in (old, new)]
        if said[0] != said[1]:
            self.kind_reconciler.changed(key, None)

    def _definition(self, key: cache.Key, old: cache.Object | None, new: cache.Object | None) -> None:
        """A Pipeline or Task changed: what Workflows say of it may be right now, or wrong."""
        if old is None or new is None or old["spec"] != new["spec"]:
            self.kind_reconciler.changed(key, None)

    async def prepare(self) -> None:
        """List every declaration, compare with the database, queue all: before any worker starts."""
        await self.history.begin()
        await self.namespaces.begin()
        await self.stored_workflows.announce(epoch=self.context.epoch())
        await asyncio.gather(self.workflows.load(), self.verdicts.begin(), self.replays.begin(), self.tekton.settle())
        self._prepared = True
        live = set(await self.declarations.resync())
        for key, old in await declaration_watch.absent(self.context, live):
            self.kind_reconciler.changed(key, old)
        self.kind_reconciler.begin(live)

    async def _again(self, live: Sequence[cache.Key]) -> None:
        """Every ten minutes: what is recorded is read anew, then each declaration is compared with it."""
        await self.workflows.load()
        self.contracts.forget()
        self.kind_reconciler.add_many(live)

    def _namespace_uid(self, name: str) -> str:
        found = self.cache.get(cache.Key("Namespace", "", name))
        return str(found["metadata"]["uid"]) if found else ""

    def _release(self) -> cache.Object:
        """The namespace of the install, as the object of an Event."""
        name = self.config.namespace
        return events.reference(resources.NAMESPACES, name, name, self._namespace_uid(name))

    async def lead(self, stop: asyncio.Event) -> None:
        """Be the leader until `stop`, then let go in order. The Lease must be held already."""
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(each) for each in self._background()]
            await self._synced()
            known = await self._migrated(stop)
            if known is None:
                await self.lease.release()
                for task in background:
                    task.cancel()
                return
            await self._running_pods()
            await self.prepare()
            background.append(group.create_task(self._until_replaced(known)))
            running = (self.kind_reconciler.run(), self._builds(), self._unfinished())
            workers = [group.create_task(each) for each in running]
            kopf_stop, kopf_ready = asyncio.Event(), asyncio.Event()
            watching = group.create_task(declaration_watch.watch(self.declarations, self._login, kopf_stop, kopf_ready))
            await kopf_ready.wait()
            lifetime.stop_on_signals(stop)
            self.ready = True
            await stop.wait()
            self.ready = False
            await asyncio.gather(self.kind_reconciler.drain(), self.tekton.queue.drain())
            await self.lease.release()
            for task in (*background, *workers):
                task.cancel()
            kopf_stop.set()
            await watching

    async def _migrated(self, stop: asyncio.Event) -> schema.Schema | None:
        """The schema, as soon as there is one that will do; None where `stop` comes first."""
        found = asyncio.ensure_future(schema.there(self.database))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({found, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await found if found.done() else None
        finally:
            found.cancel()
            stopping.cancel()

    async def _until_replaced(self, known: schema.Schema) -> None:
        """A database that was emptied is one that we know nothing of: start anew, and record all that is declared."""
        await schema.replaced(self.database, known)
        await self.lease.release()  # whoever leads next, most likely we ourselves, need not wait for its end
        _die()

    async def close(self) -> None:
        """Write what waits for its commit."""
        await asyncio.gather(self.stored_workflows.close(), self.run_store.close())

    def _background(self) -> Iterable[Coroutine[Any, Any, None]]:
        yield self.lease.hold(_die)
        for each in self.reflectors:
            yield each.run()
        yield self._defined()
        yield self.namespaces.run()
        yield self.declarations.resync_forever(self._again)
        yield self.verdicts.run()
        yield self.replays.run()
        yield self.quotas.run()
        yield self.history.run()
        yield self.labelled.run()
        if self.config.certificates:
            yield self._certify()

    async def _synced(self) -> None:
        """Namespaces must be known; Tekton may be missing and must not hold the kinds up."""
        await self.reflectors[0].synced.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TEKTON_WAIT if self.reflectors[1].progress.synced else 2.0):
                await asyncio.gather(*(each.synced.wait() for each in self.reflectors if each not in self.definitions))

    async def _defined(self) -> None:
        """Nobody waits for Pipelines and Tasks: Workflows that were looked at before they were listed are so again."""
        await asyncio.gather(*(each.synced.wait() for each in self.definitions))
        if self._prepared:
            self.kind_reconciler.queue.add_many(self.cache.keys("Workflow"))

    async def _running_pods(self) -> None:
        """See the pods that run already, which the watches of starting and ending ones do not show.

        Who deletes one before its run is Done would else hide its sidecar from a controller that was restarted.
        """
        running = {"labelSelector": labels.TASKRUN_UID, "fieldSelector": "status.phase=Running"}
        found, _ = await self.api.list_all(resources.PODS, **running)
        for each in found:
            self.tekton.pod_seen(cache.key_of("Pod", each), None, each)

    async def _builds(self) -> None:
        """Work on runs once it is known since when each Workflow takes any: what is recorded may be of another time."""
        await self.kind_reconciler.begun(_DECLARED_WAIT)
        await self.tekton.run()

    async def _unfinished(self) -> None:
        while True:
            await _tried("unfinished runs", self.run_reconciler.look_up_unfinished())
            await asyncio.sleep(declaration_watch.RESYNC)

    async def _certify(self) -> None:
        while not await _tried("certificates", self.certificates.reconcile(self.context.clock.now())):
            await asyncio.sleep(2)
        dog = apiservice.Watchdog(
            self.api, self.config.namespace, self.config.runs_service, lambda: self.certificates.bundle
        )
        async with asyncio.TaskGroup() as group:
            if self.config.aggregated_api:
                group.create_task(dog.run())
            else:
                await _tried("APIService", dog.remove())
            while True:
                await asyncio.sleep(_CERTIFICATES)
                await _tried("certificates", self.certificates.reconcile(self.context.clock.now()))

    def _address(self) -> token_secrets.Address:
        public, ca = self.config.public_url, self.config.public_ca
        if public and ca != settings.OWN:
            return token_secrets.Address(public, b"" if ca == settings.SYSTEM else ca.encode())
        if self.config.certificates and not self.certificates.bundle:
            raise errors.Unavailable("the server's certificate does not exist yet")
        if public:
            return token_secrets.Address(public, self.certificates.bundle)
        inside = f"https://{self.config.server_service}.{self.config.namespace}.svc"
        return token_secrets.Address(inside, self.certificates.bundle)

    def _login(self, **kwargs: Any) -> kopf.ConnectionInfo | None:
        if self.config.kubeconfig:
            os.environ["KUBECONFIG"] = str(self.config.kubeconfig)  # the only place where kopf looks for it
            return kopf.login_with_kubeconfig(**kwargs)
        return kopf.login_with_service_account(**kwargs)

    def alive(self) -> bool:
        """Whether every watch and the resync got somewhere, or failed and said so, lately. Only a leader watches."""
        if not self.lease.leading:
            return True
        silent = max(each.progress.idle() for each in self.reflectors)
        return silent < _STALE and self.declarations.progress.idle() < _STALE + declaration_watch.RESYNC

    def _measured(self) -> controllermetrics.Metrics:
        metrics = controllermetrics.Metrics(
            {
                "avouch_leader": lambda: self.lease.leading,
                "avouch_objects_waiting": lambda: self.kind_reconciler.waiting + len(self.tekton.queue),
                "avouch_awaited_verdicts": lambda: len(self.run_reconciler.awaited),
                "avouch_status_writes": lambda: self.writer.writes,
                "avouch_pods_rescued": lambda: self.rescuer.rescued,
            }
        )
        metrics.watches({**{r.name: r.progress for r in self.reflectors}, "declarations": self.declarations.progress})
        metrics.certificates(lambda: self.certificates.expiry)
        return metrics


async def _tried(what: str, attempt: Coroutine[Any, Any, Any]) -> bool:
    try:
        await attempt
    except errors.AvouchError as exc:
        log.warning("%s: %s", what, exc)
        return False
    return True


def _die() -> None:
    """The Lease is lost: another one may lead already, so nothing of ours may run a moment longer."""
    logging.shutdown()
    os._exit(1)


@contextlib.asynccontextmanager
async def _probed(controller: Controller, port: int) -> AsyncIterator[None]:
    """/healthz, /readyz and /metrics; port 0 serves none."""

    async def ready() -> None:
        await schema.check(controller.database)
        if controller.lease.leading and not controller.ready:
            raise errors.Unavailable("leading, but not every resource has been listed yet")

    if not port:
        yield
        return
    app = health.create(ready, controller.metrics.registry, controller.alive)
    listener = listeners.Listener(app, "", port)
    serving = asyncio.create_task(listener.run_until_told())
    try:
        yield
    finally:
        listener.should_exit = True
        await serving


async def run(config: settings.Controller, stop: asyncio.Event) -> None:
    """The whole life: health, Lease, leading."""
    api = connection.of_environment(config.kubeconfig, os.environ)
    async with database.Database(config.database_url) as opened:
        controller = Controller(config, client.KubeClient(api), opened)
        async with _probed(controller, config.health_port):
            acquiring = asyncio.ensure_future(controller.lease.acquire())
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if acquiring.done():
                await controller.lead(stop)
            acquiring.cancel()
        await controller.close()
    await api.close()


def main() -> int:
    """Run until SIGTERM. Exit code 2: the environment is wrong; 1: the Lease was lost."""
    return lifetime.run(settings.Controller.from_environment, run)


if __name__ == "__main__":
    sys.exit(main())
