"""The reflector against a real API server: one that says 410, and one whose connection falls silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from avouch import errors
from avouch.kube import cache, client, connection, reflector, resources
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds
LONG_AGO = "1"  # a version from before the CRD was there: the API server never knew it for this kind
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "spec": {"materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}]},
}


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as started:
        crd = ROOT / "crds/chainloop.dev_contracts.yaml"
        started.kubectl("apply", "--server-side", "-f", str(crd))
        started.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        started.kubectl("get", "contracts", "-A")  # answered only once its watch cache is filled
        yield started


class Line:
    """A TCP line to the API server that can fall silent without hanging up, as a lost NAT entry does."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.fall_silent()
            for writer in self._writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    def fall_silent(self) -> None:
        """Connections that are open now never carry another byte; new ones do."""
        for pump in self._pumps:
            pump.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        self._writers += (writer, back)
        for source, target in ((reader, back), (there, writer)):
            pump = asyncio.create_task(_pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


class Forgetful(client.KubeClient):
    """Says of its first list that it is from long ago, so that the API server's own 410 answers the watch."""

    lists = 0

    async def list_all(
        self, resource: resources.Resource, namespace: str = "", **query: str
    ) -> tuple[list[client.Json], str]:
        self.lists += 1
        items, version = await super().list_all(resource, namespace, **query)
        return items, LONG_AGO if self.lists == 1 else version


@contextlib.asynccontextmanager
async def mirrored(api: client.KubeClient) -> AsyncIterator[tuple[reflector.Reflector, cache.ObjectCache]]:
    """A running reflector of Contracts."""
    objects = cache.ObjectCache()
    mirror = reflector.Reflector(api, resources.CONTRACTS, objects, lambda _key, _old, _new: None)
    running = asyncio.create_task(mirror.run())
    try:
        yield mirror, objects
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def made(api: client.KubeClient, name: str) -> None:
    await api.create(resources.CONTRACTS, {**CONTRACT, "metadata": {"name": name, "namespace": "default"}})


async def seen(objects: cache.ObjectCache, contract: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while objects.get(cache.Key("Contract", "default", contract)) is None:
            await asyncio.sleep(0.05)


async def test_a_version_that_the_api_server_forgot_is_answered_with_gone(api: ApiServer) -> None:
    reached = connection.from_kubeconfig(api.kubeconfig)
    with pytest.raises(client.Gone):
        async for _ in client.KubeClient(reached).watch(resources.CONTRACTS, LONG_AGO, inactivity=10):
            pass
    await reached.close()


async def test_after_410_the_reflector_lists_again_and_goes_on(api: ApiServer) -> None:
    reached = connection.from_kubeconfig(api.kubeconfig)
    stale = Forgetful(reached)
    async with mirrored(stale) as (mirror, objects):
        async with asyncio.timeout(PATIENCE):
            while mirror.progress.relists < 2:
                await asyncio.sleep(0.05)
        await made(stale, "after-410")
        await seen(objects, "after-410")
    await reached.close()
    assert mirror.progress.relists == 2
    assert mirror.progress.problem == ""


async def test_a_watch_gone_silent_is_noticed_and_what_it_missed_is_listed(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reflector, "INACTIVITY", 1.0)
    monkeypatch.setattr(connection, "IDLE", 0.2)
    direct = connection.from_kubeconfig(api.kubeconfig)
    address = urlsplit(api.url)
    line = Line(str(address.hostname), int(address.port or 0))
    async with line.serving() as port:
        config = tmp_path / "kubeconfig"
        config.write_text(api.kubeconfig.read_text().replace(f":{address.port}", f":{port}"))
        through = connection.from_kubeconfig(config)
        async with mirrored(client.KubeClient(through)) as (mirror, objects):
            await made(client.KubeClient(direct), "seen")
            await seen(objects, "seen")
            line.fall_silent()
            await made(client.KubeClient(direct), "unseen")
            await seen(objects, "unseen")
            assert mirror.progress.relists >= 2
            assert mirror.progress.idle() < PATIENCE
        await through.close()
    await direct.close()


async def test_an_api_server_that_is_away_is_not_mistaken_for_a_watch_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch, api: ApiServer, tmp_path: Path
) -> None:
    address = urlsplit(api.url)
    line = Line(str(address.hostname), int(address.port or 0))
    async with line.serving() as port:
        config = tmp_path / "kubeconfig"
        config.write_text(api.kubeconfig.read_text().replace(f":{address.port}", f":{port}"))
        away = connection.from_kubeconfig(config)
    monkeypatch.setattr(reflector, "_BACKOFF", (0.01, 0.05))
    async with mirrored(client.KubeClient(away)) as (mirror, _):
        async with asyncio.timeout(PATIENCE):
            while not mirror.progress.problem:
                await asyncio.sleep(0.05)
        silent_for, idle_for = mirror.progress.age(), mirror.progress.idle()
        with pytest.raises(errors.Unavailable):
            await client.KubeClient(away).list_all(resources.CONTRACTS)
    await away.close()
    assert idle_for <= silent_for


async def test_an_object_of_nearly_a_megabyte_comes_through_a_watch_whole(api: ApiServer) -> None:
    reached = connection.from_kubeconfig(api.kubeconfig)
    kube = client.KubeClient(reached)
    _, since = await kube.list_all(resources.CONFIG_MAPS)
    large = {"metadata": {"name": "large", "namespace": "default"}, "data": {"text": "x\n" * 450_000}}
    await kube.create(resources.CONFIG_MAPS, large)
    async with asyncio.timeout(PATIENCE):
        async for event in kube.watch(resources.CONFIG_MAPS, since, inactivity=10):
            if event["object"]["metadata"].get("name") == "large":
                break
    await reached.close()
    assert event["object"]["data"] == large["data"]


async def test_a_name_cannot_lead_to_another_path(api: ApiServer) -> None:
    reached = connection.from_kubeconfig(api.kubeconfig)
    assert (
        await client.KubeClient(reached).get(resources.CONFIG_MAPS, "default", "../../kube-system/configmaps") is None
    )
    assert await reached.get(resources.PODS.path("default", "../secrets")) is None
    await reached.close()
