"""Who may read and keep artifacts, and which part of one.

An artifact is read by our own worker, by whoever holds a ticket for it, and by an attester of a Workflow with a run
that used it. For anybody else it does not exist.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from avouch import digests, errors
from avouch.controlplane.intake import authentication, authorization, multipart, tokens
from avouch.controlplane.model import artifacts
from avouch.controlplane.model import identities as identity_model
from avouch.tekton import labels


@dataclass(frozen=True, slots=True)
class Readable:
    """An artifact that the caller may read: of one namespace, or of any (empty)."""

    digest: digests.Digest
    namespace_uid: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Downloads:
    """The use case over its ports. `worker` is `namespace/name` of the account that may read everything."""

    blobs: artifacts.ArtifactStore
    uses: artifacts.Uses
    tickets: artifacts.Tickets
    identities: authentication.Authenticator
    organizations: identity_model.Organizations
    worker: str
    max_material: int

    async def find(self, token: str, digest: digests.Digest, namespace_uid: str = "") -> Readable:
        """What this token may read.

        Raises:
            Unauthenticated: the token is not valid, or the ticket is used up.
            NotFound: nothing that this caller may see.
        """
        opened = await self.tickets.taken(token, digest, self.identities.clock.now())
        if opened is not None:
            return await self._stored(digest, opened)
        attester = await self.identities.identify(token)
        if (
            isinstance(attester, authorization.ServiceAccount)
            and self.worker == f"{attester.namespace}/{attester.name}"
        ):
            return await self._stored(digest, namespace_uid)
        claimed: dict[str, identity_model.Organization | None] = {}
        async for use in self.uses.of(digest, _only_in(attester)):
            if use.namespace not in claimed:
                claimed[use.namespace] = await self.organizations.of_namespace(use.namespace)
            place = authorization.Place(use.namespace, use.workflow, claimed[use.namespace])
            if use.rules is not None and authorization.may_attest(use.rules.attesters, place, attester):
                return await self._stored(digest, use.namespace_uid)
        raise errors.NotFound("no such artifact")

    async def read(self, found: Readable, start: int = 0) -> AsyncIterator[bytes]:
        """Its bytes from `start` on; all of them are re-hashed.

        Raises errors.NotFound, errors.Corrupt or errors.Unavailable before the first piece, while a caller can still
        answer with it.
        """
        pieces = self.blobs.get(found.digest, namespace_uid=found.namespace_uid)
        return _from(await anext(pieces, b""), pieces, start)

    async def keep(
        self, owner: artifacts.Owner, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store bytes of no run; where none uses them, they go with the next garbage collection after the grace.

        Raises TooLarge, Invalid, Unavailable: as `artifacts.ArtifactStore.put`.
        """
        return await self.blobs.put(content, expected=expected, limit=self.max_material, owner=owner)

    async def kept(self, owner: artifacts.Owner, digest: digests.Digest) -> bool:
        """Whether a namespace stores content already."""
        return await self.blobs.has(digest, namespace_uid=owner.namespace_uid)

    async def join(
        self, owner: artifacts.Owner, expected: digests.Digest, of: Sequence[digests.Digest]
    ) -> tuple[digests.Digest, int]:
        """Make one artifact of parts that were stored. Raises as `keep`, and errors.Conflict where one is missing."""
        content = multipart.joined(self.blobs, of, owner.namespace_uid)
        return await self.blobs.put(content, expected=expected, limit=self.max_material, owner=owner)

    async def owner(self, token: str, namespace: str) -> artifacts.Owner:
        """The namespace, if the caller may store artifacts without a run there. Raises errors.NotFound."""
        attester = await self.identities.identify(token)
        found = await self.identities.cluster.namespace(namespace)
        organization = await self.organizations.of_namespace(namespace)
        if found is None or not _may_store(attester, namespace, organization):
            raise errors.NotFound(f"no namespace {namespace[:63]} exists in which you may store artifacts")
        return artifacts.Owner(namespace, labels.uid_of(found))

    async def _stored(self, digest: digests.Digest, namespace_uid: str) -> Readable:
        size = await self.uses.size(digest, namespace_uid)
        if size is None and not await self.blobs.has(digest, namespace_uid=namespace_uid):
            raise errors.NotFound("no such artifact")
        return Readable(digest, namespace_uid, size)


def _only_in(attester: authorization.Attester) -> str | None:
    """The one namespace in whose Workflows the attester can be let in at all; None: it may be any."""
    match attester:
        case authorization.ServiceAccount():
            return attester.namespace
        case authorization.Token(record) if record.scope != identity_model.TokenScope.ORGANIZATION:
            return record.namespace
        case _:
            return None


def _may_store(
    attester: authorization.Attester, namespace: str, organization: identity_model.Organization | None
) -> bool:
    """A ServiceAccount in its own namespace, a token where its scope covers the whole namespace; no other."""
    match attester:
        case authorization.ServiceAccount():
            return attester.namespace == namespace
        case authorization.Token(record):
            return tokens.covers(record, organization, namespace, "")
        case _:
            return False


async def _from(first: bytes, others: AsyncIterator[bytes], start: int) -> AsyncIterator[bytes]:
    passed, piece = 0, first
    while piece:
        skipped = max(0, min(start - passed, len(piece)))
        passed += len(piece)
        if skipped < len(piece):
            yield piece[skipped:]
        piece = await anext(others, b"")
