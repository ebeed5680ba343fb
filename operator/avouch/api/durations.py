"""Durations as Kubernetes writes them (`24h`, `1h30m`, `90s`): one reading, in the CRD as CEL and in Python.

>>> read("1h30m")
datetime.timedelta(seconds=5400)
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import Field

from avouch import errors
from avouch.api import meta, rules

_FORM = re.compile("([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?", re.ASCII)
_CEL = "^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"
_LONGEST = 32  # characters


def read(text: str) -> timedelta:
    """The duration that the text means. Raises errors.Invalid."""
    found = _FORM.fullmatch(text)
    if not text or not found:
        raise errors.Invalid(f"{text[:_LONGEST]!r} is not a duration", fix="write hours, minutes and seconds: 1h30m")
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in found.groups())
    return timedelta(seconds=hours * 3600 + minutes * 60 + seconds)


@dataclass(frozen=True, slots=True)
class Span:
    """Durations within two bounds, both included: `Annotated[str, SPAN.field, AfterValidator(SPAN.check)]`."""

    shortest: str
    longest: str

    @property
    def rule(self) -> rules.Rule:
        """The CEL form."""
        within = f"duration(self) >= duration('{self.shortest}') && duration(self) <= duration('{self.longest}')"
        return rules.Rule(
            f"self.matches('{_CEL}') && {within}",
            f"is not a duration from {self.shortest} to {self.longest}",
            "write hours, minutes and seconds, such as 24h or 1h30m",
        )

    @property
    def field(self) -> Any:
        """The field in the CRD."""
        extra: dict[str, Any] = {meta.RULES: [self.rule.to_schema()]}
        return Field(min_length=2, max_length=_LONGEST, json_schema_extra=extra)

    def check(self, value: str) -> str:
        """Return the value unchanged, or refuse it (pydantic's `AfterValidator`)."""
        try:
            length = read(value)
        except errors.Invalid as exc:
            raise self.rule.broken() from exc
        if not read(self.shortest) <= length <= read(self.longest):
            raise self.rule.broken()
        return value
