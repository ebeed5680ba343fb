"""Challenges of a registry's 401, and the token request that answers them; pure functions.

Distribution spec, token authentication: `Bearer realm="...",service="...",scope="..."`; grammar: RFC 9110, 11.6.1.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from avouch import errors
from avouch.oci import credentials, references

_LONGEST = 8192  # characters of a header
_PLAIN = re.compile(r"[\x21-\x7e]{1,32768}")
_SCHEME = re.compile(r"[\s,]*([A-Za-z]+)(?:\s+|$)(?![=])", re.ASCII)
_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.ASCII)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge. Names of schemes and parameters are lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """How to ask for an access token: a GET, or a POST with a form if there is an identity token to exchange."""

    url: str
    authorization: str = field(default="", repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)


def parse(header: str) -> tuple[Challenge, ...]:
    """The challenges of a `WWW-Authenticate` header.

    >>> parse('Bearer realm="https://auth.example/token",service="r"')[0].parameters["service"]
    'r'
    """
    found: list[Challenge] = []
    text, position = header[:_LONGEST], 0
    while scheme := _SCHEME.match(text, position):
        position, parameters = scheme.end(), {}
        while parameter := _PARAMETER.match(text, position):
            quoted = parameter[2]
            parameters[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
            position = parameter.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


def chosen(headers: Sequence[str], credential: credentials.Credential | None) -> Challenge | None:
    """The challenge to answer: Bearer if it is offered, else Basic if there is a password."""
    offered = [challenge for header in headers for challenge in parse(header)]
    bearer = next((each for each in offered if each.scheme == "bearer" and each.parameters.get("realm")), None)
    basic = next((each for each in offered if each.scheme == "basic"), None)
    return bearer or (basic if credential and credential.basic else None)


def token_request(
    challenge: Challenge, credential: credentials.Credential | None, scope: str, plain: str = ""
) -> TokenRequest:
    """The request for a token of a scope.

    Args:
        challenge: a bearer challenge.
        credential: sent to the realm that the registry names, which must be https.
        scope: requested access, such as `repository:acme/app:pull`.
        plain: the registry, if it is used without TLS; then its own or a local realm may be http, too.

    Raises:
        Denied: a realm that must not get a credential.
    """
    realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
    _check(realm, plain)
    if credential and credential.identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": credential.identity_token, "client_id": "avouch"}
        return TokenRequest(realm, form={**form, "service": service, "scope": scope})
    query = urlencode([(key, value) for key, value in (("service", service), ("scope", scope)) if value])
    joined = f"{realm}{'&' if '?' in realm else '?'}{query}" if query else realm
    return TokenRequest(joined, credential.basic if credential else "")


def _check(realm: str, plain: str) -> None:
    try:
        parts = urlsplit(realm)
        host = parts.netloc if parts.hostname and not parts.username and not parts.fragment else ""
    except ValueError:
        host = ""
    near = bool(plain) and (host == plain or references.is_loopback(host))
    safe = host and (parts.scheme == "https" or (parts.scheme == "http" and near))
    if not safe:
        raise errors.Denied(
            f"the registry names {realm[:200]!r} for tokens, which is not an https address",
            fix="fix the realm of the registry",
        )


def token_in(body: bytes) -> str:
    """The token of a realm's answer; empty if there is none that fits into a header."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
    return said if isinstance(said, str) and _PLAIN.fullmatch(said) else ""
