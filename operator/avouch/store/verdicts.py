"""Verdicts into the database: any number of them by the same few statements, inside the caller's transaction.

Everything that is one verdict (result, findings, signed documents, deliveries) becomes visible with one COMMIT. The
runs are updated last, because that takes the row of `versions`, which is held until COMMIT.

A verdict that supersedes another moves it aside in the same transaction: into the row of its run, its documents under
kinds of their own. Those of its deliveries that are not delivered yet are dropped: none arrives after the other's.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, errors
from avouch.controlplane.model import deliveries, runs
from avouch.controlplane.model import verdicts as verdict_model
from avouch.store import artifacts, external_runs, run_moves

Decided: TypeAlias = tuple[verdict_model.SignedVerdict, Sequence[deliveries.Delivery], int]
"""A verdict, its deliveries, and the version of the judged run whose verdict it supersedes (0: there is none)."""

SUPERSEDED = "superseded-"  # before the kind of a document of a superseded verdict

SHOWN = 64 * 1024  # bytes of a run's environment variables, and of its annotations, that its status shows
DELIVERIES = "avouch_deliveries"  # channel of NOTIFY: deliveries may be due

_UNDECIDED = (
    "SELECT id, subject_kind FROM runs JOIN unnest(%(ids)b::uuid[], %(over)s::bigint[]) AS i(run_id, over)"  # noqa: S608 - constants
    f" ON i.run_id = id WHERE CASE WHEN i.over = 0 THEN {run_moves.may('judge')}"
    f"  ELSE resource_version = i.over AND {run_moves.may('supersede')} END"
    " ORDER BY id FOR NO KEY UPDATE OF runs"
)
_SET_ASIDE = (
    "WITH gone AS (DELETE FROM verdicts WHERE run_id = ANY(%(ids)b) RETURNING run_id, findings, claims),"
    " kept AS (UPDATE verdict_documents SET kind = %(prefix)s || kind WHERE run_id = ANY(%(ids)b)"
    "  RETURNING run_id, kind, digest),"
    " dropped AS (DELETE FROM deliveries WHERE run_id = ANY(%(ids)b) AND state = 'pending')"
    "UPDATE runs SET superseded = jsonb_build_object("
    "  'verdict', result, 'evidence', evidence, 'version', judged_version,"
    "  'judgedAt', to_char(judged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    "  'findings', gone.findings, 'claims', gone.claims,"
    "  'documents', (SELECT jsonb_object_agg(kind, digest) FROM kept WHERE kept.run_id = gone.run_id))"
    " FROM gone WHERE runs.id = gone.run_id"
)
_VERDICTS = (
    "INSERT INTO verdicts (run_id, findings, materials, annotations, env, left_out, claims, evaluations)"
    " SELECT run_id, findings, materials, annotations, env, left_out, claims, evaluations"
    " FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(run_id uuid, findings jsonb, materials jsonb, annotations jsonb,"
    "  env jsonb, left_out jsonb, claims jsonb, evaluations jsonb)"
)
_DOCUMENTS = (
    "INSERT INTO verdict_documents (run_id, kind, predicate_type, digest, bundle) SELECT *"
    " FROM unnest(%(run)b::uuid[], %(kind)s::text[], %(type)s::text[], %(digest)s::text[], %(bundle)b::bytea[])"
)
_PAYLOADS = (
    "INSERT INTO payloads (run_id, digest, content)"
    " SELECT * FROM unnest(%(run)b::uuid[], %(digest)s::text[], %(content)b::bytea[])"
)
# The database's clock alone says what is due.
_DELIVERIES = (
    "INSERT INTO deliveries (id, run_id, payload_digest, attachment_uid, attachment, namespace, type, config, state,"
    " next_try) SELECT i.*, 'pending', now() FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(id uuid, run_id uuid,"
    " payload_digest text, attachment_uid text, attachment text, namespace text, type text, config jsonb)"
)
_DECIDE = (
    "WITH i AS (SELECT * FROM unnest(%(run)b::uuid[], %(result)s::text[], %(evidence)s::text[], %(at)s::timestamptz[])"
    "  WITH ORDINALITY AS i(id, result, evidence, judged_at, place)"
    "), v AS (UPDATE versions SET value = value + %(count)s RETURNING value - %(count)s AS base"
    ") UPDATE runs SET result = i.result, evidence = i.evidence, judged_at = i.judged_at,"
    "  resource_version = v.base + i.place, judged_version = v.base + i.place,"
    "  created_version = CASE WHEN created_version = 0 THEN v.base + i.place ELSE created_version END"
    " FROM i, v WHERE runs.id = i.id"
)


async def write(connection: AsyncConnection, decided: Sequence[Decided]) -> frozenset[uuid.UUID]:
    """Store verdicts, documents and deliveries. Returns the runs that got theirs now; others were judged before."""
    if any(signed.verdict.result is verdict_model.VerdictResult.PENDING for signed, _, _ in decided):
        raise errors.Invalid("Pending is not a decision", field="result", fix="judge again later instead")
    asked = {"ids": [signed.verdict.run_id for signed, _, _ in decided], "over": [over for _, _, over in decided]}
    open_ = {row.id: row for row in await connection.exec_driver_sql(_UNDECIDED, asked)}
    now = sorted((one for one in decided if one[0].verdict.run_id in open_), key=lambda one: one[0].verdict.run_id)
    if not now:
        return frozenset()
    if before := [signed.verdict.run_id for signed, _, over in now if over]:
        await connection.exec_driver_sql(_SET_ASIDE, {"ids": before, "prefix": SUPERSEDED})
    verdicts = [signed.verdict for signed, _, _ in now]
    await connection.exec_driver_sql(_VERDICTS, {"rows": _json([_verdict(verdict) for verdict in verdicts])})
    await _documents(connection, [signed for signed, _, _ in now])
    await artifacts.refer(connection, _kept(verdicts))
    await _fan_out(connection, now)
    for verdict in verdicts:
        external = open_[verdict.run_id].subject_kind == runs.EXTERNAL
        if external and verdict.result is verdict_model.VerdictResult.PASSED:
            await external_runs.release(connection, verdict.run_id, verdict.judged_at)
    await connection.exec_driver_sql(_DECIDE, _decisions(verdicts))
    return frozenset(verdict.run_id for verdict in verdicts)


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def _verdict(verdict: verdict_model.Verdict) -> dict[str, Any]:
    said = {"annotations": verdict.annotations, "env": verdict.env}
    shown = {what: _shown(values) for what, values in said.items()}
    left_out = {what: len(values) - len(shown[what]) for what, values in said.items()}
    return {
        "run_id": verdict.run_id,
        "findings": verdict.findings,
        "materials": verdict.materials,
        **shown,
        "left_out": {what: number for what, number in left_out.items() if number},
        "claims": verdict.claims,
        "evaluations": verdict.evaluations,
    }


def _shown(said: Mapping[str, str]) -> dict[str, str]:
    """What kubectl shows of what a job said, by name; the signed attestation holds all of it."""
    room, kept = SHOWN, {}
    for name, text in sorted(said.items()):
        room -= len(name.encode()) + len(text.encode())
        if room < 0:
            break
        kept[name] = text
    return kept


async def _documents(connection: AsyncConnection, signed: Sequence[verdict_model.SignedVerdict]) -> None:
    found = [(one.verdict.run_id, document) for one in signed for document in one.documents]
    rows = {
        "run": [run_id for run_id, _ in found],
        "kind": [document.kind for _, document in found],
        "type": [document.predicate_type for _, document in found],
        "digest": [str(digests.of_bytes(document.bundle)) for _, document in found],
        "bundle": [document.bundle for _, document in found],
    }
    await connection.exec_driver_sql(_DOCUMENTS, rows)


def _kept(verdicts: Sequence[verdict_model.Verdict]) -> list[tuple[uuid.UUID, str]]:
    """The artifacts that a verdict speaks of stay as long as its run."""
    return [(verdict.run_id, one.digest) for verdict in verdicts for one in verdict.materials if one.uploaded]


async def _fan_out(connection: AsyncConnection, decided: Sequence[Decided]) -> None:
    """One row per attachment; equal payloads of a run are stored once."""
    sent = [(one, str(digests.of_bytes(one.payload))) for _, deliveries, _ in decided for one in deliveries]
    if not sent:
        return
    payloads = {(one.run_id, digest): one.payload for one, digest in sent}
    contents = {
        "run": [run_id for run_id, _ in payloads],
        "digest": [digest for _, digest in payloads],
        "content": list(payloads.values()),
    }
    await connection.exec_driver_sql(_PAYLOADS, contents)
    await connection.exec_driver_sql(_DELIVERIES, {"rows": _json([_delivery(*each) for each in sent])})
    await connection.exec_driver_sql("SELECT pg_notify(%(channel)s, '')", {"channel": DELIVERIES})


def _delivery(one: deliveries.Delivery, digest: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "run_id": one.run_id,
        "payload_digest": digest,
        "attachment_uid": one.attachment_uid,
        "attachment": one.attachment,
        "namespace": one.namespace,
        "type": one.type,
        "config": one.config,
    }


def _decisions(verdicts: Sequence[verdict_model.Verdict]) -> dict[str, Any]:
    at: list[datetime] = [verdict.judged_at for verdict in verdicts]
    return {
        "run": [verdict.run_id for verdict in verdicts],
        "result": [verdict.result.value for verdict in verdicts],
        "evidence": [verdict.evidence.value for verdict in verdicts],
        "at": at,
        "count": len(verdicts),
    }
