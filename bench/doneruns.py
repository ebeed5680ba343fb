"""Runs that are Done and wait for their verdict, stored as the controller stores them; the real worker; receivers."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.types.json import Jsonb

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.attestation import authority, signing
from avouch.contract import owed, planning, reading, revisions
from avouch.controlplane.judging import documents
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import deliveries, runs
from avouch.policy import resolution
from avouch.store import contracts, database, migrate, rows, workflows
from bench import measure, stage
from tests.postgres import Postgres

NAMESPACE, WORKFLOW = "shop", "release"
DIGEST = f"sha256:{'a' * 64}"
CONTRACT: Mapping[str, Any] = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {
        "materials": [
            {"name": "image", "type": "CONTAINER_IMAGE", "output": True},
            {"name": "commit", "type": "STRING"},
        ],
        "annotations": [{"name": "team", "value": "payments"}],
    },
}
_RUN = (
    "INSERT INTO runs (id, name, workflow_uid, subject_uid, namespace, namespace_uid, workflow, subject_kind,"
    " subject_name, contract, revision, contract_digest, plan, created_at, result, evidence, labels, finished_at)"
    " VALUES (%(id)s, %(name)s, %(workflow_uid)s, %(subject_uid)s, %(namespace)s, %(namespace_uid)s, %(workflow)s,"
    " %(subject_kind)s, %(subject_name)s, %(contract)s, %(revision)s, %(contract_digest)s, %(plan)s, %(created_at)s,"
    " %(result)s, %(evidence)s, %(labels)s, %(created_at)s)"
)
_SNAPSHOT = "INSERT INTO snapshots (run_id, document) VALUES (%s, %s)"
_JOB = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
    " VALUES ('judge', 'judge', 'judge:' || %(id)s, 'judge:' || %(id)s, jsonb_build_object('run_id', %(id)s::text))"
)


def taskrun(number: int, *, own: bool = False) -> dict[str, Any]:
    """A TaskRun of three steps as Tekton leaves it, about 6 KB of JSON. `own`: it delivers what no other one does."""
    names = ("prepare", "build", "push")
    steps = [
        {
            "container": f"step-{name}",
            "name": name,
            "imageID": f"registry.example/{name}@{DIGEST}",
            "terminationReason": "Completed",
            "terminated": {
                "containerID": f"containerd://{'0' * 64}",
                "exitCode": 0,
                "startedAt": "2026-11-21T11:59:00Z",
                "finishedAt": "2026-11-21T12:00:00Z",
                "reason": "Completed",
                "message": f'[{{"key":"IMAGE_DIGEST","value":"{DIGEST}","type":1}}]',
            },
        }
        for name in names
    ]
    task = {
        "params": [{"name": f"p{k}", "type": "string", "description": "A parameter. " * 4} for k in range(8)],
        "results": [{"name": name, "type": "string"} for name in ("IMAGE_URL", "IMAGE_DIGEST", "commit")],
        "steps": [
            {"name": name, "image": f"registry.example/{name}:1", "script": "#!/bin/sh\n" + "echo work\n" * 40}
            for name in names
        ],
    }
    digest, commit = (f"sha256:{number:064x}", f"{number:040x}") if own else (DIGEST, "c" * 40)
    results = {"IMAGE_URL": "registry.example/app:1", "IMAGE_DIGEST": digest, "commit": commit}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": f"build-{number}",
            "namespace": NAMESPACE,
            "uid": f"uid-{number:08d}",
            "labels": {"tekton.dev/task": "build", "avouch.dev/workflow": WORKFLOW},
        },
        "spec": {"serviceAccountName": "builder", "taskRef": {"kind": "Task", "name": "build"}, "timeout": "1h0m0s"},
        "status": {
            "podName": f"build-{number}-pod",
            "startTime": "2026-11-21T11:58:00Z",
            "completionTime": "2026-11-21T12:00:00Z",
            "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded", "message": "All Steps done"}],
            "results": [{"name": name, "type": "string", "value": value} for name, value in results.items()],
            "steps": steps,
            "taskSpec": task,
        },
    }


class Store:
    """A real PostgreSQL with one Workflow, its Contract and attachments; runs are added by `done`."""

    def __init__(self, postgres: Postgres, contract: Mapping[str, Any] = CONTRACT) -> None:
        """`contract`: policies that it has are embedded."""
        self.own = False  # whether each run that is stored from now on delivers what no other one does
        self._postgres = postgres
        self._contract = contract
        self.url = postgres.socket_url
        self._next = 0
        migrate.migrate(self.url)
        self.connection = psycopg.connect(self.url, autocommit=True, options=database.options())
        self._plan, self._workflow = asyncio.run(self._recorded())

    async def _recorded(self) -> tuple[Any, contract_model.WorkflowRecord]:
        spec = reading.read(self._contract)
        canonical, found = revisions.canonical(spec), resolution.resolve(spec, _Nothing())
        if not isinstance(found, resolution.Resolved):
            raise RuntimeError("; ".join(map(str, found)))
        first = contract_model.ContractRevision(
            NAMESPACE, "ns-uid", "evidence", "c-uid", 1, digests.of_bytes(canonical), canonical, datetime.now(UTC),
            resolved=owed.canonical(found.owed) if spec.has_policies else b"",
        )  # fmt: skip
        reference = {"contractRef": {"name": "evidence"}}
        workflow = contract_model.WorkflowRecord(
            NAMESPACE, "ns-uid", WORKFLOW, "wf-uid", 1, reference, {}, NAMESPACE, "evidence"
        )
        async with database.Database(self.url) as opened:
            recorded = await contracts.Contracts(opened).record(first, found.documents, epoch=1)
            await workflows.Workflows(opened).upsert(workflow, epoch=1)
        return planning.plan_of(workflow, recorded), workflow

    async def attach(self, name: str, url: str) -> None:
        """Have every verdict delivered there."""
        config = {"url": url, "allowPrivateAddresses": True}
        record = deliveries.AttachmentRecord(NAMESPACE, name, f"{name}-uid", name, "webhook", config, workflow=WORKFLOW)
        async with database.Database(self.url) as opened:
            await workflows.Workflows(opened).upsert_attachment(record, epoch=1)

    def done(self, count: int) -> None:
        """Store so many runs that are Done, with their snapshots and judging jobs."""
        made = [self._run(number) for number in range(self._next, self._next + count)]
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(_RUN, [{**rows.row_of(run), "labels": Jsonb(run.labels)} for _, run in made])
            cursor.executemany(_SNAPSHOT, [(run.id, Jsonb(self._snapshot(number))) for number, run in made])
            cursor.executemany(_JOB, [{"id": str(run.id)} for _, run in made])
        self._next += count

    def count(self, query: str) -> int:
        """One number."""
        return int(self.number(query))

    def number(self, query: str) -> float:
        """One number that may be a fraction."""
        row = self.connection.execute(query.encode()).fetchone()
        return float(row[0]) if row else 0.0

    def judged(self) -> int:
        """How many runs have their verdict."""
        return self.count("SELECT count(*) FROM runs WHERE result <> 'Pending'")

    def judging_rate(self) -> float:
        """Runs judged a second after those of the first batch, by the times that stand with the verdicts."""
        return self.number(
            "SELECT count(*) FILTER (WHERE judged_at > first)"
            " / greatest(extract(epoch FROM max(judged_at) - max(first)), 0.001)"
            " FROM runs, (SELECT min(judged_at) AS first FROM runs) AS b WHERE judged_at IS NOT NULL"
        )

    def delivered(self, name: str) -> int:
        """How many verdicts arrived at this attachment."""
        return self.count(f"SELECT count(*) FROM deliveries WHERE attachment = '{name}' AND state = 'delivered'")

    def cpu(self) -> float:
        """Seconds of CPU that PostgreSQL has used, all of its processes together."""
        return measure.tree_cpu(stage.postmaster(self._postgres))

    def _run(self, number: int) -> tuple[int, runs.Run]:
        key = runs.RunKey(self._workflow.uid, f"uid-{number:08d}")
        run = runs.Run(
            id=key.id, name=key.name(WORKFLOW), key=key, namespace=NAMESPACE, namespace_uid="ns-uid", workflow=WORKFLOW,
            subject_kind="TaskRun", subject_name=f"build-{number}", contract=self._plan.contract,
            revision=self._plan.revision, contract_digest=self._plan.contract_digest, plan=self._plan.to_json(),
            created_at=datetime.now(UTC),
        )  # fmt: skip
        return number, run

    def _snapshot(self, number: int) -> Mapping[str, Any]:
        found = taskrun(number, own=self.own)
        return {"subject": found, "taskruns": [found], "injected": [], "pods": {f"build-{number}-pod": f"pod-{number}"}}


class _Nothing:
    """Implements `resolution.Policies`: a contract here refers to none."""

    def policy(self, reference: str) -> kind.Policy:
        raise errors.NotFound(f"there is no policy {reference}")

    def group(self, reference: str) -> kind.PolicyGroup:
        raise errors.NotFound(f"there is no group {reference}")

    def whole(self, policy: kind.Policy) -> kind.Policy:
        return policy


@contextlib.contextmanager
def stored(contract: Mapping[str, Any] = CONTRACT) -> Iterator[Store]:
    """A database that runs, removed afterwards."""
    with Postgres() as postgres:
        store = Store(postgres, contract)
        yield store
        store.connection.close()


def keys() -> documents.Keys:
    """Three keys in memory."""
    one, two, three = (signing.KeySigner.generate() for _ in range(3))
    return documents.Keys(one, two, three, "https://bench.example/verifier")


class Receiver:
    """An HTTP receiver in a thread of its own; it answers after `seconds`, and counts what it gets twice at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.port, self.got, self.twice = seconds, 0, 0, 0
        self._flying: Counter[bytes] = Counter()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/"

    def _run(self, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._one(head.lower(), reader)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def _one(self, head: bytes, reader: asyncio.StreamReader) -> None:
        length, one = re.search(rb"content-length: (\d+)", head), re.search(rb"avouch-delivery: (\S+)", head)
        assert length is not None
        assert one is not None
        await reader.readexactly(int(length[1]))
        self._flying[one[1]] += 1
        self.twice += self._flying[one[1]] > 1
        await asyncio.sleep(self.seconds)
        self._flying[one[1]] -= 1
        self.got += 1


class Worker:
    """The real `avouch worker`. It needs no kube-apiserver: no Integration of these names a Secret."""

    def __init__(self, url: str, folder: Path) -> None:
        now = datetime.now(UTC)
        for name in ("attestation", "passed", "failed"):
            (folder / f"{name}.pem").write_bytes(signing.KeySigner.generate().private_key_pem())
        made = authority.new_authority("avouch bench", now, timedelta(days=1))
        (folder / "pods.crt").write_bytes(made.certificate_pem)
        (folder / "kubeconfig").write_text(_KUBECONFIG)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(stage.ROOT / "operator"),
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_DATABASE_URL": url,
            "AVOUCH_DESTINATIONS": "127.0.0.0/8",
            "AVOUCH_VERIFIER_ID": "https://bench.example/verifier",
            "AVOUCH_KEYS_DIR": str(folder),
            "AVOUCH_CA_DIR": str(folder),
            "AVOUCH_KUBECONFIG": str(folder / "kubeconfig"),
            "AVOUCH_HOST": "127.0.0.1",
            "AVOUCH_HEALTH_PORT": str(stage.free_port()),
        }
        self.log = folder / "worker.log"
        with self.log.open("wb") as log:
            command: Sequence[str] = [sys.executable, "-m", "avouch.processes.main", "worker"]
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return measure.tree_cpu(self.process.pid)

    def memory(self) -> int:
        """Resident MiB."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4 // 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait(60)


_KUBECONFIG = """apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: none, user: {}}]
"""
