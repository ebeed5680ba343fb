"""Continue tokens: where a list goes on. Clients hand them back, and may write their own.

A token opens nothing: a list looks only where the caller may look, wherever the token says it was.
"""

import base64
import json
from typing import Any

from avouch import errors
from avouch.attestation import strictjson

_LARGEST = 16 * 1024  # bytes in a token; one has about 150, and one in another is half as long again


def write(*parts: str | int) -> str:
    """A token of these parts."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def read(token: str, *kinds: type) -> list[Any]:
    """Its parts, each of the kind that is expected there. Raises errors.Invalid: not a valid token."""
    try:
        found = strictjson.loads(base64.urlsafe_b64decode(token.encode()), max_bytes=_LARGEST, max_depth=1)
    except (ValueError, errors.Invalid) as exc:
        raise foreign() from exc
    if not isinstance(found, list) or [type(part) for part in found] != list(kinds):
        raise foreign()
    if any(type(part) is int and not 0 <= part < 1 << 63 for part in found):
        raise foreign()
    return found


def foreign() -> errors.Invalid:
    """What is raised for a token that is none of ours."""
    return errors.Invalid("not a valid continue token", field="continue", fix="list from the start")
