"""Times as RFC 3339 text, the only form of time in signed documents.

>>> write(datetime(2026, 11, 21, 11, 7, 18, 500000, tzinfo=UTC))
'2026-11-21T11:07:18.500000Z'
"""

import re
from datetime import UTC, datetime

from avouch import errors

_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def write(moment: datetime) -> str:
    """UTC with a final Z; microseconds only if they are not zero.

    Raises:
        Invalid: a time without a time zone.
    """
    if moment.tzinfo is None:
        raise errors.Invalid("the time has no time zone", fix="use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_seconds(moment: datetime) -> str:
    """Kubernetes' metav1.Time: UTC without fractions.

    >>> to_seconds(datetime(2026, 11, 21, 11, 7, 18, 500000, tzinfo=UTC))
    '2026-11-21T11:07:18Z'
    """
    return write(moment.replace(microsecond=0))


def to_microseconds(moment: datetime) -> str:
    """Kubernetes' metav1.MicroTime: UTC with six digits of fractions, even if they are zero."""
    return f"{to_seconds(moment)[:-1]}.{moment.microsecond:06}Z"


def read(text: str, field: str) -> datetime:
    """The time in UTC, cut to microseconds (Go writes nanoseconds).

    Raises:
        Invalid: not RFC 3339 section 5.6, or an impossible date or time.
    """
    if not _FORM.fullmatch(text):
        raise errors.Invalid(f"not an RFC 3339 time: {text[:40]!r}", field=field)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise errors.Invalid(f"no such time: {text[:40]!r}", field=field) from exc
