"""The server's ingest listener with its callers known: each answer of the API server is asked for once and kept.

Not a product's process: `durable_ingest` runs it to tell what HTTP, TLS, verification and the store cost without the
reads from kube-apiserver. Everything else is what `avouch server` builds. Settings come from the same environment.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvloop

from avouch.controlplane.intake import pod_identity, pod_runs, submissions
from avouch.ingest import app
from avouch.kube import connection, reader
from avouch.processes import certificates, health, lifetime, listeners, servermetrics, settings
from avouch.store import catalog, contracts, database
from avouch.store import runs as run_store
from bench import stage

Key = tuple[str, ...]


class Known(reader.ClusterReader):
    """Asks once."""

    def __init__(self, api: connection.Connection) -> None:
        super().__init__(api)
        self._known: dict[Key, Any] = {}

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._once(
            ("token", token), lambda: super(Known, self).review_token(token, audience)
        )
        return found

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        return await self._object(("pod", namespace, name), lambda: super(Known, self).pod(namespace, name))

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return await self._object(("taskrun", namespace, name), lambda: super(Known, self).taskrun(namespace, name))

    async def namespace(self, name: str) -> dict[str, Any] | None:
        return await self._object(("namespace", name), lambda: super(Known, self).namespace(name))

    async def _object(self, key: Key, ask: Callable[[], Awaitable[Any]]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self._once(key, ask)
        return found

    async def _once(self, key: Key, ask: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = await ask()
        return self._known[key]


async def serve(config: settings.Server, stop: asyncio.Event) -> None:
    """Ingest and health, until `stop`."""
    api = connection.of_environment(config.kubeconfig, os.environ)
    async with database.Database(config.database_url) as opened:
        pushes = run_store.Runs(opened)
        metrics = servermetrics.Metrics(lambda: pushes.waiting)
        pods = pod_runs.PodRuns(
            runs=pushes,
            workflows=catalog.Catalog(opened),
            contracts=contracts.Contracts(opened),
            pods=pod_identity.Callers(Known(api)),
            clock=lifetime.Clock(),
        )
        keys = certificates.Authorities(config.authority)
        intake = submissions.Intake(
            pods, pushes, stage.artifact_store(opened), lifetime.Clock(), keys, config.max_material
        )
        tls = certificates.Serving(config.tls)
        both = (
            listeners.Listener(app.create(app.IngestApi(intake, metrics)), config.host, config.port, tls.context),
            listeners.Listener(health.create(opened.ping, metrics.registry), config.host, config.health_port),
        )
        serving = [asyncio.create_task(one.run_until_told()) for one in both]
        await stop.wait()
        for one in both:
            one.should_exit = True
        await asyncio.gather(*serving)
        await pushes.close()
    await api.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = settings.Server.from_environment(os.environ)
        runner.run(lifetime.until_signal(lambda stop: serve(found, stop)))
