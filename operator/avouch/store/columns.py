"""Many rows by one statement of constant text, an array for each column: VALUES are compiled anew for each size."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def insert(table: sa.Table, columns: Sequence[sa.Column[Any]], then: str) -> sa.TextClause:
    """INSERT of rows that `of` turned into columns; `then` is what follows, such as ON CONFLICT and RETURNING."""
    names = ", ".join(column.name for column in columns)
    taken = ", ".join(f"{c.name}::jsonb" if isinstance(c.type, pg.JSONB) else c.name for c in columns)
    arrays = ", ".join(f":{column.name}" for column in columns)
    text = f"INSERT INTO {table.name} ({names}) SELECT {taken} FROM unnest({arrays}) AS new({names}) {then}"  # noqa: S608 - names of our own tables
    return sa.text(text).bindparams(*(sa.bindparam(c.name, type_=pg.ARRAY(_element(c))) for c in columns))


def of(columns: Iterable[sa.Column[Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The rows as one list for each column."""
    return {c.name: [_value(c, row[c.name]) for row in rows] for c in columns}


def _element(column: sa.Column[Any]) -> Any:
    return sa.Text() if isinstance(column.type, pg.JSONB) else column.type


def _value(column: sa.Column[Any], value: Any) -> Any:
    return json.dumps(value) if isinstance(column.type, pg.JSONB) else value
