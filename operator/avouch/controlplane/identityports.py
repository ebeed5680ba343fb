"""Ports of API tokens and organisations; what holds for `ports` holds here.

`epoch` fences what the controller writes. What a server writes (`used`) is not fenced.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from avouch.controlplane import identityvalues


class Tokens(Protocol):
    """API tokens, without their texts."""

    async def find(self, token_id: str) -> identityvalues.TokenRecord | None:
        """One token; None also for one of a namespace that was deleted and made anew."""
        ...

    async def of_name(self, namespace: str, name: str) -> Sequence[identityvalues.TokenRecord]:
        """The newest tokens of every APIToken object that had this name, newest first."""
        ...

    async def record(self, token: identityvalues.TokenRecord, *, epoch: int) -> None:
        """Keep a new token, good from now on. Those of the same object that were never `delivered` are gone."""
        ...

    async def delivered(self, token_id: str, at: datetime, *, epoch: int) -> None:
        """Its Secret holds it."""
        ...

    async def expire(self, token_id: str, at: datetime | None, *, epoch: int) -> None:
        """Another end; None: none."""
        ...

    async def revoke(self, uid: str, at: datetime, because: str, *, epoch: int) -> int:
        """Revoke every token of an APIToken object. Returns how many were not revoked before."""
        ...

    async def used(self, token_id: str, at: datetime) -> None:
        """It was used; written at most once an hour."""
        ...

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every APIToken object with a token that is not revoked, for the resync's diff."""
        ...


class Organisations(Protocol):
    """Which namespaces belong to which Organization, as the controller recorded them."""

    async def of_namespace(self, namespace: str) -> identityvalues.Organisation | None:
        """The one that claims a namespace; None: nobody, or two of them."""
        ...

    async def record(self, organisation: identityvalues.Organisation, projects: Sequence[str], *, epoch: int) -> None:
        """Keep an Organization and the namespaces that it alone claims, instead of those of before."""
        ...

    async def remove(self, name: str, *, epoch: int) -> None:
        """Forget an Organization and its projects."""
        ...

    async def names(self) -> Sequence[str]:
        """Every Organization recorded, for the resync's diff."""
        ...
