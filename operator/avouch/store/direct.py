"""Single statements by the driver alone, for the paths that every push and every sidecar takes.

SQLAlchemy spends more on one statement of these than PostgreSQL does. Here a statement is its own transaction, durable
when it returns, on a few connections of their own that are never in a transaction otherwise.
"""

import asyncio
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.rows import namedtuple_row
from sqlalchemy.dialects.postgresql import psycopg as dialect

TRUSTED_SECONDS = 30.0  # a connection used less long ago, that has heard nothing since, is not asked whether it lives
_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy types its dialects' classes, not this

Row = Any  # a named tuple of the statement's columns
Connection = psycopg.AsyncConnection[Row]


def sql(statement: "sa.ClauseElement") -> bytes:
    """A statement of SQLAlchemy as the driver takes it; every value in it must be a bind parameter of a name."""
    return str(statement.compile(dialect=_DIALECT)).encode()


def type_of(column: "sa.Column[Any]") -> str:
    """The type of a column as PostgreSQL spells it."""
    return str(column.type.compile(dialect=_DIALECT))


def has_news(connection: "psycopg.AsyncConnection[Any]") -> bool:
    """Whether an idle connection's socket can be read: its end, or a message that nobody asked for."""
    if connection.closed:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))


class Connections:
    """A bounded number of connections, opened when they are needed. Owned by one event loop."""

    def __init__(self, address: str, settings: Mapping[str, Any], *, size: int, patience: float) -> None:
        self._address, self._settings, self._size, self._patience = address, settings, size, patience
        self._places, self._opening = asyncio.Semaphore(size), asyncio.Lock()
        self._idle: list[tuple[float, Connection]] = []

    async def run(self, statement: bytes, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """One statement and its rows, committed.

        Raises:
            TimeoutError: no connection became free in time.
            psycopg.Error: the database refused it, or is gone; then whether it was committed is unknown.
        """
        await self._place()
        try:
            return await self._on(await self._take(), statement, parameters)
        finally:
            self._places.release()

    async def open(self) -> None:
        """Open all of them: each costs TLS, a password's proof and a process of PostgreSQL."""
        async with self._opening:  # who asks for it at the same time finds them open
            while len(self._idle) < self._size:
                await self._give_back(await self._connect())

    async def close(self) -> None:
        """Close the idle ones."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            await connection.close()

    async def _place(self) -> None:
        if self._places.locked():
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        else:  # there is one: no timer for what takes no time
            await self._places.acquire()

    async def _on(self, connection: Connection, statement: bytes, parameters: Mapping[str, Any]) -> Sequence[Row]:
        try:
            cursor = await connection.execute(statement, parameters)
            # Not `description`, which says the same and makes an object of each column.
            found = await cursor.fetchall() if cursor.rownumber is not None else []
        except psycopg.Error:
            await self._give_back(connection)
            raise
        except BaseException:  # cancelled in the middle: what is still to come from it belongs to nobody
            await connection.close()
            raise
        await self._give_back(connection)
        return found

    async def _take(self) -> Connection:
        """The one that was used last, if it lives; else another, or a new one."""
        while self._idle:
            used, connection = self._idle.pop()
            if time.monotonic() - used < TRUSTED_SECONDS and not has_news(connection):
                return connection
            if await _lives(connection):
                return connection
        return await self._connect()

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._address, autocommit=True, row_factory=namedtuple_row, **self._settings
        )

    async def _give_back(self, connection: Connection) -> None:
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            self._idle.append((time.monotonic(), connection))
        else:  # lost, or left in a transaction
            await connection.close()


async def _lives(connection: Connection) -> bool:
    try:
        await connection.execute(b"")
    except psycopg.Error:
        await connection.close()
        return False
    return True
