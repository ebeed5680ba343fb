"""What a list or watch asks for: limits, selectors, continue tokens and the form of the answer, parsed once.

The API server reads the same query before us, to say whether the caller may: RBAC knows a name of a fieldSelector
(`resourceNames`), and whether a list is a watch. So that both read the same, what could be read in two ways is refused:
a parameter that stands twice, and a field that is to have two values.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from avouch import errors
from avouch.controlplane.model import cursors, selectors
from avouch.ingest import problems

MAX_PAGE = 500  # what kubectl asks for by itself
CONTINUE_AGE = 15 * 60  # seconds a continue token is good for; etcd's are for five minutes

_FIELD = re.compile(r"(?P<key>[^\s!=()\\]+)\s*(?P<sign>!=|==?)\s*(?P<value>[^\s!=()\\]*)", re.ASCII)
_ONCE = frozenset(
    (
        "allowWatchBookmarks", "continue", "fieldSelector", "includeObject", "labelSelector", "limit",
        "dryRun", "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "superseded", "timeoutSeconds",
        "watch",
    )
)  # fmt: skip

# Field selectors and what the store calls them; a namespace is a place to look in, not a filter.
FIELDS = {
    "metadata.name": "name",
    "metadata.namespace": "namespace",
    "spec.workflow": "workflow",
    "spec.subject.kind": "kind",
    "spec.subject.name": "subject",
    "spec.subject.uid": "uid",
    "status.verdict": "verdict",
    "status.evidence": "evidence",
    "status.digest": "digest",
    "status.commit": "commit",
}
# What a run can be found by once it is judged, so that no change of it can tell a watch whether it is one of them.
FOUND = ("digest", "commit")

REVISION_FIELDS = {"metadata.name": "name", "metadata.namespace": "namespace", "spec.contract": "contract"}

DELETION_FIELDS = {
    "metadata.name": "name",
    "metadata.namespace": "namespace",
    "spec.run.workflow": "workflow",
    "spec.run.subject.name": "subject",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """One list or watch. `filters` is what the store filters by."""

    namespace: str | None
    filters: selectors.Filters = field(default_factory=dict)
    limit: int = MAX_PAGE
    after: str = ""  # the store's own token
    version: int | None = None  # resourceVersion; None where none was given
    timeout: int = 0  # seconds; 0 = ours to choose
    watch: bool = False
    initial: bool = False  # sendInitialEvents
    bookmarks: bool = False  # allowWatchBookmarks: clients that do not ask take each event for an object


def parse(request: Request, namespace: str | None, now: datetime, fields: Mapping[str, str] = FIELDS) -> Selection:
    """Read the query. `fields` are those that can be selected by.

    Raises:
        Invalid: a selector or number we cannot read, a field that cannot be selected by, a continue token not ours, a
            parameter that stands twice.
        Expired: a continue token that is too old.
    """
    check_once(request)
    query = request.query_params
    named = _fields(query.get("fieldSelector", ""), fields)
    labels = selectors.labels(query.get("labelSelector", ""))
    wanted = named.pop("namespace", namespace)
    if namespace is not None and wanted != namespace:
        raise errors.Invalid("not the namespace of the path", field="fieldSelector", fix="leave it out")
    if isinstance(wanted, selectors.Not):
        raise errors.Invalid("metadata.namespace cannot be excluded", field="fieldSelector", fix="name one")
    watch = _says(query.get("watch"))
    if watch and (found := [key for key in FOUND if key in named]):
        fix = "list by it, and watch the run by its metadata.name"
        raise errors.Invalid(f"status.{found[0]} cannot be watched", field="fieldSelector", fix=fix)
    return Selection(
        namespace=wanted,
        filters={**named, **({"labels": labels} if labels else {})},
        limit=min(_number(query.get("limit", ""), "limit") or MAX_PAGE, MAX_PAGE),
        after=opened(query.get("continue", ""), now),
        version=_number(query.get("resourceVersion", ""), "resourceVersion"),
        timeout=min(_number(query.get("timeoutSeconds", ""), "timeoutSeconds") or 0, 3600),
        watch=watch,
        initial=_says(query.get("sendInitialEvents")),
        bookmarks=_says(query.get("allowWatchBookmarks")),
    )


def check_once(request: Request) -> None:
    """Raises errors.Invalid where a parameter that we know stands twice."""
    for name, number in Counter(key for key, _ in request.query_params.multi_items()).items():
        if number > 1 and name in _ONCE:
            raise errors.Invalid(f"the query parameter stands {number} times", field=name, fix="send it once")


def superseded(request: Request) -> int:
    """Which of a run's earlier verdicts is meant, from 1 for the first; 0: the present one. Raises errors.Invalid."""
    return _number(request.query_params.get("superseded", ""), "superseded") or 0


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


def _says(value: str | None) -> bool:
    """A boolean as the API server reads it: all but 0 and false is true, also a name without a value."""
    return value is not None and value.lower() not in ("0", "false")


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise errors.Invalid(f"not a number: {text[:40]!r}", field=name)
    return int(text)


def _fields(selector: str, known: Mapping[str, str]) -> dict[str, str | selectors.Not]:
    """`a=b,c!=d`: each field has one value, or is none of some."""
    found: dict[str, str | selectors.Not] = {}
    for part in filter(None, (part.strip() for part in selector.split(","))):
        said = _FIELD.fullmatch(part)
        if said is None:
            fix = "write key=value or key!=value, joined by commas"
            raise errors.Invalid(f"cannot select by {part[:80]!r}", field="fieldSelector", fix=fix)
        key, value = said["key"], said["value"]
        if key not in known:
            raise errors.Invalid(f"cannot select by {key[:80]!r}", field="fieldSelector", fix=f"use {', '.join(known)}")
        before = found.get(known[key])
        if said["sign"] == "!=" and not isinstance(before, str):
            found[known[key]] = selectors.Not((before.values if before else frozenset()) | {value})
        elif said["sign"] != "!=" and (before is None or before == value):
            found[known[key]] = value
        else:
            raise errors.Invalid(f"{key} cannot have two values", field="fieldSelector", fix="select by one of them")
    return found
