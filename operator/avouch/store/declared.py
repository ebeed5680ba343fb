"""Versions of a namespace's declarations, in the order of COMMIT, and the word that they changed.

Whoever raises the version of a namespace holds its row until COMMIT, so a reader that has seen a version has seen every
change before it. The notification is sent by PostgreSQL at COMMIT, once for each namespace of a transaction.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "avouch_declared"

_RAISE = sa.text(
    "WITH raised AS ("  # noqa: S608 - a constant
    "INSERT INTO declared AS d (namespace, version, removed) VALUES (:namespace, 1, CAST(:removed AS integer)) "
    "ON CONFLICT (namespace) DO UPDATE SET version = d.version + 1, "
    "removed = CASE WHEN excluded.removed = 1 THEN d.version + 1 ELSE d.removed END RETURNING d.namespace, d.version"
    f") SELECT version, pg_notify('{CHANNEL}', namespace) FROM raised"
)
_RAISE_ALL = sa.text(
    "INSERT INTO declared AS d (namespace, version, removed) SELECT namespace, 1, 1 FROM workflows "
    "UNION SELECT namespace, 1, 1 FROM contract_revisions "
    "ON CONFLICT (namespace) DO UPDATE SET version = d.version + 1, removed = d.version + 1"
)
_NOTIFY = sa.text(f"SELECT pg_notify('{CHANNEL}', :namespace)")
_VERSIONS = sa.text("SELECT namespace, version FROM declared WHERE namespace = ANY(:namespaces)")


async def changed(connection: AsyncConnection, namespace: str, *, removed: bool = False) -> int:
    """Raise the version of a namespace and have it told at COMMIT. Returns the version of these changes."""
    raised = await connection.execute(_RAISE, {"namespace": namespace, "removed": int(removed)})
    return int(raised.one().version)


async def all_changed(connection: AsyncConnection) -> None:
    """Have every copy read anew: told as a namespace without a name."""
    await connection.execute(_RAISE_ALL)
    await connection.execute(_NOTIFY, {"namespace": ""})


async def versions(connection: AsyncConnection, namespaces: Iterable[str]) -> dict[str, int]:
    """The versions of these namespaces; one that nothing was ever declared in has none."""
    found = await connection.execute(_VERSIONS, {"namespaces": list(namespaces)})
    return {row.namespace: int(row.version) for row in found.all()}
