"""Handing out API tokens: the text goes into one Secret, and nowhere else.

The controller may create and patch Secrets, but neither get, list nor watch them, so it must not need to know what is
there. Two properties of the API server keep it from other people's Secrets:
1. Ours are of a type of their own, and a Secret's type never changes: applying to another one is refused.
2. Each APIToken applies under a field manager of its own, by its UID, and never by force: a Secret that another
   APIToken, or a person, has written to is refused as well.
"""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from avouch import errors
from avouch.controlplane.intake import tokens
from avouch.controlplane.model import identities
from avouch.kube import resources
from avouch.kube.cache import Object
from avouch.kube.client import Json

SECRET_TYPE = "avouch.dev/token"  # noqa: S105 - the type of a Secret


class Api(Protocol):
    """The verb that writing a Secret needs."""

    async def apply_own(self, resource: resources.Resource, body: Json, manager: str) -> Json:
        """Server-side apply that takes no field from another manager."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where a token is used: the server's URL, and what verifies its certificate, where that is known."""

    server: str = ""
    authority: bytes = b""


def nowhere() -> Address:
    """No address is known."""
    return Address()


@dataclass(frozen=True, slots=True)
class Issuing:
    """Makes tokens and writes their Secrets. `enabled` is False where the install may not write Secrets."""

    store: identities.Tokens
    api: Api
    address: Callable[[], Address] = nowhere
    enabled: bool = True
    entropy: Callable[[int], bytes] = secrets.token_bytes

    def mint(self) -> tokens.Minted:
        """A new token."""
        return tokens.mint(self.entropy(tokens.ENTROPY))

    async def write(self, owner: Object, name: str, text: str, address: Address) -> str:
        """Write a token into the Secret of its APIToken. Returns what keeps us from it; empty when it is written.

        Raises:
            errors.Unavailable: not now.
        """
        manager = f"avouch-token-{owner['metadata']['uid']}"
        try:
            await self.api.apply_own(resources.SECRETS, secret(owner, name, text, address), manager)
        except (errors.Conflict, errors.Invalid):
            return f"Secret {name} already exists and was not written for this APIToken"
        except errors.Denied as exc:
            return f"the controller may not write Secret {name}: {exc}"
        return ""


def secret(owner: Object, name: str, text: str, address: Address) -> Json:
    """The Secret of an APIToken: gone with it."""
    meta = owner["metadata"]
    data = {"token": text.encode(), "server": address.server.encode(), "ca.crt": address.authority}
    reference = {
        "apiVersion": resources.API_TOKENS.api_version,
        "kind": resources.API_TOKENS.kind,
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {"app.kubernetes.io/managed-by": "avouch"},
            "ownerReferences": [reference],
        },
        "type": SECRET_TYPE,
        "data": _encoded(data),
    }


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items() if value}
