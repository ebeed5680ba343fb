"""API tokens in memory with the store's promises, and Secrets with the API server's."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from avouch import errors
from avouch.controlplane.model import identities
from avouch.kube import resources


class Memory:
    """`identities.Tokens` over a dict."""

    def __init__(self) -> None:
        self.rows: dict[str, identities.TokenRecord] = {}

    async def find(self, token_id: str) -> identities.TokenRecord | None:
        return self.rows.get(token_id)

    async def of_name(self, namespace: str, name: str) -> tuple[identities.TokenRecord, ...]:
        mine = [row for row in self.rows.values() if (row.namespace, row.name) == (namespace, name)]
        return tuple(sorted(mine, key=lambda row: row.created_at, reverse=True))

    async def record(self, token: identities.TokenRecord, *, epoch: int) -> None:
        kept = {key: row for key, row in self.rows.items() if row.uid != token.uid or row.delivered_at}
        self.rows = {**kept, token.id: token}

    async def delivered(self, token_id: str, at: datetime, *, epoch: int) -> None:
        self.rows[token_id] = replace(self.rows[token_id], delivered_at=at)

    async def expire(self, token_id: str, at: datetime | None, *, epoch: int) -> None:
        self.rows[token_id] = replace(self.rows[token_id], expires_at=at)

    async def revoke(self, uid: str, at: datetime, because: str, *, epoch: int) -> int:
        found = [row for row in self.rows.values() if row.uid == uid and row.revoked_at is None]
        for row in found:
            self.rows[row.id] = replace(row, revoked_at=at, revoked_because=because)
        return len(found)

    async def used(self, token_id: str, at: datetime) -> None:
        self.rows[token_id] = replace(self.rows[token_id], last_used_at=at)

    async def keys(self) -> list[tuple[str, str, str]]:
        return sorted({(row.namespace, row.name, row.uid) for row in self.rows.values() if not row.revoked_at})


class Secrets:
    """Secrets by name. `taken` are other people's; `fail` is raised before, `die` after the write."""

    def __init__(self) -> None:
        self.written: dict[str, dict[str, Any]] = {}
        self.taken: set[str] = set()
        self.fail: BaseException | None = None
        self.die: BaseException | None = None

    async def apply_own(self, resource: resources.Resource, body: dict[str, Any], manager: str) -> dict[str, Any]:
        if self.fail:
            raise self.fail
        if body["metadata"]["name"] in self.taken:
            raise errors.Conflict("conflict with kubectl: .data.token")
        self.written[body["metadata"]["name"]] = body
        if self.die:
            raise self.die
        return body
