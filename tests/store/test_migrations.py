"""The migration 0005 on a database that holds runs already: there and back."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from avouch.store import migrate
from bench import growth
from tests import postgres
from tests.store import alembic_steps

pytestmark = pytest.mark.postgres

RUNS = 200


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


def test_what_was_stored_before_is_known_counted_and_checked(server: postgres.Postgres) -> None:
    alembic_steps.back(server.url, "0004")
    with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as connection:
        facts = {"first": 1, "last": RUNS, "plan": "{}", "materials": "[]", "findings": "[]"}
        for statement in growth.FILL:
            if not any(table in statement for table in ("artifact_checks", "verdict")):  # of other versions
                connection.execute(statement.encode(), facts)
        unused = f"sha256:{uuid.uuid4().hex * 2}"
        connection.execute(
            "INSERT INTO artifacts (digest, namespace_uid, backend_uid) VALUES (%s, 'shop-uid', 'default')", (unused,)
        )
        connection.execute("UPDATE deliveries SET state = 'pending' WHERE id = md5('d1')::uuid")
    alembic_steps.forward(server.url, "0005")
    with psycopg.connect(server.url, options="-c search_path=avouch") as connection:
        assert dict(connection.execute("SELECT name, uid FROM namespaces")) == {
            "shop": "shop-uid",
            **{f"team-{n}": f"team-{n}-uid" for n in range(16, 20)},
        }
        assert connection.execute("SELECT count(*) FROM run_labels").fetchone() == (20,)
        counted = connection.execute("SELECT state, sum(number)::int FROM delivery_counts GROUP BY state").fetchall()
        assert counted == [("delivered", RUNS - 1)]
        assert connection.execute("SELECT digest FROM artifact_checks").fetchall() == [(unused,)]


def test_it_can_be_undone_and_done_again(server: postgres.Postgres) -> None:
    for _ in range(2):
        alembic_steps.back(server.url, "0004")
        alembic_steps.forward(server.url, "0005")
    with psycopg.connect(server.url, options="-c search_path=avouch") as connection:
        triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = ANY(%s::regclass[])"
        tables = ["runs", "versions", "deliveries", "artifacts", "run_artifacts"]
        assert connection.execute(triggers, (tables,)).fetchone() == (7,)
