"""Which rows a list of runs shows, so that a page costs the same with a thousand runs and with a million.

Rows are found by the uid of the present namespace and limited before anything is joined: every index of `runs` that a
list uses begins with it and ends with the name, which is the order of the list. What PostgreSQL must know to choose an
index (uid, verdict, evidence, limit) is written into the statement; what people wrote is bound.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import verdicts
from avouch.store import rundocuments, tables

FILTERS = ("name", "workflow", "verdict", "evidence", "labels")
_CLOSED = {
    "verdict": (tables.runs.c.result, frozenset(one.value for one in verdicts.VerdictResult)),
    "evidence": (tables.runs.c.evidence, frozenset(one.value for one in verdicts.Evidence)),
}

# Runs of this many Workflows are merged, where they are no more than one in so many: else the next match is not far.
_FEW, _RARE = 20, 4
Position = tuple[str, str]  # (namespace, name) of the last run of the page before


async def page(
    connection: AsyncConnection, namespace: str | None, filters: Mapping[str, str], last: Position | None, limit: int
) -> "sa.Select[Any] | None":
    """The rows of one page, by namespace and name; None where there can be none.

    Raises:
        errors.Invalid: a filter that we do not have.
    """
    wanted = conditions(filters)
    if filters.get("labels"):
        having = _places(namespace).where(tables.run_labels.c.labels.contains(rundocuments.labels(filters["labels"])))
        number = await _number(connection, having)
        if not number:
            return None
        rare = number <= _FEW and number * _RARE <= await _number(connection, _places(namespace))
        if rare and set(filters) == {"labels"}:
            return documented(_one_by_one(having, wanted, last, limit))
    if namespace is None:
        known = sa.select(tables.namespaces).order_by(tables.namespaces.c.name)
        return documented(_one_by_one(known, wanted, last, limit))
    uid = (await connection.execute(sa.select(_uid_of(namespace)))).scalar()
    if uid is None:
        return None
    runs = tables.runs.c
    mine = sa.select(tables.runs).where(runs.namespace_uid == _written(uid), *wanted)
    if last is not None:
        mine = mine.where(runs.name > last[1])
    return documented(mine.order_by(runs.name).limit(_written(limit)))


def one(namespace: str, name: str) -> "sa.Select[Any]":
    """The row of one run."""
    return documented(sa.select(tables.runs).where(named(namespace, name)))


def named(namespace: str, name: str) -> "sa.ColumnElement[bool]":
    """The run of a name in the present namespace."""
    runs = tables.runs.c
    return sa.and_(runs.namespace_uid == _uid_of(namespace), runs.name == name)


def changed(
    since: int, limit: int, namespace: str | None = None, filters: Mapping[str, str] | None = None
) -> "sa.Select[Any]":
    """The rows that changed after a version, in the order of their versions."""
    runs = tables.runs.c
    found = sa.select(tables.runs).where(runs.resource_version > since, *conditions(filters or {}))
    if namespace is None:
        known = tables.namespaces.c
        here: sa.ColumnElement[bool] = sa.exists().where(known.name == runs.namespace, known.uid == runs.namespace_uid)
    else:
        here = runs.namespace_uid == _uid_of(namespace)
    limited = found.where(here).order_by(runs.resource_version).limit(_written(limit))
    return documented(limited, by_version=True)


def conditions(filters: Mapping[str, str]) -> list["sa.ColumnElement[bool]"]:
    """What a run must be. Raises errors.Invalid."""
    unknown = sorted(set(filters) - set(FILTERS))
    if unknown:
        raise errors.Invalid(f"cannot filter by {unknown[0]}", fix=f"filter by one of {', '.join(FILTERS)}")
    runs = tables.runs.c
    found: list[sa.ColumnElement[bool]] = []
    for key, column in (("name", runs.name), ("workflow", runs.workflow)):
        if key in filters:
            found.append(column == filters[key])
    for key, (column, possible) in _CLOSED.items():
        if key in filters:
            found.append(column == _written(filters[key]) if filters[key] in possible else sa.false())
    if filters.get("labels"):
        found.append(runs.labels.contains(rundocuments.labels(filters["labels"])))
    return found


def documented(chosen: "sa.Select[Any]", *, by_version: bool = False) -> "sa.Select[Any]":
    """The chosen rows with what a document takes from other tables."""
    rows = chosen.subquery("chosen")
    verdicts, extra = tables.verdicts, tables.external_runs
    joined = rows.outerjoin(verdicts, verdicts.c.run_id == rows.c.id).outerjoin(extra, extra.c.run_id == rows.c.id)
    shown = (extra.c.attester, extra.c.runner, extra.c.version, extra.c.organization, extra.c.expires_at)
    order = (rows.c.resource_version,) if by_version else (rows.c.namespace, rows.c.name)
    reason = verdicts.c.findings[(0, "code")].as_string().label("reason")
    names = sa.func.jsonb_path_query_array(verdicts.c.materials, sa.literal_column("'$[*].name'")).label("materials")
    return sa.select(rows, names, reason, *shown).select_from(joined).order_by(*order)


def _places(namespace: str | None) -> "sa.Select[Any]":
    """The Workflows that have, or had, runs."""
    known, sets = tables.namespaces.c, tables.run_labels.c
    found = sa.select(known.name, known.uid, sets.workflow).join_from(
        tables.namespaces, tables.run_labels, sets.namespace_uid == known.uid
    )
    return (found if namespace is None else found.where(known.name == namespace)).distinct()


async def _number(connection: AsyncConnection, query: "sa.Select[Any]") -> int:
    return int((await connection.execute(sa.select(sa.func.count()).select_from(query.subquery()))).scalar_one())


def _one_by_one(
    places: "sa.Select[Any]", wanted: "list[sa.ColumnElement[bool]]", last: Position | None, limit: int
) -> "sa.Select[Any]":
    """Namespace by namespace in their order, or Workflow by Workflow, and no further than the limit."""
    runs = tables.runs.c
    here = (places if last is None else places.where(tables.namespaces.c.name >= last[0])).subquery("here")
    mine = sa.select(tables.runs).where(runs.namespace_uid == here.c.uid, *wanted)
    if "workflow" in here.c:
        mine = mine.where(runs.workflow == here.c.workflow)
    if last is not None:
        mine = mine.where(runs.name > sa.case((here.c.name == last[0], last[1]), else_=""))
    found = mine.order_by(runs.name).limit(_written(limit)).lateral("found")
    query = sa.select(found).select_from(here.join(found, sa.true()))
    return query.order_by(here.c.name, found.c.name).limit(_written(limit))


def _uid_of(namespace: str) -> "sa.ScalarSelect[Any]":
    known = tables.namespaces.c
    return sa.select(known.uid).where(known.name == namespace).scalar_subquery()


def _written(value: Any) -> "sa.BindParameter[Any]":
    return sa.bindparam(None, value, literal_execute=True)
