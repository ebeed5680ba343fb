"""What one COMMIT of a verdict writes, and what it leaves alone."""

import asyncio
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from avouch import digests
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import verdicts
from avouch.store import artifacts, database, tables
from avouch.store import runs as run_store
from avouch.store import verdicts as verdict_rows
from tests.store.conftest import a_run, a_verdict, decide, waits_for_a_lock

pytestmark = pytest.mark.postgres
FAILED = verdicts.VerdictResult.FAILED


async def opened_run(opened: database.Database) -> run_model.Run:
    repository = run_store.Runs(opened)
    run = await repository.open(a_run())
    await repository.close()
    return run


async def version_of(opened: database.Database, run: run_model.Run) -> int:
    found = await run_store.Runs(opened).get(run.id)
    assert found is not None
    return found.resource_version


async def test_a_verdict_supersedes_the_one_that_it_has_read_and_no_run_twice(opened: database.Database) -> None:
    run = await opened_run(opened)
    assert not await decide(opened, a_verdict(run), [], over=await version_of(opened, run)), "it has no verdict"
    assert await decide(opened, a_verdict(run), [])
    first = await version_of(opened, run)
    assert not await decide(opened, a_verdict(run, FAILED), [], over=first - 1), "it was changed since"
    assert not await decide(opened, a_verdict(run, FAILED), []), "it has a verdict"
    assert await decide(opened, a_verdict(run, FAILED), [], over=first)
    assert not await decide(opened, a_verdict(run), [], over=await version_of(opened, run)), "it was superseded"


async def test_a_batch_judges_runs_and_supersedes_verdicts_at_once(opened: database.Database) -> None:
    fresh, judged = await opened_run(opened), await opened_run(opened)
    assert await decide(opened, a_verdict(judged), [])
    over = await version_of(opened, judged)
    async with opened.transaction() as connection:
        batch = [(a_verdict(fresh, FAILED), [], 0), (a_verdict(judged, FAILED), [], over)]
        assert await verdict_rows.write(connection, batch) == {fresh.id, judged.id}
    async with opened.transaction() as connection:
        rows = (await connection.execute(sa.select(tables.runs.c.id, tables.runs.c.superseded))).all()
    assert {row.id: row.superseded is not None for row in rows} == {fresh.id: False, judged.id: True}


async def test_a_run_that_another_worker_is_judging_is_waited_for_and_judged_once(opened: database.Database) -> None:
    run = await opened_run(opened)
    async with opened.transaction() as connection:
        assert await verdict_rows.write(connection, [(a_verdict(run), [], 0)])
        other = asyncio.create_task(decide(opened, a_verdict(run, FAILED), []))
        await waits_for_a_lock(opened)
    assert not await other


async def test_the_artifacts_that_were_uploaded_are_kept_for_the_run_and_no_others(opened: database.Database) -> None:
    run = await opened_run(opened)
    kept, told = str(digests.of_bytes(b"kept")), str(digests.of_bytes(b"told"))
    materials = tuple(
        verdicts.JudgedMaterial(name=f"m{number}", type="ARTIFACT", digest=digest, uploaded=uploaded)
        for number, (digest, uploaded) in enumerate([(kept, True), (told, False), ("", True), ("", False)])
    )
    for digest in (kept, told):  # both are stored, for another run
        owner = artifact_model.Owner(run.namespace, run.namespace_uid, (await opened_run(opened)).id)
        await artifacts.Artifacts(opened).record(digests.Digest.parse(digest), owner, "default", 4)
    signed = a_verdict(run)
    assert await decide(opened, replace(signed, verdict=replace(signed.verdict, materials=materials)), [])
    async with opened.transaction() as connection:
        mine = sa.select(tables.run_artifacts.c.digest).where(tables.run_artifacts.c.run_id == run.id)
        assert (await connection.execute(mine)).scalars().all() == [kept]


@pytest.mark.parametrize(("length", "shown"), [(verdict_rows.SHOWN - 1, True), (verdict_rows.SHOWN, False)])
async def test_what_a_job_said_is_shown_up_to_its_limit(opened: database.Database, length: int, shown: bool) -> None:
    run = await opened_run(opened)
    signed = a_verdict(run)
    assert await decide(opened, replace(signed, verdict=replace(signed.verdict, env={"e": "x" * length})), [])
    async with opened.transaction() as connection:
        (env,) = (await connection.execute(sa.select(tables.verdicts.c.env))).scalars()
    assert bool(env) is shown


async def test_a_verdict_of_a_run_that_is_not_there_is_written_nowhere(opened: database.Database) -> None:
    run = await opened_run(opened)
    assert not await decide(opened, a_verdict(replace(run, id=uuid.uuid4())), [])
    assert await decide(opened, a_verdict(run), [])
