"""Which rows a list of runs shows, so that a page costs the same with a thousand runs and with a million.

Rows are found by the uid of the present namespace and limited before anything is joined: every index of `runs` that a
list uses begins with it and ends with the name, which is the order of the list. What PostgreSQL must know to choose an
index (uid, verdict, evidence, limit) is written into the statement; what people wrote is bound.

What few runs share (an image, a commit, a label of their build) is found in `run_keys`, in the same order. Where no one
index leads to what is asked for, as for every verdict but Passed, several do: each gives a page, and those are merged.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import selectors, verdicts
from avouch.store import rundocuments, tables

LABEL = "label:"  # before the key of a label in `run_keys`
KEYS = ("digest", "commit")  # filters by `run_keys`
FILTERS = (*rundocuments.FIXED, "verdict", "evidence", *KEYS, "labels")
_KINDS = frozenset(("PipelineRun", "TaskRun", run_model.EXTERNAL))
_CLOSED = {
    "verdict": (tables.runs.c.result, frozenset(one.value for one in verdicts.VerdictResult)),
    "evidence": (tables.runs.c.evidence, frozenset(one.value for one in verdicts.Evidence)),
    "kind": (tables.runs.c.subject_kind, _KINDS),
}
# Filters of closed values, with the one that most runs have: an index holds the others alone.
_COMMON = {"verdict": "Passed", "kind": "PipelineRun"}

# Runs of this many Workflows are merged, where they are no more than one in so many: else the next match is not far.
_FEW, _RARE = 20, 4
_OTHERS = ("workflow", selectors.Not)  # which leads to Workflows, as labels do
_COUNTED = 1000  # matches of a key, above which it is not worth knowing how many more there are
Position = tuple[str, str]  # (namespace, name) of the last run of the page before


class _Key(NamedTuple):
    """Something that runs are found by: a key of `run_keys`, and its values."""

    key: str
    values: Sequence[str]


class _Labelled(NamedTuple):
    """What labels lead to: Workflows whose runs can have them, where these are few, and keys that runs have."""

    few: "sa.Select[Any] | None" = None
    keys: Sequence[_Key] = ()


async def page(
    connection: AsyncConnection, namespace: str | None, filters: selectors.Filters, last: Position | None, limit: int
) -> "sa.Select[Any] | None":
    """The rows of one page, by namespace and name; None where there can be none.

    Raises:
        errors.Invalid: a filter that we do not have.
    """
    wanted = conditions(filters)
    labelled = await _labelled(connection, namespace, filters)
    if labelled is None:
        return None
    keys = [*(_Key(key, (str(filters[key]),)) for key in KEYS if key in filters), *labelled.keys]
    if keys:
        best = await _rarest(connection, namespace, keys)
        wanted = conditions(_besides(filters, best))
        return documented(_by_key(_with(namespace, "value", best.values), best.key, wanted, last, limit))
    several = labelled.few if labelled.few is not None else _by_value(namespace, filters)
    if several is None and namespace is None:
        several = _namespaces(None)
    if several is not None:
        return documented(_one_by_one(several, wanted, last, limit))
    uid = (await connection.execute(sa.select(_uid_of(str(namespace))))).scalar()
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
    since: int, limit: int, namespace: str | None = None, filters: selectors.Filters | None = None
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


def conditions(filters: selectors.Filters) -> list["sa.ColumnElement[bool]"]:
    """What a run must be. Raises errors.Invalid."""
    unknown = sorted(set(filters) - set(FILTERS))
    if unknown:
        raise errors.Invalid(f"cannot filter by {unknown[0]}", fix=f"filter by one of {', '.join(FILTERS)}")
    runs = tables.runs.c
    plain = (key for key in rundocuments.FIXED if key in filters and key not in _CLOSED)
    return [
        *(_is(runs[rundocuments.FIXED[key]], filters[key]) for key in plain),
        *(_is_closed(*_CLOSED[key], filters[key]) for key in _CLOSED if key in filters),
        *(_has_key(key, filters[key]) for key in KEYS if key in filters),
        *(_has(each, runs.labels, runs.own_labels) for each in rundocuments.asked_labels(filters)),
    ]


def documented(chosen: "sa.Select[Any]", *, by_version: bool = False) -> "sa.Select[Any]":
    """The chosen rows with what a document takes from other tables."""
    rows = chosen.subquery("chosen")
    verdicts, extra = tables.verdicts, tables.external_runs
    joined = rows.outerjoin(verdicts, verdicts.c.run_id == rows.c.id).outerjoin(extra, extra.c.run_id == rows.c.id)
    shown = (extra.c.attester, extra.c.runner, extra.c.version, extra.c.organization, extra.c.expires_at)
    order = (rows.c.resource_version,) if by_version else (rows.c.namespace, rows.c.name)
    reason = verdicts.c.findings[(0, "code")].as_string().label("reason")
    finding = sa.func.left(verdicts.c.findings[(0, "message")].as_string(), 300).label("finding")
    names = sa.func.jsonb_path_query_array(verdicts.c.materials, sa.literal_column("'$[*].name'")).label("materials")
    again = verdicts.c.reevaluation
    return sa.select(rows, names, reason, finding, again, *shown).select_from(joined).order_by(*order)


def _is(column: "sa.ColumnElement[str]", wanted: Any) -> "sa.ColumnElement[bool]":
    return column.not_in(sorted(wanted.values)) if isinstance(wanted, selectors.Not) else column == wanted


def _is_closed(column: "sa.ColumnElement[str]", possible: frozenset[str], wanted: Any) -> "sa.ColumnElement[bool]":
    if isinstance(wanted, selectors.Not):
        return sa.and_(sa.true(), *(column != _written(value) for value in sorted(wanted.values & possible)))
    return column == _written(wanted) if wanted in possible else sa.false()


def _has_key(key: str, wanted: Any) -> "sa.ColumnElement[bool]":
    if not isinstance(wanted, str):
        raise errors.Invalid(f"runs cannot be selected by another {key}", fix=f"name the {key}")
    keys = tables.run_keys.alias("has").c  # beside those by which a run is found
    return sa.exists().where(keys.run_id == tables.runs.c.id, keys.key == key, keys.value == wanted)


def _has(one: selectors.Requirement, *places: Any) -> "sa.ColumnElement[bool]":
    """Whether one of these columns of labels has what is required; no label stands in two of them."""
    if one.values is None:
        there = sa.or_(*(place.has_key(one.key) for place in places))
    else:
        there = sa.or_(
            sa.false(), *(place.contains({one.key: value}) for place in places for value in sorted(one.values))
        )
    return there if one.wanted else sa.not_(there)


def _by_value(namespace: str | None, filters: selectors.Filters) -> "sa.Select[Any] | None":
    """Each namespace with each of the other values, where what most runs have is excluded: an index holds the others.

    `conditions` says that it is none of those, which PostgreSQL must know to take it.
    """
    for key, common in _COMMON.items():
        excluded = filters.get(key)
        if isinstance(excluded, selectors.Not) and common in excluded.values:
            column, possible = _CLOSED[key]
            return _with(namespace, column.name, sorted(possible - excluded.values) or [""])
    return None


async def _labelled(connection: AsyncConnection, namespace: str | None, filters: selectors.Filters) -> _Labelled | None:
    """What the labels, or a Workflow that is excluded, lead to; None where nothing can have them."""
    asked = rundocuments.asked_labels(filters)
    if not asked and not isinstance(filters.get("workflow"), selectors.Not):
        return _Labelled()
    places, keys = await _having(connection, namespace, asked, filters)
    number = await _number(connection, places)
    if not number:
        return None
    rare = number <= _FEW and number * _RARE <= await _number(connection, _places(namespace))
    alone = not [key for key, wanted in filters.items() if key != "labels" and (key, type(wanted)) != _OTHERS]
    return _Labelled(places if rare and alone else None, keys)


async def _having(
    connection: AsyncConnection,
    namespace: str | None,
    asked: Sequence[selectors.Requirement],
    filters: selectors.Filters,
) -> "tuple[sa.Select[Any], list[_Key]]":
    """The Workflows whose runs can have these labels, and the labels that only builds of their own have.

    Runs of a Workflow have few sets of its labels; as many as runs have labels of their build.
    """
    sets, keys = tables.run_labels.c, []
    places = _places(namespace)
    if "workflow" in filters:
        places = places.where(_is(sets.workflow, filters["workflow"]))
    for one in asked:
        of_workflow = _has(one, sets.labels)
        own = one.wanted and await _any(connection, _keyed(namespace, _key(one)))
        if not own:
            places = places.where(of_workflow)
        elif one.values is not None and not await _any(connection, _places(namespace).where(of_workflow)):
            keys.append(_key(one))
    return places, keys


def _besides(filters: selectors.Filters, key: _Key) -> selectors.Filters:
    """What is asked for beside a key: said twice, PostgreSQL would take its runs for few."""
    others = tuple(one for one in rundocuments.asked_labels(filters) if _key(one) != key)
    return {**{name: wanted for name, wanted in filters.items() if name != key.key}, "labels": others}


def _key(one: selectors.Requirement) -> _Key:
    return _Key(f"{LABEL}{one.key}", sorted(one.values or ()))


async def _rarest(connection: AsyncConnection, namespace: str | None, keys: Sequence[_Key]) -> _Key:
    """The one that the fewest runs have."""
    if len(keys) == 1:
        return keys[0]
    counted = [(await _number(connection, _keyed(namespace, key).limit(_COUNTED)), at) for at, key in enumerate(keys)]
    return keys[min(counted)[1]]


def _keyed(namespace: str | None, key: _Key) -> "sa.Select[Any]":
    """The entries of a key in the present namespace, or in all; any value where it has none."""
    keys, here = tables.run_keys.c, _namespaces(namespace).subquery("here")
    found = sa.select(keys.run_id).join_from(here, tables.run_keys, keys.namespace_uid == here.c.uid)
    found = found.where(keys.key == key.key)
    return found.where(keys.value.in_(key.values)) if key.values else found


def _namespaces(namespace: str | None) -> "sa.Select[Any]":
    known = tables.namespaces.c
    found = sa.select(known.name, known.uid).order_by(known.name)
    return found if namespace is None else found.where(known.name == namespace)


def _with(namespace: str | None, column: str, values: Sequence[str]) -> "sa.Select[Any]":
    """Each namespace with each of the values, which its runs are to have."""
    given = sa.values(sa.column(column, sa.Text), name="given").data([(value,) for value in values])
    here = _namespaces(namespace).subquery("present")
    return sa.select(here, given.c[column]).join_from(here, given, sa.true())


def _places(namespace: str | None) -> "sa.Select[Any]":
    """The Workflows that have, or had, runs."""
    known, sets = tables.namespaces.c, tables.run_labels.c
    found = sa.select(known.name, known.uid, sets.workflow).join_from(
        tables.namespaces, tables.run_labels, sets.namespace_uid == known.uid
    )
    return (found if namespace is None else found.where(known.name == namespace)).distinct()


async def _number(connection: AsyncConnection, query: "sa.Select[Any]") -> int:
    return int((await connection.execute(sa.select(sa.func.count()).select_from(query.subquery()))).scalar_one())


async def _any(connection: AsyncConnection, query: "sa.Select[Any]") -> bool:
    return bool((await connection.execute(sa.select(sa.exists(query)))).scalar_one())


def _one_by_one(
    places: "sa.Select[Any]", wanted: "list[sa.ColumnElement[bool]]", last: Position | None, limit: int
) -> "sa.Select[Any]":
    """Place by place, in the order of namespaces, and no further than the limit.

    A place is a namespace, and may be a Workflow in it, or a value that its runs have in a column.
    """
    runs, here = tables.runs.c, _from(places, last).subquery("here")
    mine = sa.select(tables.runs).where(runs.namespace_uid == here.c.uid, *wanted)
    mine = mine.where(*(runs[column] == here.c[column] for column in here.c.keys() if column not in ("name", "uid")))
    found = _after(mine, runs.name, here, last).order_by(runs.name).limit(_written(limit)).lateral("found")
    query = sa.select(found).select_from(here.join(found, sa.true()))
    return query.order_by(here.c.name, found.c.name).limit(_written(limit))


def _by_key(
    places: "sa.Select[Any]", key: str, wanted: "list[sa.ColumnElement[bool]]", last: Position | None, limit: int
) -> "sa.Select[Any]":
    """Those that have a key, place by place; a place is a namespace and a value of the key."""
    runs, keys, here = tables.runs, tables.run_keys.c, _from(places, last).subquery("here")
    mine: sa.Select[Any] = sa.select(keys.run_id, keys.name)
    mine = mine.where(keys.namespace_uid == here.c.uid, keys.key == key, keys.value == here.c.value)
    mine = _after(mine, keys.name, here, last).order_by(keys.name)
    if not wanted:  # then as many suffice, however many have it
        mine = mine.limit(_written(limit))
    found = mine.lateral("found")
    query = sa.select(runs).select_from(here.join(found, sa.true()).join(runs, runs.c.id == found.c.run_id))
    return query.where(*wanted).order_by(here.c.name, found.c.name).limit(_written(limit))


def _after(
    chosen: "sa.Select[Any]", name: "sa.ColumnElement[str]", here: "sa.Subquery", last: Position | None
) -> "sa.Select[Any]":
    """What comes after the last run of the page before."""
    return chosen if last is None else chosen.where(name > sa.case((here.c.name == last[0], last[1]), else_=""))


def _from(places: "sa.Select[Any]", last: Position | None) -> "sa.Select[Any]":
    return places if last is None else places.where(places.selected_columns["name"] >= last[0])


def _uid_of(namespace: str) -> "sa.ScalarSelect[Any]":
    known = tables.namespaces.c
    return sa.select(known.uid).where(known.name == namespace).scalar_subquery()


def _written(value: Any) -> "sa.BindParameter[Any]":
    return sa.bindparam(None, value, literal_execute=True)
