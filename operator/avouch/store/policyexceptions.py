"""Exceptions from policies as the controller recorded them. Implements both ports of `model.policyexceptions`."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch.controlplane.model import policyexceptions
from avouch.store import database, fencing, tables

_STORED = tables.policy_exceptions
_MOST = 1000  # of one Workflow: beyond, they except nothing
_OF_WORKFLOW = (
    "SELECT * FROM policy_exceptions WHERE namespace_uid = %(namespace_uid)s AND %(workflow)s = ANY(workflows)"  # noqa: S608 - a constant
    f" ORDER BY name LIMIT {_MOST}"
)


class Exceptions:
    """Records over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def record(self, exception: policyexceptions.PolicyException, *, epoch: int) -> None:
        """Record one, in place of what its name meant before."""
        row = {
            **asdict(exception),
            "workflows": list(exception.workflows),
            "materials": list(exception.materials),
        }
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            new = insert(_STORED).values(**row)
            await connection.execute(new.on_conflict_do_update(index_elements=["namespace", "name"], set_=row))

    async def remove(self, namespace: str, name: str, *, epoch: int) -> None:
        """Forget one."""
        mine = sa.and_(_STORED.c.namespace == namespace, _STORED.c.name == name)
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.delete(_STORED).where(mine))

    async def keys(self) -> Sequence[tuple[str, str]]:
        """All that are recorded."""
        query = sa.select(_STORED.c.namespace, _STORED.c.name).order_by(_STORED.c.namespace, _STORED.c.name)
        async with self._database.transaction() as connection:
            return [(row.namespace, row.name) for row in (await connection.execute(query)).all()]

    async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
        """Those of a Workflow, in the namespace that has this UID: of one that was made anew, none of before."""
        asked = {"namespace_uid": namespace_uid, "workflow": workflow}
        async with self._database.statements() as connection:
            found = await connection.exec_driver_sql(_OF_WORKFLOW, asked)
            return tuple(_exception(row) for row in found)


def _exception(row: "sa.Row[tuple[object, ...]]") -> policyexceptions.PolicyException:
    said = {**row._mapping, "workflows": tuple(row.workflows), "materials": tuple(row.materials)}
    return policyexceptions.PolicyException(**said)
