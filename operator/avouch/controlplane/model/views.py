"""Ports of what the aggregated API shows; each method raises errors.Unavailable."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from avouch import digests
from avouch.controlplane.model import selectors


class Pages(Protocol):
    """Read-only view of one kind for the aggregated API: keyset pages."""

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> "tuple[Sequence[dict[str, Any]], str, int]":
        """(documents, continue token or "", resource version of the list).

        `whole`: documents as `view` returns them, in smaller pages; else the columns of a table.
        """
        ...

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One document."""
        ...


class Views(Pages, Protocol):
    """The same with a watch in commit order."""

    def watch(
        self, namespace: str | None, since: int, filters: selectors.Filters, *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """("ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", document) after resource version `since`, until closed."""
        ...


class RunViews(Views, Protocol):
    """Runs: run columns, materials, findings, deliveries."""

    async def signed(self, namespace: str, name: str, document: str, earlier: int = 0) -> bytes | None:
        """A signed document of a run's verdict, as it is stored: "attestation", "statement" or "vsa".

        `earlier`: of that verdict of the run which others took the place of, from 1 for the first.
        """
        ...

    async def claims(self, namespace: str, name: str) -> Sequence[dict[str, Any]] | None:
        """What its jobs signed: digest, size, taskRun, pod and receivedAt of each, as they came. None: no such run."""
        ...

    async def claim(self, namespace: str, name: str, digest: digests.Digest) -> bytes | None:
        """One of them, as it was received."""
        ...
