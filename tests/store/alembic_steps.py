"""The schema of another revision, as an older or newer version of avouch knows it."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from avouch.store import migrate


def back(url: str, revision: str) -> None:
    """Undo the migrations after this one."""
    _run(url, lambda config: command.downgrade(config, revision))


def forward(url: str, revision: str) -> None:
    """Do the migrations up to this one."""
    _run(url, lambda config: command.upgrade(config, revision))


def _run(url: str, step: Callable[[Config], None]) -> None:
    options = {"options": "-c search_path=avouch"}
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), connect_args=options)
    with engine.connect() as connection, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(migrate._SCRIPTS))
        config.attributes["connection"] = connection
        step(config)
    engine.dispose()
