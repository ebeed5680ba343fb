"""Documents of runs as they are read: whole ones beside rows of a table, each with what is its own."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from avouch import rfc3339
from avouch.controlplane.model import runs, verdicts
from avouch.store import database, external_runs, rundocuments, runqueries, tables
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_claim, a_delivery, a_run, a_verdict, decide
from tests.store.test_external_runs import crafted

pytestmark = pytest.mark.postgres


async def judged(opened: database.Database) -> runs.Run:
    """A run whose verdict has one of everything, with two deliveries and a claim that came late."""
    store = run_store.Runs(opened)
    run = await store.open(a_run("team-a"))
    signed = a_verdict(run, verdicts.VerdictResult.FAILED)
    finding = verdicts.Finding("MaterialMissing", f"of {run.id}", fix="add it")
    said = replace(signed.verdict, findings=(finding,), annotations={"of": str(run.id)}, env={"RUN": str(run.id)})
    own = tuple(replace(one, bundle=one.bundle + f" {run.id}".encode()) for one in signed.documents)
    await decide(opened, replace(signed, verdict=said, documents=own), [a_delivery(run, name) for name in "ba"])
    await store.accept(a_claim(run, run.id.bytes, pod="late"))
    await store.close()
    return run


async def read(opened: database.Database, whole: set[uuid.UUID], **room: int) -> dict[str, dict[str, Any]]:
    async with opened.snapshot() as connection:
        rows = (await connection.execute(await _page(connection))).all()
        found = await rundocuments.of(connection, rows, whole, **room)
    assert len(found.sizes) == len(found.shown)
    return {document["name"]: document for document in found.shown}


async def _page(connection: Any) -> Any:
    query = await runqueries.page(connection, "team-a", {}, None, 10)
    assert query is not None
    return query


async def test_each_whole_document_has_what_is_its_own_and_the_others_are_rows_of_a_table(
    opened: database.Database,
) -> None:
    made = [await judged(opened) for _ in range(3)]
    store = run_store.Runs(opened)
    waiting = await store.open(a_run("team-a"))
    await store.close()
    found = await read(opened, {made[0].id, made[1].id, waiting.id})
    for run in made[:2]:
        document = found[run.name]
        async with opened.statements() as connection:
            signed = tables.verdict_documents.c
            query = sa.select(signed.digest).where(signed.run_id == run.id, signed.kind == "attestation")
            digest = (await connection.execute(query)).scalar_one()
        assert [one["message"] for one in document["findings"]] == [f"of {run.id}"]
        assert [one["name"] for one in document["materials"]] == ["image"]
        assert (document["annotations"], document["env"]) == ({"of": str(run.id)}, {"RUN": str(run.id)})
        assert (document["attestationBundle"], document["superseded"]) == (digest, None)
        assert [one["attachment"] for one in document["deliveries"]] == ["a", "b"]
        (late,) = document["lateClaims"]
        claim = a_claim(run, run.id.bytes)
        assert late == {
            "digest": str(claim.digest), "taskRun": "tr", "pod": "late", "receivedAt": rfc3339.to_seconds(NOW)
        }  # fmt: skip
    pending = found[waiting.name]
    empty = ("findings", "materials", "annotations", "env", "leftOut", "attestationBundle", "deliveries", "lateClaims")
    assert not any(pending[key] for key in empty)
    assert not set(empty) & found[made[2].name].keys()
    assert found[made[2].name]["result"] == "Failed"


async def test_of_other_runs_nothing_is_read(opened: database.Database) -> None:
    made = [await judged(opened) for _ in range(4)]
    rows: list[int] = []

    def told(_: object, cursor: Any, *__: object) -> None:
        rows.append(cursor.rowcount)

    async with opened.snapshot() as connection:
        page = (await connection.execute(await _page(connection))).all()
        sa.event.listen(opened._engine.sync_engine, "after_cursor_execute", told)
        await rundocuments.of(connection, page, {made[0].id})
    assert rows == [1, 1, 2, 1]  # its size, its verdict, its deliveries and its late claim


async def test_there_are_as_many_whole_documents_as_fit_and_always_the_first(opened: database.Database) -> None:
    made = sorted([await judged(opened) for _ in range(3)], key=lambda run: run.name)
    ids = {run.id for run in made}
    async with opened.snapshot() as connection:
        page = (await connection.execute(await _page(connection))).all()
        sizes = (await rundocuments.of(connection, page, ids)).sizes
    assert min(sizes) > 0
    for room, fit in ((sizes[0] + sizes[1], 2), (sizes[0] + sizes[1] - 1, 1), (1, 1), (sum(sizes), 3)):
        assert list(await read(opened, ids, room=room)) == [run.name for run in made[:fit]]
    assert len(await read(opened, {made[0].id}, room=1)) == 1
    assert len(await read(opened, {made[0].id}, room=sizes[0])) == 3  # rows of a table take none of it


async def test_an_external_run_shows_who_attests_where_and_until_when(opened: database.Database) -> None:
    outside, (run, part) = external_runs.ExternalRuns(opened), crafted(namespace="team-a")
    assert await outside.open(run, part, mark_latest=True)
    document = (await read(opened, {run.id}))[run.name]
    assert document["attester"] == {"type": part.attester.type, "id": part.attester.id}
    assert document["runner"] == {"type": "GITHUB_ACTION", "environment": "unknown"}
    assert (document["version"], document["organization"]) == ("v1", "acme")
    assert document["expiresAt"] == rfc3339.to_seconds(part.expires_at)
    async with opened.transaction() as connection:
        mine = sa.update(tables.runs).where(tables.runs.c.id == run.id)
        await connection.execute(mine.values(finished_at=NOW))
    ended = (await read(opened, set()))[run.name]
    assert (ended["expiresAt"], ended["finishedAt"]) == (None, rfc3339.to_seconds(NOW))
