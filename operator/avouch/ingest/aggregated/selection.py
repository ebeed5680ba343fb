"""What a list or watch asks for: limits, selectors, continue tokens and the form of the answer, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from avouch import errors
from avouch.controlplane.model import cursors
from avouch.ingest import problems

MAX_PAGE = 500  # what kubectl asks for by itself
CONTINUE_AGE = 15 * 60  # seconds a continue token is good for; etcd's are for five minutes

# Field selectors and what the store calls them; a namespace is a place to look in, not a filter.
FIELDS = {
    "metadata.name": "name",
    "metadata.namespace": "namespace",
    "spec.workflow": "workflow",
    "status.verdict": "verdict",
    "status.evidence": "evidence",
}


REVISION_FIELDS = {"metadata.name": "name", "metadata.namespace": "namespace", "spec.contract": "contract"}


@dataclass(frozen=True, slots=True)
class Selection:
    """One list or watch. `filters` is what the store filters by."""

    namespace: str | None
    filters: Mapping[str, str] = field(default_factory=dict)
    limit: int = MAX_PAGE
    after: str = ""  # the store's own token
    version: int | None = None  # resourceVersion; None where none was given
    timeout: int = 0  # seconds; 0 = ours to choose
    initial: bool = False  # sendInitialEvents
    bookmarks: bool = False  # allowWatchBookmarks: clients that do not ask take each event for an object


def parse(request: Request, namespace: str | None, now: datetime, fields: Mapping[str, str] = FIELDS) -> Selection:
    """Read the query. `fields` are those that can be selected by.

    Raises:
        Invalid: a selector or number we cannot read, a field that cannot be selected by, a continue token not ours.
        Expired: a continue token that is too old.
    """
    query = request.query_params
    named = _fields(query.get("fieldSelector", ""), fields)
    labels = _labels(query.get("labelSelector", ""))
    wanted = named.pop("namespace", namespace)
    if namespace is not None and wanted != namespace:
        raise errors.Invalid("not the namespace of the path", field="fieldSelector", fix="leave it out")
    return Selection(
        namespace=wanted,
        filters={**named, **({"labels": labels} if labels else {})},
        limit=min(_number(query.get("limit", ""), "limit") or MAX_PAGE, MAX_PAGE),
        after=opened(query.get("continue", ""), now),
        version=_number(query.get("resourceVersion", ""), "resourceVersion"),
        timeout=min(_number(query.get("timeoutSeconds", ""), "timeoutSeconds") or 0, 3600),
        initial=query.get("sendInitialEvents") == "true",
        bookmarks=query.get("allowWatchBookmarks") in ("true", "1"),
    )


def sealed(token: str, now: datetime) -> str:
    """The store's token with its age, as clients see it; empty stays empty."""
    return cursors.write(int(now.timestamp()), token) if token else ""


def opened(token: str, now: datetime) -> str:
    """What `sealed` was given.

    Raises:
        Invalid: not a continue token of this server.
        Expired: too old.
    """
    if not token:
        return ""
    at, inner = cursors.read(token, int, str)
    if now.timestamp() - at > CONTINUE_AGE:
        raise problems.Expired("the continue token is too old: list again from the start")
    return str(inner)


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise errors.Invalid(f"not a number: {text[:40]!r}", field=name)
    return int(text)


def _requirements(selector: str, name: str) -> list[tuple[str, str]]:
    """`a=b,c==d`. Sets, existence and inequality are refused: leaving them out would show what was not asked for."""
    found = []
    for part in filter(None, (part.strip() for part in selector.split(","))):
        key, equals, value = part.partition("=")
        value = value.removeprefix("=").strip()
        if not equals or not key.strip() or key.endswith("!") or set("!=() ") & set(value):
            raise errors.Invalid(f"cannot select by {part[:80]!r}", field=name, fix="write key=value, joined by commas")
        found.append((key.strip(), value))
    return found


def _fields(selector: str, known: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in _requirements(selector, "fieldSelector"):
        if key not in known:
            raise errors.Invalid(f"cannot select by {key[:80]!r}", field="fieldSelector", fix=f"use {', '.join(known)}")
        found[known[key]] = value
    return found


def _labels(selector: str) -> str:
    return ",".join(f"{key}={value}" for key, value in _requirements(selector, "labelSelector"))
