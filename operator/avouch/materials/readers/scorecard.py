"""OSSF Scorecard results, against the schema its repository publishes."""

import decimal
from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, schemas, tools

_FIX = "deliver the output of scorecard --format json"


def read(content: bytes) -> document.Document:
    """A result. Accepted, because scorecard writes them: null details and metadata, and no score when no check ran."""
    found = jsons.mapping(content)
    if not jsons.text(found, "scorecard", "version"):
        raise errors.Invalid("not an OSSF Scorecard: scorecard.version is missing", fix=_FIX)
    try:
        schemas.check("scorecard/scorecard-v2", _mended(found))
    except errors.Invalid as exc:
        raise errors.Invalid(f"not a valid OSSF Scorecard: {exc.args[0]}", fix=_FIX) from exc
    return document.understood(_annotations(found))


def _mended(found: dict[str, Any]) -> dict[str, Any]:
    checks = found.get("checks")
    if isinstance(checks, list):
        checks = [{**each, "details": each.get("details") or []} if isinstance(each, dict) else each for each in checks]
    return {**({} if checks else {"score": 0}), **found, "checks": checks, "metadata": found.get("metadata") or []}


def _annotations(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield from tools.one("scorecard", found["scorecard"]["version"])
    score = found.get("score")
    if score is not None and not -1 <= score <= 10:  # also what no float can hold
        raise errors.Invalid("not a valid OSSF Scorecard: its score is not between -1 and 10", fix=_FIX)
    yield f"{document.PREFIX}scorecard.score", "" if score is None else _digits(score)


def _digits(score: float) -> str:
    """All digits of a number, without an exponent.

    >>> _digits(7.1234567), _digits(1e-07), _digits(7.0)
    ('7.1234567', '0.0000001', '7')
    """
    text = format(decimal.Decimal(str(score)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
