"""Ports of what the aggregated API shows; each method raises errors.Unavailable."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol


class RunViews(Protocol):
    """Read-only view of runs for the aggregated API: keyset pages and a watch in commit order."""

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str], whole: bool = True
    ) -> "tuple[Sequence[dict[str, Any]], str, int]":
        """(run documents, continue token or "", resource version of the list).

        `whole`: documents as `view` returns them, in smaller pages; else the columns of a table.
        """
        ...

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One run as a document: run columns, materials, findings, deliveries."""
        ...

    async def signed(self, namespace: str, name: str, document: str) -> bytes | None:
        """A signed document of a run's verdict, as it is stored: "attestation", "statement" or "vsa"."""
        ...

    def watch(
        self, namespace: str | None, since: int, filters: Mapping[str, str], *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """("ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", document) after resource version `since`, until closed."""
        ...


class RevisionViews(Protocol):
    """Read-only view of contract revisions for the aggregated API."""

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str]
    ) -> "tuple[Sequence[dict[str, Any]], str]":
        """(documents by namespace, contract and revision, continue token or "")."""
        ...

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One revision, by `<contract>.<revision>`."""
        ...
