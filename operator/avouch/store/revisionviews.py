"""Contract revisions as documents. Implements `controlplane.model.views.Views`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from avouch import errors, rfc3339
from avouch.controlplane.model import cursors, selectors
from avouch.store import contracts, database, tables, versions

POLL_SECONDS = 2.0  # contracts change seldom, and few watch them
BOOKMARK_SECONDS = 30
_TURN = 50  # revisions that a watch reads at a time
_PAGE = 100  # largest page
_ROOM = 2 * 1024 * 1024  # bytes of recorded forms in it, unless the first alone has more: one may have a megabyte
FILTERS = ("name", "contract")


class RevisionViews:
    """Documents over one database. `filters` has the keys of `FILTERS`."""

    def __init__(self, opened: database.Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = opened
        self._poll = poll_seconds

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        """(documents by namespace, contract and revision, continue token or "", version); all of them are whole."""
        stored = tables.contract_revisions.c
        size = max(1, min(limit or _PAGE, _PAGE))
        query = _chosen(namespace, filters).order_by(stored.namespace, stored.name, stored.revision).limit(size + 1)
        started, last = _position(after)
        if last is not None:
            place = sa.tuple_(stored.namespace, stored.name, stored.revision)
            query = query.where(place > sa.tuple_(*map(sa.literal, last)))
        async with self._database.snapshot() as connection:
            version = started or await versions.newest(connection)
            found = (await connection.execute(_fitting(query))).all()
        shown = found[:size]
        token = _token(version, shown[-1]) if shown and shown[-1].there > len(shown) else ""
        return [_document(row) for row in shown], token, version

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One revision, by `<contract>.<revision>`."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(_chosen(namespace, {"name": name}))).first()
        return _document(row) if row is not None else None

    async def watch(
        self, namespace: str | None, since: int, filters: selectors.Filters, *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Revisions recorded after `since`, one by one, and a bookmark now and then: none ever changes or goes.

        Raises:
            errors.Conflict: `since` was never handed out (a restored backup): list again.
        """
        stored = tables.contract_revisions.c
        newer = _chosen(namespace, filters).order_by(stored.version).limit(_TURN)
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            async with self._database.snapshot() as connection:
                newest = await versions.newest(connection)
                versions.must_reach(since, (0, newest))
                query = newer.where(stored.version > since)
                found = (await connection.execute(query)).all() if since < newest else []
            for row in found:
                yield "ADDED", _document(row)
            since = found[-1].version if len(found) == _TURN else newest
            if len(found) < _TURN:
                if loop.time() - told >= BOOKMARK_SECONDS:
                    told = loop.time()
                    yield "BOOKMARK", {"resourceVersion": since}
                await asyncio.sleep(self._poll)


def _chosen(namespace: str | None, filters: selectors.Filters) -> "sa.Select[Any]":
    """Those of the present namespaces that are asked for. Raises errors.Invalid."""
    query = contracts.present()
    if namespace is not None:
        query = query.where(tables.contract_revisions.c.namespace == namespace)
    for key, wanted in filters.items():
        excluded = wanted.values if isinstance(wanted, selectors.Not) else frozenset()
        query = query.where(*(sa.not_(_filter(key, value)) for value in sorted(excluded)))
        if isinstance(wanted, str):
            query = query.where(_filter(key, wanted))
        elif key not in FILTERS:
            raise errors.Invalid(f"cannot filter by {key}", fix=f"filter by one of {', '.join(FILTERS)}")
    return query


def _fitting(chosen: "sa.Select[Any]") -> "sa.Select[Any]":
    """The first of these rows, as many as fit, each with the number of all of them (`there`)."""
    rows = chosen.subquery("chosen")
    place = (rows.c.namespace, rows.c.name, rows.c.revision)
    size = sa.func.octet_length(rows.c.canonical) + sa.func.octet_length(rows.c.resolved)
    total = sa.func.sum(size).over(order_by=place)
    number = sa.func.row_number().over(order_by=place)
    sized = sa.select(
        rows, total.label("total"), number.label("number"), sa.func.count().over().label("there")
    ).subquery("sized")
    fits = sa.or_(sized.c.total <= _ROOM, sized.c.number == 1)
    return sa.select(sized).where(fits).order_by(sized.c.number)


def _filter(key: str, value: str) -> sa.ColumnElement[bool]:
    stored = tables.contract_revisions.c
    if key == "contract":
        return stored.name == value
    if key == "name":
        contract, _, number = value.rpartition(".")
        if not number.isascii() or not number.isdigit() or len(number) > 9:
            return sa.false()
        return sa.and_(stored.name == contract, stored.revision == int(number))
    raise errors.Invalid(f"cannot filter by {key}", fix=f"filter by one of {', '.join(FILTERS)}")


def _document(row: "sa.Row[Any]") -> dict[str, Any]:
    return {
        "name": f"{row.name}.{row.revision}",
        "namespace": row.namespace,
        "uid": f"{row.uid}.{row.revision}",
        "contract": row.name,
        "revision": row.revision,
        "digest": row.digest,
        "sourceDigest": row.source_digest,
        "canonical": row.canonical.decode("ascii"),
        "resolved": row.resolved.decode("ascii"),
        "recordedAt": rfc3339.to_seconds(row.recorded_at),
        "resourceVersion": row.version,
    }


def _token(version: int, last: "sa.Row[Any]") -> str:
    return cursors.write(version, last.namespace, last.name, last.revision)


def _position(token: str) -> tuple[int, tuple[str, str, int] | None]:
    if not token:
        return 0, None
    version, namespace, name, revision = cursors.read(token, int, str, str, int)
    return version, (namespace, name, revision)
