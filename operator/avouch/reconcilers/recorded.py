"""What the controller has recorded, remembered: it is the only writer, so its memory is exact while it leads.

A Workflow that is recorded as it stands costs one comparison and no statement. The memory is read anew at each resync,
so a database that somebody replaced is filled again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from avouch.controlplane.model import contracts, deliveries
from avouch.tekton import matching


@dataclass(slots=True)
class Workflows:
    """`contracts.Workflows` of the store, and an index of what it holds. Load it before anything else."""

    store: contracts.Workflows
    _known: dict[str, matching.Index[contracts.WorkflowRecord]] = field(default_factory=dict)

    async def load(self) -> None:
        """Read what is recorded. Raises errors.Unavailable."""
        found: dict[str, matching.Index[contracts.WorkflowRecord]] = {}
        for workflow in await self.store.recorded():
            found.setdefault(workflow.namespace, matching.Index()).put(workflow)
        self._known = found

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        """The Workflows of a namespace."""
        return self._known.get(namespace) or matching.Index()

    async def upsert(self, workflow: contracts.WorkflowRecord, *, epoch: int) -> bool:
        """Record a Workflow that is another one than recorded."""
        known = self._known.setdefault(workflow.namespace, matching.Index())
        if known.get(workflow.name) == workflow:
            return True
        kept = await self.store.upsert(workflow, epoch=epoch)
        now = workflow if kept else await self.store.get(workflow.namespace, workflow.name)
        if now is not None:
            self._known.setdefault(workflow.namespace, matching.Index()).put(now)
        return kept

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Forget a Workflow, unless a successor of the same name stands."""
        await self.store.remove(namespace, name, uid=uid, epoch=epoch)
        known = self._known.get(namespace)
        old = known.get(name) if known else None
        if known is not None and old is not None and old.uid == uid:
            known.drop(name)

    async def get(self, namespace: str, name: str) -> contracts.WorkflowRecord | None:
        """One Workflow."""
        return (await self.index(namespace)).get(name)

    async def recorded(self) -> Sequence[contracts.WorkflowRecord]:
        """All Workflows."""
        return [workflow for known in self._known.values() for workflow in known]

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every recorded Workflow."""
        return [(one.namespace, one.name, one.uid) for one in await self.recorded()]

    async def upsert_attachment(self, attachment: deliveries.AttachmentRecord, *, epoch: int) -> None:
        """As the store."""
        await self.store.upsert_attachment(attachment, epoch=epoch)

    async def remove_attachment(self, namespace: str, name: str, *, epoch: int) -> None:
        """As the store."""
        await self.store.remove_attachment(namespace, name, epoch=epoch)

    async def attachments(self, namespace: str) -> Sequence[deliveries.AttachmentRecord]:
        """As the store."""
        return await self.store.attachments(namespace)


@dataclass(slots=True)
class Contracts:
    """`contracts.Contracts` of the store, with the newest revision of each Contract remembered."""

    store: contracts.Contracts
    present: Callable[[str], str]  # the UID of a namespace as it is now; "" where it has not been seen yet
    _newest: dict[tuple[str, str], contracts.ContractRevision | None] = field(default_factory=dict)

    def forget(self) -> None:
        """Ask the store again about each of them."""
        self._newest.clear()

    async def record(
        self,
        revision: contracts.ContractRevision,
        documents: Mapping[str, bytes] = MappingProxyType({}),
        *,
        epoch: int,
    ) -> contracts.ContractRevision:
        """Keep a revision that says something else than the newest one."""
        key = (revision.namespace, revision.name)
        known = self._newest.get(key)
        if known and _says(known) == _says(revision):
            return known
        self._newest[key] = recorded = await self.store.record(revision, documents, epoch=epoch)
        return recorded

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        key = (namespace, name)
        if key not in self._newest:
            found = await self.store.newest(namespace, name)
            self._newest.setdefault(key, found)  # recorded meanwhile: that one is newer
        newest = self._newest[key]
        if newest is not None and self.present(namespace) not in ("", newest.namespace_uid):
            return await self.store.newest(namespace, name, before=before)  # the predecessor's; the store knows
        if newest is None or before is None or newest.recorded_at <= before:
            return newest
        return await self.store.newest(namespace, name, before=before)

    async def get(self, namespace: str, name: str, revision: int) -> contracts.ContractRevision | None:
        """As the store."""
        return await self.store.get(namespace, name, revision)

    async def list(self, namespace: str, name: str) -> Sequence[contracts.ContractRevision]:
        """As the store."""
        return await self.store.list(namespace, name)


def _says(revision: contracts.ContractRevision) -> tuple[object, ...]:
    return revision.digest, revision.resolved, revision.namespace_uid
