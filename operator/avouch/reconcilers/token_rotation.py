"""The life of an APIToken's tokens, decided from what is asked and what is kept: pure.

1. An end for all of them: the object is deleted, spec.revoked is true, or none was used for too long.
2. Another one is due: there is none, spec.rotate is another text, or the present one is as old as rotation.every. One
   that was never delivered counts as none. After an end only another spec.rotate makes one.
3. Ends of single ones: the present one by lifetime or expiresAt, those of before by the overlap.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from avouch import rfc3339
from avouch.api import apitoken, durations
from avouch.controlplane.intake import tokens
from avouch.controlplane.model import identities

Spec: TypeAlias = apitoken.APITokenSpec
Kept: TypeAlias = Sequence[identities.TokenRecord]
"""The tokens of one object, newest first."""

OVERLAP = timedelta(hours=24)


def end_of_all(spec: Spec, kept: Kept, now: datetime, unused: timedelta | None) -> str:
    """Why every token is to be revoked; empty where none is."""
    if spec.revoked:
        return "spec.revoked is true"
    active = [token for token in kept if tokens.active(token, now) and token.delivered_at]
    if unused is None or not active or kept[0].rotate != spec.rotate:
        return ""  # a changed spec.rotate asks for a new token
    last = max(token.last_used_at or token.created_at for token in active)
    return f"it was unused for {_text(unused)}" if now - last >= unused else ""


def due(spec: Spec, kept: Kept, now: datetime) -> bool:
    """Whether another token is due."""
    end = wanted_end(spec, now)
    if end is not None and end <= now:
        return False
    if not kept or kept[0].rotate != spec.rotate:
        return True
    newest = kept[0]
    if newest.revoked_at is not None:
        return False
    every = _every(spec)
    return newest.delivered_at is None or (every is not None and newest.created_at + every <= now)


def ends(spec: Spec, kept: Kept, now: datetime) -> dict[str, datetime | None]:
    """Another end for these tokens, by id. What has ended stays ended."""
    if not kept or kept[0].delivered_at is None:
        return {}
    newest, *others = (token for token in kept if token.delivered_at)
    limit = newest.created_at + _overlap(spec)
    wanted = {newest.id: wanted_end(spec, newest.created_at)}
    wanted.update({token.id: min(limit, token.expires_at or limit) for token in others})
    return {
        token.id: wanted[token.id]
        for token in (newest, *others)
        if tokens.active(token, now) and token.expires_at != wanted[token.id]
    }


def wanted_end(spec: Spec, created: datetime) -> datetime | None:
    """When a token made then ends; None: never. Raises errors.Invalid for an expiresAt that is no time."""
    if spec.lifetime:
        return created + durations.read(spec.lifetime)
    return rfc3339.read(spec.expires_at, "spec.expiresAt") if spec.expires_at else None


def next_moment(spec: Spec, kept: Kept, now: datetime, unused: timedelta | None) -> float | None:
    """Seconds until something of the above happens by itself; None: nothing will."""
    active = [token for token in kept if tokens.active(token, now)]
    moments = [token.expires_at for token in active if token.expires_at]
    every = _every(spec)
    if active and every is not None:
        moments.append(kept[0].created_at + every)
    if active and unused is not None:
        moments.append(max(token.last_used_at or token.created_at for token in active) + unused)
    ahead = [moment for moment in moments if moment > now]
    return (min(ahead) - now).total_seconds() if ahead else None


def unused_after(spec: Spec, days: int | None) -> timedelta | None:
    """After how long without use the tokens are revoked: the object's own word, else its Organization's in days."""
    if spec.inactive_after:
        return durations.read(spec.inactive_after)
    return timedelta(days=days) if days else None


def _overlap(spec: Spec) -> timedelta:
    said = spec.rotation.overlap if spec.rotation else None
    return durations.read(said) if said else OVERLAP


def _every(spec: Spec) -> timedelta | None:
    said = spec.rotation.every if spec.rotation else None
    return durations.read(said) if said else None


def _text(length: timedelta) -> str:
    hours = int(length.total_seconds() // 3600)
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"
