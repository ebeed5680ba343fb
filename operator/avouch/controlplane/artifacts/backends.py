"""Which backend takes an artifact, and whether one can be used. Deciding is pure; `probe` really writes.

Own default, own fallback, then the home namespace's default and fallback; where neither namespace declares any, the
install's own store, named `default`. A namespace that declares a default and cannot use it is told so: artifacts never
go quietly to a place that nobody chose.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from avouch import digests, errors
from avouch.controlplane.model import artifacts

PROBE_SECONDS = 10.0
SOON = timedelta(minutes=30)  # between checks of a default or fallback
RARELY = timedelta(hours=24)  # between checks of the others


def choose(serving: artifacts.Serving) -> artifacts.Destination:
    """The backend for a new artifact. The module docstring is the specification.

    Raises:
        NotReady: one is declared, and neither it nor a fallback can be used.
    """
    declared: list[artifacts.BackendRecord] = []
    for records in (serving.own, serving.home):
        defaults = [one for one in records if one.spec.default]
        fallbacks = [one for one in records if one.spec.fallback]
        for one in (*_one(defaults), *_one(fallbacks)):
            if one.usable:
                return _chosen(one)
        declared += [*defaults, *fallbacks]
        if declared:
            raise errors.NotReady(_why(declared[0]))
    return serving.built_in


def problems(records: Sequence[artifacts.BackendRecord]) -> dict[str, str]:
    """Why backends of one namespace may not be used together: uid -> what to do."""
    found = {}
    claims = {"default": [r for r in records if r.spec.default], "fallback": [r for r in records if r.spec.fallback]}
    for role, claimed in claims.items():
        claiming = sorted(claimed, key=lambda one: one.name)
        if len(claiming) > 1:
            names = " and ".join(one.name for one in claiming)
            for one in claiming:
                found[one.uid] = f"{names} both set spec.{role}: true (fix: set spec.{role} to false in all but one)"
    return found


def next_check(record: artifacts.BackendRecord, probed: artifacts.Probed, now: datetime) -> datetime:
    """When to check again: what fails, and what artifacts depend on, soon."""
    depended = record.spec.default or record.spec.fallback
    if not probed.writable:
        return now + min(SOON, timedelta(minutes=1) if depended else SOON)
    return now + (SOON if depended else RARELY)


async def probe(backend: artifacts.BlobStore) -> artifacts.Probed:
    """Really write, read and delete a small object, in ten seconds."""
    reached = False
    content = b"avouch checks this backend: " + uuid.uuid4().bytes
    digest = digests.of_bytes(content)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await backend.has(digest)
            reached = True
            await backend.put(_once(content), expected=digest, limit=len(content))
            try:
                found = b"".join([piece async for piece in backend.get(digest)])
            finally:
                await backend.delete(digest)
            if found != content or await backend.has(digest):
                return artifacts.Probed(reached, False, "the probe was written, but could not be read back and deleted")
    except TimeoutError:
        return artifacts.Probed(reached, False, f"no answer in {PROBE_SECONDS:g} s")
    except errors.AvouchError as exc:
        return artifacts.Probed(reached, False, str(exc)[:500])
    return artifacts.Probed(True, True)


def too_big(chosen: artifacts.Destination) -> errors.TooLarge:
    """The refusal of an artifact that is over the backend's limit."""
    limit = f"this file is too big for the backend {chosen.name}: it has more than {chosen.max_bytes} bytes"
    if chosen.id == artifacts.BUILT_IN:
        return errors.TooLarge(limit, field="artifacts.backend", fix="send less, or apply a CASBackend")
    fix = "use a backend of another kind" if chosen.inline else f"raise spec.maxBytes of CASBackend {chosen.name}"
    return errors.TooLarge(limit, field="spec.maxBytes", fix=f"send less, or {fix}")


def _one(claiming: Sequence[artifacts.BackendRecord]) -> Sequence[artifacts.BackendRecord]:
    """The record that claims a role; none if two claim it."""
    return claiming if len(claiming) == 1 else ()


def _chosen(record: artifacts.BackendRecord) -> artifacts.Destination:
    return artifacts.Destination(
        id=record.uid,
        name=record.name,
        inline=record.kind == "inline",
        fallback=record.spec.fallback,
        max_bytes=record.max_bytes,
    )


def _why(record: artifacts.BackendRecord) -> str:
    if record.problem:
        reason = record.problem
    elif record.spec.suspend:
        reason = "it is suspended"
    elif not record.checked:
        reason = "it has not been checked yet"
    else:
        reason = record.message or "it cannot be written to"
    return (
        f"CASBackend {record.namespace}/{record.name} cannot take artifacts, and no fallback stands in for it: {reason}"
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
