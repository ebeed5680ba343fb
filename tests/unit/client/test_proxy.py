"""Through a real proxy: CONNECT, its password, and TLS with the server behind it."""

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from avouch import errors
from avouch.client import access, connection, ingest
from tests.crafting import server


@dataclass
class Tunnels:
    """What the proxy was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


def pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)


def tunnel(client: socket.socket, found: Tunnels) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    found.asked.append(head.decode())
    if base64.b64encode(b"me:secret") not in head:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        client.close()
        return
    host, _, port = head.split()[1].decode().partition(":")
    with socket.create_connection((host, int(port))) as upstream, client:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        thread = threading.Thread(target=pump, args=(client, upstream))
        thread.start()
        pump(upstream, client)
        thread.join()


@pytest.fixture
def proxy() -> Iterator[Tunnels]:
    found, threads = Tunnels(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found.port = listener.getsockname()[1]

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threads.append(threading.Thread(target=tunnel, args=(client, found)))
                    threads[-1].start()

        thread = threading.Thread(target=serve)
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for each in threads:
        each.join()


def reached(memory: server.Memory, environment: dict[str, str], time: Any) -> tuple[bytes, ...]:
    to = access.resolve(access.Login(memory.url, server.TOKEN, memory.ca), environment, access.Login())
    link = connection.Connection(to, "test", time.clock())
    try:
        return ingest.Ingest(link).trust()
    finally:
        link.close()


def test_the_server_is_reached_through_the_proxy(memory: server.Memory, proxy: Tunnels, time: Any):
    assert reached(memory, {"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}"}, time)
    assert proxy.asked[0].startswith(f"CONNECT {memory.url.removeprefix('https://')} ")


def test_our_token_is_not_shown_to_the_proxy(memory: server.Memory, proxy: Tunnels, time: Any):
    reached(memory, {"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}"}, time)
    assert server.TOKEN not in "".join(proxy.asked)


def test_a_proxy_that_refuses_is_told(memory: server.Memory, proxy: Tunnels, time: Any):
    with pytest.raises(errors.Unavailable, match="407"):
        reached(memory, {"HTTPS_PROXY": f"http://me:wrong@127.0.0.1:{proxy.port}"}, time)


def test_a_proxy_that_is_not_there_is_named(memory: server.Memory, time: Any):
    with pytest.raises(errors.Unavailable, match=r"cannot be reached through the proxy 127\.0\.0\.1:9: "):
        reached(memory, {"HTTPS_PROXY": "http://me:secret@127.0.0.1:9"}, time)


def test_a_server_that_needs_no_proxy_is_reached_without_it(memory: server.Memory, proxy: Tunnels, time: Any):
    environment = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "127.0.0.1"}
    assert reached(memory, environment, time)
    assert proxy.asked == []
