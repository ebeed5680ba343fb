"""Durable ingest: our push path against the simplest loop that is as durable.

The base is a bare loop of 8 connections, each of which verifies a bundle and then writes the claim and its judging job
in one statement that commits by itself: one round trip, one fsync a row, nothing else. No HTTP, no identity, no queue.

Against it, in the same run, on the same PostgreSQL (Unix socket, fsync on), with the same bundles and the same
`verification.verify`:

  store    verification and group commit, as the server calls them, without HTTP and without looking up the run
  use case `Intake.accept`: the same, and the caller's right to the run is read from the database
  door     the server's listener, TLS and keep-alive clients on loopback included, with callers known (bench/door.py)
  server   the real `avouch server` process: the pod and its owners are read from a real kube-apiserver for each push;
           clients, API server, database and server share the machine

What a ratio above 1 shows: sharing COMMITs pays for everything that we do in addition.

Run: python -m bench.durable_ingest [--rounds 5] [--bundles 2000]
"""

import asyncio
import ssl
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psycopg
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from avouch import digests
from avouch.attestation import authority, bundle, dsse, materials, predicate, signing, trust, verification
from avouch.controlplane import submissions
from avouch.controlplane.intake import pod_identity, pod_runs
from avouch.controlplane.model import runs
from avouch.processes import lifetime
from avouch.store import contracts, database, workflows
from avouch.store import runs as run_store
from bench import measure, stage
from tests.cluster.apiserver import ApiServer

CONNECTIONS = 8  # of the bare loop
CLIENTS = 32  # that push at the same time
PODS = 16  # each with a TaskRun and a run of its own
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "note", "type": "STRING"}]},
}
_ONE = (
    "WITH inserted AS ("
    " INSERT INTO claims (digest, id, run_id, bundle, pod_uid, taskrun_uid, taskrun, pipeline_task, service_account,"
    " received_at, explicit) VALUES (%s, %b, %b, %b, %s, %s, %s, %s, %s, %s, %s) RETURNING run_id) "
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
    " SELECT 'judge', 'judge', 'judge:' || run_id, 'judge:' || run_id, jsonb_build_object('run_id', run_id)"
    " FROM inserted ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE SET scheduled_at = NULL"
)


@dataclass(frozen=True, slots=True)
class Push:
    """One bundle, ready to be sent by its pod."""

    caller: stage.Caller
    run: runs.Run
    bundle: bytes

    def claim(self, verified: verification.VerifiedAttestation) -> runs.Claim:
        """The row to store."""
        who = self.caller.who
        return runs.Claim(
            self.run.id, verified.digest, self.bundle, who.pod_uid, who.task_run_uid, self.caller.taskrun, "",
            who.service_account, verified.verified_at,
        )  # fmt: skip

    def request(self) -> bytes:
        """The push as HTTP."""
        head = (
            f"POST /v1/runs/{self.run.id}/bundles HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.caller.token}\r\n"
            f"Content-Type: {bundle.MEDIA_TYPE}\r\nContent-Length: {len(self.bundle)}\r\n\r\n"
        )
        return head.encode() + self.bundle


class Keys:
    """The authority, as the server has it."""

    def __init__(self, issuer: authority.Authority) -> None:
        self._issuer = issuer
        self._trust = trust.TrustRoot.from_pems([issuer.certificate_pem])

    def authority(self) -> authority.Authority:
        return self._issuer

    def trust(self) -> trust.TrustRoot:
        return self._trust


class Bench:
    """Everything that stands still while the sides take turns."""

    def __init__(self, url: str, keys: Keys, pushes: Sequence[Push]) -> None:
        self.url, self.keys, self.pushes = url, keys, pushes
        self.cpu: dict[str, list[float]] = {}

    def rate(self, run: Callable[[], Awaitable[float]]) -> Callable[[], float]:
        """Pushes a second of one side, from an empty table."""

        def once() -> float:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("TRUNCATE avouch.claims, avouch.procrastinate_jobs CASCADE")
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    took = runner.run(_awaited(run()))
                found = connection.execute("SELECT count(*) FROM avouch.claims").fetchone()
            if found != (len(self.pushes),):
                raise RuntimeError(f"{found} of {len(self.pushes)} claims were stored")
            return len(self.pushes) / took

        return once

    async def bare(self) -> float:
        """8 connections, verify + INSERT + COMMIT each."""
        connections = [
            await psycopg.AsyncConnection.connect(self.url, autocommit=True, options=database.options())
            for _ in range(CONNECTIONS)
        ]
        waiting = iter(self.pushes)

        async def loop(connection: psycopg.AsyncConnection[Any]) -> None:
            cursor = connection.cursor()
            for push in waiting:
                verified = verification.verify(push.bundle, self.keys.trust(), push.caller.who, datetime.now(UTC))
                claim = push.claim(verified)
                digest = str(claim.digest)
                row = (
                    digest, uuid.uuid5(claim.run_id, digest), claim.run_id, claim.bundle, claim.pod_uid,
                    claim.taskrun_uid, claim.taskrun, claim.pipeline_task, claim.service_account, claim.received_at,
                    claim.explicit,
                )  # fmt: skip
                await cursor.execute(_ONE, row)

        began = time.perf_counter()
        await asyncio.gather(*map(loop, connections))
        took = time.perf_counter() - began
        for connection in connections:
            await connection.close()
        return took

    async def store(self) -> float:
        """Verification, the comparison with the run, group commit."""
        async with database.Database(self.url) as opened:
            repository = run_store.Runs(opened)

            async def push(one: Push) -> None:
                verified = verification.verify(one.bundle, self.keys.trust(), one.caller.who, datetime.now(UTC))
                submissions.check_same_run(predicate.read(verified.statement).metadata, one.run)
                await repository.accept(one.claim(verified))

            took = await _by_clients(self.pushes, push)
            await repository.close()
        return took

    async def use_case(self) -> float:
        """`Intake.accept`, with the right to the run read from the database."""
        async with database.Database(self.url) as opened:
            repository = run_store.Runs(opened)
            pods = pod_runs.PodRuns(
                repository,
                workflows.Workflows(opened),
                contracts.Contracts(opened),
                cast(pod_identity.Callers, _Known({one.caller.token: _caller(one) for one in self.pushes})),
                lifetime.Clock(),
            )
            intake = submissions.Intake(pods, repository, stage.artifact_store(opened), lifetime.Clock(), self.keys)

            async def push(one: Push) -> None:
                session = await intake.session(one.caller.token, one.run.id)
                await intake.accept(session, one.bundle, explicit=False)

            took = await _by_clients(self.pushes, push)
            await repository.close()
        return took

    async def served(self, server: stage.Server, name: str) -> float:
        """A server process, pushed to by clients that keep their connections."""
        context = ssl.create_default_context(cafile=str(server.ca_file))
        requests = [(push, push.request()) for push in self.pushes]
        clients = [
            await asyncio.open_connection("localhost", server.port, ssl=context, limit=1 << 20) for _ in range(CLIENTS)
        ]
        waiting = iter(requests)

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _, request in waiting:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                answer = await reader.readexactly(length)
                if not head.startswith(b"HTTP/1.1 201"):
                    raise RuntimeError(f"{head!r} {answer!r}")

        before, began = server.cpu(), time.perf_counter()
        await asyncio.gather(*(client(*one) for one in clients))
        took = time.perf_counter() - began
        self.cpu.setdefault(name, []).append((server.cpu() - before) / len(requests))
        for _, writer in clients:
            writer.close()
        return took


async def _awaited(what: Awaitable[float]) -> float:
    return await what


async def _by_clients(pushes: Sequence[Push], push: Callable[[Push], Awaitable[None]]) -> float:
    """As many at a time as there are clients."""
    waiting: Iterator[Push] = iter(pushes)

    async def client() -> None:
        for one in waiting:
            await push(one)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class _Known:
    """Callers by token, without the cluster."""

    callers: Mapping[str, runs.Caller]

    async def identify(self, token: str) -> runs.Caller:
        return self.callers[token]


def _caller(push: Push) -> runs.Caller:
    who = push.caller.who
    return runs.Caller(
        namespace=who.namespace,
        namespace_uid=push.run.namespace_uid,
        service_account=who.service_account,
        pod=push.caller.pod,
        pod_uid=who.pod_uid,
        taskrun=push.caller.taskrun,
        taskrun_uid=who.task_run_uid,
        injected=True,
    )


def pushes_of(
    issuer: authority.Authority, opened: Sequence[runs.Run], found: Sequence[stage.Caller], count: int
) -> Sequence[Push]:
    """Bundles of about 19 KB, each another one, signed by its pod."""
    signer = signing.KeySigner.generate()
    leaves = [authority.issue(issuer, signing.csr(signer, one.pod), one.who, datetime.now(UTC)) for one in found]
    ders = [x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER) for leaf in leaves]
    made = []
    for number in range(count):
        which = number % len(found)
        payload = _statement(opened[which], number)
        envelope = signing.sign_envelope(signer, dsse.IN_TOTO, payload, with_keyid=False)
        content = bundle.to_bytes(bundle.Bundle(envelope=envelope, certificate=ders[which]))
        made.append(Push(found[which], opened[which], content))
    return made


async def _stored(url: str, answers: Sequence[dict[str, Any]]) -> Sequence[runs.Run]:
    async with database.Database(url) as opened:
        repository = run_store.Runs(opened)
        found = [await repository.get(uuid.UUID(answer["runs"][0]["id"])) for answer in answers]
    return [run for run in found if run is not None]


def _statement(run: runs.Run, number: int) -> bytes:
    now = datetime.now(UTC)
    said = predicate.Metadata(
        name=run.workflow, workflow_name=run.workflow, workflow_id=run.key.workflow_uid, workflow_run_id=str(run.id),
        project=run.namespace, organization="", contract_name=run.contract, contract_version=str(run.revision),
        initialized_at=now, finished_at=now,
    )  # fmt: skip
    evidence = tuple(
        materials.Material(
            name=f"report-{i}", type="SARIF", digest=digests.of_bytes(f"{number} {i}".encode()),
            resource=f"reports/component-{i}/results.sarif", size=10_000 + i, output=True, storage="uploaded",
            annotations={"team": "payments", "component": f"component-{i}", "stage": "build"},
        )
        for i in range(18)
    )  # fmt: skip
    runner = predicate.Runner("TEKTON_PIPELINE", url=f"tekton://{run.namespace}/taskruns/{run.subject_name}")
    return predicate.build(predicate.AttestationFacts(said, "avouch.dev/sidecar", runner, evidence))


def report(bench: Bench, found: dict[str, list[float]]) -> None:
    """Pushes a second, and each side over the bare loop of its own round."""
    rows = [
        [name, measure.spread(rates, ".0f"), measure.spread(measure.ratios(found, name, "bare loop"))]
        for name, rates in found.items()
    ]
    measure.table(("pushes a second, median (range)", "rate", "/ bare loop"), rows)
    for name, seconds in bench.cpu.items():
        print(f"CPU of the process {name!r}: {statistics.median(seconds) * 1e6:.0f} us a push")


def main() -> None:
    parser = measure.arguments(__doc__, rounds=5)
    parser.add_argument("--bundles", type=int, default=2000, help="pushes in each turn (%(default)s)")
    parser.add_argument(
        "--only", nargs="*", default=[], help="sides to run besides the bare loop: store, use, door, server"
    )
    options = parser.parse_args()
    print(measure.machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        stage.postgres() as url,
        ApiServer() as api,
    ):
        issuer = stage.new_authority(Path(folder))
        found = stage.callers(api, url, PODS, CONTRACT)
        with (
            stage.serving(api, url, Path(folder)) as server,
            stage.serving(api, url, Path(folder), ("bench.door",)) as door,
        ):
            answers = [server.call("POST", "/v1/runs", one.token, b"{}") for one in found]
            pushes = pushes_of(issuer, asyncio.run(_stored(url, answers)), found, options.bundles)
            bench = Bench(url, Keys(issuer), pushes)
            size = statistics.median(len(push.bundle) for push in pushes)
            print(f"{len(pushes)} bundles of {size / 1000:.1f} KB, {CLIENTS} clients, {PODS} runs; {_version(url)}")
            sides: dict[str, Callable[[], Awaitable[float]]] = {
                "bare loop": bench.bare,
                "store": bench.store,
                "use case": bench.use_case,
                "door": lambda: bench.served(door, "door"),
                "server": lambda: bench.served(server, "server"),
            }
            chosen = [name for name in sides if not options.only or name.split()[0] in ("bare", *options.only)]
            turns = [measure.Side(name, bench.rate(sides[name])) for name in chosen]
            report(bench, measure.take_turns(turns, options.rounds))


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        settings = [
            connection.execute(f"SHOW {name}").fetchone() for name in ("server_version", "fsync", "synchronous_commit")
        ]
    version, fsync, commit = (row[0] if row else "?" for row in settings)
    return f"PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"


if __name__ == "__main__":
    main()
