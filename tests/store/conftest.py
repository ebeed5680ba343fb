import asyncio
import base64
import contextlib
import datetime
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

import psycopg
import pytest
import sqlalchemy as sa

from avouch import digests
from avouch.controlplane.model import deliveries, runs, verdicts
from avouch.store import database, judgingqueue, migrate
from avouch.store import verdicts as verdict_rows
from tests import postgres

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
_NUMBERS = itertools.count()


class Migrated:
    """One server for all tests of this folder, whose tables are before each test as the migrations left them."""

    def __init__(self, server: postgres.Postgres) -> None:
        self.server = server
        with psycopg.connect(server.url) as connection:
            connection.execute("DROP SCHEMA IF EXISTS avouch CASCADE")
        migrate.migrate(server.url)
        with self._connected() as connection:
            found = connection.execute(b"SELECT tablename FROM pg_tables WHERE schemaname = 'avouch'").fetchall()
            self._first = {name: self._rows(connection, name) for (name,) in found if name != "alembic_version"}

    def emptied(self) -> None:
        with self._connected() as connection:
            changed = [name for name, rows in self._first.items() if self._rows(connection, name, 2) != rows]
            if not changed:
                return
            connection.execute(f"TRUNCATE {', '.join(changed)} RESTART IDENTITY CASCADE".encode())
            for name, rows in self._first.items():
                for row in rows:
                    values = ", ".join(["%s"] * len(row))
                    connection.execute(f"INSERT INTO {name} VALUES ({values}) ON CONFLICT DO NOTHING".encode(), row)  # noqa: S608

    def _connected(self) -> psycopg.Connection:
        # A test that leaves a transaction open is told so instead of stopping all the others.
        return psycopg.connect(self.server.url, autocommit=True, options="-c search_path=avouch -c lock_timeout=10s")

    @staticmethod
    def _rows(connection: psycopg.Connection, name: str, limit: int = 100) -> list[tuple[object, ...]]:
        return connection.execute(f"SELECT * FROM {name} LIMIT {limit}".encode()).fetchall()  # noqa: S608


@pytest.fixture(scope="session")
def migrated() -> Iterator[Migrated]:
    with contextlib.nullcontext(postgres.lent) if postgres.lent else postgres.running() as started:
        yield Migrated(started)


@pytest.fixture
def server(migrated: Migrated) -> postgres.Postgres:
    migrated.emptied()
    return migrated.server


@pytest.fixture
def mortal(server: postgres.Postgres) -> Iterator[postgres.Postgres]:
    """One that a test may stop, kill and start."""
    if server is not postgres.lent:
        yield server
        return
    with postgres.running() as own:
        migrate.migrate(own.url)
        yield own


@pytest.fixture
async def opened(server: postgres.Postgres) -> AsyncIterator[database.Database]:
    async with database.Database(server.url) as connected:
        yield connected


@pytest.fixture
def namespace() -> str:
    """One that no other test has."""
    return f"team-{uuid.uuid4().hex[:8]}"


def a_run(namespace: str = "team-a", **changes: object) -> runs.Run:
    key = runs.RunKey(workflow_uid="w", subject_uid=f"{uuid.uuid4()}-{next(_NUMBERS)}")
    facts: dict[str, object] = {
        "id": key.id, "name": key.name("build"), "key": key, "namespace": namespace,
        "namespace_uid": f"uid-{namespace}",
        "workflow": "build", "subject_kind": "PipelineRun", "subject_name": "pr", "contract": "c", "revision": 1,
        "contract_digest": "sha256:0", "plan": '{"materials": [{"name": "image"}]}', "created_at": NOW,
    }  # fmt: skip
    return runs.Run(**{**facts, **changes})  # type: ignore[arg-type]


def a_claim(run: runs.Run, bundle: bytes, **changes: object) -> runs.Claim:
    facts: dict[str, object] = {
        "run_id": run.id, "digest": digests.of_bytes(bundle), "bundle": bundle, "pod_uid": "p", "taskrun_uid": "t",
        "taskrun": "tr", "pipeline_task": "build", "service_account": "sa", "received_at": NOW,
    }  # fmt: skip
    return runs.Claim(**{**facts, **changes})  # type: ignore[arg-type]


def a_verdict(run: runs.Run, result: verdicts.VerdictResult = verdicts.VerdictResult.PASSED) -> verdicts.SignedVerdict:
    material = verdicts.JudgedMaterial(name="image", type="CONTAINER_IMAGE")
    verdict = verdicts.Verdict(run.id, result, verdicts.Evidence.SIDECAR, (), (material,), {}, {}, NOW)
    return verdicts.SignedVerdict(verdict, documents())


async def decide(
    opened: database.Database, signed: verdicts.SignedVerdict, owed: Sequence[deliveries.Delivery], over: int = 0
) -> bool:
    """One verdict as a batch of judging commits it. False: judged before, nothing changed. `over`: what it replaces."""
    async with opened.transaction() as connection:
        return bool(await verdict_rows.write(connection, [(signed, owed, over)]))


async def waits_for_a_lock(opened: database.Database) -> None:
    """Until somebody does."""
    waits = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(20), opened.statements() as looking:
        while not (await looking.execute(waits)).scalar_one():
            await asyncio.sleep(0)


async def case(
    opened: database.Database, run_id: uuid.UUID
) -> tuple[runs.Run, runs.Snapshot | None, Sequence[runs.Claim]]:
    """One run as a batch of judging reads it."""
    async with opened.snapshot() as connection:
        (found,) = await judgingqueue.read(connection, [run_id])
    return found.run, found.snapshot, found.claims


def documents() -> tuple[verdicts.Document, ...]:
    """As the judge signs them, without signatures."""
    payload = base64.b64encode(b'{"_type":"s"}').decode()
    envelope = json.dumps({"dsseEnvelope": {"payload": payload}}).encode()
    return (
        verdicts.Document("attestation", "chainloop.dev/attestation/v0.2", b'{"_type":"s"}', envelope),
        verdicts.Document("vsa", "https://slsa.dev/verification_summary/v1", b"{}", b'{"summary":true}'),
    )


def a_delivery(run: runs.Run, attachment: str) -> deliveries.Delivery:
    return deliveries.Delivery(
        uuid.uuid4(), run.id, f"{attachment}-{run.id}", attachment, run.namespace, "webhook", {}, b"payload", 0
    )
