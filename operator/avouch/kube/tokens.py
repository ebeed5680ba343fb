"""TokenReview: the user of a token. The audience must be avouch's only; a token for the API server is refused.

A yes is kept for ten seconds by the token's hash, because one sidecar makes four requests in a row: the token of a
deleted pod is therefore accepted for at most ten seconds longer. A no is kept for two, so that a client that repeats
itself costs one question, and a token that the API server does not know yet is believed soon after.

Anybody who reaches us may send tokens. What cannot be a ServiceAccount's token for our audience is no question at all,
and only so many questions are asked at a time.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from avouch import digests, errors
from avouch.kept import Kept
from avouch.kube import connection

KEPT = 10.0  # seconds that a yes is kept
REFUSED = 2.0  # seconds that a no is kept
_MOST = 4096  # answers kept of either kind: about 4 MiB
_AT_ONCE = 32  # questions under way: an API server answers each in milliseconds
_PATIENCE = 5.0  # seconds that a question waits for its turn
_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_MAX_TOKEN = 16 * 1024  # bytes; projected tokens have about 1 KiB
_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_Key = tuple[digests.Digest, str]


class _Answer(NamedTuple):
    """What the API server said of a token: whose it is, or None for a no."""

    user: Mapping[str, Any] | None


class TokenReviews:
    """Asks the API server, and keeps its answers for a while. Owned by one event loop."""

    def __init__(
        self, api: connection.Connection, monotonic: Callable[[], float] = time.monotonic, at_once: int = _AT_ONCE
    ) -> None:
        self._api = api
        self._turns = asyncio.Semaphore(at_once)
        self._kept: Kept[_Key, _Answer] = Kept(_MOST, monotonic)

    async def review(self, token: str, audience: str) -> Mapping[str, Any]:
        """`status.user` of the token's holder.

        Raises:
            Unauthenticated: the token is not valid; the message never says why.
            Overloaded: too many other tokens wait to be asked about.
            Unavailable: the API server cannot be reached.
        """
        if len(token) > _MAX_TOKEN or not _may_be_for(token, audience):
            raise _refused()
        key = (digests.of_bytes(token.encode("ascii")), audience)
        answer = self._kept.recall(key)
        if answer is None:
            await self._turn()
            try:
                answer = self._kept.recall(key) or await self._ask(
                    key, token, audience
                )  # others may have asked meanwhile
            finally:
                self._turns.release()
        if answer.user is None:
            raise _refused()
        return answer.user

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise errors.Overloaded("too many tokens wait to be reviewed; send this request again") from exc

    async def _ask(self, key: _Key, token: str, audience: str) -> _Answer:
        said = await self._api.post(_PATH, _question(token, audience))
        answer = _Answer(_user(said.get("status") or {}, audience))
        self._kept.keep(key, answer, REFUSED if answer.user is None else KEPT)
        return answer


def _may_be_for(token: str, audience: str) -> bool:
    """Whether it looks like a token for this audience; whether it is one, the API server says."""
    shaped = _JWT.fullmatch(token)
    if shaped is None:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(shaped[1] + "=" * (-len(shaped[1]) % 4)))
    except (ValueError, RecursionError):
        return False
    named = claims.get("aud") if isinstance(claims, dict) else None
    return audience == named or (isinstance(named, list) and audience in named)


def _question(token: str, audience: str) -> dict[str, Any]:
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }


def _user(status: Mapping[str, Any], audience: str) -> Mapping[str, Any] | None:
    """An authenticator without audiences leaves the list empty; that does not confirm avouch's audience."""
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        return None
    user = status.get("user")
    return user if isinstance(user, dict) and user.get("username") else None


def _refused() -> errors.Unauthenticated:
    return errors.Unauthenticated("the bearer token is not valid here")
