"""APIToken: its tokens made, written into the Secret, rotated and revoked.

The database comes first, then the Secret, then the mark that the Secret was written. Whatever ends in between leaves a
token that nobody knows; the next look makes another, and the lost one is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from avouch import errors, rfc3339
from avouch.api.apitoken import APITokenSpec
from avouch.controlplane.intake import tokens
from avouch.controlplane.model import identities
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, organizations, token_rotation
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import spec_of

_DELETED = "the APIToken was deleted"
_PATIENCE = 30.0  # seconds: the Secret of a predecessor of the same name is collected within a few


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is: the tokens kept, newest first, and what stands in the way of another."""

    kept: Sequence[identities.TokenRecord]
    now: datetime
    unused: timedelta | None = None
    misplaced: str = ""
    refused: str = ""  # by the Secret that is there
    enabled: bool = True


def secret_name(obj: Object) -> str:
    """The Secret that a token is written to."""
    return _read(obj).secret_name or f"avouch-token-{obj['metadata']['name']}"


def decide(obj: Object, seen: Seen) -> conditions.Desired:
    """The status, from what was gathered."""
    active = [token for token in seen.kept if tokens.active(token, seen.now) and token.delivered_at]
    used = [token.last_used_at for token in seen.kept if token.last_used_at]
    fields: dict[str, Any] = {
        "scope": _scope(_read(obj)),
        "secretName": secret_name(obj) if any(token.delivered_at for token in seen.kept) else None,
        "expiresAt": _stamp(active[0].expires_at) if active else None,
        "lastUsedAt": _stamp(max(used)) if used else None,
        "tokens": [_active(token) for token in active] or None,
    }
    said = _resolved(obj, seen, active).having(**fields)
    recheck = _PATIENCE if seen.refused else token_rotation.next_moment(_read(obj), seen.kept, seen.now, seen.unused)
    return conditions.Desired(said.conditions, said.fields, recheck=recheck)


def _resolved(obj: Object, seen: Seen, active: Sequence[identities.TokenRecord]) -> conditions.Desired:
    spec, newest = _read(obj), seen.kept[0] if seen.kept else None
    if spec.revoked or (newest is not None and newest.revoked_at is not None):
        because = newest.revoked_because if newest else "spec.revoked is true"
        clear = "set spec.revoked to false, and " if spec.revoked else ""
        fix = f"{clear}change spec.rotate to get a new token"
        return conditions.stalled(conditions.REVOKED, f"revoked: {because} (fix: {fix})")
    if spec.suspend:
        return conditions.suspended(obj.get("status") or {})
    if seen.misplaced:
        return conditions.waiting(f"{seen.misplaced}: apply it there, or use scope Project")
    if seen.refused:
        fix = "delete that Secret, or create an APIToken with another spec.secretName"
        return conditions.stalled(conditions.INVALID_SECRET, f"{seen.refused} (fix: {fix})")
    if active:
        return conditions.succeeded(_present(active[0], secret_name(obj)))
    if not seen.enabled:
        fix = "set the chart's apiTokens.enabled to true"
        return conditions.stalled(conditions.SWITCHED_OFF, f"this installation creates no API tokens (fix: {fix})")
    fix = "change spec.rotate, and set a later spec.expiresAt if one is set"
    return conditions.stalled(conditions.EXPIRED, f"expired (fix: {fix})")


def _present(token: identities.TokenRecord, secret: str) -> str:
    ends = f"ends at {_stamp(token.expires_at)}" if token.expires_at else "never expires; spec.lifetime would limit it"
    return f"token {token.id} is in Secret {secret}; it {ends}"


def _active(token: identities.TokenRecord) -> dict[str, str]:
    ends = {"expiresAt": _stamp(token.expires_at)} if token.expires_at else {}
    return {"id": token.id, "createdAt": str(_stamp(token.created_at)), **{k: str(v) for k, v in ends.items()}}


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Gather, decide, act, and say what there is afterwards."""
    spec, uid, store = _read(obj), str(obj["metadata"]["uid"]), context.issuing.store
    days = organizations.settings_of(context.cache, key.namespace).api_token_inactivity_days
    now, unused = context.clock.now(), token_rotation.unused_after(spec, days)
    kept = await _own(context, key, uid)
    ending = (
        _DELETED if obj["metadata"].get("deletionTimestamp") else token_rotation.end_of_all(spec, kept, now, unused)
    )
    if ending and any(token.revoked_at is None for token in kept):
        await store.revoke(uid, now, ending, epoch=context.epoch())
    misplaced = _misplaced(context, key.namespace) if spec.scope == "Organization" else ""
    blocked = ending or misplaced or spec.suspend or not context.issuing.enabled
    due = not blocked and token_rotation.due(spec, kept, now)
    refused = await _issue(context, key, obj, now) if due else ""
    if ending or due:
        kept = await _own(context, key, uid)
    changed = token_rotation.ends(spec, kept, now)
    for token_id, at in changed.items():
        await store.expire(token_id, at, epoch=context.epoch())
    if changed:
        kept = await _own(context, key, uid)
    return decide(obj, Seen(kept, now, unused, misplaced, refused, context.issuing.enabled))


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Revoke whatever was made under this name."""
    for uid in {token.uid for token in await context.issuing.store.of_name(key.namespace, key.name)}:
        await context.issuing.store.revoke(uid, context.clock.now(), _DELETED, epoch=context.epoch())


async def _own(context: Context, key: Key, uid: str) -> Sequence[identities.TokenRecord]:
    """The object's tokens. Those of a predecessor of the same name are revoked: nobody told us of its end."""
    found = await context.issuing.store.of_name(key.namespace, key.name)
    for other in {token.uid for token in found if token.uid != uid and token.revoked_at is None}:
        await context.issuing.store.revoke(other, context.clock.now(), _DELETED, epoch=context.epoch())
    return [token for token in found if token.uid == uid]


async def _issue(context: Context, key: Key, obj: Object, now: datetime) -> str:
    """Make a token and write it into the Secret. Returns what keeps us from it; empty when it is done."""
    spec, issuing = _read(obj), context.issuing
    address, minted = issuing.address(), issuing.mint()
    record = identities.TokenRecord(
        id=minted.id,
        name=key.name,
        namespace=key.namespace,
        namespace_uid=context.namespace_uid(key.namespace),
        uid=str(obj["metadata"]["uid"]),
        scope=_scope(spec),
        workflow=spec.workflow or "",
        digest=minted.digest,
        created_at=now,
        expires_at=token_rotation.wanted_end(spec, now),
        rotate=spec.rotate,
    )
    await issuing.store.record(record, epoch=context.epoch())
    refused = await issuing.write(obj, secret_name(obj), minted.text, address)
    if not refused:
        await issuing.store.delivered(minted.id, now, epoch=context.epoch())
    return refused


def _read(obj: Object) -> APITokenSpec:
    return spec_of(obj, APITokenSpec)


def _scope(spec: APITokenSpec) -> str:
    return spec.scope or str(identities.TokenScope.PROJECT)


def _misplaced(context: Context, namespace: str) -> str:
    try:
        home = organizations.home_of(context.cache, namespace)
    except (errors.NotFound, errors.Conflict) as exc:
        return f"scope Organization: {exc}"
    return "" if home == namespace else f"scope Organization needs the Organization's home namespace, {home}"


def _stamp(at: datetime | None) -> str | None:
    return rfc3339.to_seconds(at) if at else None
