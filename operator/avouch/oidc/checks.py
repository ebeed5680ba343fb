"""The numbered checks of a token: pure. Time and keys arrive as arguments; the reasons only go to the log.

1. At most 16 KiB, three parts, a header with a permitted algorithm and a kid, and nothing critical in it.
2. Its issuer is exactly one of those allowed; before that, no request is made.
3. One of the issuer's own keys of that kid, fit for that algorithm, has signed it.
4. It has exactly one audience, that of this server.
5. It has begun, has not expired and was not issued in the future, give or take a minute.
6. It names its subject.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from avouch import errors

LONGEST = 16 * 1024  # characters of a token; GitHub's have about 2 KiB
LEEWAY = 60.0  # seconds that clocks may differ
ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}  # each with the type of its keys; never `none`, never a shared secret
_MOST_KEYS = 100
_SHORTEST_RSA = 2048  # bits
_LONGEST_KID = 256  # characters
_PUBLIC = frozenset({"kty", "n", "e", "crv", "x", "y"})  # RFC 7518 6: of a key for signatures


@dataclass(frozen=True, slots=True)
class Unverified:
    """Unverified claims of a token: enough to know which issuer's keys to fetch."""

    issuer: str
    kid: str
    algorithm: str
    audience: str = ""  # "" for none and for several


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of an issuer, by kid and algorithm."""

    found: Mapping[tuple[str, str], jwt.PyJWK] = field(default_factory=dict)

    def of(self, unverified: Unverified) -> jwt.PyJWK | None:
        """The key that should have signed it."""
        return self.found.get((unverified.kid, unverified.algorithm))


def look(token: str) -> Unverified:
    """The unverified claims of a token (1).

    Raises:
        NotVerified: not such a token.
    """
    if not token.isascii() or len(token) > LONGEST or token.count(".") != 2:
        raise errors.NotVerified("1", "no token of three parts, or too long")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
        raise errors.NotVerified("1", "cannot be read") from exc
    algorithm, kid, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise errors.NotVerified("1", f"algorithm {str(algorithm)[:20]!r} is not permitted")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID or "crit" in header:
        raise errors.NotVerified("1", "no kid, or something critical in its header")
    return Unverified(issuer if isinstance(issuer, str) else "", kid, algorithm, _audience(claims.get("aud")))


def _audience(said: object) -> str:
    one = said[0] if isinstance(said, list) and len(said) == 1 else said
    return one if isinstance(one, str) else ""


def check(token: str, key: jwt.PyJWK, issuer: str, audience: str, now: float) -> Mapping[str, Any]:
    """The claims of a valid token (2 to 6).

    Args:
        token: as it was sent.
        key: of its issuer, for its algorithm.
        issuer: the allowed one.
        audience: of this server.
        now: seconds since 1970.

    Raises:
        NotVerified: a check failed.
    """
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}  # 4 and 5
    try:
        claims = jwt.decode(token, key, algorithms=[key.algorithm_name], issuer=issuer, options=options)  # 2, 3
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise errors.NotVerified("3", f"{type(exc).__name__}") from exc
    if claims.get("iss") != issuer:
        raise errors.NotVerified("2", "another issuer")
    if claims.get("aud") not in (audience, [audience]):
        raise errors.NotVerified("4", "not for this server's audience alone")
    _check_times(claims, now)
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise errors.NotVerified("6", "no subject")
    return claims


def keys_of(body: Mapping[str, Any]) -> Keys:
    """The usable keys of a JWKS document: for signatures, of a permitted algorithm, not too short."""
    listed = body.get("keys")
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for entry in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        for algorithm in _algorithms(entry):
            key = _key(entry, algorithm)
            if key is not None:
                found.setdefault((entry["kid"], algorithm), key)
    return Keys(found)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if expires is None or issued is None:
        raise errors.NotVerified("5", "without exp or iat")
    if now >= expires + LEEWAY:
        raise errors.NotVerified("5", "expired")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if begins is None or max(begins, issued) > now + LEEWAY:
        raise errors.NotVerified("5", "not valid yet")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None  # neither infinity nor NaN is


def _algorithms(entry: object) -> tuple[str, ...]:
    """Permitted algorithms that a key may be used for."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return ()
    fits = (name for name, kind in ALGORITHMS.items() if entry.get("kty") == kind)
    return tuple(name for name in fits if entry.get("alg", name) == name)


def _key(entry: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """A key by its public half alone: a hundred private ones would be checked for primes, for seconds."""
    try:
        key = jwt.PyJWK.from_dict({name: entry[name] for name in _PUBLIC & entry.keys()}, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    size = getattr(key.key, "key_size", 0)
    if algorithm == "ES256" and entry.get("crv") != "P-256":
        return None
    return key if algorithm != "RS256" or size >= _SHORTEST_RSA else None
