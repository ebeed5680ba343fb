"""The real worker killed at its worst moments: another takes up, one verdict, each delivery one row and one id."""

import asyncio
import http.server
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import runs
from avouch.store import database, workflows
from avouch.store import runs as run_store
from tests.api.load import Grip
from tests.api.served import ROOT, Served, free_port, until
from tests.api.shop import Pod, Shop, rows, waiting
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


class Receiver:
    """Webhook receiver: remembers delivery ids; while `open` is not set it takes requests and answers nothing."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.open = threading.Event()
        self.open.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(self.headers["Avouch-Delivery"])
                if receiver.open.wait(30):
                    self.send_response(204)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that was killed is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Worker:
    """The process."""

    def __init__(self, shop: Shop, postgres: Postgres, folder: Path, served: Served) -> None:
        folder.mkdir()
        for name in ("attestation", "passed", "failed"):
            (folder / f"{name}.pem").write_bytes(
                ec.generate_private_key(ec.SECP256R1()).private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        (folder / "pods.crt").write_bytes(served.ca.certificate_pem)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_DATABASE_URL": postgres.url_of("worker"),
            "AVOUCH_DESTINATIONS": "127.0.0.0/8",  # where the receiver is
            "AVOUCH_VERIFIER_ID": "https://avouch.example/tests",
            "AVOUCH_KEYS_DIR": str(folder),
            "AVOUCH_CA_DIR": str(folder),
            "AVOUCH_KUBECONFIG": str(shop.api.kubeconfig),
            "AVOUCH_HOST": "127.0.0.1",
            "AVOUCH_HEALTH_PORT": str(free_port()),
            "AVOUCH_TAKEOVER_SECONDS": "1",
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "avouch.processes.main", "worker"]
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(30) == 0, self.log.read_text()[-4000:]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def healthy() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


async def _attach(postgres: Postgres, receiver: Receiver, names: tuple[str, ...]) -> None:
    config = {"url": receiver.url, "allowPrivateAddresses": True}
    async with database.Database(postgres.url) as opened:
        for name in names:
            await workflows.Workflows(opened).upsert_attachment(
                delivery_model.AttachmentRecord(
                    "shop", name, f"{name}-uid", "chat", "webhook", config, workflow="release"
                ),
                epoch=1,
            )


async def _finish(postgres: Postgres, shop: Shop, pod: Pod, run: str) -> None:
    """What the controller's watch does when the TaskRun is Done."""
    taskrun = shop.request("GET", f"/apis/tekton.dev/v1/namespaces/{pod.namespace}/taskruns/{pod.taskrun}")
    condition = {"type": "Succeeded", "status": "True", "reason": "Succeeded"}
    done = {**taskrun, "status": {"podName": pod.name, "conditions": [condition]}}
    async with database.Database(postgres.url) as opened:
        (found,) = [one for one in await run_store.Runs(opened).of_subject(pod.taskrun_uid) if str(one.id) == run]
        snapshot = runs.Snapshot(subject=done, taskruns=(done,), pods={pod.name: pod.uid})
        await run_store.Runs(opened).finish(found.id, snapshot, datetime.now(UTC), epoch=1)


@pytest.fixture
def begun(shop: Shop, served: Served, prepared: Postgres, receiver: Receiver) -> tuple[Pod, str]:
    """A pod and its run, with a claim, and two attachments that will want the verdict."""
    name = f"worker-{uuid.uuid4()}"
    shop.taskrun(name)
    pod = shop.pod(name)
    run = served.open_run(pod)
    assert served.push(pod, run, served.claim(pod, run)).status == 201
    asyncio.run(_attach(prepared, receiver, ("chat", "ledger")))
    return pod, run


@pytest.fixture
def run(shop: Shop, prepared: Postgres, begun: tuple[Pod, str]) -> str:
    """The run, Done."""
    asyncio.run(_finish(prepared, shop, *begun))
    return begun[1]


def verdicts(postgres: Postgres, run: str) -> list[str]:
    query = "SELECT result FROM runs JOIN verdicts ON verdicts.run_id = runs.id WHERE runs.id = %s"
    return [result for (result,) in rows(postgres, query, run)]


def deliveries(postgres: Postgres, run: str) -> list[tuple[str, str]]:
    query = "SELECT attachment, state FROM deliveries WHERE run_id = %s ORDER BY attachment"
    return [(attachment, state) for attachment, state in rows(postgres, query, run)]


def of_run(prepared: Postgres, receiver: Receiver, run: str) -> list[str]:
    """What came of this run: a worker also delivers what other tests left."""
    mine = {str(row[0]) for row in rows(prepared, "SELECT id FROM deliveries WHERE run_id = %s", run)}
    return [one for one in list(receiver.got) if one in mine]


def test_a_worker_killed_while_judging_is_taken_over_and_there_is_one_verdict(
    shop: Shop, served: Served, prepared: Postgres, receiver: Receiver, run: str, tmp_path: Path
) -> None:
    with (
        Worker(shop, prepared, tmp_path / "first", served) as first,
        Grip(prepared, "SELECT FROM versions FOR UPDATE"),
    ):
        until(lambda: waiting(prepared, "WITH i AS%UPDATE versions%"), "the verdict is about to be committed")
        first.kill()
    assert (verdicts(prepared, run), deliveries(prepared, run)) == ([], [])
    with Worker(shop, prepared, tmp_path / "second", served):
        until(lambda: verdicts(prepared, run), "another worker judged the run")
        expected = [("chat", "delivered"), ("ledger", "delivered")]
        until(lambda: deliveries(prepared, run) == expected, "and delivered the verdict")
    assert verdicts(prepared, run) == ["Failed"]  # the claim lacks the material that the contract asks for
    got = of_run(prepared, receiver, run)
    assert len(got) == len(set(got)) == 2
    left = "SELECT status FROM procrastinate_jobs WHERE args->>'run_id' = %s"
    assert rows(prepared, left, run) == []


def test_a_worker_killed_before_it_could_mark_a_delivery_is_followed_by_one_that_sends_it_again_under_the_same_id(
    shop: Shop, served: Served, prepared: Postgres, receiver: Receiver, run: str, tmp_path: Path
) -> None:
    receiver.open.clear()
    with Worker(shop, prepared, tmp_path / "first", served) as first:
        until(lambda: len(of_run(prepared, receiver, run)) == 2, "both were sent")
        first.kill()
    sent = set(of_run(prepared, receiver, run))
    assert deliveries(prepared, run) == [("chat", "pending"), ("ledger", "pending")]
    receiver.open.set()
    with Worker(shop, prepared, tmp_path / "second", served):
        expire = "UPDATE deliveries SET leased_until = now() WHERE run_id = %s RETURNING id"  # time passes
        assert len(rows(prepared, expire, run)) == 2
        expected = [("chat", "delivered"), ("ledger", "delivered")]
        until(lambda: deliveries(prepared, run) == expected, "both arrived")
    got = of_run(prepared, receiver, run)
    assert (set(got), len(got)) == (sent, 4)
    assert verdicts(prepared, run) == ["Failed"]


def test_a_receiver_that_hangs_keeps_no_run_from_its_verdict_and_no_verdict_from_another_receiver(
    shop: Shop, served: Served, prepared: Postgres, receiver: Receiver, healthy: Receiver, run: str, tmp_path: Path
) -> None:
    receiver.open.clear()
    asyncio.run(_attach(prepared, healthy, ("ledger",)))
    with Worker(shop, prepared, tmp_path / "only", served):
        expected = [("chat", "pending"), ("ledger", "delivered")]
        until(lambda: deliveries(prepared, run) == expected, "the other one got the verdict")
        until(lambda: len(of_run(prepared, receiver, run)) == 1, "it was sent to the one that hangs, too")
        assert verdicts(prepared, run) == ["Failed"]
        receiver.open.set()
        until(lambda: deliveries(prepared, run) == [("chat", "delivered"), ("ledger", "delivered")], "all arrived")
    assert len(of_run(prepared, receiver, run)) == len(of_run(prepared, healthy, run)) == 1


def test_a_worker_outlives_a_restart_of_its_database_and_goes_on_judging(
    shop: Shop, served: Served, prepared: Postgres, receiver: Receiver, begun: tuple[Pod, str], tmp_path: Path
) -> None:
    with Worker(shop, prepared, tmp_path / "only", served) as worker:
        alive = "SELECT 1 FROM procrastinate_workers WHERE last_heartbeat > now() - interval '0.8 seconds'"
        until(lambda: rows(prepared, alive), "the worker is at work")
        prepared.kill()
        prepared.start()
        asyncio.run(_finish(prepared, shop, *begun))
        until(lambda: verdicts(prepared, begun[1]), "the run is judged")
        expected = [("chat", "delivered"), ("ledger", "delivered")]
        until(lambda: deliveries(prepared, begun[1]) == expected, "and the verdict delivered")
        assert worker.process.poll() is None, worker.log.read_text()[-4000:]
