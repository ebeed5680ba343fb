"""Watch frames: one JSON line for each change, until the client or the clock ends it."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from avouch import errors
from avouch.controlplane.model import cluster, views
from avouch.ingest import problems
from avouch.ingest.aggregated import negotiation, selection, statuses

_log = logging.getLogger(__name__)
_BEGINNING = 50  # runs in each page of what there is already
EACH = 200  # watches of one user in one process: informers have one for each kind and namespace
LONGEST = 30 * 60  # seconds: watches are renewed, so that a rolling update moves them to the new replica


class Bounds:
    """What all watches of a process share. Owned by one event loop.

    Attributes:
        places: for the pages that watches begin with, which lists take, too.
        each: watches of one user.
    """

    def __init__(self, places: asyncio.Semaphore, each: int = EACH) -> None:
        self.places = places
        self._each = each
        self._watches: Counter[str] = Counter()

    @contextlib.contextmanager
    def watch_of(self, user: str) -> Iterator[None]:
        """One watch of a user, from its beginning to its end. Raises errors.Overloaded."""
        if self._watches[user] >= self._each:
            raise errors.Overloaded(f"you have {self._each} watches on this server: end one, or try again later")
        self._watches[user] += 1
        try:
            yield
        finally:
            self._watches[user] -= 1
            if not self._watches[user]:
                del self._watches[user]


@dataclass(frozen=True, slots=True)
class Watch:
    """One watch: what a user asked for, in which form."""

    asked: selection.Selection
    form: negotiation.Form
    user: str


async def stream(views: views.Views, watch: Watch, clock: cluster.Clock, bounds: Bounds) -> AsyncIterator[bytes]:
    """All frames of one watch. An error after the first byte is a frame too: the HTTP status has been sent."""
    frames = _frames(views, watch, clock, bounds.places)
    try:
        with bounds.watch_of(watch.user), contextlib.suppress(TimeoutError):  # the watch's own end, not a failure
            async with asyncio.timeout(watch.asked.timeout or LONGEST):
                async for frame in frames:
                    yield frame
    except errors.AvouchError as exc:
        _log.info("watch ended: %s", exc)
        gone = problems.Expired(str(exc)) if isinstance(exc, errors.Conflict) else exc
        yield _frame("ERROR", statuses.status(gone))
    finally:
        await frames.aclose()


async def _frames(
    views: views.Views, watch: Watch, clock: cluster.Clock, places: asyncio.Semaphore
) -> AsyncGenerator[bytes, None]:
    asked, form = watch.asked, watch.form
    since = asked.version or 0
    if asked.version in (None, 0) or asked.initial:
        # Without a version, or with 0, a watch begins with all there is (Kubernetes: "get state and start at any").
        after, since = "", 0
        while True:
            async with places:  # until they are bytes: a client that reads slowly holds those alone
                found, after, since = await views.page(
                    asked.namespace, limit=_BEGINNING, after=after, filters=asked.filters, whole=form.whole
                )
                page = [_frame("ADDED", form.single(document, clock.now())) for document in found]
                del found
            for frame in page:
                yield frame
            if not after:
                break
        if asked.initial:
            yield _frame("BOOKMARK", form.bookmark(since, initial_end=True))
    async for kind, document in views.watch(asked.namespace, since, asked.filters, whole=form.whole):
        if kind != "BOOKMARK" or asked.bookmarks:
            yield _frame(kind, _body(kind, document, form, clock))


def _body(kind: str, document: Mapping[str, Any], form: negotiation.Form, clock: cluster.Clock) -> Mapping[str, Any]:
    if kind == "BOOKMARK":
        return form.bookmark(int(document["resourceVersion"]), initial_end=False)
    return form.single(document, clock.now())


def _frame(kind: str, body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "object": body}) + b"\n"
