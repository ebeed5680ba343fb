"""A batch of claims and their judging jobs: one statement, one transaction."""

import uuid
from collections.abc import Mapping, Sequence

from avouch import errors
from avouch.controlplane.model import runs
from avouch.store import artifacts, database, jobs

# Rows are sorted (digests, then run ids), so two committers never wait for each other in a circle. `%b` sends arrays of
# bytes in binary: as text a 19 KB bundle would travel as 38 KB of hexadecimal. ON CONFLICT names no column: a resend
# that overtakes its original meets it in whichever unique index comes first, id's too, and is no conflict in any.
_WRITE = (
    "WITH input AS ("  # noqa: S608 (joins two constants)
    " SELECT * FROM unnest(%(digest)s::text[], %(id)b::uuid[], %(run)b::uuid[], %(bundle)b::bytea[],"
    "  %(pod_uid)s::text[],"
    "  %(taskrun_uid)s::text[], %(taskrun)s::text[], %(task)s::text[], %(account)s::text[], %(at)s::timestamptz[],"
    "  %(explicit)s::bool[], %(pod)s::text[])"
    "  AS i(digest, id, run_id, bundle, pod_uid, taskrun_uid, taskrun, pipeline_task, service_account, received_at,"
    "   explicit, pod)"
    "), inserted AS ("
    " INSERT INTO claims (digest, id, run_id, bundle, pod_uid, taskrun_uid, taskrun, pipeline_task, service_account,"
    "  received_at, explicit, pod)"
    " SELECT input.* FROM input JOIN runs ON runs.id = input.run_id ORDER BY input.digest"
    " ON CONFLICT DO NOTHING RETURNING digest, id, run_id"
    "), queued AS ("
    " INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
    " SELECT 'judge', 'judge', 'judge:' || run_id, 'judge:' || run_id, jsonb_build_object('run_id', run_id)"
    " FROM (SELECT DISTINCT run_id FROM inserted ORDER BY run_id) AS touched "
    f"{jobs.COALESCED}"
    ") SELECT digest, inserted.id, run_id, runs.result <> 'Pending' AS late FROM inserted JOIN runs ON runs.id = run_id"
)
_EXISTING = "SELECT digest, id, run_id, false AS late FROM claims WHERE digest = ANY(%(digest)s)"

Stored = Mapping[str, tuple[uuid.UUID, uuid.UUID, bool]]  # digest -> (claim id, run id, came after the verdict)


async def write(opened: database.Database, claims: Sequence[runs.Claim]) -> Sequence[runs.Receipt | errors.AvouchError]:
    """Store what is new and enqueue its judging by one statement that is its own COMMIT, then answer claim by claim.

    What the claims refer to is recorded before: a reference without its claim keeps an artifact too long, never the
    other way round.
    What was not new is looked up afterwards: it is committed already, for a conflict waits for the other's COMMIT.
    """
    references = artifacts.references_of([(one.run_id, str(digest)) for one in claims for digest in one.artifacts])
    if references:
        await opened.run(artifacts.REFERENCES.encode(), references)
    created = await _stored(opened, _WRITE, _columns(claims))
    others = sorted({str(claim.digest) for claim in claims} - set(created))
    existing = await _stored(opened, _EXISTING, {"digest": others}) if others else {}
    return receipts(claims, created, existing)


def receipts(
    claims: Sequence[runs.Claim], created: Stored, existing: Stored
) -> Sequence[runs.Receipt | errors.AvouchError]:
    """What each claim is answered. In a batch that holds the same bundle twice, the first one created it."""
    fresh = set(created)
    answers: list[runs.Receipt | errors.AvouchError] = []
    for claim in claims:
        digest = str(claim.digest)
        answer = _receipt(claim, {**existing, **created}.get(digest), created=digest in fresh)
        if isinstance(answer, runs.Receipt):
            fresh.discard(digest)
        answers.append(answer)
    return answers


def _receipt(
    claim: runs.Claim, stored: tuple[uuid.UUID, uuid.UUID, bool] | None, *, created: bool
) -> runs.Receipt | errors.AvouchError:
    if stored is None:
        return errors.NotFound(f"no run {claim.run_id}")
    claim_id, run_id, late = stored
    if run_id != claim.run_id:
        return errors.Conflict(f"this bundle was pushed before, on run {run_id} as claim {claim_id}")
    return runs.Receipt(id=claim_id, digest=claim.digest, created=created, late=late and created)


async def _stored(opened: database.Database, statement: str, parameters: dict[str, object]) -> Stored:
    rows = await opened.run(statement.encode(), parameters)
    return {row.digest: (row.id, row.run_id, row.late) for row in rows}


def _columns(claims: Sequence[runs.Claim]) -> dict[str, object]:
    return {
        "digest": [str(claim.digest) for claim in claims],
        "id": [uuid.uuid5(claim.run_id, str(claim.digest)) for claim in claims],
        "run": [claim.run_id for claim in claims],
        "bundle": [claim.bundle for claim in claims],
        "pod_uid": [claim.pod_uid for claim in claims],
        "taskrun_uid": [claim.taskrun_uid for claim in claims],
        "taskrun": [claim.taskrun for claim in claims],
        "task": [claim.pipeline_task for claim in claims],
        "account": [claim.service_account for claim in claims],
        "at": [claim.received_at for claim in claims],
        "explicit": [claim.explicit for claim in claims],
        "pod": [claim.pod for claim in claims],
    }
