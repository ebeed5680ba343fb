"""Durable ingest: what one push costs in CPU, ours and PostgreSQL's, against the simplest loop that does the same.

The base is a bare loop of 8 connections. Each verifies a bundle, reads its statement and compares it with the run, by
the very functions that the server calls, and then writes the claim and its judging job in one statement that commits by
itself: one round trip, one fsync a row, nothing else. No HTTP, no identity, no queue.

Against it, in the same run, on the same PostgreSQL (Unix socket, fsync on), with the same bundles:

  store    the same checks and group commit, as the server calls them, without HTTP and without looking up the run
  use case `Intake.accept`: the same, and the caller's right to the run is read from the database
  listener the server's listener, TLS and keep-alive clients on loopback, with callers known (bench/listener.py)
  server   the real `avouch server` process: pods and owners are read from a real kube-apiserver every ten seconds;
           its own CPU and PostgreSQL's are counted, not the clients' and not the API server's

CPU and not pushes a second: the bare loop keeps two cores busy (one with Python, one with PostgreSQL) where group
commit keeps one, so a rate compares how full a core is. What a ratio above 1 shows: sharing COMMITs pays for the rest.

Run: python -m bench.durable_ingest [--rounds 5] [--bundles 2000] [--quick]
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
from avouch.attestation import (
    authority,
    bundle,
    canonicaljson,
    dsse,
    materials,
    predicate,
    signing,
    trust,
    verification,
)
from avouch.controlplane.intake import pod_identity, pod_runs, submissions
from avouch.controlplane.model import runs
from avouch.processes import lifetime
from avouch.store import catalog, contracts, database
from avouch.store import runs as run_store
from bench import measure, stage
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres

CONNECTIONS = 8  # of the bare loop
_MATERIAL = 1024 * 1024  # bytes of one file; none is sent
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

    def checked(self, trusted: trust.TrustRoot) -> runs.Claim:
        """The row to store, once everything about the bundle has been checked."""
        who = self.caller.who
        verified = verification.verify(self.bundle, trusted, who, datetime.now(UTC), canonicaljson.loads)
        facts = predicate.read(verified.statement)
        submissions.check_same_run(facts.metadata, self.run)
        return runs.Claim(
            self.run.id, verified.digest, self.bundle, who.pod_uid, who.task_run_uid, self.caller.taskrun, "",
            who.service_account, verified.verified_at, artifacts=submissions.artifacts_of(facts),
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

    def __init__(self, postgres: Postgres, keys: Keys, pushes: Sequence[Push]) -> None:
        self.postgres, self.url, self.keys, self.pushes = postgres, postgres.socket_url, keys, pushes
        self.parts: dict[str, list[tuple[float, float, float]]] = {}  # by side: (ours, PostgreSQL's, pushes a second)

    def cost(
        self, name: str, run: Callable[[], Awaitable[float]], server: stage.Server | None = None
    ) -> Callable[[], float]:
        """Seconds of CPU for each push of one side, of our process and PostgreSQL, from an empty table."""

        def once() -> float:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("TRUNCATE avouch.claims, avouch.procrastinate_jobs CASCADE")
                began = self._cpu(server)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    took = runner.run(_awaited(run()))
                ended = self._cpu(server)
                found = connection.execute("SELECT count(*) FROM avouch.claims").fetchone()
            if found != (len(self.pushes),):
                raise RuntimeError(f"{found} of {len(self.pushes)} claims were stored")
            ours, theirs = ((after - before) / len(self.pushes) for before, after in zip(began, ended, strict=True))
            self.parts.setdefault(name, []).append((ours, theirs, len(self.pushes) / took))
            return ours + theirs

        return once

    def _cpu(self, server: stage.Server | None) -> tuple[float, float]:
        """(of whoever takes the pushes, of PostgreSQL)."""
        ours = time.process_time() if server is None else server.cpu()
        return ours, measure.tree_cpu(stage.postmaster(self.postgres))

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
                claim = push.checked(self.keys.trust())
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
                await repository.accept(one.checked(self.keys.trust()))

            took = await _by_clients(self.pushes, push)
            await repository.close()
        return took

    async def use_case(self) -> float:
        """`Intake.accept`, with the right to the run read from the database."""
        async with database.Database(self.url) as opened:
            repository = run_store.Runs(opened)
            pods = pod_runs.PodRuns(
                repository,
                catalog.Catalog(opened),
                contracts.Contracts(opened),
                cast(pod_identity.Callers, _Known({one.caller.token: _caller(one) for one in self.pushes})),
                lifetime.Clock(),
            )
            store = stage.artifact_store(opened)
            intake = submissions.Intake(pods, repository, store, lifetime.Clock(), self.keys, _MATERIAL)

            async def push(one: Push) -> None:
                session = await intake.session(one.caller.token, one.run.id)
                await intake.accept(session, one.bundle, explicit=False)

            took = await _by_clients(self.pushes, push)
            await repository.close()
        return took

    async def served(self, server: stage.Server) -> float:
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

        began = time.perf_counter()
        await asyncio.gather(*(client(*one) for one in clients))
        took = time.perf_counter() - began
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
    """CPU of a push, and the bare loop of the same round over each side."""
    rows = []
    for name, both in found.items():
        ours, theirs, rates = zip(*bench.parts[name], strict=True)
        cells = (measure.spread([seconds * 1e6 for seconds in column], ".0f") for column in (ours, theirs, both))
        ratio = measure.spread(measure.ratios(found, "bare loop", name))
        rows.append([name, *cells, ratio, measure.spread(rates, ".0f")])
    header = ("us of CPU a push, median (range)", "ours", "PostgreSQL", "both", "bare loop / it", "pushes a second")
    measure.table(header, rows)
    print("goal: bare loop / store >= 1.2")


def main() -> None:
    parser = measure.arguments(__doc__, rounds=5)
    parser.add_argument("--bundles", type=int, default=2000, help="pushes in each turn (%(default)s)")
    parser.add_argument(
        "--only", nargs="*", default=[], help="sides to run besides the bare loop: store, use, listener, server"
    )
    parser.add_argument("--quick", action="store_true", help="one round of few bundles: does it work at all?")
    options = parser.parse_args()
    rounds, count = (1, 64) if options.quick else (options.rounds, options.bundles)
    print(measure.machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        stage.database_server() as postgres,
        ApiServer() as api,
    ):
        url = postgres.socket_url
        issuer = stage.new_authority(Path(folder))
        found = stage.callers(api, url, PODS, CONTRACT)
        with (
            stage.serving(api, url, Path(folder)) as server,
            stage.serving(api, url, Path(folder), ("bench.listener",)) as listener,
        ):
            answers = [server.call("POST", "/v1/runs", one.token, b"{}") for one in found]
            pushes = pushes_of(issuer, asyncio.run(_stored(url, answers)), found, count)
            bench = Bench(postgres, Keys(issuer), pushes)
            size = statistics.median(len(push.bundle) for push in pushes)
            print(f"{len(pushes)} bundles of {size / 1000:.1f} KB, {CLIENTS} clients, {PODS} runs; {_version(url)}")
            sides = {
                "bare loop": bench.cost("bare loop", bench.bare),
                "store": bench.cost("store", bench.store),
                "use case": bench.cost("use case", bench.use_case),
                "listener": bench.cost("listener", lambda: bench.served(listener), listener),
                "server": bench.cost("server", lambda: bench.served(server), server),
            }
            chosen = [name for name in sides if not options.only or name.split()[0] in ("bare", *options.only)]
            report(bench, measure.take_turns([measure.Side(name, sides[name]) for name in chosen], rounds))


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        settings = [
            connection.execute(f"SHOW {name}").fetchone() for name in ("server_version", "fsync", "synchronous_commit")
        ]
    version, fsync, commit = (row[0] if row else "?" for row in settings)
    return f"PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"


if __name__ == "__main__":
    main()
