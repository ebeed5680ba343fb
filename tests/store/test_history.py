"""Each database knows where its history begins, and how far the cluster saw it."""

from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.store import database, history, migrate, versions
from avouch.store import runs as run_store
from tests import postgres
from tests.store import alembic_steps
from tests.store.conftest import a_run

pytestmark = pytest.mark.postgres

EPOCH = 1_000_000


async def test_the_mark_follows_what_is_written_and_a_quiet_look_writes_nothing(opened: database.Database) -> None:
    histories, runs = history.Histories(opened), run_store.Runs(opened)
    await histories.look(epoch=EPOCH)
    first = await histories.look(epoch=EPOCH)
    run = await runs.open(a_run())
    await runs.close()
    seen = [await histories.look(epoch=EPOCH) for _ in range(2)]
    assert [one.mark for one in seen] == [first.mark, run.resource_version], "as it was before this look"
    assert {(one.identity, one.born_at, one.rewound_at) for one in (first, *seen)} == {
        (first.identity, first.born_at, None)
    }
    counted = sa.text("SELECT xmin::text FROM history")
    async with opened.transaction() as connection:
        before = (await connection.execute(counted)).scalar_one()
    await histories.look(epoch=EPOCH)
    async with opened.transaction() as connection:
        assert (await connection.execute(counted)).scalar_one() == before


async def test_one_that_was_put_back_goes_on_behind_what_was_seen_and_watchers_list_again(
    opened: database.Database,
) -> None:
    histories, runs = history.Histories(opened), run_store.Runs(opened)
    await histories.look(epoch=EPOCH)
    found = await histories.rewound(5_000, epoch=EPOCH)
    assert found.mark == 5_001
    assert found.rewound_at is not None
    assert found.begins == found.rewound_at.replace(microsecond=0)
    assert (await histories.look(epoch=EPOCH)).since(found.remembered) == ""
    assert (await runs.open(a_run())).resource_version > 5_001
    await runs.close()
    async with opened.transaction() as connection:
        window = await versions.window(connection)
    with pytest.raises(errors.Conflict, match="list again"):
        versions.must_reach(4_999, window)


async def test_no_version_is_handed_out_twice_where_more_was_written_than_the_cluster_remembers(
    opened: database.Database,
) -> None:
    histories, runs = history.Histories(opened), run_store.Runs(opened)
    written = [(await runs.open(a_run())).resource_version for _ in range(3)]
    found = await histories.rewound(1, epoch=EPOCH)
    later = (await runs.open(a_run())).resource_version
    await runs.close()
    assert max(written) < found.mark < later


async def test_a_controller_of_an_older_epoch_moves_no_mark(opened: database.Database) -> None:
    histories = history.Histories(opened)
    await histories.look(epoch=EPOCH)
    for write in (histories.look(epoch=EPOCH - 1), histories.rewound(1, epoch=EPOCH - 1)):
        with pytest.raises(errors.Conflict, match="epoch"):
            await write


def test_an_emptied_database_is_another_one_and_one_that_is_in_use_began_with_its_first_contract() -> None:
    with postgres.running() as own:
        found = []
        for _ in range(2):
            with psycopg.connect(own.url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS avouch CASCADE")
            migrate.migrate(own.url)
            with psycopg.connect(own.url) as connection:
                found.append(connection.execute("SELECT identity, born_at FROM avouch.history").fetchone())
        (one, born), (other, later) = found
        assert one != other
        assert born < later
        alembic_steps.back(own.url, "0014")
        with psycopg.connect(own.url, autocommit=True, options="-c search_path=avouch") as connection:
            connection.execute(
                "INSERT INTO contract_revisions VALUES ('u', 'c', 1, 'ns', 'cu', 'd', '', '2025-05-05T00:00:00Z', '')"
            )
        migrate.migrate(own.url)
        with psycopg.connect(own.url) as connection:
            row = connection.execute("SELECT born_at FROM avouch.history").fetchone()
        assert row == (datetime(2025, 5, 5, tzinfo=UTC),)
