"""Contract revisions as documents. Implements `controlplane.model.views.RevisionViews`."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from avouch import errors, rfc3339
from avouch.controlplane.model import cursors
from avouch.store import contracts, database, tables

_PAGE = 100  # largest page
_ROOM = 2 * 1024 * 1024  # bytes of canonical forms in it, unless the first alone has more: one may have a megabyte
FILTERS = ("name", "contract")


class RevisionViews:
    """Documents over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str]
    ) -> tuple[Sequence[dict[str, Any]], str]:
        """(documents by namespace, contract and revision, continue token or "")."""
        stored = tables.contract_revisions.c
        size = max(1, min(limit or _PAGE, _PAGE))
        query = contracts.present().order_by(stored.namespace, stored.name, stored.revision).limit(size + 1)
        if namespace is not None:
            query = query.where(stored.namespace == namespace)
        for key, value in filters.items():
            query = query.where(*_filter(key, value))
        if after:
            place = sa.tuple_(stored.namespace, stored.name, stored.revision)
            query = query.where(place > sa.tuple_(*map(sa.literal, _position(after))))
        async with self._database.transaction() as connection:
            found = (await connection.execute(_fitting(query))).all()
        shown = found[:size]
        token = _token(shown[-1]) if shown and shown[-1].there > len(shown) else ""
        return [_document(row) for row in shown], token

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One revision, by `<contract>.<revision>`."""
        query = contracts.present().where(tables.contract_revisions.c.namespace == namespace, *_filter("name", name))
        async with self._database.transaction() as connection:
            row = (await connection.execute(query)).first()
        return _document(row) if row is not None else None


def _fitting(chosen: "sa.Select[Any]") -> "sa.Select[Any]":
    """The first of these rows, as many as fit, each with the number of all of them (`there`)."""
    rows = chosen.subquery("chosen")
    place = (rows.c.namespace, rows.c.name, rows.c.revision)
    total = sa.func.sum(sa.func.octet_length(rows.c.canonical)).over(order_by=place)
    number = sa.func.row_number().over(order_by=place)
    sized = sa.select(
        rows, total.label("total"), number.label("number"), sa.func.count().over().label("there")
    ).subquery("sized")
    fits = sa.or_(sized.c.total <= _ROOM, sized.c.number == 1)
    return sa.select(sized).where(fits).order_by(sized.c.number)


def _filter(key: str, value: str) -> tuple[sa.ColumnElement[bool], ...]:
    stored = tables.contract_revisions.c
    if key == "contract":
        return (stored.name == value,)
    if key == "name":
        contract, _, number = value.rpartition(".")
        if not number.isascii() or not number.isdigit() or len(number) > 9:
            return (sa.false(),)
        return stored.name == contract, stored.revision == int(number)
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
        "recordedAt": rfc3339.to_seconds(row.recorded_at),
        "resourceVersion": row.revision,
    }


def _token(last: "sa.Row[Any]") -> str:
    return cursors.write(last.namespace, last.name, last.revision)


def _position(token: str) -> tuple[str, str, int]:
    namespace, name, revision = cursors.read(token, str, str, int)
    return namespace, name, revision
