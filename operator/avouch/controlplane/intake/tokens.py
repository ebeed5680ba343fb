"""API tokens: their text, what is kept of it, and whether one is good. Pure: randomness and time are handed in.

A text is `avouch_<id>_<secret>`: the id finds the row, and only the sha256 of the whole text is kept. The secret has
256 random bits, so a fast digest is enough: there is nothing to guess. Whatever is wrong with a token, the answer is
the same.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

from avouch import digests, errors
from avouch.controlplane.model import identities

PREFIX = "avouch_"
ENTROPY = 42  # bytes to mint one: 10 for the id, 32 for the secret
_ID = 10
_FORM = re.compile(r"avouch_([a-z2-7]{16})_[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY = bytes(32)  # compared with where there is no row, so that both ways take as long


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token. `text` is shown once and kept nowhere."""

    id: str
    digest: bytes
    text: str = field(repr=False)


def mint(entropy: bytes) -> Minted:
    """The token that these random bytes make; there must be `ENTROPY` of them."""
    if len(entropy) != ENTROPY:
        raise errors.Invalid(f"a token is made of {ENTROPY} random bytes, not {len(entropy)}")
    token_id = base64.b32encode(entropy[:_ID]).decode("ascii").lower()
    secret = base64.urlsafe_b64encode(entropy[_ID:]).rstrip(b"=").decode("ascii")
    text = f"{PREFIX}{token_id}_{secret}"
    return Minted(token_id, digest_of(text), text)


def parse(text: str) -> str:
    """The id that a token's text names. Raises errors.Unauthenticated."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise _unknown()
    return found[1]


def digest_of(text: str) -> bytes:
    """What is kept of a token."""
    return bytes.fromhex(digests.of_bytes(text.encode()).hex)


def check(record: identities.TokenRecord | None, text: str, now: datetime) -> identities.TokenRecord:
    """The record, if this text is a token that is good now.

    1. There is a row of that id, and its digest is the text's (compared in constant time).
    2. It is not revoked: `revoked_at` says when, and any time at all counts.
    3. It has not expired; the moment of expiry itself is too late.

    Raises:
        Unauthenticated: any of them; the message never says which.
    """
    kept = record.digest if record is not None else _NOBODY
    same = hmac.compare_digest(kept, digest_of(text))
    if record is None or not same or record.id != parse(text):  # 1
        raise _unknown()
    if not active(record, now):  # 2, 3
        raise _unknown()
    return record


def active(record: identities.TokenRecord, now: datetime) -> bool:
    """Neither revoked nor expired."""
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


def covers(
    record: identities.TokenRecord,
    organization: identities.Organization | None,
    workflow_namespace: str,
    workflow: str,
) -> bool:
    """Whether a token's scope reaches a Workflow. `organization` is that of the Workflow's namespace.

    Organization: the token lies in the home namespace of the Workflow's own organization. Project: in the Workflow's
    own namespace. Workflow: there, and it names this very Workflow. Any other scope reaches nothing.
    """
    if record.scope == identities.TokenScope.ORGANIZATION:
        return organization is not None and record.namespace == organization.home
    if record.namespace != workflow_namespace:
        return False
    if record.scope == identities.TokenScope.WORKFLOW:
        return bool(record.workflow) and record.workflow == workflow
    return record.scope == identities.TokenScope.PROJECT


def _unknown() -> errors.Unauthenticated:
    return errors.Unauthenticated("the bearer token is not valid here")
