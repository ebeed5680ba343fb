"""Runs as documents: keyset pages and a watch in commit order. Implements `controlplane.model.views.RunViews`.

A watcher reads by itself what happened before it came; from then on one poller reads for all (`store.runfeed`).
Where runs were deleted, older versions are gone (410): a watcher lists again.
"""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, rfc3339
from avouch.controlplane.model import cursors, selectors
from avouch.store import database, rundocuments, runfeed, runqueries, tables, verdicts, versions

POLL_SECONDS = 0.5
BOOKMARK_SECONDS = 30  # the API server's clients expect one about each minute
LIMIT = 500  # largest page of what a table shows
_WHOLE = 100  # largest page of whole documents
FILTERS = runqueries.FILTERS
_SIGNED = {"attestation": "attestation", "statement": "attestation", "vsa": "vsa"}  # the document that holds it


class RunViews:
    """Documents over one database. `filters` has the keys of `FILTERS`."""

    def __init__(
        self, opened: database.Database, *, poll_seconds: float = POLL_SECONDS, limits: runfeed.Limits | None = None
    ) -> None:
        self._database = opened
        self._feed = runfeed.RunFeed(opened, poll_seconds=poll_seconds, limits=limits)

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        """(documents, continue token or "", version); a page of whole ones may be smaller than asked for.

        Every page answers the version of the list's first page, so a watch from there also tells what changed while
        the list was read.
        """
        largest = _WHOLE if whole else LIMIT
        size = max(1, min(limit or largest, largest))
        started, last = _position(after)
        async with self._database.snapshot() as connection:
            version = started or await versions.newest(connection)
            query = await runqueries.page(connection, namespace, filters, last, size + 1)
            found = (await connection.execute(query)).all() if query is not None else []
            shown = await _shown(connection, found[:size], whole=whole)
        token = _token(version, found[len(shown) - 1]) if len(found) > len(shown) else ""
        return shown, token, version

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One run with its findings, materials and deliveries."""
        async with self._database.snapshot() as connection:
            query = runqueries.one(namespace, name)
            shown = await _shown(connection, (await connection.execute(query)).all(), whole=True)
        return shown[0] if shown else None

    async def watch(
        self, namespace: str | None, since: int, filters: selectors.Filters, *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Changes after `since` until closed, and a bookmark now and then.

        Raises:
            errors.Conflict: `since` was never handed out (a restored backup), or runs were deleted since: list again.
        """
        watcher = runfeed.Watcher(namespace, filters, whole, since)
        try:
            joined = False
            while not joined:
                changes, more = await self._missed(watcher)
                joined = not more and self._feed.join(watcher)
                for change in changes:
                    yield change
            async with contextlib.aclosing(self._feed.changes(watcher, BOOKMARK_SECONDS)) as following:
                async for change in following:
                    yield change
        finally:
            self._feed.leave(watcher)

    async def _missed(self, watcher: runfeed.Watcher) -> tuple[Sequence[runfeed.Change], bool]:
        """One turn of the changes after the watcher's position, which it moves on, and whether there is more."""
        since, filters = watcher.since, watcher.filters
        fixed = {key: value for key, value in filters.items() if key not in rundocuments.CHANGING}
        query = runqueries.changed(since, runfeed.TURN, watcher.namespace, fixed)
        async with self._database.snapshot() as connection:
            window = await versions.window(connection)
            versions.must_reach(since, window)
            changed = (await connection.execute(query)).all() if since < window[1] else []
            shown = await _shown(connection, changed, whole=watcher.whole)
        more = len(changed) == runfeed.TURN or len(shown) < len(changed)
        found = changed[: len(shown)]
        kinds = (rundocuments.event(row, since, filters) for row in found)
        watcher.since = found[-1].resource_version if more else window[1]
        return [(kind, document) for kind, document in zip(kinds, shown, strict=True) if kind], more

    async def signed(self, namespace: str, name: str, document: str, earlier: int = 0) -> bytes | None:
        """A signed document of a run's verdict, as it is stored: attestation, vsa, or the statement of the former."""
        runs, signed = tables.runs, tables.verdict_documents
        query = sa.select(signed.c.bundle).join(runs, runs.c.id == signed.c.run_id)
        query = query.where(
            runqueries.named(namespace, name), signed.c.kind == verdicts.kind_of(_SIGNED[document], earlier)
        )
        async with self._database.statements() as connection:
            found = (await connection.execute(query)).scalar()
        if found is None or document != "statement":
            return found
        return base64.b64decode(json.loads(found)["dsseEnvelope"]["payload"])

    async def claims(self, namespace: str, name: str) -> Sequence[dict[str, Any]] | None:
        """What the jobs of a run signed, as they came; None: no such run."""
        runs, stored = tables.runs, tables.claims.c
        of_run = sa.select(runs.c.id).where(runqueries.named(namespace, name))
        size = sa.func.octet_length(stored.bundle).label("size")
        shown = sa.select(stored.digest, size, stored.taskrun, stored.pod, stored.received_at).where(
            stored.run_id == sa.bindparam("run")
        )
        async with self._database.snapshot() as connection:
            run_id = (await connection.execute(of_run)).scalar()
            if run_id is None:
                return None
            query = shown.order_by(stored.received_at, stored.digest)
            return [_claim(row) for row in (await connection.execute(query, {"run": run_id})).all()]

    async def claim(self, namespace: str, name: str, digest: digests.Digest) -> bytes | None:
        """One bundle that a job of the run pushed, as it was received."""
        runs, stored = tables.runs, tables.claims
        query = sa.select(stored.c.bundle).join(runs, runs.c.id == stored.c.run_id)
        query = query.where(runqueries.named(namespace, name), stored.c.digest == str(digest))
        async with self._database.statements() as connection:
            found: bytes | None = (await connection.execute(query)).scalar()
        return found


def _claim(row: Any) -> dict[str, Any]:
    said = {"digest": row.digest, "size": row.size, "taskRun": row.taskrun, "pod": row.pod}
    return {**{key: value for key, value in said.items() if value}, "receivedAt": rfc3339.write(row.received_at)}


async def _shown(connection: AsyncConnection, found: "Sequence[sa.Row[Any]]", *, whole: bool) -> list[dict[str, Any]]:
    """Of the first rows, as many as fit; of the others there is another page or turn."""
    return (await rundocuments.of(connection, found, {row.id for row in found} if whole else ())).shown


def _token(version: int, last: "sa.Row[Any]") -> str:
    return cursors.write(version, last.namespace, last.name)


def _position(token: str) -> tuple[int, tuple[str, str] | None]:
    if not token:
        return 0, None
    version, namespace, name = cursors.read(token, int, str, str)
    return version, (namespace, name)
