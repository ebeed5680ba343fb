"""Bodies and uploads that go wrong: refused with a reason, memory flat, nothing half-written, others served."""

import concurrent.futures
import http.client
import itertools
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import digests
from tests.api.served import Served, answer_of, until
from tests.api.shop import Pod, Shop
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

MiB = 1024 * 1024
FLAT = 16 * MiB  # how much memory may grow, whatever is sent


@pytest.fixture(scope="module")
def pod(shop: Shop) -> Pod:
    shop.taskrun("faults")
    return shop.pod("faults")


def head(method: str, path: str, pod: Pod, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {pod.token}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def send(connection: ssl.SSLSocket, pieces: Iterator[bytes]) -> None:
    """Write until all is written or the other side has had enough."""
    for piece in pieces:
        try:
            connection.sendall(piece)
        except OSError:
            return


def chunked(piece: bytes, count: int | None = None) -> Iterator[bytes]:
    one = b"%x\r\n%b\r\n" % (len(piece), piece)
    return itertools.repeat(one) if count is None else itertools.repeat(one, count)


def test_ten_megabytes_are_413_before_or_while_they_are_read_and_memory_stays_flat(
    served: Served, pod: Pod, run: str
) -> None:
    path = f"/v1/runs/{run}/bundles"
    served.push(pod, run, b"warm")
    served.reset_memory()
    before = served.memory()
    for _ in range(5):
        with served.connection() as connection:  # said beforehand: the answer comes before a byte of the body
            connection.sendall(head("POST", path, pod, f"Content-Length: {10 * MiB}"))
            assert answer_of(connection).status == 413
        with served.connection() as connection:
            connection.sendall(head("POST", path, pod, "Transfer-Encoding: chunked"))
            send(connection, chunked(bytes(64 * 1024), 160))
            answer = answer_of(connection)
            assert (answer.status, answer.body["type"].rpartition("/")[2]) == (413, "too-large"), answer
    assert served.memory(since_reset=True) - before < FLAT


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Content-Length: -1",), 400),
        (("Content-Length: 1e3",), 400),
        (("Content-Length: 3", "Content-Length: 4"), 400),
        (("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        ((f"Content-Length: {'9' * 30}",), 400),
        (("X-Filler: " + "x" * 200_000,), 431),
    ],
)
def test_headers_that_two_readers_could_read_differently_are_refused(
    served: Served, pod: Pod, run: str, headers: tuple[str, ...], status: int
) -> None:
    with served.connection() as connection:
        send(connection, iter((head("POST", f"/v1/runs/{run}/bundles", pod, *headers),)))
        with http.client.HTTPResponse(connection) as response:
            response.begin()
            assert response.status == status
    assert served.ask("GET", f"/v1/runs/{run}", pod.token).status == 200


def test_clients_that_never_come_to_an_end_are_cut_off_while_others_are_served(
    served: Served, pod: Pod, run: str
) -> None:
    path = f"/v1/runs/{run}/bundles"
    silent, endless, headless = served.connection(), served.connection(), served.connection()
    with silent, endless, headless, concurrent.futures.ThreadPoolExecutor(3) as aside:
        started = time.monotonic()
        silent.sendall(head("POST", path, pod, "Content-Length: 1000") + b"{")
        endless.sendall(head("POST", path, pod, "Transfer-Encoding: chunked"))
        headless.sendall(b"POST /v1/runs HTTP/1.1\r\nHost: local")
        flood = aside.submit(send, endless, chunked(bytes(64 * 1024)))
        answered, closed = aside.submit(answer_of, silent), aside.submit(_end, headless)
        slowest = 0.0
        while not (answered.done() and flood.done() and closed.done()):
            asked = time.monotonic()
            assert served.ask("GET", f"/v1/runs/{run}", pod.token).status == 200
            slowest = max(slowest, time.monotonic() - asked)
            assert time.monotonic() - started < 30, (answered, flood, closed)
            time.sleep(0.2)
    assert answered.result().status == 408
    assert answered.result().body["detail"] == "no byte of the body arrived for 15 seconds"
    assert slowest < 2


def _end(connection: socket.socket) -> None:
    """Read until the other side closes."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        return


def stored(artifacts: Path, digest: digests.Digest) -> Path:
    return artifacts / "sha256" / digest.hex[:2] / digest.hex


def incoming(artifacts: Path) -> list[Path]:
    return list((artifacts / "sha256").glob("incoming-*"))


def test_bytes_that_are_not_those_promised_are_400_with_both_digests_and_nothing_is_stored(
    served: Served, pod: Pod, run: str, artifacts: Path
) -> None:
    promised, sent = digests.of_bytes(b"promised"), digests.of_bytes(b"sent")
    answer = served.ask("PUT", f"/v1/runs/{run}/materials/{promised}", pod.token, b"sent")
    assert answer.status == 400, answer
    assert str(promised) in answer.body["detail"]
    assert str(sent) in answer.body["detail"]
    assert not stored(artifacts, promised).exists()
    assert not stored(artifacts, sent).exists()
    assert incoming(artifacts) == []


def test_a_client_that_vanishes_at_99_percent_leaves_nothing_and_may_come_again(
    served: Served, pod: Pod, run: str, artifacts: Path
) -> None:
    content = os.urandom(4 * MiB)
    digest = digests.of_bytes(content)
    path = f"/v1/runs/{run}/materials/{digest}"
    with served.connection() as connection:
        connection.sendall(head("PUT", path, pod, f"Content-Length: {len(content)}"))
        connection.sendall(content[: len(content) * 99 // 100])
        until(lambda: incoming(artifacts), "the upload began")
    until(lambda: not incoming(artifacts), "the half-written file is gone")
    assert not stored(artifacts, digest).exists()
    assert served.ask("PUT", path, pod.token, content).status == 201
    assert stored(artifacts, digest).read_bytes() == content


def test_the_same_bytes_from_two_clients_at_once_are_one_object_and_both_are_thanked(
    served: Served, pod: Pod, run: str, artifacts: Path
) -> None:
    content = os.urandom(3 * MiB)
    digest = digests.of_bytes(content)
    first, second = served.connection(), served.connection()
    with first, second:
        for connection in (first, second):
            connection.sendall(head("PUT", f"/v1/runs/{run}/materials/{digest}", pod, f"Content-Length: {3 * MiB}"))
            connection.sendall(content[:-1])
        until(lambda: len(incoming(artifacts)) == 2, "both are under way")
        for connection in (first, second):
            connection.sendall(content[-1:])
        answers = [answer_of(connection) for connection in (first, second)]
    assert {answer.status for answer in answers} <= {200, 201}
    assert [answer.body for answer in answers] == [{"digest": str(digest), "size": 3 * MiB}] * 2
    assert stored(artifacts, digest).read_bytes() == content
    assert incoming(artifacts) == []


def test_a_large_upload_keeps_memory_flat(served: Served, pod: Pod, run: str, artifacts: Path) -> None:
    block, count = os.urandom(MiB), 200
    digest, size = digests.of_chunks(itertools.repeat(block, count))
    served.reset_memory()
    before = served.memory()
    with served.connection() as connection:
        connection.sendall(head("PUT", f"/v1/runs/{run}/materials/{digest}", pod, f"Content-Length: {size}"))
        send(connection, itertools.repeat(block, count))
        assert answer_of(connection).status == 201
    grown = served.memory(since_reset=True) - before
    assert stored(artifacts, digest).stat().st_size == size
    stored(artifacts, digest).unlink()
    assert grown < FLAT, f"{grown / MiB:.1f} MiB for {size / MiB:.0f} MiB"


def test_a_server_killed_in_mid_upload_leaves_no_object_and_its_successor_sweeps_up_what_is_a_day_old(
    shop: Shop, served: Served, prepared: Postgres, pod: Pod, run: str, tmp_path: Path
) -> None:
    folder, content = tmp_path / "artifacts", os.urandom(4 * MiB)
    digest = digests.of_bytes(content)
    path = f"/v1/runs/{run}/materials/{digest}"
    settings = {"AVOUCH_BLOBS": f"file://{folder}", "AVOUCH_AGGREGATED_API": "false"}
    with Served(shop.api, prepared, tmp_path, served, **settings) as server:
        with server.connection() as connection:
            connection.sendall(head("PUT", path, pod, f"Content-Length: {len(content)}") + content[:-1])
            until(lambda: any(left.stat().st_size for left in incoming(folder)), "half of it is on disk")
            server.kill()
        (left,) = incoming(folder)
        young = left.with_name("incoming-young")
        young.touch()
        os.utime(left, times=(time.time() - 2 * 86_400,) * 2)
        server.start()
        server.wait()
        until(lambda: incoming(folder) == [young], "what nobody goes on writing is removed")
        assert not stored(folder, digest).exists()
        assert server.ask("PUT", path, pod.token, content).status == 201
        assert stored(folder, digest).read_bytes() == content
