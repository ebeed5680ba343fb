"""From a token to the identity behind it: the one way in."""

import logging
import ssl
import time
from collections.abc import Callable, Iterable

from avouch import errors
from avouch.controlplane.intake import oidc_claims
from avouch.oidc import checks, issuers

_log = logging.getLogger(__name__)


class Verifier:
    """Verifies tokens of the allowed issuers. An issuer that is not allowed is not even looked up."""

    def __init__(
        self,
        allowed: Iterable[issuers.Issuer],
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = {issuer.url: issuer for issuer in allowed}
        self._keys = issuers.KeySets(tls, monotonic)
        self._clock = clock

    def knows(self, token: str) -> bool:
        """Whether a token says that it is of an allowed issuer: a hint where to go with it, nothing more."""
        try:
            return checks.look(token).issuer in self._allowed
        except errors.NotVerified:
            return False

    def audience_of(self, token: str) -> str:
        """The one audience that a token says it is for, unverified; "" where there is none or are several."""
        try:
            return checks.look(token).audience
        except errors.NotVerified:
            return ""

    async def verify(self, token: str, audience: str) -> oidc_claims.Identity:
        """The identity behind a token.

        Raises:
            Unauthenticated: whatever is wrong with it; the message never says what.
            Unavailable: its issuer's keys cannot be had now.
        """
        try:
            unverified = checks.look(token)
            issuer = self._allowed.get(unverified.issuer)
            if issuer is None:
                raise errors.NotVerified("2", f"issuer {unverified.issuer[:200]!r} is not allowed")
            key = await self._keys.key(issuer, unverified)
            claims = checks.check(token, key, issuer.url, audience, self._clock())
        except errors.NotVerified as exc:
            _log.info("an OIDC token was refused at %s", exc)
            raise errors.Unauthenticated("the bearer token is not valid here") from exc
        return oidc_claims.Identity(issuer.url, audience, str(claims["sub"]), claims, issuer.runner)
