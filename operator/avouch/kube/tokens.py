"""TokenReview: the user of a token. The audience must be avouch's only; a token for the API server is refused.

A positive answer is cached for ten seconds by the token's hash, because one sidecar makes four requests in a row; a
negative one never is. The token of a deleted pod is therefore accepted for at most ten seconds longer.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from avouch import digests, errors
from avouch.kube import connection

KEPT = 10.0  # seconds
_MOST = 4096  # answers kept: about 4 MiB
_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_MAX_TOKEN = 16 * 1024  # bytes; projected tokens have about 1 KiB


class TokenReviews:
    """Asks the API server, and caches positive answers for `KEPT` seconds."""

    def __init__(self, api: connection.Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._kept: OrderedDict[tuple[digests.Digest, str], tuple[float, Mapping[str, Any]]] = OrderedDict()

    async def review(self, token: str, audience: str) -> Mapping[str, Any]:
        """`status.user` of the token's holder.

        Raises:
            Unauthenticated: the token is not valid; the message never says why.
            Unavailable: the API server cannot be reached.
        """
        if not token or len(token) > _MAX_TOKEN or not token.isascii():
            raise _refused()
        key = (digests.of_bytes(token.encode("ascii")), audience)
        kept = self._recall(key)
        if kept is not None:
            return kept
        answer = await self._api.post(_PATH, _question(token, audience))
        user = _user(answer.get("status") or {}, audience)
        self._keep(key, user)
        return user

    def _recall(self, key: tuple[digests.Digest, str]) -> Mapping[str, Any] | None:
        until, user = self._kept.get(key, (0.0, {}))
        if until > self._monotonic():
            return user
        self._kept.pop(key, None)
        return None

    def _keep(self, key: tuple[digests.Digest, str], user: Mapping[str, Any]) -> None:
        while len(self._kept) >= _MOST:
            self._kept.popitem(last=False)
        self._kept[key] = (self._monotonic() + KEPT, user)


def _question(token: str, audience: str) -> dict[str, Any]:
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }


def _user(status: Mapping[str, Any], audience: str) -> Mapping[str, Any]:
    """An authenticator without audiences leaves the list empty; that does not confirm avouch's audience."""
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        raise _refused()
    user = status.get("user")
    if not isinstance(user, dict) or not user.get("username"):
        raise _refused()
    return user


def _refused() -> errors.Unauthenticated:
    return errors.Unauthenticated("the bearer token is not valid here")
