"""What the measurements on a real cluster share: namespaces of their own, and waiting until something is so."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from avouch.kube import client, connection, resources

PATIENCE = 180.0  # seconds for anything


class Cluster:
    """A cluster with avouch; namespaces are removed with everything in them."""

    def __init__(self, api: connection.Connection) -> None:
        self.api, self.client = api, client.KubeClient(api)
        self._suffix = f"{time.time_ns() // 1_000_000 % 10**9}"

    def namespace(self, side: str) -> str:
        """The namespace of one side."""
        return f"bench-{side}-{self._suffix}"

    @contextlib.asynccontextmanager
    async def removed(self, sides: Sequence[str]) -> AsyncIterator[None]:
        """Remove the namespaces of these sides in the end, whatever happened."""
        try:
            yield
        finally:
            for side in sides:
                await self.client.delete(resources.NAMESPACES, "", self.namespace(side))

    async def prepare(
        self, side: str, labels: Mapping[str, str], contract: Mapping[str, Any], workflow: Mapping[str, Any]
    ) -> None:
        """A namespace with a Contract and a Workflow that is Ready."""
        namespace = self.namespace(side)
        await self.api.post(
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": dict(labels)}},
        )
        await self.api.post(resources.CONTRACTS.path(namespace), contract)
        path = resources.WORKFLOWS.path(namespace)
        await self.api.post(path, workflow)
        name = workflow["metadata"]["name"]
        await self.until(lambda: self._ready(f"{path}/{name}"), f"Workflow in {namespace}")
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        await self.until(lambda: self._there(account), f"ServiceAccount in {namespace}")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not await holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not become ready")
            await asyncio.sleep(0.3)

    async def _ready(self, path: str) -> bool:
        found = ((await self.api.get(path)) or {}).get("status") or {}
        return any(one["type"] == "Ready" and one["status"] == "True" for one in found.get("conditions") or ())

    async def _there(self, path: str) -> bool:
        return await self.api.get(path) is not None
