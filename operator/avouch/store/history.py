"""Where the history of this database begins. Implements `controlplane.model.history.Histories`."""

from typing import Any

import sqlalchemy as sa

from avouch.controlplane.model import history
from avouch.store import database, fencing, tables

_MARK = sa.text(
    "WITH moved AS (UPDATE history SET mark = versions.value FROM versions WHERE mark < versions.value RETURNING mark)"
    " SELECT identity, born_at, history.mark, rewound_at FROM history"
)
# Whoever watches lists again, and no version is handed out a second time.
_AHEAD = sa.text(
    "UPDATE versions SET value = greatest(value, :mark) + 1, expired = greatest(value, :mark) + 1 RETURNING value"
)


class Histories:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def look(self, *, epoch: int) -> history.History:
        """The history as it was, and move its mark to what was written since."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            return _history((await connection.execute(_MARK)).one())

    async def rewound(self, remembered: int, *, epoch: int) -> history.History:
        """Record that the database was put back to a state before this mark, and go on behind it."""
        stored = tables.history
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            ahead = (await connection.execute(_AHEAD, {"mark": remembered})).scalar_one()
            said = sa.update(stored).values(mark=ahead, rewound_at=sa.func.now()).returning(stored)
            return _history((await connection.execute(said)).one())


def _history(row: "sa.Row[Any]") -> history.History:
    return history.History(str(row.identity), row.born_at, int(row.mark), row.rewound_at)
