"""Which namespace of a name is the present one: made anew, it has another uid and hides its predecessor's rows."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.store import declared, tables


async def remember(connection: AsyncConnection, name: str, uid: str) -> None:
    """Take this uid as the present one: only fenced writes of the controller say so. Hides the predecessor's rows."""
    new = insert(tables.namespaces).values(name=name, uid=uid)
    changed = tables.namespaces.c.uid != new.excluded.uid
    taken = await connection.execute(
        new.on_conflict_do_update(index_elements=["name"], set_={"uid": new.excluded.uid}, where=changed)
    )
    if taken.rowcount:
        await declared.changed(connection, name, removed=True)
