"""The engine, transactions, and the one translation of database failures into our error tree."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext import asyncio as sa_asyncio

from avouch import errors
from avouch.store import tables

# A database that is slow or gone must become an answer, not a pile of waiting requests.
_SESSION = {
    "search_path": tables.SCHEMA,
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}
_CONNECT_SECONDS = 3
_DEAD_PEER_MS = 10_000  # unacknowledged bytes for this long: the peer is gone (half-open TCP)


def options(schema: str = tables.SCHEMA) -> str:
    """Options of libpq for every connection of ours; procrastinate's connector takes the same."""
    return " ".join(f"-c {key}={value}" for key, value in {**_SESSION, "search_path": schema}.items())


class Database:
    """A pool of connections. A connection that died while idle is found by the pre-ping and replaced unseen."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self._pool_size = pool_size
        self._url = url
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._engine = sa_asyncio.create_async_engine(
            address,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,  # bundles and configurations stay out of error texts
            connect_args={
                "options": options(),
                "connect_timeout": _CONNECT_SECONDS,
                "tcp_user_timeout": _DEAD_PEER_MS,
                "application_name": "avouch",
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[sa_asyncio.AsyncConnection]:
        """One transaction: leaving it normally is COMMIT, durable on disk.

        Raises:
            errors.Unavailable: the database cannot answer now. Whether it committed is unknown: callers are idempotent.
        """
        async with translated(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[sa_asyncio.AsyncConnection]:
        """Each statement is a transaction of its own and durable when it returns: one round trip instead of three."""
        async with translated(), self._engine.connect() as plain:
            yield await plain.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[sa_asyncio.AsyncConnection]:
        """Several reads of one moment."""
        async with translated(), self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    async def notifications(self, channel: str) -> AsyncIterator[None]:
        """Once when it listens, then for each `NOTIFY` of a channel, on a connection of its own, outside the pool.

        Raises:
            errors.Unavailable: the database cannot be reached, or the connection was lost.
        """
        async with translated():
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, options=options(), connect_timeout=_CONNECT_SECONDS,
                application_name="avouch",
            )  # fmt: skip
            async with connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                yield
                async for _ in connection.notifies():
                    yield

    async def ping(self) -> None:
        """Whether we may serve: one round trip. Raises errors.Unavailable."""
        async with self.transaction() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def warm(self) -> None:
        """Open every connection of the pool. Raises errors.Unavailable.

        Each costs TLS, a password's proof and a process of PostgreSQL: more than a pod that is created can wait for.
        """
        async with AsyncExitStack() as held:
            for _ in range(self._pool_size):
                await held.enter_async_context(self.transaction())

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Database failures as ours: what may pass is Unavailable, what the caller sent wrong is Invalid."""
    try:
        yield
    except sa.exc.TimeoutError as exc:
        raise errors.Unavailable("the database has no connection left; try again") from exc
    except sa.exc.DBAPIError as exc:
        raise _ours(exc) from exc
    except psycopg.Error as exc:
        raise _ours(exc) from exc
    except OSError as exc:
        raise errors.Unavailable("the database cannot be reached; try again") from exc


def _ours(exc: Exception) -> errors.AvouchError:
    original = exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc
    if isinstance(original, psycopg.DataError):
        return errors.Invalid(f"the database refuses a value: {type(original).__name__}")
    if isinstance(original, psycopg.IntegrityError):
        return errors.Conflict(
            f"the database refuses a row: {original.diag.constraint_name or type(original).__name__}"
        )
    if isinstance(original, psycopg.ProgrammingError):
        return errors.AvouchError(f"the schema is not what this version needs (run `avouch migrate`): {original}")
    return errors.Unavailable(f"the database cannot answer now: {type(original).__name__}")
