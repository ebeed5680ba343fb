"""The server's maintenance and the worker's housekeeping over a real PostgreSQL and real folders."""

import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.cas import filesystem
from avouch.controlplane.artifacts import routing
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import contracts
from avouch.controlplane.model import quotas as quota_model
from avouch.controlplane.model import runs as run_model
from avouch.processes import artifact_backends, housekeeping
from avouch.store import artifacts, database, deliveries, quotas, retention, tables, workflows
from avouch.store import runs as run_store
from tests.store import conftest as make

pytestmark = pytest.mark.postgres

EPOCH = 1_000


class Clock:
    def now(self):
        return datetime.now(UTC)  # the store compares with its own clock


class Secrets:
    """What the cluster says of Secrets: values, or an error."""

    def __init__(self) -> None:
        self.answer: dict[str, bytes] | errors.AvouchError = {}

    async def read_all(self, namespace, name):
        if isinstance(self.answer, errors.AvouchError):
            raise self.answer
        return self.answer


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
async def maintenance(
    opened: database.Database, secrets: Secrets, tmp_path: Path
) -> AsyncIterator[artifact_backends.Maintenance]:
    opener = artifact_backends.Backends(opened, secrets, filesystem.FileSystem(tmp_path), tmp_path)  # type: ignore[arg-type]
    yield artifact_backends.Maintenance(artifacts.Artifacts(opened), opener, Clock())
    await opener.close()


async def checked(
    maintenance: artifact_backends.Maintenance, record: artifact_model.BackendRecord
) -> artifact_model.BackendRecord:
    await maintenance.records.upsert(record, epoch=EPOCH)
    for _ in range(20):  # other tests' are due too
        await maintenance.check_due()
    found = await maintenance.records.get(record.uid)
    assert found is not None
    return found


def backend(namespace: str, **spec: object) -> artifact_model.BackendRecord:
    return artifact_model.BackendRecord(
        f"uid-{namespace}", namespace, f"n-{namespace}", "a", 1, artifact_model.BackendSpec.read(spec)
    )


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_an_inline_backend_that_somebody_declared_has_the_quotas_of_the_server(opened, tmp_path) -> None:
    opener = artifact_backends.Backends(opened, Secrets(), filesystem.FileSystem(tmp_path), None)
    opener.limits = quota_model.Quotas(artifact_bytes=3)
    spec = artifact_model.BackendSpec.read({"inline": {}, "default": True})
    record = artifact_model.BackendRecord("small", "team-a", "uid-team-a", "small", 1, spec)
    kept = await opener.fresh(record)
    owner = artifact_model.Owner("team-a", "uid-team-a")

    async def content() -> AsyncIterator[bytes]:
        yield b"four"

    assert isinstance(kept, routing.AtomicBlobStore)
    with pytest.raises(errors.Denied, match="0 of 3 bytes"):
        await kept.keep(content(), expected=digests.of_bytes(b"four"), limit=9, owner=owner)


async def test_a_folder_of_its_own_is_checked_and_left_empty(maintenance, namespace, tmp_path) -> None:
    found = await checked(maintenance, backend(namespace, filesystem={}, default=True))
    assert (found.reachable, found.writable, found.usable) == (True, True, True)
    assert not [path for path in (tmp_path / "backends" / found.uid).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (errors.Denied("spec.secretRef: may not be read"), "spec.secretRef: may not be read"),
        (errors.NotFound("spec.secretRef: is not there"), "spec.secretRef: is not there"),
        ({"accessKeyId": b"x"}, "no key secretAccessKey"),
        (RuntimeError("boom"), "internal error: RuntimeError"),
    ],
)
async def test_a_secret_that_cannot_serve_is_said_with_its_fix(maintenance, secrets, namespace, answer, said) -> None:
    if isinstance(answer, RuntimeError):

        async def trips(*_):
            raise answer

        secrets.read_all = trips
    else:
        secrets.answer = answer
    spec = {"s3": {"bucket": "b", "region": "r"}, "secretRef": {"name": "keys"}}
    found = await checked(maintenance, backend(namespace, **spec))
    assert not found.usable
    assert said in found.message


async def test_two_inline_backends_keep_their_rows_apart(maintenance, namespace) -> None:
    content = os.urandom(20)
    digest = digests.of_bytes(content)
    first, second = backend(namespace, inline={}), backend(f"{namespace}-2", inline={})
    for record in (first, second):
        await checked(maintenance, record)
        await (await maintenance.opener.open(record.uid)).put(pieces(content), expected=digest, limit=100)
    await (await maintenance.opener.open(first.uid)).delete(digest)
    assert not await (await maintenance.opener.open(first.uid)).has(digest)
    assert await (await maintenance.opener.open(second.uid)).has(digest)


async def test_an_old_run_goes_then_its_artifact_then_the_bytes(opened, maintenance, namespace, tmp_path) -> None:
    uid = f"uid-{namespace}"
    workflow = contracts.WorkflowRecord(
        namespace, uid, "build", str(uuid.uuid4()), 1, {"retention": {"runs": "24h", "keepLast": 1}}, {}
    )
    await workflows.Workflows(opened).upsert(workflow, epoch=EPOCH)
    store = run_store.Runs(opened)
    runs = []
    for _ in range(2):
        key = run_model.RunKey(workflow.uid, str(uuid.uuid4()))
        run = make.a_run(namespace, key=key, id=key.id, name=key.name("build"), namespace_uid=uid)
        runs.append(await store.open(run))
    routed = routing.Routed(maintenance.records, maintenance.opener)
    found = []
    for run in runs:
        content = os.urandom(20)
        found.append(digests.of_bytes(content))
        await routed.put(
            pieces(content), expected=found[-1], limit=100, owner=artifact_model.Owner(namespace, uid, run.id)
        )
        await make.decide(opened, make.a_verdict(run), ())
    await store.close()
    async with opened.transaction() as connection:
        old, young = datetime.now(UTC) - timedelta(days=9), datetime.now(UTC)
        for run, at in zip(runs, (old, young), strict=True):
            mine = tables.runs.c.id == run.id
            await connection.execute(sa.update(tables.runs).where(mine).values(judged_at=at))
        used = sa.func.now() - sa.text("interval '25 hours'")
        names = [str(digest) for digest in found]
        aged = sa.update(tables.artifacts).where(tables.artifacts.c.digest.in_(names)).values(used_at=used)
        await connection.execute(aged)

    chores = housekeeping.Housekeeping(
        retention.Retention(opened), maintenance.records, deliveries.Deliveries(opened), quotas.Usage(opened), Clock()
    )
    expired, marked = await chores.round()
    assert expired >= 1
    assert marked >= 1
    await maintenance.remove_garbage()
    left = {path.name for path in (tmp_path / "sha256").rglob("*") if path.is_file()}
    assert left == {found[1].hex}  # that of the run that is kept, though as old
    assert (await chores.round())[0] == 0
