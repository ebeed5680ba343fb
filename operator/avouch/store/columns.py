"""Many rows by one statement of constant text and one parameter, which is JSON.

A list of VALUES is compiled anew for each size, and the driver escapes the elements of an array quote by quote.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa


def insert(table: str, columns: Iterable[str], then: str = "") -> sa.TextClause:
    """INSERT of what `of` made; `then` is what follows, such as ON CONFLICT and RETURNING."""
    names = ", ".join(columns)
    rows = f"jsonb_populate_recordset(NULL::{table}, CAST(:rows AS jsonb))"
    return sa.text(f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows} {then}")  # noqa: S608 - names of our own


def of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The rows as the statement's parameter; a value that is JSON already is a `msgspec.Raw`."""
    return {"rows": msgspec.json.encode(rows).decode()}
