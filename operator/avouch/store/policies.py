"""Documents of policies by their digests, and which of them a revision of a Contract is held to. Append-only."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.controlplane.model import policies
from avouch.store import database

_KEEP = (
    "INSERT INTO policy_documents (digest, document)"
    " SELECT * FROM unnest(%(digest)s::text[], %(document)b::bytea[]) ON CONFLICT DO NOTHING"
)
_RESOLVED = (
    "SELECT resolved FROM contract_revisions"
    " WHERE namespace_uid = %(namespace_uid)s AND name = %(name)s AND revision = %(revision)s"
)
_DOCUMENTS = "SELECT digest, document FROM policy_documents WHERE digest = ANY(%(digests)s)"


async def keep(connection: AsyncConnection, documents: Mapping[str, bytes]) -> None:
    """Keep what is not kept yet, in the caller's transaction."""
    if documents:
        found = {"digest": list(documents), "document": list(documents.values())}
        await connection.exec_driver_sql(_KEEP, found)


class Policies:
    """Implements `policies.Policies` over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def resolved(self, revision: policies.Revision) -> bytes | None:
        """What a revision owes; None where there is no such revision."""
        asked = {"namespace_uid": revision.namespace_uid, "name": revision.name, "revision": revision.revision}
        async with self._database.statements() as connection:
            found = (await connection.exec_driver_sql(_RESOLVED, asked)).first()
        return None if found is None else bytes(found.resolved)

    async def documents(self, digests: frozenset[str]) -> Mapping[str, bytes]:
        """The documents of policies, as far as they are kept."""
        async with self._database.statements() as connection:
            rows = await connection.exec_driver_sql(_DOCUMENTS, {"digests": sorted(digests)})
            return {row.digest: bytes(row.document) for row in rows}
