"""The engine, transactions, and the one translation of database failures into our error tree."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import psycopg
import psycopg.sql
import sqlalchemy as sa
from sqlalchemy.ext import asyncio as sa_asyncio

from avouch import errors
from avouch.store import direct, tables

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
_KEEPALIVE_SECONDS = 30  # of silence, after which the system asks whether the peer is still there
_USED = "avouch.used"
_LOCKED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
# To the driver they are what may pass, as a crash is; no other try will go better.
_TOO_LARGE = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
# What is asked for is not there: the database was emptied or replaced, or is about to be migrated.
_NO_SCHEMA = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn)
_DIRECT = 4  # connections for single statements: they are held for one round trip at a time


def options() -> str:
    """Options of libpq for every connection of ours."""
    return " ".join(f"-c {key}={value}" for key, value in _SESSION.items())


_CONNECTION: dict[str, Any] = {
    "options": options(),
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": _DEAD_PEER_MS,
    "application_name": "avouch",
}


class Database:
    """A pool of connections. A connection that died while idle is found before it is used, and replaced unseen."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self._pool_size = pool_size
        self._url = url
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
        self._direct = direct.Connections(self._plain, _CONNECTION, size=_DIRECT, patience=_CONNECT_SECONDS)
        self._engine = sa_asyncio.create_async_engine(
            address,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            hide_parameters=True,  # bundles and configurations stay out of error texts
            connect_args=_CONNECTION,
        )
        sa.event.listen(self._engine.sync_engine, "checkout", self._check)
        sa.event.listen(self._engine.sync_engine, "checkin", _remember)

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

    async def run(self, statement: bytes, parameters: Mapping[str, Any]) -> Sequence[direct.Row]:
        """One statement of `direct.sql` that is its own transaction, and its rows. Raises errors.Unavailable."""
        async with translated():
            return await self._direct.run(statement, parameters)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[sa_asyncio.AsyncConnection]:
        """Several reads of one moment."""
        async with translated(), self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    async def notifications(self, *channels: str, every: float | None = None) -> AsyncGenerator[psycopg.Notify | None]:
        """Notifications of channels, by a connection of its own; None once it listens, and then every so many seconds.

        Raises:
            errors.Unavailable: the connection is lost, and whatever is notified now is missed.
        """
        async with translated():
            connecting = psycopg.AsyncConnection.connect(
                self._plain, autocommit=True, keepalives_idle=_KEEPALIVE_SECONDS, **_CONNECTION
            )
            async with await connecting as connection:
                for channel in channels:
                    await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
                while True:
                    yield None
                    async for notification in connection.notifies(timeout=every):
                        yield notification

    def _check(self, connection: Any, record: sa.pool.ConnectionPoolEntry, _: object) -> None:
        """Ask a connection that was idle for long, or has something to say, whether it still lives.

        A server that closed the connection is heard on the socket at once, without a round trip for every use. Raising
        DisconnectionError makes the pool open another one.
        """
        recent = time.monotonic() - record.info.get(_USED, 0.0) < direct.TRUSTED_SECONDS
        if recent and not direct.has_news(connection.driver_connection):
            return
        try:
            self._engine.dialect.do_ping(connection)
        except self._engine.dialect.loaded_dbapi.Error as exc:
            raise sa.exc.DisconnectionError("the connection was lost while it was idle") from exc

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
        async with translated():
            await self._direct.open()

    async def close(self) -> None:
        """Give all connections back."""
        await self._direct.close()
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _remember(_: object, record: sa.pool.ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Database failures as ours: what may pass is Unavailable, what the caller sent wrong is Invalid."""
    try:
        yield
    except (sa.exc.TimeoutError, TimeoutError) as exc:
        raise errors.Unavailable("the database has no connection left; try again") from exc
    except sa.exc.DBAPIError as exc:
        raise _ours(exc) from exc
    except psycopg.Error as exc:
        raise _ours(exc) from exc
    except OSError as exc:
        raise errors.Unavailable("the database cannot be reached; try again") from exc


def _ours(exc: Exception) -> errors.AvouchError:
    original = exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc
    if isinstance(original, _TOO_LARGE):
        return errors.TooLarge(f"the database refuses a value for its size: {type(original).__name__}")
    if isinstance(original, _LOCKED):
        return errors.Locked("another transaction holds what this one needs; try again")
    if isinstance(original, psycopg.DataError):
        return errors.Invalid(f"the database refuses a value: {type(original).__name__}")
    if isinstance(original, psycopg.IntegrityError):
        return errors.Conflict(
            f"the database refuses a row: {original.diag.constraint_name or type(original).__name__}"
        )
    if isinstance(original, _NO_SCHEMA):
        return errors.NoSchema(f"the database has no schema of this version yet: {original.diag.message_primary}")
    if isinstance(original, psycopg.ProgrammingError):
        return errors.AvouchError(f"the schema is not what this version needs (run `avouch migrate`): {original}")
    return errors.Unavailable(f"the database cannot answer now: {type(original).__name__}")
