"""`avouch server`: ingest API and admission on 8443, the aggregated API on 8444 (mTLS), health and metrics on 9090.

Stateless: any number of replicas. It starts without the database, says so at /readyz, and heals by itself.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from avouch import errors
from avouch.admission import app as admission
from avouch.cas import filesystem
from avouch.controlplane.artifacts import downloads, routing
from avouch.controlplane.intake import (
    authentication,
    external_opening,
    external_runs,
    pod_identity,
    pod_runs,
    submissions,
)
from avouch.controlplane.intake import injection as planner
from avouch.controlplane.model import artifacts as artifact_model
from avouch.ingest import app
from avouch.ingest import artifacts as reads
from avouch.ingest import external_runs as outside
from avouch.ingest.aggregated import app as aggregated
from avouch.ingest.aggregated import tickets
from avouch.kube import connection, reader, secrets
from avouch.oidc import issuers, verifier
from avouch.processes import artifact_backends, certificates, health, lifetime, listeners, servermetrics, settings
from avouch.store import (
    artifact_references,
    artifacts,
    catalog,
    contracts,
    database,
    inline,
    organisations,
    revisionviews,
    tokens,
    views,
    workflows,
)
from avouch.store import external_runs as stored_outside
from avouch.store import runs as stored
from avouch.store import tickets as stored_tickets
from avouch.tekton import injection

_log = logging.getLogger(__name__)
_PROXY_RETRY = 5.0  # seconds between tries to learn the front proxy at start


@dataclass(frozen=True, slots=True)
class World:
    """Every adapter of the process."""

    database: database.Database
    catalog: catalog.Catalog
    runs: stored.Runs
    cluster: reader.ClusterReader
    blobs: routing.Routed
    keeper: artifact_backends.Keeper
    authorities: certificates.Authorities
    metrics: servermetrics.Metrics


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    return lifetime.run(settings.Server.from_environment, serve)


async def serve(config: settings.Server, stop: asyncio.Event) -> None:
    """Build everything, serve until `stop`, finish what is under way and close everything.

    A listener that fails takes the process with it, so that it is started again.
    """
    async with _world(config) as world, asyncio.TaskGroup() as tasks:
        tls = certificates.Serving(config.tls)
        ingest = listeners.Listener(_ingest(config, world), config.host, config.port, tls.context)
        known = asyncio.Event()  # whom the aggregated API believes
        warm = asyncio.Event()  # connections to the database: the first pods to be admitted find them open

        async def ready() -> None:
            """Readiness: an APIService that points here must be answered, and pods in time."""
            if config.aggregated_api and not known.is_set():
                raise errors.Unavailable("the front proxy of the cluster is not known yet")
            if not warm.is_set():
                await world.database.warm()
                warm.set()
            await world.database.ping()

        status = listeners.Listener(health.create(ready, world.metrics.registry), config.host, config.health_port)
        fresh = tasks.create_task(certificates.keep_fresh((tls.watched, world.authorities.watched)))
        keeping_up = tasks.create_task(world.keeper.run())
        listening = tasks.create_task(world.catalog.run())
        aside = tasks.create_task(_serve_runs(config, world, stop, known))
        serving = [tasks.create_task(one.run_until_told()) for one in (ingest, status)]
        await stop.wait()
        for one in (ingest, status):
            one.should_exit = True
        await asyncio.gather(*serving, aside)
        fresh.cancel()
        keeping_up.cancel()
        listening.cancel()


async def _serve_runs(config: settings.Server, world: World, stop: asyncio.Event, known: asyncio.Event) -> None:
    """The aggregated API, as soon as the cluster says whom to believe; until then nothing listens."""
    proxy = certificates.FrontProxy()
    if not config.aggregated_api or not await _learned(proxy, world.cluster, stop):
        return
    tls = certificates.Serving(config.tls, client_ca=proxy.client_ca)
    api = aggregated.Aggregated(
        views.RunViews(world.database),
        revisionviews.RevisionViews(world.database),
        _tickets(config, world),
        lifetime.Clock(),
    )
    listener = listeners.Listener(aggregated.create(api, proxy), config.host, config.runs_port, tls.context)

    async def again() -> None:
        await proxy.load(world.cluster)
        tls.trust_clients_of(proxy.client_ca)

    async with asyncio.TaskGroup() as tasks:
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
async def _world(config: settings.Server) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(database.Database(config.database_url))
        pushes = stored.Runs(opened)
        stack.push_async_callback(pushes.close)
        api = connection.of_environment(config.kubeconfig, os.environ)
        stack.push_async_callback(api.close)
        known = artifacts.Artifacts(opened)
        opener = artifact_backends.Backends(opened, secrets.Secrets(api), _built_in(config, opened), _volume(config))
        yield World(
            database=opened,
            catalog=catalog.Catalog(opened),
            runs=pushes,
            cluster=reader.ClusterReader(api),
            blobs=routing.Routed(known, opener, _described(config)),
            keeper=artifact_backends.Keeper(known, opener, lifetime.Clock()),
            authorities=certificates.Authorities(config.authority),
            metrics=servermetrics.Metrics(lambda: pushes.waiting),
        )


def _volume(config: settings.Server) -> Path | None:
    """The artifact volume of this install."""
    return None if config.blobs == "inline:" else Path(config.blobs.removeprefix("file://"))


def _built_in(config: settings.Server, opened: database.Database) -> artifact_model.BlobStore:
    """The store of namespaces that declare none."""
    volume = _volume(config)
    return filesystem.FileSystem(volume) if volume else inline.Inline(opened)


def _described(config: settings.Server) -> artifact_model.Destination:
    kept_inline = config.blobs == "inline:"
    largest = inline.LIMIT if kept_inline else config.max_material
    return artifact_model.Destination(artifact_model.BUILT_IN, artifact_model.BUILT_IN, largest)


def _tickets(config: settings.Server, world: World) -> tickets.Tickets:
    def authority() -> str:
        if config.public_ca == settings.OWN:
            return (config.tls / "ca.crt").read_text(encoding="ascii")
        return "" if config.public_ca == settings.SYSTEM else config.public_ca

    address = config.public_url or config.server_url
    return tickets.Tickets(stored_tickets.Tickets(world.database), address, authority)


def _external(config: settings.Server, world: World, pods: pod_runs.PodRuns) -> external_runs.OutsideRuns:
    """Runs outside the cluster, of the same Workflows and Contracts."""
    allowed = (issuers.Issuer(url, runner) for url, runner in config.oidc_issuers)
    identities = authentication.Identities(
        tokens.Tokens(world.database), verifier.Verifier(allowed), world.cluster, lifetime.Clock()
    )
    opener = external_opening.Opener(
        store=stored_outside.OutsideRuns(world.database),
        identities=identities,
        workflows=workflows.Workflows(world.database),
        contracts=contracts.Contracts(world.database),
        organisations=organisations.Organisations(world.database),
        backends=world.blobs,
        clock=lifetime.Clock(),
    )
    return external_runs.OutsideRuns(opener)


def _reading(config: settings.Server, world: World, external: external_runs.OutsideRuns) -> reads.ArtifactDoor:
    return reads.ArtifactDoor(
        downloads.Downloads(
            blobs=world.blobs,
            uses=artifact_references.Uses(world.database),
            tickets=_tickets(config, world),
            identities=external.opener.identities,
            organisations=external.opener.organisations,
            worker=config.worker,
            max_material=config.max_material,
        )
    )


def _ingest(config: settings.Server, world: World) -> Starlette:
    pods = pod_runs.PodRuns(
        world.runs, world.catalog, world.catalog, pod_identity.Callers(world.cluster), lifetime.Clock()
    )
    external = _external(config, world, pods)
    intake = submissions.Intake(
        pods, world.runs, world.blobs, lifetime.Clock(), world.authorities, config.max_material, external
    )
    door = app.Door(
        intake,
        world.metrics,
        crafting=outside.OutsideDoor(external, world.authorities),
        reading=_reading(config, world, external),
    )
    if not config.sidecar_image:
        return app.create(door)

    def what_to_inject() -> injection.Settings:
        authorities = (config.tls / "ca.crt").read_text(encoding="ascii")
        return injection.Settings(config.sidecar_image, config.server_url, authorities)

    planning = planner.InjectionPlanner(world.cluster, world.catalog, world.catalog)
    hook = admission.PodAdmission(planning, what_to_inject, world.metrics.admitted)
    return app.create(door, also=hook.routes())
