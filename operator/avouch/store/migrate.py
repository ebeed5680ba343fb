"""Bring the schema up to date, and what each process may do in it: under one advisory lock.

Replicas may start together: one migrates, the others wait and then find nothing to do. All of it is one transaction.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from procrastinate import schema

from avouch import errors
from avouch.store import grants, tables

_LOCK = 0x61766F756368  # "avouch" in ASCII
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Create or upgrade everything in the schema `avouch`.

    Raises:
        Unavailable: the database cannot be reached now.
    """
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        address, poolclass=sa.NullPool, connect_args={"options": f"-c search_path={tables.SCHEMA}"}
    )
    with _opened(engine) as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}"))
        _jobs(connection)
        config = Config()
        config.set_main_option("script_location", str(_SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        grants.apply(connection)
    engine.dispose()


@contextlib.contextmanager
def _opened(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as exc:
        raise errors.Unavailable(f"the database cannot be reached: {exc.orig}") from exc
    with connection, connection.begin():
        yield connection


def _jobs(connection: sa.Connection) -> None:
    """Procrastinate's own schema, once. Its later migrations become migrations of ours."""
    there = connection.execute(sa.text("SELECT to_regclass('avouch.procrastinate_jobs')")).scalar()
    if there is None:
        connection.exec_driver_sql(schema.SchemaManager.get_schema().replace("%", "%%"))
