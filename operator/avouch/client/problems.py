"""Which error an HTTP answer is: the one table of this package."""

import email.utils
import json
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from avouch import errors

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_TEXTS = ("title", "detail", "field", "fix", "step", "instance")
_MOST = 3600.0  # seconds that a server may ask us to wait; whoever asks for more has no time to tell


class ProblemDetails(NamedTuple):
    """What an answer says of a failure (RFC 9457); empty where it does not."""

    status: int
    title: str = ""
    detail: str = ""
    field: str = ""
    fix: str = ""
    step: str = ""
    instance: str = ""
    retry_after: float | None = None

    def message(self) -> str:
        """In one line, for people."""
        said = ": ".join(each for each in (self.title, self.detail) if each) or "no explanation"
        asked = f" (request {self.instance})" if self.instance else ""
        return f"the server answered {self.status}: {said}{asked}"


def read(status: int, content: bytes, retry_after: str | None) -> ProblemDetails:
    """The problem in an answer, whatever its body is."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    texts = body if isinstance(body, dict) else {}
    title, detail, where, fix, step, instance = (str(texts.get(key) or "")[:2000] for key in _TEXTS)
    return ProblemDetails(status, title, detail, where, fix, step, instance, wait_of(retry_after))


def wait_of(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that Retry-After asks for, as a number or as a date; None where it is neither.

    >>> wait_of("7"), wait_of("soon"), wait_of("Thu, 01 Jan 1970 00:00:09 GMT", lambda: 4.0)
    (7.0, None, 5.0)
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _MOST) if len(text) < 10 else _MOST
    try:
        return min(max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now()), _MOST)
    except (ValueError, TypeError, OverflowError):
        return None


def error(said: ProblemDetails) -> errors.AvouchError:
    """The error that an answer means."""
    message = said.message()
    if said.step:
        return errors.NotVerified(said.step, message)
    if said.status in (400, 411, 415, 422):
        return errors.Invalid(message, field=said.field, fix=said.fix)
    if said.status == 413:
        return errors.TooLarge(message, field=said.field, fix=said.fix)
    if said.status == 403:
        return errors.Denied(message, field=said.field, fix=said.fix)
    if said.status in (429, 503):
        return errors.Overloaded(_with_fix(message, said.fix), retry_after=int(said.retry_after or 1))
    family = _FAMILIES.get(said.status, errors.Unavailable if said.status >= 500 else errors.Invalid)
    return family(_with_fix(message, said.fix or _FIXES.get(said.status, "")))


_FAMILIES: Mapping[int, type[errors.AvouchError]] = {
    401: errors.Unauthenticated,
    404: errors.NotFound,
    405: errors.NotFound,
    409: errors.Conflict,
    410: errors.NotFound,
}
_FIXES = {401: "give a token of this server that is neither revoked nor expired: AVOUCH_TOKEN, --token or avouch login"}


def _with_fix(message: str, fix: str) -> str:
    return f"{message} (fix: {fix})" if fix else message
