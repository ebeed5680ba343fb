"""Contracts and Workflows as the controller recorded them, and the ports that keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from avouch import digests
from avouch.controlplane.model import deliveries, opening


@dataclass(frozen=True, slots=True)
class ContractRevision:
    """One immutable revision of a Contract. `canonical` is the canonical form and `digest` its identity.

    What is said by the policies that it refers to is part of a revision: another script is another revision.
    """

    namespace: str
    namespace_uid: str
    name: str
    uid: str
    revision: int
    digest: digests.Digest
    canonical: bytes
    recorded_at: datetime
    source_digest: str = ""  # of the bytes that were applied: `contract.revisions.source_digest`
    resolved: bytes = b""  # what it owes with its policies looked up: `contract.owed`; b"" where it has none


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """A Workflow as the controller recorded it. `spec` is the Workflow's spec in camelCase, as JSON would hold it."""

    namespace: str
    namespace_uid: str
    name: str
    uid: str
    generation: int
    spec: dict[str, Any]
    labels: dict[str, str]
    contract_namespace: str = ""  # resolved: where the Contract lies ("" = unresolved)
    contract_name: str = ""
    open_since: datetime | None = opening.BEGINNING  # the Workflow's status.openSince and .openUntil
    open_until: datetime | None = None

    @property
    def opening(self) -> opening.Opening:
        """When it takes new runs."""
        return opening.Opening(self.open_since, self.open_until)


_NONE: Mapping[str, bytes] = MappingProxyType({})


class Contracts(Protocol):
    """Revisions of Contracts: append-only."""

    async def record(
        self, revision: ContractRevision, documents: Mapping[str, bytes] = _NONE, *, epoch: int
    ) -> ContractRevision:
        """Keep a revision, and the documents of its policies by their digests.

        The newest one that says the same is returned unchanged; else the number is newest + 1.
        """
        ...

    async def newest(self, namespace: str, name: str, *, before: datetime | None = None) -> ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        ...

    async def get(self, namespace: str, name: str, revision: int) -> ContractRevision | None:
        """One revision by its number."""
        ...

    async def list(self, namespace: str, name: str) -> Sequence[ContractRevision]:
        """Every revision, newest first; also of a Contract that was deleted."""
        ...


class Workflows(Protocol):
    """Workflows and attachments as the controller recorded them."""

    async def upsert(self, workflow: WorkflowRecord, *, epoch: int) -> bool:
        """Record a Workflow; an older generation never replaces a newer one: False."""
        ...

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Delete a Workflow; its runs stay."""
        ...

    async def get(self, namespace: str, name: str) -> WorkflowRecord | None:
        """One Workflow."""
        ...

    async def recorded(self) -> Sequence[WorkflowRecord]:
        """All Workflows of all namespaces."""
        ...

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every recorded Workflow, for the resync's diff."""
        ...

    async def upsert_attachment(self, attachment: deliveries.AttachmentRecord, *, epoch: int) -> None:
        """Record an attachment with its Integration resolved."""
        ...

    async def remove_attachment(self, namespace: str, name: str, *, epoch: int) -> None:
        """Forget an attachment; deliveries already written go on."""
        ...

    async def attachments(self, namespace: str) -> Sequence[deliveries.AttachmentRecord]:
        """All attachments of a namespace."""
        ...
