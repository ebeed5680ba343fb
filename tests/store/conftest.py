import base64
import datetime
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from avouch import digests
from avouch.controlplane.model import deliveries, runs, verdicts
from avouch.store import database, judgingqueue, migrate
from avouch.store import verdicts as verdict_rows
from tests import postgres

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


@pytest.fixture
async def opened(server: postgres.Postgres) -> AsyncIterator[database.Database]:
    async with database.Database(server.url) as connected:
        yield connected


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
    opened: database.Database, signed: verdicts.SignedVerdict, owed: Sequence[deliveries.Delivery]
) -> bool:
    """One verdict as a batch of judging commits it. False: judged before, nothing changed."""
    async with opened.transaction() as connection:
        return bool(await verdict_rows.write(connection, [(signed, owed)]))


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
