"""Runs opened and finished by many at once, over a real PostgreSQL: each once, fenced, with a version of its own."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import verdicts
from avouch.store import database, tables
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_run, a_verdict, case, decide, waits_for_a_lock

pytestmark = pytest.mark.postgres

EPOCH = 1_000
SNAPSHOT = run_model.Snapshot({"kind": "TaskRun", "status": {"é": [1, 1.5, None]}}, ({"a": 1},), ("p",), {"n": "u"},
    ended=("p",), said={"p": "é"}, uninjected="w", cut=("p",))  # fmt: skip


async def stamped(opened: database.Database, ids: list[uuid.UUID]) -> list[int]:
    column = tables.runs.c.resource_version
    async with opened.transaction() as connection:
        return list((await connection.execute(sa.select(column).where(tables.runs.c.id.in_(ids)))).scalars())


async def test_runs_opened_at_once_share_commits_and_have_versions_of_their_own(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    made = [a_run() for _ in range(100)]
    known = await repository.open(made[0])
    found = await asyncio.gather(*(repository.open(replace(run, plan="{}")) for run in made), repository.open(made[7]))
    await repository.close()
    assert found[0] == known  # the stored one wins
    assert [run.id for run in found] == [*(run.id for run in made), made[7].id]
    assert len(set(await stamped(opened, [run.id for run in made]))) == 100


async def test_runs_opened_by_two_processes_at_once_are_one_run_each(opened: database.Database) -> None:
    mine, theirs = run_store.Runs(opened), run_store.Runs(opened)
    made = [a_run() for _ in range(60)]
    found = await asyncio.gather(*(one.open(run) for run in made for one in (mine, theirs)))
    assert found[::2] == found[1::2]
    for one in (mine, theirs):
        await one.close()


async def test_a_workflow_made_anew_opens_no_second_run_of_what_its_predecessor_has_one_of(
    opened: database.Database, namespace: str
) -> None:
    store = run_store.Runs(opened)
    first = await store.open(a_run(namespace))

    def anew(run: run_model.Run, **changes: object) -> run_model.Run:
        key = run_model.RunKey(f"made-anew-{changes}", run.key.subject_uid)
        return replace(run, id=key.id, key=key, name=key.name(run.workflow), **changes)  # type: ignore[arg-type]

    assert await store.open(anew(first)) == first
    others = [
        anew(first, workflow="another"),
        anew(first, namespace_uid="another"),
        anew(first, subject_kind=run_model.EXTERNAL),
    ]
    for other in others:
        assert (await store.open(other)).id == other.id
    external = await store.open(a_run(namespace, subject_kind=run_model.EXTERNAL))
    assert (await store.open(anew(external))).id == anew(external).id  # its client chose the id of both
    await store.close()


async def test_runs_finished_at_once_are_each_stored_once_and_judged(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    made = [a_run() for _ in range(50)]
    await asyncio.gather(*map(repository.open, made))
    late = replace(SNAPSHOT, injected=("later",))
    for snapshot in (SNAPSHOT, late):
        await asyncio.gather(*(repository.finish(run.id, snapshot, NOW, epoch=EPOCH) for run in made))
    await asyncio.gather(*(repository.finish(run.id, SNAPSHOT, NOW, epoch=EPOCH) for run in made[:2] * 3))
    await repository.close()
    cases = [await case(opened, run.id) for run in made]
    assert {case[0].finished_at for case in cases} == {NOW}
    assert all(case[1] == SNAPSHOT for case in cases)
    assert len(set(await stamped(opened, [run.id for run in made]))) == 50
    jobs = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = ANY(:locks)")
    async with opened.transaction() as connection:
        found = await connection.execute(jobs, {"locks": [f"judge:{run.id}" for run in made]})
        assert found.scalar_one() == 50


async def test_a_run_that_another_transaction_is_ending_is_waited_for_and_ends_once(
    opened: database.Database,
) -> None:
    repository, run = run_store.Runs(opened), a_run()
    await repository.open(run)
    earlier, mine = NOW - timedelta(hours=1), tables.runs.c.id == run.id
    async with opened.transaction() as other:
        await other.execute(sa.update(tables.runs).where(mine).values(finished_at=earlier))
        finishing = asyncio.create_task(repository.finish(run.id, SNAPSHOT, NOW, epoch=EPOCH))
        await waits_for_a_lock(opened)
    await finishing
    await repository.close()
    found, snapshot, _ = await case(opened, run.id)
    assert (found.finished_at, snapshot) == (earlier, None)


async def test_an_unknown_run_and_a_controller_that_is_over_fail_alone(
    opened: database.Database, caplog: pytest.LogCaptureFixture
) -> None:
    repository = run_store.Runs(opened)
    made = [a_run() for _ in range(3)]
    await asyncio.gather(*map(repository.open, made))
    await repository.finish(made[0].id, SNAPSHOT, NOW, epoch=EPOCH)
    answers = await asyncio.gather(
        repository.finish(made[1].id, SNAPSHOT, NOW, epoch=EPOCH - 1),
        repository.finish(uuid.uuid4(), SNAPSHOT, NOW, epoch=EPOCH),
        repository.finish(made[2].id, SNAPSHOT, NOW, epoch=EPOCH),
        return_exceptions=True,
    )
    await repository.close()
    assert [type(answer) for answer in answers] == [errors.Conflict, errors.NotFound, type(None)]
    assert [(await case(opened, run.id))[0].finished_at for run in made] == [NOW, None, NOW]
    assert caplog.messages == [], "nothing is wrong with their records"


async def test_subjects_have_ended_once_all_of_their_runs_are_finished(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    one, two = a_run(), a_run()
    key = run_model.RunKey("another", one.key.subject_uid)
    sibling = a_run(id=key.id, name=key.name("other"), key=key, workflow="other")
    for run in (one, two, sibling):
        await repository.open(run)
    asked = [one.key.subject_uid, two.key.subject_uid, "nobody"]
    for run in (one, two):
        await repository.finish(run.id, SNAPSHOT, NOW, epoch=EPOCH)
    assert await repository.ended(asked) == {two.key.subject_uid}
    await repository.finish(sibling.id, SNAPSHOT, NOW, epoch=EPOCH)
    assert await repository.ended(asked) == {one.key.subject_uid, two.key.subject_uid}
    await repository.close()


async def test_unfinished_runs_are_read_page_by_page_though_they_are_of_one_moment(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    long_ago = NOW - timedelta(days=9999)
    made = [a_run(created_at=long_ago) for _ in range(5)]
    await asyncio.gather(*map(repository.open, made))
    seen: list[uuid.UUID] = []
    last = None
    while len(seen) < 5:
        page = await repository.unfinished(2, last)
        seen += [run.id for run in page]
        last = page[-1]
    assert set(seen[:5]) == {run.id for run in made}
    await asyncio.gather(*(repository.finish(run.id, SNAPSHOT, NOW, epoch=EPOCH) for run in made))
    await repository.close()


async def test_judged_runs_come_once_in_the_order_of_commit_with_their_first_finding(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    async with opened.transaction() as connection:
        version = (await connection.execute(sa.select(tables.versions.c.value))).scalar_one()
    made = [a_run() for _ in range(5)]
    finding = verdicts.Finding("MaterialMissing", "sbom is missing", fix="add it")
    for number, run in enumerate(made):
        await repository.open(run)
        signed = a_verdict(run, verdicts.VerdictResult.FAILED)
        found = (finding,) * number
        assert await decide(opened, replace(signed, verdict=replace(signed.verdict, findings=found)), ())
    told: list[run_model.Judged] = []
    since = run_model.Judged(version)
    while page := await repository.judged(since, 2):
        told, since = [*told, *page], page[-1]
    await repository.close()
    assert [(one.run_id, one.findings) for one in told] == [(run.id, number) for number, run in enumerate(made)]
    assert [one.first for one in told] == [None, finding, finding, finding, finding]


async def test_a_record_with_every_character_there_is_can_be_finished_and_says_what_was_replaced(
    opened: database.Database,
) -> None:
    repository, run = run_store.Runs(opened), a_run()
    await repository.open(run)
    every = {f"{at:x}": "".join(map(chr, range(at, at + 0x1000))) for at in range(0, 0x110000, 0x1000)}
    held = run_model.Snapshot({"kind": "TaskRun", "metadata": {"annotations": every}}, ({"\0": "\0"},))
    await repository.finish(run.id, held, NOW, epoch=EPOCH)
    await repository.close()
    found = (await case(opened, run.id))[1]
    assert found is not None
    said = found.subject["metadata"]["annotations"]
    assert [at for at in every if said[at] != every[at]] == ["0", "d000"]
    assert said["0"] == "\ufffd" + every["0"][1:]
    places = ("subject.metadata.annotations.0", "subject.metadata.annotations.d000")
    assert found.cleaned == (*places, "taskruns[0].\ufffd", "taskruns[0].\ufffd")
    assert found.refused == ""


async def test_a_record_that_the_database_refuses_ends_its_run_with_the_reason_and_harms_no_other(
    opened: database.Database, caplog: pytest.LogCaptureFixture
) -> None:
    repository, made = run_store.Runs(opened), [a_run() for _ in range(3)]
    await asyncio.gather(*map(repository.open, made))
    beyond = run_model.Snapshot({"kind": "TaskRun", "n": msgspec.Raw(b"1e200000")}, ())  # no numeric is so large
    given = [SNAPSHOT, beyond, SNAPSHOT]
    await asyncio.gather(
        *(repository.finish(run.id, one, NOW, epoch=EPOCH) for run, one in zip(made, given, strict=True))
    )
    await repository.close()
    found = [await case(opened, run.id) for run in made]
    assert [one[0].finished_at for one in found] == [NOW] * 3
    assert [one[1] for one in found][::2] == [SNAPSHOT, SNAPSHOT]
    assert found[1][1] is not None
    assert "the database refuses a value" in found[1][1].refused
    assert str(made[1].id) in caplog.text
