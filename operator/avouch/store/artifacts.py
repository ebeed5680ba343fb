"""The map of where artifacts lie, the ledger of what refers to them, and what becomes garbage.

A kept run never loses what it refers to. The order of locks says why:
- Whoever refers to an artifact (an upload, an accepted claim, a verdict) sets `used_at`, or finds it younger than
  `_FRESH`, in the transaction that records the reference.
- Only an artifact that is new or lost a reference can be garbage: triggers list those in `artifact_checks`, and
  `mark_garbage` looks at nothing else. A reference that goes later lists it again.
- `mark_garbage` takes a row only where `used_at` is older than the grace (at least `LEAST_GRACE`) and no run refers to
  it. Where a reference is being recorded, PostgreSQL makes it wait and looks at `used_at` again.
- Bytes are removed under an advisory lock of (place, digest), after a look whether anybody refers to them again;
  `reserve` takes the same lock before an upload looks whether the bytes are there already.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, errors
from avouch.controlplane.model import artifacts
from avouch.controlplane.model import quotas as quota_model
from avouch.store import casbackends, database, direct, quotas

LEAST_GRACE = timedelta(hours=2)
GRACE = timedelta(hours=24)  # an artifact may lie this long before a run refers to it
# Twice as old as this may be before it is touched, and far older than any transaction of ours may last (15 s).
_FRESH = "interval '1 hour'"
_LOCK = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended('artifact/' || :digest || '/' || coalesce("
    "(SELECT location FROM cas_backends WHERE uid = :backend), :backend), 0))"
)
_RESERVE = sa.text(
    "INSERT INTO artifacts (digest, namespace_uid, backend_uid, used_at)"
    " VALUES (:digest, :namespace, :backend, now())"
    " ON CONFLICT (digest, namespace_uid, backend_uid) DO UPDATE SET used_at = now()"
    " RETURNING stored_at IS NOT NULL AS counted"
)
# A refused one goes after the least grace: another upload of the same bytes may be on its way.
_REFUSED = sa.text(
    "UPDATE artifacts SET used_at = now() - :earlier WHERE stored_at IS NULL"
    " AND (digest, namespace_uid, backend_uid) = (:digest, :namespace, :backend)"
)
_RECORD = sa.text(
    "INSERT INTO artifacts (digest, namespace_uid, backend_uid, size, stored_at, used_at)"
    " VALUES (:digest, :namespace, :backend, :size, now(), now())"
    " ON CONFLICT (digest, namespace_uid, backend_uid) DO UPDATE SET used_at = now(), size = excluded.size,"
    " stored_at = coalesce(artifacts.stored_at, now()) RETURNING stored_at = now() AS added"
)
_REFER = sa.text(
    "INSERT INTO run_artifacts (run_id, digest, namespace_uid)"
    " SELECT r.id, :digest, r.namespace_uid FROM runs r WHERE r.id = :run ON CONFLICT DO NOTHING"
)
# One statement for the references of many runs. Rows are locked in one order, so that two never wait in a circle.
REFERENCES = (
    "WITH said AS (SELECT DISTINCT i.run_id, i.digest, r.namespace_uid"  # noqa: S608 - constants only
    "  FROM unnest(%(run)b::uuid[], %(digest)s::text[]) AS i(run_id, digest) JOIN runs r ON r.id = i.run_id"
    # What the run refers to already is safe, and mostly it does: it was uploaded for it. Then nothing is written here.
    "  WHERE NOT EXISTS (SELECT FROM run_artifacts x WHERE (x.run_id, x.digest) = (i.run_id, i.digest))"
    "), held AS MATERIALIZED ("
    " SELECT a.digest, a.namespace_uid, a.backend_uid FROM artifacts a"
    "  WHERE (a.digest, a.namespace_uid) IN (SELECT digest, namespace_uid FROM said) AND a.stored_at IS NOT NULL"
    "  ORDER BY 1, 2, 3 FOR NO KEY UPDATE"
    "), touched AS ("
    " UPDATE artifacts a SET used_at = now() FROM held"
    f"  WHERE a.used_at < now() - {_FRESH} AND (a.digest, a.namespace_uid, a.backend_uid)"
    "   = (held.digest, held.namespace_uid, held.backend_uid)"
    ") INSERT INTO run_artifacts (run_id, digest, namespace_uid)"
    " SELECT said.run_id, said.digest, said.namespace_uid FROM said"
    "  WHERE EXISTS (SELECT FROM held WHERE (held.digest, held.namespace_uid) = (said.digest, said.namespace_uid))"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)
# Only what is due is looked at; whoever is at it has its own. Three statements, each with what was committed before it.
_DUE = sa.text("SELECT id FROM artifact_checks WHERE due <= now() ORDER BY due LIMIT :limit FOR UPDATE SKIP LOCKED")
_UNUSED = "NOT EXISTS (SELECT FROM run_artifacts r WHERE (r.digest, r.namespace_uid) = (a.digest, a.namespace_uid))"
_MARK = sa.text(
    "WITH due AS (SELECT DISTINCT digest, namespace_uid FROM artifact_checks WHERE id = ANY(:ids)"  # noqa: S608
    "), dead AS (DELETE FROM artifacts a USING due"
    "  WHERE (a.digest, a.namespace_uid) = (due.digest, due.namespace_uid) AND a.used_at < now() - :grace"
    f"  AND {_UNUSED} RETURNING a.digest, a.backend_uid"
    "), listed AS (INSERT INTO garbage (digest, backend_uid) SELECT DISTINCT digest, backend_uid FROM dead"
    " ON CONFLICT DO NOTHING) SELECT count(*) FROM dead"
)
# What nobody refers to yet, but was used lately, is looked at again when its grace is over.
_CHECKED = sa.text(
    "WITH done AS (DELETE FROM artifact_checks WHERE id = ANY(:ids) RETURNING digest, namespace_uid)"  # noqa: S608
    " INSERT INTO artifact_checks (digest, namespace_uid, due)"
    " SELECT a.digest, a.namespace_uid, max(a.used_at) + :grace FROM artifacts a"
    "  JOIN (SELECT DISTINCT digest, namespace_uid FROM done) d"
    "  ON (a.digest, a.namespace_uid) = (d.digest, d.namespace_uid)"
    f" WHERE {_UNUSED} GROUP BY a.digest, a.namespace_uid"
)
_TAKE = sa.text(
    "UPDATE garbage SET next_try = now() + interval '10 minutes' WHERE (digest, backend_uid) IN ("
    " SELECT digest, backend_uid FROM garbage WHERE next_try <= now() ORDER BY next_try LIMIT :limit"
    " FOR UPDATE SKIP LOCKED) RETURNING digest, backend_uid"
)
# All backends that keep their bytes in the same place: two CASBackends may share a registry's repository.
_SAME_PLACE = (
    "SELECT :backend UNION SELECT other.uid FROM cas_backends mine"
    " JOIN cas_backends other ON other.location = mine.location WHERE mine.uid = :backend"
)
_WANTED = sa.text(
    f"SELECT EXISTS (SELECT FROM artifacts WHERE digest = :digest AND backend_uid IN ({_SAME_PLACE}))"  # noqa: S608
)
_FORGET = sa.text(f"DELETE FROM garbage WHERE digest = :digest AND backend_uid IN ({_SAME_PLACE})")  # noqa: S608
# An artifact whose bytes are a row of ours: reserved, stored, recorded and referred to by one statement, or nothing of
# it where the quota has no room. Each part reads `held` and therefore waits for the lock; a removal that was waited for
# is seen, because ON CONFLICT looks at the index as it is then. What `mark_garbage` lists meanwhile stays listed, and
# `removing` finds that it is wanted. The row of counters is locked only for what is new: it is as it is then, too.
KEEP = direct.sql(
    sa.text(
        "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('artifact/' || CAST(:digest AS text)"  # noqa: S608
        "  || '/' || coalesce((SELECT location FROM cas_backends WHERE uid = :backend), :backend), 0))"
        "), known AS MATERIALIZED (SELECT EXISTS (SELECT FROM artifacts WHERE stored_at IS NOT NULL"
        "  AND (digest, namespace_uid, backend_uid) = (:digest, :namespace, :backend)) AS counted FROM held"
        "), used AS MATERIALIZED (SELECT u.number, u.bytes FROM known JOIN artifact_usage u ON NOT known.counted"
        "  WHERE u.namespace_uid = :namespace FOR NO KEY UPDATE OF u"
        "), most AS MATERIALIZED (SELECT coalesce(CAST(said ->> 'artifactCount' AS bigint), :most_count) AS number,"
        "  coalesce(CAST(said ->> 'artifactBytes' AS bigint), :most_bytes) AS bytes"
        f"  FROM (SELECT {quotas.said(':name')} AS said) AS organization"
        "), weighed AS MATERIALIZED (SELECT known.counted, coalesce(used.number, 0) AS number,"
        "  coalesce(used.bytes, 0) AS bytes, most.number AS most_count, most.bytes AS most_bytes"
        "  FROM known CROSS JOIN most LEFT JOIN used ON true"
        "), taken AS MATERIALIZED (SELECT FROM weighed WHERE counted OR ("
        "  (most_count = 0 OR number + 1 <= most_count) AND (most_bytes = 0 OR bytes + :size <= most_bytes))"
        "), kept AS (INSERT INTO blobs (backend, digest, content)"
        "  SELECT CAST(:backend AS text), CAST(:digest AS text), CAST(:content AS bytea) FROM taken"
        "  ON CONFLICT DO NOTHING"
        # A damaged copy is written anew. What is the same is not locked: many store the same small report.
        "), mended AS (UPDATE blobs SET content = CAST(:content AS bytea) FROM taken"
        "  WHERE (backend, digest) = (CAST(:backend AS text), CAST(:digest AS text))"
        "  AND content <> CAST(:content AS bytea)"
        "), healed AS (DELETE FROM damaged_artifacts USING taken WHERE (digest, backend_uid)"
        "  = (CAST(:digest AS text), CAST(:backend AS text))"
        "), forgotten AS (DELETE FROM garbage USING taken WHERE digest = :digest"
        f"  AND backend_uid IN ({_SAME_PLACE})"
        "), referred AS (INSERT INTO run_artifacts (run_id, digest, namespace_uid)"
        "  SELECT r.id, CAST(:digest AS text), r.namespace_uid FROM taken, runs r WHERE r.id = CAST(:run AS uuid)"
        "  ON CONFLICT DO NOTHING"
        "), mapped AS (INSERT INTO artifacts (digest, namespace_uid, backend_uid, size, stored_at, used_at)"
        "  SELECT CAST(:digest AS text), CAST(:namespace AS text), CAST(:backend AS text), CAST(:size AS bigint),"
        "   now(), now() FROM taken"
        "  ON CONFLICT (digest, namespace_uid, backend_uid) DO UPDATE SET used_at = now(), size = excluded.size,"
        "  stored_at = coalesce(artifacts.stored_at, now())"
        ") SELECT EXISTS (SELECT FROM taken) AS kept, number, bytes, most_count, most_bytes FROM weighed"
    )
)
# A read found the copy damaged: it is tried again, but whoever asks whether to send the bytes is told to. A mark that
# comes after the upload that healed it costs one more upload and nothing else.
_DAMAGED = sa.text(
    "INSERT INTO damaged_artifacts (digest, backend_uid) VALUES (:digest, :backend) ON CONFLICT DO NOTHING"
)
_HEALED = sa.text("DELETE FROM damaged_artifacts WHERE digest = :digest AND backend_uid = :backend")
_SOUND = (
    "a.stored_at IS NOT NULL AND NOT EXISTS"
    " (SELECT FROM damaged_artifacts d WHERE (d.digest, d.backend_uid) = (a.digest, a.backend_uid))"
)
# Anybody may store the same bytes: what others did never stands between a namespace and its own, hence no limit over
# all of them. Within one namespace the newest places are tried.
_PLACES = 100
_WHERE = sa.text(
    "SELECT ARRAY(SELECT backend_uid FROM artifacts WHERE digest = :digest AND namespace_uid = :namespace"  # noqa: S608
    f"  AND stored_at IS NOT NULL ORDER BY stored_at DESC LIMIT {_PLACES}) AS lying,"
    " EXISTS (SELECT FROM artifacts WHERE digest = :digest AND stored_at IS NOT NULL) AS known,"
    f" EXISTS (SELECT FROM artifacts a WHERE digest = :digest AND namespace_uid = :namespace AND {_SOUND}) AS sound"
)
_ANYWHERE = sa.text(
    "SELECT ARRAY(SELECT backend_uid FROM artifacts WHERE digest = :digest AND stored_at IS NOT NULL"  # noqa: S608
    "  GROUP BY backend_uid ORDER BY max(stored_at) DESC) AS lying,"
    " EXISTS (SELECT FROM artifacts WHERE digest = :digest AND stored_at IS NOT NULL) AS known,"
    f" EXISTS (SELECT FROM artifacts a WHERE digest = :digest AND {_SOUND}) AS sound"
)
_USED = sa.text(
    "SELECT EXISTS (SELECT FROM run_artifacts x JOIN artifacts a"  # noqa: S608 - constants only
    " ON (a.digest, a.namespace_uid) = (x.digest, x.namespace_uid)"
    f" WHERE x.run_id = :run AND x.digest = :digest AND {_SOUND})"
)


@dataclass(frozen=True, slots=True)
class Marked:
    """One batch: how many entries were due, and how many artifacts left the map."""

    checked: int
    gone: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that nothing refers to, in one backend."""

    digest: digests.Digest
    backend: str


class Artifacts(casbackends.CASBackends):
    """Implements `controlplane.model.artifacts.Map`, and what garbage collection needs."""

    def __init__(self, opened: database.Database, limits: quota_model.Quotas = quota_model.Quotas()) -> None:  # noqa: B008 - frozen
        super().__init__(opened)
        self._quotas = limits

    async def reserve(
        self, digest: digests.Digest, owner: artifacts.Owner, backend: str
    ) -> quota_model.ArtifactUse | None:
        """Reserve the place of bytes that are being uploaded; waits for a removal of the same bytes to end."""
        place = {"digest": str(digest), "backend": backend}
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, place)
            mine = await connection.execute(_RESERVE, {**place, "namespace": owner.namespace_uid})
            counted = bool(mine.scalar())
            await connection.execute(_FORGET, place)
            if counted:
                return None
            used = await quotas.artifacts(connection, owner.namespace, owner.namespace_uid, self._quotas)
            used.admit(0)
            return used

    async def record(self, digest: digests.Digest, owner: artifacts.Owner, backend: str, size: int) -> None:
        """They have arrived, and the owner's run refers to them: in one transaction, within the namespace's quotas."""
        row = {"digest": str(digest), "backend": backend, "namespace": owner.namespace_uid, "size": size}
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_HEALED, {"digest": str(digest), "backend": backend})
                if owner.run_id is not None:
                    await connection.execute(_REFER, {"digest": str(digest), "run": owner.run_id})
                if (await connection.execute(_RECORD, row)).scalar():
                    used = await quotas.artifacts(connection, owner.namespace, owner.namespace_uid, self._quotas)
                    used.without(size).admit(size)
        except errors.Denied:
            async with self._database.transaction() as connection:
                await connection.execute(_REFUSED, {**row, "earlier": GRACE - LEAST_GRACE})
            raise

    async def use(self, digest: digests.Digest, owner: artifacts.Owner) -> bool:
        """Whether the owner's namespace has stored it; if so, the owner's run refers to it from now on."""
        if owner.run_id is None:
            return (await self.where(digest, owner.namespace_uid)).sound
        async with self._database.transaction() as connection:
            await refer(connection, [(owner.run_id, str(digest))])
            there = await connection.execute(_USED, {"run": owner.run_id, "digest": str(digest)})
            return bool(there.scalar())

    async def where(self, digest: digests.Digest, namespace_uid: str = "") -> artifacts.Places:
        """Where it lies for this namespace, or for any."""
        bound = {"digest": str(digest), "namespace": namespace_uid}
        async with self._database.statements() as connection:
            found = (await connection.execute(_WHERE if namespace_uid else _ANYWHERE, bound)).one()
        return artifacts.Places(tuple(found.lying), known=bool(found.known), sound=bool(found.sound))

    async def damaged(self, digest: digests.Digest, backend: str) -> None:
        """A read found this copy damaged: until it is stored again, nobody is told that it need not be sent."""
        async with self._database.transaction() as connection:
            await connection.execute(_DAMAGED, {"digest": str(digest), "backend": backend})

    async def mark_garbage(self, grace: timedelta, limit: int = 1000) -> Marked:
        """Take off the map what nothing refers to and nobody used within the grace: one batch of what is due.

        Raises:
            Invalid: a grace so short that an upload could lose its bytes before its run is recorded.
        """
        if grace < LEAST_GRACE:
            raise errors.Invalid(f"a grace of {grace} is too short", field="grace", fix=f"at least {LEAST_GRACE}")
        async with self._database.transaction() as connection:
            ids = list((await connection.execute(_DUE, {"limit": limit})).scalars())
            if not ids:
                return Marked(0, 0)
            bound = {"ids": ids, "grace": grace}
            gone = int((await connection.execute(_MARK, bound)).scalar_one())
            await connection.execute(_CHECKED, bound)
        return Marked(len(ids), gone)

    async def take_garbage(self, limit: int) -> Sequence[Garbage]:
        """Bytes to remove; they are ours for ten minutes."""
        async with self._database.transaction() as connection:
            rows = (await connection.execute(_TAKE, {"limit": limit})).all()
        return [Garbage(digests.Digest.parse(row.digest), row.backend_uid) for row in rows]

    @asynccontextmanager
    async def removing(self, one: Garbage) -> AsyncIterator[bool]:
        """Whether the bytes may be removed now: False where somebody refers to them again. No upload begins meanwhile.

        Leaving normally takes them off the list; after an error they stay on it.
        """
        place = {"digest": str(one.digest), "backend": one.backend}
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, place)
            wanted = bool((await connection.execute(_WANTED, place)).scalar())
            yield not wanted
            await connection.execute(_FORGET, place)
            await connection.execute(_HEALED, place)


async def refer(connection: AsyncConnection, references: Sequence[tuple[uuid.UUID, str]]) -> None:
    """Record what runs refer to, as far as their namespaces have it stored."""
    parameters = references_of(references)
    if parameters:
        await connection.exec_driver_sql(REFERENCES, parameters)


def references_of(references: Sequence[tuple[uuid.UUID, str]]) -> dict[str, object]:
    """The parameters of `REFERENCES`; none where there is nothing to refer to."""
    if not references:
        return {}
    runs, named = zip(*references, strict=True)
    return {"run": list(runs), "digest": list(named)}
