"""`avouch server`: ingest API on 8443, aggregated API on 8444 (mTLS), admission on 8445, health and metrics on 9090.

Stateless: any number of replicas. It starts without database or schema, says so at /readyz, and heals by itself.
"""

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from avouch import errors
from avouch.admission import app as admission_app
from avouch.api import casbackend
from avouch.cas import filesystem
from avouch.controlplane.artifacts import downloads, routing
from avouch.controlplane.intake import (
    authentication,
    external_opening,
    external_runs,
    pod_identity,
    pod_runs,
    submissions,
    trial,
)
from avouch.controlplane.intake import injection as injection_planning
from avouch.controlplane.model import artifacts as artifact_model
from avouch.ingest import app, bodies
from avouch.ingest import artifacts as artifact_api
from avouch.ingest import external_runs as external_api
from avouch.ingest.aggregated import app as aggregated_app
from avouch.ingest.aggregated import policyreviews, tickets
from avouch.kube import client, connection, events, podevents, reader, secrets, trials
from avouch.oidc import verifier
from avouch.opa import engine, launching, program
from avouch.processes import (
    artifact_backends,
    certificates,
    health,
    lifetime,
    listeners,
    ownaddress,
    servermetrics,
    settings,
    trustfile,
)
from avouch.store import (
    artifact_references,
    artifacts,
    catalog,
    contracts,
    database,
    inline,
    organizations,
    reevaluations,
    revisionviews,
    schema,
    tokens,
    views,
    workflows,
)
from avouch.store import deletions as deletion_store
from avouch.store import external_runs as external_store
from avouch.store import runs as run_store
from avouch.store import tickets as ticket_store
from avouch.tekton import injection

_log = logging.getLogger(__name__)
_VIEWS = 4  # connections to the database for what kubectl reads
# All watches come from a few addresses, each by a connection of its own; TLS lets nobody else in.
_OF_API_SERVERS = listeners.Bounds(each=4096)
_REVIEWED = launching.Limits(seconds=5.0, memory=192 * launching.MIB, answer=4 * launching.MIB, behind=5)
"""What OPA may take for a policy that a user tries; before that, `program.COMPILING` to compile it."""
_PROXY_RETRY = 5.0  # seconds between tries to learn the front proxy at start


@dataclass(frozen=True, slots=True)
class Adapters:
    """Every adapter of the process."""

    database: database.Database
    catalog: catalog.Catalog
    runs: run_store.Runs
    cluster: reader.ClusterReader
    pod_trials: trials.PodTrials
    events: podevents.PodEvents
    blobs: routing.Routed
    maintenance: artifact_backends.Maintenance
    authorities: certificates.Authorities
    trusted: trustfile.TrustFile
    metrics: servermetrics.Metrics


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    return lifetime.run(settings.Server.from_environment, serve)


async def serve(config: settings.Server, stop: asyncio.Event) -> None:
    """Build everything, serve until `stop`, finish what is under way and close everything.

    A listener that fails takes the process with it, so that it is started again.
    """
    async with _opened(config) as adapters, asyncio.TaskGroup() as tasks:
        gc.freeze()  # modules and adapters live as long as the process: no collection goes through them again
        tls = certificates.Serving(config.tls)
        ingest = listeners.Listener(_ingest(config, adapters), config.host, config.port, tls.context)
        address = ownaddress.OwnAddress(config.server_url)
        admission = [_admission(config, adapters, tls, address)] if config.sidecar_image else []
        known = asyncio.Event()  # whom the aggregated API believes
        warm = asyncio.Event()  # connections to the database: the first pods to be admitted find them open

        async def ready() -> None:
            """Readiness: an APIService that points here must be answered, and pods in time."""
            if config.aggregated_api and not known.is_set():
                raise errors.Unavailable("the front proxy of the cluster is not known yet")
            if not warm.is_set():
                await adapters.database.warm()
                warm.set()
            await schema.check(adapters.database)

        status = listeners.Listener(health.create(ready, adapters.metrics.registry), config.host, config.health_port)
        beside = (
            certificates.keep_fresh((tls.watched, adapters.authorities.watched)),
            adapters.maintenance.run(),
            adapters.catalog.run(),
            _watch_schema(adapters),
            *([address.keep()] if admission else []),
        )
        keeping = [tasks.create_task(one) for one in beside]
        aside = tasks.create_task(_serve_runs(config, adapters, stop, known))
        serving = [tasks.create_task(one.run_until_told()) for one in (ingest, *admission, status)]
        await stop.wait()
        for one in (ingest, *admission, status):
            one.should_exit = True
        await asyncio.gather(*serving, aside)
        for task in keeping:
            task.cancel()


async def _watch_schema(adapters: Adapters) -> None:
    known = await schema.there(adapters.database)
    while True:
        known = await schema.replaced(adapters.database, known)
        adapters.catalog.forget()


async def _serve_runs(config: settings.Server, adapters: Adapters, stop: asyncio.Event, known: asyncio.Event) -> None:
    """The aggregated API, as soon as the cluster says whom to believe; until then nothing listens.

    It has connections of its own: whatever many people list and watch, pushes and admission find theirs.
    """
    proxy = certificates.FrontProxy()
    if not config.aggregated_api or not await _learned(proxy, adapters.cluster, stop):
        return
    tls = certificates.Serving(config.tls, client_ca=proxy.client_ca)

    async def again() -> None:
        await proxy.load(adapters.cluster)
        tls.trust_clients_of(proxy.client_ca)

    async with (
        database.Database(config.database_url, pool_size=_VIEWS) as reading,
        asyncio.TaskGroup() as tasks,
    ):
        trying = engine.Engine(lambda: program.found(os.environ, _REVIEWED))
        api = aggregated_app.Aggregated(
            views.RunViews(reading),
            revisionviews.RevisionViews(reading),
            _tickets(config, adapters),
            deletion_store.Deletions(reading),
            reevaluations.Reevaluations(reading),
            policyreviews.Reviews(lambda: engine.rested(trying)),
            lifetime.Clock(),
            adapters.trusted,
        )
        runs = aggregated_app.create(api, proxy)
        listener = listeners.Listener(runs, config.host, config.runs_port, tls.context, bounds=_OF_API_SERVERS)
        fresh = tasks.create_task(certificates.keep_fresh((tls.watched,), again))
        serving = tasks.create_task(listener.run_until_told())
        known.set()
        await stop.wait()
        listener.should_exit = True
        await serving
        fresh.cancel()


async def _learned(proxy: certificates.FrontProxy, cluster: reader.ClusterReader, stop: asyncio.Event) -> bool:
    while not stop.is_set():
        try:
            await proxy.load(cluster)
        except errors.Unavailable as exc:
            _log.warning("the aggregated API waits: %s", exc)
            with contextlib.suppress(TimeoutError):  # time to try again
                await asyncio.wait_for(stop.wait(), _PROXY_RETRY)
        else:
            return True
    return False


@contextlib.asynccontextmanager
async def _opened(config: settings.Server) -> AsyncIterator[Adapters]:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(database.Database(config.database_url))
        pushes = run_store.Runs(opened)
        stack.push_async_callback(pushes.close)
        api = connection.of_environment(config.kubeconfig, os.environ)
        stack.push_async_callback(api.close)
        known = artifacts.Artifacts(opened, config.quotas)
        credentials = secrets.Secrets(api, "avouch-server", "artifacts.secrets")
        built_in, volume = _built_in(config, opened), _volume(config)
        opener = artifact_backends.Backends(opened, credentials, built_in, volume, config.destinations)
        stack.push_async_callback(opener.close)
        opener.limits = config.quotas
        yield Adapters(
            database=opened,
            catalog=catalog.Catalog(opened),
            runs=pushes,
            cluster=reader.ClusterReader(api),
            pod_trials=trials.PodTrials(api),
            events=podevents.PodEvents(
                events.Recorder(client.KubeClient(api), "avouch-server", fallback_namespace="default")
            ),
            blobs=routing.Routed(known, opener, _described(config), _memory()),
            maintenance=artifact_backends.Maintenance(known, opener, lifetime.Clock()),
            authorities=certificates.Authorities(config.authority),
            trusted=trustfile.TrustFile(config.trust),
            metrics=servermetrics.Metrics(lambda: pushes.waiting),
        )


def _memory() -> bodies.BodyBudget:
    """For uploads on their way to a backend: an object store's takes 15 MiB, others little."""
    return bodies.BodyBudget(128 * 1024 * 1024, each=48 * 1024 * 1024, retry_after=5)


def _volume(config: settings.Server) -> Path | None:
    """The artifact volume of this install."""
    return None if config.blobs == "inline:" else Path(config.blobs.removeprefix("file://"))


def _built_in(config: settings.Server, opened: database.Database) -> artifact_model.BlobStore:
    """The store of namespaces that declare none."""
    volume = _volume(config)
    return filesystem.FileSystem(volume) if volume else inline.Inline(opened, limits=config.quotas)


def _described(config: settings.Server) -> artifact_model.Destination:
    kept_inline = config.blobs == "inline:"
    largest = casbackend.INLINE_BYTES if kept_inline else config.max_material
    return artifact_model.Destination(artifact_model.BUILT_IN, artifact_model.BUILT_IN, largest)


def _tickets(config: settings.Server, adapters: Adapters) -> tickets.Tickets:
    def authority() -> str:
        if config.public_ca == settings.OWN:
            return (config.tls / "ca.crt").read_text(encoding="ascii")
        return "" if config.public_ca == settings.SYSTEM else config.public_ca

    address = config.public_url or config.server_url
    return tickets.Tickets(ticket_store.Tickets(adapters.database), address, authority)


def _external(config: settings.Server, adapters: Adapters) -> external_runs.ExternalRuns:
    """External runs, of the same Workflows and Contracts."""
    identities = authentication.Authenticator(
        tokens.Tokens(adapters.database),
        verifier.Verifier(config.oidc_issuers, environment=os.environ),
        adapters.cluster,
        lifetime.Clock(),
    )
    opener = external_opening.Opener(
        store=external_store.ExternalRuns(adapters.database, config.quotas),
        identities=identities,
        workflows=workflows.Workflows(adapters.database),
        contracts=contracts.Contracts(adapters.database),
        organizations=organizations.Organizations(adapters.database),
        backends=adapters.blobs,
        clock=lifetime.Clock(),
    )
    return external_runs.ExternalRuns(opener)


def _artifact_api(
    config: settings.Server, adapters: Adapters, external: external_runs.ExternalRuns
) -> artifact_api.ArtifactApi:
    return artifact_api.ArtifactApi(
        downloads.Downloads(
            blobs=adapters.blobs,
            uses=artifact_references.Uses(adapters.database),
            tickets=_tickets(config, adapters),
            identities=external.opener.identities,
            organizations=external.opener.organizations,
            worker=config.worker,
            max_material=config.max_material,
        )
    )


def _ingest(config: settings.Server, adapters: Adapters) -> Starlette:
    pods = pod_runs.PodRuns(
        adapters.runs, adapters.catalog, adapters.catalog, pod_identity.Callers(adapters.cluster), lifetime.Clock()
    )
    external = _external(config, adapters)
    intake = submissions.Intake(
        pods, adapters.runs, adapters.blobs, lifetime.Clock(), adapters.authorities, config.max_material, external
    )
    api = app.IngestApi(
        intake,
        adapters.metrics,
        external_api=external_api.ExternalApi(external, adapters.authorities, adapters.trusted),
        artifact_api=_artifact_api(config, adapters, external),
    )
    return app.create(api)


def _admission(
    config: settings.Server, adapters: Adapters, tls: certificates.Serving, address: ownaddress.OwnAddress
) -> listeners.Listener:
    """The webhook's own port: only API servers have to reach it."""

    def what_to_inject() -> injection.Settings:
        authorities = (config.tls / "ca.crt").read_text(encoding="ascii")
        return injection.Settings(config.sidecar_image, config.server_url, authorities, address.known)

    planning = injection_planning.InjectionPlanner(
        adapters.cluster, adapters.catalog, adapters.catalog, adapters.runs, config.per_result
    )
    tried = trial.Trial(adapters.pod_trials) if config.dry_runs else None
    hook = admission_app.PodAdmission(
        planning, what_to_inject, adapters.metrics.admitted, tried=tried, teller=adapters.events
    )
    bounds = listeners.Bounds(connections=1024, each=256, headers=admission_app.SECONDS, linger=admission_app.SECONDS)
    return listeners.Listener(
        admission_app.create(hook), config.host, config.admission_port, tls.context, bounds=bounds
    )
