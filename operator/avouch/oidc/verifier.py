"""From a token to a verified identity."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from avouch import errors
from avouch.controlplane.model import identities
from avouch.oidc import checks, issuers
from avouch.oidc.allowed import Issuer

_log = logging.getLogger(__name__)


class Verifier:
    """Verifies tokens of the allowed issuers. Issuers that are not allowed are never contacted."""

    def __init__(
        self,
        allowed: Iterable[Issuer],
        ca: str = "",
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = {issuer.url: issuer for issuer in allowed}
        self._keys = issuers.KeySets(ca, environment, monotonic)
        self._clock = clock

    def knows(self, token: str) -> bool:
        """Whether a token names an allowed issuer. Unverified: it only selects the verifier."""
        try:
            return checks.look(token).issuer in self._allowed
        except errors.NotVerified:
            return False

    def audience_of(self, token: str) -> str:
        """The one audience of a token, unverified; "" if there is none or several."""
        try:
            return checks.look(token).audience
        except errors.NotVerified:
            return ""

    async def verify(self, token: str, audience: str) -> identities.OidcIdentity:
        """The identity that a token proves.

        Raises:
            Unauthenticated: the token is not valid; the message never says why.
            Unavailable: its issuer's keys cannot be fetched now.
        """
        try:
            unverified = checks.look(token)
            issuer = self._allowed.get(unverified.issuer)
            if issuer is None:
                raise errors.NotVerified("2", f"issuer {unverified.issuer[:200]!r} is not allowed")
            key = await self._keys.key(issuer, unverified)
            claims = checks.check(token, key, issuer.url, audience, self._clock())
        except errors.NotVerified as exc:
            _log.info("refused an OIDC token at %s", exc)
            raise errors.Unauthenticated("the bearer token is not valid here") from exc
        return identities.OidcIdentity(issuer.url, audience, str(claims["sub"]), claims, issuer.runner)
