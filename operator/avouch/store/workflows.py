"""Workflows and attachments as the controller recorded them. Implements `controlplane.model.contracts.Workflows`.

An attachment's secret is never stored: `config` names it (`secretRef`) and the worker reads it when it delivers.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch.controlplane.model import contracts, deliveries
from avouch.store import database, direct, fencing, namespaces, tables

_KEY = ["namespace", "name"]
_OF = sa.select(tables.workflows).where(tables.workflows.c.namespace == sa.bindparam("namespace"))
_IN_NAMESPACE = direct.sql(_OF.order_by(tables.workflows.c.name))
_GET = direct.sql(_OF.where(tables.workflows.c.name == sa.bindparam("name")))


class Workflows:
    """Declarations over one database; every write is fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def upsert(self, workflow: contracts.WorkflowRecord, *, epoch: int) -> None:
        """Record a Workflow; an older generation of the same object never replaces a newer one."""
        stored = tables.workflows
        row = _workflow_row(workflow)
        new = insert(stored).values(**row)
        current = sa.or_(stored.c.uid != new.excluded.uid, stored.c.generation <= new.excluded.generation)
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await namespaces.remember(connection, workflow.namespace, workflow.namespace_uid)
            await connection.execute(new.on_conflict_do_update(index_elements=_KEY, set_=row, where=current))

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Forget a Workflow; its runs stay, and so does a successor of the same name."""
        stored = tables.workflows
        mine = sa.and_(stored.c.namespace == namespace, stored.c.name == name, stored.c.uid == uid)
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.delete(stored).where(mine))

    async def get(self, namespace: str, name: str) -> contracts.WorkflowRecord | None:
        """One Workflow."""
        found = await self._database.run(_GET, {"namespace": namespace, "name": name})
        return _workflow(found[0]) if found else None

    async def in_namespace(self, namespace: str) -> Sequence[contracts.WorkflowRecord]:
        """All Workflows of a namespace, by name."""
        return tuple(map(_workflow, await self._database.run(_IN_NAMESPACE, {"namespace": namespace})))

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every Workflow."""
        stored = tables.workflows.c
        query = sa.select(stored.namespace, stored.name, stored.uid).order_by(stored.namespace, stored.name)
        async with self._database.transaction() as connection:
            return [(row.namespace, row.name, row.uid) for row in (await connection.execute(query)).all()]

    async def upsert_attachment(self, attachment: deliveries.AttachmentRecord, *, epoch: int) -> None:
        """Record an attachment, without its secret."""
        row = {
            "namespace": attachment.namespace,
            "name": attachment.name,
            "uid": attachment.uid,
            "integration": attachment.integration,
            "type": attachment.type,
            "config": attachment.config,
            "workflow": attachment.workflow,
            "selector": attachment.selector,
        }
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            new = insert(tables.attachments).values(**row)
            await connection.execute(new.on_conflict_do_update(index_elements=_KEY, set_=row))

    async def remove_attachment(self, namespace: str, name: str, *, epoch: int) -> None:
        """Forget an attachment; deliveries already written go on."""
        stored = tables.attachments
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.delete(stored).where(stored.c.namespace == namespace, stored.c.name == name))

    async def attachments(self, namespace: str) -> Sequence[deliveries.AttachmentRecord]:
        """All attachments of a namespace, by name; `secret` is empty."""
        stored = tables.attachments
        query = sa.select(stored).where(stored.c.namespace == namespace).order_by(stored.c.name)
        async with self._database.transaction() as connection:
            return tuple(map(_attachment, (await connection.execute(query)).all()))


def _workflow_row(workflow: contracts.WorkflowRecord) -> dict[str, Any]:
    return {
        "namespace": workflow.namespace,
        "namespace_uid": workflow.namespace_uid,
        "name": workflow.name,
        "uid": workflow.uid,
        "generation": workflow.generation,
        "spec": workflow.spec,
        "labels": workflow.labels,
        "contract_namespace": workflow.contract_namespace,
        "contract_name": workflow.contract_name,
    }


def _workflow(row: direct.Row) -> contracts.WorkflowRecord:
    return contracts.WorkflowRecord(**row._asdict())


def _attachment(row: "sa.Row[Any]") -> deliveries.AttachmentRecord:
    return deliveries.AttachmentRecord(**row._mapping)
