"""The tables that the repositories see are those that the migrations made."""

import pytest
import sqlalchemy as sa
from alembic import autogenerate, migration

from avouch.store import database, tables
from tests import postgres

pytestmark = pytest.mark.postgres


def ours(obj: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """The queue's own tables and every index are the migrations' business alone."""
    return kind not in ("table", "index", "unique_constraint", "foreign_key_constraint") or (
        kind == "table" and name in tables.metadata.tables
    )


def test_no_table_and_no_column_differs(server: postgres.Postgres) -> None:
    engine = sa.create_engine(
        server.url.replace("postgresql://", "postgresql+psycopg://"),
        connect_args={"options": f"-csearch_path={tables.SCHEMA}"},
    )
    with engine.connect() as connection:
        options = {"include_object": ours, "compare_type": True, "compare_server_default": False}
        context = migration.MigrationContext.configure(connection, opts=options)
        assert autogenerate.compare_metadata(context, tables.metadata) == []
        missing = sa.MetaData()
        sa.Table("never_made", missing, sa.Column("id", sa.Integer))
        bare = migration.MigrationContext.configure(connection)
        assert autogenerate.compare_metadata(bare, missing) != []  # the comparison can tell
    engine.dispose()


def test_the_connection_of_the_comparison_is_the_repositories_own_schema() -> None:
    assert f"search_path={tables.SCHEMA}" in database.options().replace(" ", "")
