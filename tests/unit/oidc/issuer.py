"""A real issuer on loopback, over HTTPS, with keys made for the test."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests import loopback

AUDIENCE = "avouch"
RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505  made to be refused
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, kid: str, **said: Any) -> dict[str, Any]:
    """A public key as a JWKS holds it."""
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **said}


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public key as text, for whoever mistakes it for a shared secret."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


@dataclass
class Issuer:
    """What it says; a test changes it."""

    server: loopback.Server
    ca: str
    authority: Path  # of its certificate
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(RSA, "r", use="sig", alg="RS256"), jwk(P256, "e")])
    document: dict[str, Any] = field(default_factory=dict)
    replies: dict[str, loopback.Reply] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def asked(self) -> list[str]:
        return [request.path for request in self.server.seen]

    def answer(self, request: loopback.Request) -> loopback.Reply:
        found = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document}
        bodies = {"/.well-known/openid-configuration": found, "/keys": {"keys": self.keys}}
        if request.path in self.replies:
            return self.replies[request.path]
        body = bodies.get(request.path)
        return loopback.Reply(404) if body is None else loopback.Reply(200, json.dumps(body).encode())

    def claims(self, **said: Any) -> dict[str, Any]:
        now = int(time.time())
        found = {"iss": self.url, "aud": AUDIENCE, "sub": "repo:acme/app", "iat": now, "exp": now + 300, **said}
        return {name: value for name, value in found.items() if value is not None}

    def token(self, key: Any = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None, **said: Any) -> str:
        """A token; a claim of None is left out."""
        return jwt.encode(self.claims(**said), key, algorithm, {"kid": "r"} if header is None else header)

    def forged(self, header: dict[str, Any], signature: bytes = b"", **said: Any) -> str:
        """A token that no library would make."""
        parts = (json.dumps(header).encode(), json.dumps(self.claims(**said)).encode(), signature)
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Issuer]:
    """Serve it."""
    secure = loopback.tls(folder)
    with loopback.serving(secure=secure) as server:
        found = Issuer(server, secure.authority.read_text(), secure.authority)
        server.answers = found.answer
        yield found
