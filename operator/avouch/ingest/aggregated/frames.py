"""Watch frames: one JSON line for each change, until the client or the clock ends it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import msgspec

from avouch import errors
from avouch.controlplane.model import cluster, views
from avouch.ingest import problems
from avouch.ingest.aggregated import negotiation, selection, statuses

_log = logging.getLogger(__name__)
_BEGINNING = 50  # runs in each page of what there is already
LONGEST = 30 * 60  # seconds: watches are renewed, so that a rolling update moves them to the new replica


async def stream(
    views: views.RunViews,
    asked: selection.Selection,
    form: negotiation.Form,
    clock: cluster.Clock,
    places: asyncio.Semaphore,
) -> AsyncIterator[bytes]:
    """All frames of one watch. An error after the first byte is a frame too: the HTTP status has been sent.

    `places`: for the pages that it begins with, which all lists and watches share.
    """
    frames = _frames(views, asked, form, clock, places)
    try:
        with contextlib.suppress(TimeoutError):  # the watch's own end, not a failure
            async with asyncio.timeout(asked.timeout or LONGEST):
                async for frame in frames:
                    yield frame
    except errors.AvouchError as exc:
        _log.info("watch ended: %s", exc)
        gone = problems.Expired(str(exc)) if isinstance(exc, errors.Conflict) else exc
        yield _frame("ERROR", statuses.status(gone))
    finally:
        await frames.aclose()


async def _frames(
    views: views.RunViews,
    asked: selection.Selection,
    form: negotiation.Form,
    clock: cluster.Clock,
    places: asyncio.Semaphore,
) -> AsyncGenerator[bytes, None]:
    since = asked.version or 0
    if asked.version in (None, 0) or asked.initial:
        # Without a version, or with 0, a watch begins with all there is (Kubernetes: "get state and start at any").
        after, since = "", 0
        while True:
            async with places:  # until they are bytes: a client that reads slowly holds those alone
                found, after, since = await views.page(
                    asked.namespace, limit=_BEGINNING, after=after, filters=dict(asked.filters), whole=form.whole
                )
                page = [_frame("ADDED", form.single(document, clock.now())) for document in found]
                del found
            for frame in page:
                yield frame
            if not after:
                break
        if asked.initial:
            yield _frame("BOOKMARK", form.bookmark(since, initial_end=True))
    async for kind, document in views.watch(asked.namespace, since, dict(asked.filters), whole=form.whole):
        if kind != "BOOKMARK" or asked.bookmarks:
            yield _frame(kind, _body(kind, document, form, clock))


def _body(kind: str, document: Mapping[str, Any], form: negotiation.Form, clock: cluster.Clock) -> Mapping[str, Any]:
    if kind == "BOOKMARK":
        return form.bookmark(int(document["resourceVersion"]), initial_end=False)
    return form.single(document, clock.now())


def _frame(kind: str, body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "object": body}) + b"\n"
