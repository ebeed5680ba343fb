"""Workflows and attachments as the controller recorded them. Implements `controlplane.model.contracts.Workflows`.

An attachment's secret is never stored: `config` names it (`secretRef`) and the worker reads it when it delivers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.controlplane.model import contracts, deliveries
from avouch.store import columns, database, declared, direct, fencing, groupcommit, namespaces, rows, tables

_KEY = ["namespace", "name"]
_FIELDS = [tables.workflows.c[field.name] for field in fields(contracts.WorkflowRecord)]
_WRITE = columns.insert(
    "workflows",
    tables.workflows.c.keys(),
    "ON CONFLICT (namespace, name) DO UPDATE SET "
    + ", ".join(f"{c.name} = excluded.{c.name}" for c in tables.workflows.c if c.name not in _KEY)
    + " WHERE workflows.uid <> excluded.uid OR workflows.generation <= excluded.generation RETURNING namespace, name",
)
_GET = direct.sql(
    sa.select(*_FIELDS).where(
        tables.workflows.c.namespace == sa.bindparam("namespace"), tables.workflows.c.name == sa.bindparam("name")
    )
)
# One committer, for two would wait for a namespace's version in turns. It rests so many seconds between two commits, so
# that Workflows that are applied together share one.
_REST = 0.1
_Upsert: TypeAlias = tuple[int, contracts.WorkflowRecord]  # epoch, and what to record


@dataclass(frozen=True, slots=True)
class Changes:
    """Workflows of a namespace that are other ones than before, as of a version; `whole`: all there are."""

    version: int
    workflows: tuple[contracts.WorkflowRecord, ...]
    whole: bool = False


class Workflows:
    """Declarations over one database; every write is fenced. `upsert` shares commits: close it before its loop ends."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened
        self._upserts: groupcommit.GroupCommit[_Upsert, bool] = groupcommit.GroupCommit(
            self._write, lambda _: 0, groupcommit.Limits(committers=1, rest=_REST)
        )

    async def close(self) -> None:
        """Write what waits and stop the committers."""
        await self._upserts.close()

    async def upsert(self, workflow: contracts.WorkflowRecord, *, epoch: int) -> bool:
        """Record a Workflow; an older generation of the same object never replaces a newer one: False."""
        return await self._upserts.submit((epoch, workflow))

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Forget a Workflow; its runs stay, and so does a successor of the same name."""
        stored = tables.workflows
        mine = sa.and_(stored.c.namespace == namespace, stored.c.name == name, stored.c.uid == uid)
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            if (await connection.execute(sa.delete(stored).where(mine))).rowcount:
                await connection.execute(sa.delete(tables.cut_results).where(tables.cut_results.c.workflow_uid == uid))
                await declared.changed(connection, namespace, removed=True)

    async def get(self, namespace: str, name: str) -> contracts.WorkflowRecord | None:
        """One Workflow."""
        found = await self._database.run(_GET, {"namespace": namespace, "name": name})
        return contracts.WorkflowRecord(**found[0]._asdict()) if found else None

    async def recorded(self) -> Sequence[contracts.WorkflowRecord]:
        """All Workflows of all namespaces."""
        async with self._database.transaction() as connection:
            return tuple(map(_workflow, (await connection.execute(sa.select(*_FIELDS))).all()))

    async def announce(self, *, epoch: int) -> None:
        """Have every copy of the declarations read anew: a controller of an older version may have told of nothing."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await declared.all_changed(connection)

    async def changed_since(self, namespace: str, version: int | None) -> "Changes":
        """What changed in a namespace after this version; None asks for everything."""
        stored, known = tables.workflows, tables.declared
        query = sa.select(*_FIELDS).where(stored.c.namespace == namespace)
        async with self._database.snapshot() as connection:
            row = (await connection.execute(sa.select(known).where(known.c.namespace == namespace))).first()
            now, removed = (int(row.version), int(row.removed)) if row is not None else (0, 0)
            whole = version is None or removed > version or now < version  # lower: a database made anew
            if now == version:
                return Changes(now, ())
            query = query if whole else query.where(stored.c.version > version)
            found = tuple(map(_workflow, (await connection.execute(query)).all()))
        return Changes(now, found, whole)

    async def _write(self, batch: "Sequence[_Upsert]") -> Sequence[bool]:
        async with self._database.transaction() as connection:
            for epoch in sorted({epoch for epoch, _ in batch}):
                await fencing.fence(connection, epoch)
            present = {workflow.namespace: workflow.namespace_uid for _, workflow in batch}
            for namespace, uid in sorted(present.items()):
                await namespaces.remember(connection, namespace, uid)
            written = {key for namespace in sorted(present) for key in await _upserted(connection, namespace, batch)}
        return [(workflow.namespace, workflow.name) in written for _, workflow in batch]

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
            return tuple(map(rows.attachment_of, (await connection.execute(query)).all()))


async def _upserted(connection: AsyncConnection, namespace: str, batch: Sequence[_Upsert]) -> set[tuple[str, str]]:
    """Write the batch's Workflows of one namespace. Returns the keys of those that were kept."""
    version = await declared.changed(connection, namespace)
    written = [_workflow_row(workflow, version) for _, workflow in batch if workflow.namespace == namespace]
    kept = await connection.execute(_WRITE, columns.of(written))
    return {(row.namespace, row.name) for row in kept.all()}


def _workflow_row(workflow: contracts.WorkflowRecord, version: int) -> dict[str, Any]:
    return {
        "version": version,
        "namespace": workflow.namespace,
        "namespace_uid": workflow.namespace_uid,
        "name": workflow.name,
        "uid": workflow.uid,
        "generation": workflow.generation,
        "spec": workflow.spec,
        "labels": workflow.labels,
        "contract_namespace": workflow.contract_namespace,
        "contract_name": workflow.contract_name,
        "open_since": workflow.open_since,
        "open_until": workflow.open_until,
    }


def _workflow(row: "sa.Row[Any]") -> contracts.WorkflowRecord:
    return contracts.WorkflowRecord(**row._mapping)
