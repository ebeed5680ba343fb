"""Runs as documents: keyset pages and a watch in commit order. Implements `controlplane.model.views.RunViews`.

Watching is short polling of one index, bounded per turn: no connection is held per watcher, and a slow watcher costs
nothing. Where runs were deleted by age, older versions are gone (410): a watcher lists again.
"""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.store import database, documents, rows, tables, versions

POLL_SECONDS = 0.5
BOOKMARK_SECONDS = 30  # the API server's clients expect one about each minute
_TURN = 200  # changes read at a time
LIMIT = 500  # largest page of what a table shows
_WHOLE = 50  # largest page of whole documents: each holds two statements
FILTERS = ("name", "workflow", "verdict", "evidence", "labels")


class RunViews:
    """Documents over one database. `filters` has the keys of `FILTERS`; labels as `a=b,c=d`."""

    def __init__(self, opened: database.Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = opened
        self._poll = poll_seconds

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str], whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        """(documents, continue token or "", version); a page of whole ones may be smaller than asked for.

        Every page answers the version of the list's first page, so a watch from there also tells what changed while
        the list was read.
        """
        runs = tables.runs.c
        largest = _WHOLE if whole else LIMIT
        size = max(1, min(limit or largest, largest))
        started, last = _position(after)
        query = _matching(namespace, filters).order_by(runs.namespace, runs.name).limit(size + 1)
        if last:
            query = query.where(sa.tuple_(runs.namespace, runs.name) > sa.tuple_(*map(sa.literal, last)))
        async with self._database.snapshot() as connection:
            version = started or await versions.newest(connection)
            found = (await connection.execute(query)).all()
            shown = await _shown(connection, found[:size], whole=whole)
        token = _token(version, found[size - 1]) if len(found) > size else ""
        return shown, token, version

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One run with its statement, findings, materials and deliveries."""
        query = _matching(namespace, {}).where(tables.runs.c.name == name)
        async with self._database.snapshot() as connection:
            shown = await _shown(connection, (await connection.execute(query)).all(), whole=True)
        return shown[0] if shown else None

    async def watch(
        self, namespace: str | None, since: int, filters: Mapping[str, str], *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Changes after `since` until closed, and a bookmark now and then.

        Raises:
            errors.Conflict: `since` was never handed out (a restored backup), or runs were deleted since: list again.
        """
        seen, quiet = since, 0.0
        while True:
            changes, newest = await self._changes(namespace, seen, filters, whole=whole)
            for kind, document in changes:
                if kind:
                    yield kind, document
            quiet = 0.0 if changes else quiet + self._poll
            seen = newest
            if quiet >= BOOKMARK_SECONDS:
                quiet = 0.0
                yield "BOOKMARK", {"resourceVersion": seen}
            if len(changes) < _TURN:
                await asyncio.sleep(self._poll)

    async def _changes(
        self, namespace: str | None, since: int, filters: Mapping[str, str], *, whole: bool
    ) -> tuple[Sequence[tuple[str, dict[str, Any]]], int]:
        """What happened after `since`, one turn of it, and the version up to which that is all."""
        version = tables.runs.c.resource_version
        fixed = {key: value for key, value in filters.items() if key not in documents.CHANGING}
        query = _matching(namespace, fixed).where(version > since).order_by(version).limit(_TURN)
        async with self._database.snapshot() as connection:
            oldest, newest = await versions.window(connection)
            if since > newest:
                raise errors.Conflict(f"resource version {since} is not of this database: list again")
            if since < oldest:
                raise errors.Conflict(f"runs were deleted after resource version {since}: list again")
            found = (await connection.execute(query)).all() if since < newest else []
            shown = await _shown(connection, found, whole=whole)
        kinds = (documents.event(row, since, filters) for row in found)
        return list(zip(kinds, shown, strict=True)), found[-1].resource_version if len(found) == _TURN else newest


async def _shown(connection: AsyncConnection, found: "Sequence[sa.Row[Any]]", *, whole: bool) -> list[dict[str, Any]]:
    if not whole or not found:
        return [documents.summary(row) for row in found]
    ids = [row.id for row in found]
    verdicts, documented, ledger = tables.verdicts, tables.verdict_documents, tables.deliveries
    decided = (await connection.execute(sa.select(verdicts).where(verdicts.c.run_id.in_(ids)))).all()
    signed: dict[uuid.UUID, dict[str, sa.Row[Any]]] = {}
    for document in (await connection.execute(sa.select(documented).where(documented.c.run_id.in_(ids)))).all():
        signed.setdefault(document.run_id, {})[document.kind] = document
    sent = sa.select(ledger).where(ledger.c.run_id.in_(ids)).order_by(ledger.c.attachment, ledger.c.id)
    by_run: dict[uuid.UUID, list[sa.Row[Any]]] = {}
    for delivery in (await connection.execute(sent)).all():
        by_run.setdefault(delivery.run_id, []).append(delivery)
    verdict_of = {verdict.run_id: verdict for verdict in decided}
    return [
        documents.whole(row, verdict_of.get(row.id), signed.get(row.id, {}), by_run.get(row.id, ())) for row in found
    ]


def _matching(namespace: str | None, filters: Mapping[str, str]) -> "sa.Select[Any]":
    unknown = sorted(set(filters) - set(FILTERS))
    if unknown:
        raise errors.Invalid(f"cannot filter by {unknown[0]}", fix=f"filter by one of {', '.join(FILTERS)}")
    runs, verdicts = tables.runs, tables.verdicts
    extra = tables.outside_runs
    joined = rows.RUNS.outerjoin(verdicts, verdicts.c.run_id == runs.c.id).outerjoin(extra, extra.c.run_id == runs.c.id)
    shown = (extra.c.attester, extra.c.runner, extra.c.version, extra.c.organization, extra.c.expires_at)
    query = sa.select(runs, verdicts.c.materials, *shown).select_from(joined).where(rows.OF_PRESENT_NAMESPACE)
    if namespace is not None:
        query = query.where(runs.c.namespace == namespace)
    plain = {"name": runs.c.name, "workflow": runs.c.workflow, "verdict": runs.c.result, "evidence": runs.c.evidence}
    for key, column in plain.items():
        if key in filters:
            query = query.where(column == filters[key])
    if filters.get("labels"):
        query = query.where(runs.c.labels.contains(documents.labels(filters["labels"])))
    return query


def _token(version: int, last: "sa.Row[Any]") -> str:
    return base64.urlsafe_b64encode(json.dumps([version, last.namespace, last.name]).encode()).decode()


def _position(token: str) -> tuple[int, tuple[str, str] | None]:
    if not token:
        return 0, None
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        return int(version), (str(namespace), str(name))
    except (ValueError, TypeError) as exc:
        raise errors.Invalid("not a continue token of ours", field="continue", fix="start the list again") from exc
