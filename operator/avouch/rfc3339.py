"""Moments as RFC 3339 text, the only spelling of time in signed documents.

>>> write(datetime(2026, 11, 21, 11, 7, 18, 500000, tzinfo=UTC))
'2026-11-21T11:07:18.500000Z'
"""

import re
from datetime import UTC, datetime

from avouch import errors

_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def write(moment: datetime) -> str:
    """UTC with a final Z; microseconds only where there are any.

    Raises:
        Invalid: a moment without a time zone, which names no moment.
    """
    if moment.tzinfo is None:
        raise errors.Invalid("a time without a zone names no moment", fix="use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_seconds(moment: datetime) -> str:
    """Kubernetes' metav1.Time: UTC without fractions.

    >>> to_seconds(datetime(2026, 11, 21, 11, 7, 18, 500000, tzinfo=UTC))
    '2026-11-21T11:07:18Z'
    """
    return write(moment.replace(microsecond=0))


def to_microseconds(moment: datetime) -> str:
    """Kubernetes' metav1.MicroTime: UTC with six digits of fractions, even where they are zero."""
    return f"{to_seconds(moment)[:-1]}.{moment.microsecond:06}Z"


def read(text: str, field: str) -> datetime:
    """The moment in UTC, cut to microseconds (Go writes nanoseconds).

    Raises:
        Invalid: not RFC 3339 section 5.6, or no such day or hour.
    """
    if not _FORM.fullmatch(text):
        raise errors.Invalid(f"not an RFC 3339 time: {text[:40]!r}", field=field)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise errors.Invalid(f"no such time: {text[:40]!r}", field=field) from exc
