"""The documents of verdicts that the version before stored are kept, and shown as they were."""

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from avouch.store import database, migrate, tables, views
from tests import postgres
from tests.store.conftest import a_run, documents

pytestmark = pytest.mark.postgres


@pytest.fixture
def old() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        _at(started, "0004", command.downgrade)
        yield started


def _at(server: postgres.Postgres, revision: str, move: object) -> None:
    address = sa.make_url(server.url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, connect_args={"options": f"-c search_path={tables.SCHEMA}"})
    with engine.connect() as connection, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(migrate._SCRIPTS))
        config.attributes["connection"] = connection
        move(config, revision)  # type: ignore[operator]
    engine.dispose()


def _store_verdict(server: postgres.Postgres) -> tuple[str, str]:
    """As the version before wrote it."""
    run, (attestation, vsa) = a_run(), documents()
    insert = sa.text(
        "INSERT INTO runs (id, name, workflow_uid, subject_uid, namespace, namespace_uid, workflow, subject_kind,"
        " subject_name, contract, revision, contract_digest, plan, created_at, result, evidence, labels)"
        " VALUES (:id, :name, 'w', :subject, 'old', 'uid-old', 'build', 'TaskRun', 't', 'c', 1, 'd', '{}', now(),"
        " 'Passed', '', '{}')"
    )
    verdict = sa.text(
        "INSERT INTO verdicts (run_id, findings, materials, annotations, env, statement, attestation,"
        " attestation_digest, vsa) VALUES (:id, '[]', '[]', '{}', '{}', :statement, :attestation, 'sha256:kept', :vsa)"
    )
    address = sa.make_url(server.url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, connect_args={"options": f"-c search_path={tables.SCHEMA}"})
    with engine.begin() as connection:
        connection.execute(insert, {"id": run.id, "name": run.name, "subject": str(uuid.uuid4())})
        connection.execute(
            verdict,
            {
                "id": run.id,
                "statement": attestation.statement,
                "attestation": attestation.bundle,
                "vsa": vsa.bundle,
            },
        )
    engine.dispose()
    return "old", run.name


async def test_a_verdict_of_the_version_before_is_shown_as_it_was_and_can_go_back(old: postgres.Postgres) -> None:
    namespace, name = _store_verdict(old)
    migrate.migrate(old.url)
    async with database.Database(old.url) as opened:
        shown = await views.RunViews(opened).view(namespace, name)
        assert shown is not None
        documents = [await views.RunViews(opened).signed(namespace, name, kind) for kind in ("statement", "vsa")]
        assert documents == [b'{"_type":"s"}', b'{"summary":true}']
        assert shown["attestationBundle"] == "sha256:kept"
    _at(old, "0004", command.downgrade)
    async with database.Database(old.url) as opened, opened.snapshot() as connection:
        query = sa.text("SELECT statement, attestation_digest FROM verdicts")
        (row,) = (await connection.execute(query)).all()
    assert (bytes(row.statement), row.attestation_digest) == (b'{"_type":"s"}', "sha256:kept")
