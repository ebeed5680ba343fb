"""The reflector against a real API server: one that says 410, and one whose connection falls silent."""

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
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

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._target = (str(address.hostname), int(address.port or 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._silent: set[socket.socket] = set()

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """The port of it; at the end both ends of every connection see that it is over."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        try:
            yield self._listener.getsockname()[1]
        finally:
            for each in (self._listener, *self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            for thread in self._threads:
                thread.join()

    def fall_silent(self) -> None:
        """Connections that are open now never carry another byte; new ones do."""
        self._silent = set(self._sockets)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += (near, far)
                self._start(self._pump, near, far)
                self._start(self._pump, far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source not in self._silent:
                    target.sendall(data)
            if source not in self._silent:
                target.shutdown(socket.SHUT_WR)

    def _start(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()


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


@pytest.fixture
def lingering() -> Iterator[None]:
    """Python's TLS keeps a connection for the goodbye of its peer, which a silent one never says: drop it here."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("lingering")
async def test_a_watch_gone_silent_is_noticed_and_what_it_missed_is_listed(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reflector, "INACTIVITY", 1.0)
    monkeypatch.setattr(connection, "IDLE", 0.2)
    direct = connection.from_kubeconfig(api.kubeconfig)
    line = Line(api.url)
    with line.serving() as port:
        config = tmp_path / "kubeconfig"
        config.write_text(api.kubeconfig.read_text().replace(f":{urlsplit(api.url).port}", f":{port}"))
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
    line = Line(api.url)
    with line.serving() as port:
        config = tmp_path / "kubeconfig"
        config.write_text(api.kubeconfig.read_text().replace(f":{urlsplit(api.url).port}", f":{port}"))
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
