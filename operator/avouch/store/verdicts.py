"""Verdicts into the database: any number of them by the same few statements, inside the caller's transaction.

Everything that is one verdict (result, findings, signed documents, deliveries) becomes visible with one COMMIT. The
runs are updated last, because that takes the row of `versions`, which is held until COMMIT.

A verdict that takes the place of another moves it aside in the same transaction: into the row of its run, its documents
under kinds of their own, which have its number but for the first one. What was in the row before goes to a table: a run
that is judged again and again keeps the whole chain. Deliveries of it that did not arrive yet are dropped where the
other one is delivered, too: none arrives after the other's.

A run is found by the time of its first verdict, or of the late claim that ended it. That somebody had it judged again
moves it in no order: not in that of its Workflow, of retention or of replays, and releases no version.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, errors, rfc3339
from avouch.controlplane.model import deliveries, reevaluations, runs
from avouch.controlplane.model import verdicts as verdict_model
from avouch.store import artifacts, external_runs, run_moves

Decided: TypeAlias = tuple[verdict_model.SignedVerdict, Sequence[deliveries.Delivery], int]
"""A verdict, its deliveries, and the version of the judged run whose verdict it takes the place of (0: of none)."""

SUPERSEDED = "superseded-"  # before the kind of a document of such a verdict; before it, its number from the second on

SHOWN = 64 * 1024  # bytes of a run's environment variables, and of its annotations, that its status shows
DELIVERIES = "avouch_deliveries"  # channel of NOTIFY: deliveries may be due

# How many verdicts were set aside in a row of `runs`.
CHAIN = (
    "CASE WHEN {0}.superseded IS NULL THEN 0 ELSE 1 + coalesce(jsonb_array_length({0}.superseded -> 'before'), 0) END"
)
_UNDECIDED = (
    "SELECT id, subject_kind FROM runs JOIN"  # noqa: S608 - constants
    " unnest(%(ids)b::uuid[], %(over)s::bigint[], %(asked)s::boolean[]) AS i(run_id, over, asked)"
    f" ON i.run_id = id WHERE CASE WHEN i.over = 0 THEN {run_moves.may('judge')}"
    f"  WHEN i.asked THEN resource_version = i.over AND {run_moves.may('reevaluate')}"
    f"   AND {CHAIN.format('runs')} < {reevaluations.EARLIER}"
    f"  ELSE resource_version = i.over AND {run_moves.may('supersede')} END"
    " ORDER BY id FOR NO KEY UPDATE OF runs"
)
# Watchers see in the row what a run was at every version; `claims` are those of its first verdict: others came late.
_SET_ASIDE = (
    "WITH i AS (SELECT * FROM unnest(%(ids)b::uuid[], %(asked)s::boolean[]) AS i(run_id, asked)"  # noqa: S608 - constants
    "), gone AS (DELETE FROM verdicts WHERE run_id = ANY(%(ids)b) RETURNING run_id, findings, claims, reevaluation"
    f"), chain AS (SELECT r.id AS run_id, r.superseded, {CHAIN.format('r')} + 1 AS number FROM runs r"
    "  WHERE r.id = ANY(%(ids)b)"
    "), older AS (INSERT INTO superseded_verdicts (run_id, number, document)"
    "  SELECT run_id, number - 1, superseded FROM chain WHERE superseded IS NOT NULL"
    "), kept AS (UPDATE verdict_documents d"
    "  SET kind = %(prefix)s::text || CASE WHEN c.number > 1 THEN c.number || '-' ELSE '' END || d.kind"
    "  FROM chain c WHERE d.run_id = c.run_id AND NOT starts_with(d.kind, %(prefix)s::text)"
    "  RETURNING d.run_id, d.kind, d.digest"
    "), dropped AS (DELETE FROM deliveries d USING i WHERE d.run_id = i.run_id AND d.state = 'pending'"
    "  AND (NOT i.asked OR d.attachment_uid = ANY(%(told)s::text[]))"
    ") UPDATE runs SET superseded = jsonb_build_object("
    "  'verdict', result, 'evidence', evidence, 'version', judged_version, 'number', c.number, 'reevaluated', i.asked,"
    "  'judgedAt', coalesce(gone.reevaluation ->> 'judged_at',"
    "   to_char(judged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')),"
    "  'findings', gone.findings, 'reevaluation', gone.reevaluation,"
    "  'claims', coalesce(nullif(c.superseded -> 'claims', 'null'), gone.claims),"
    "  'before', CASE WHEN c.superseded IS NULL THEN '[]' ELSE coalesce(c.superseded -> 'before', '[]')"
    "   || jsonb_build_array(jsonb_build_object('verdict', c.superseded -> 'verdict',"
    "    'evidence', c.superseded -> 'evidence', 'version', c.superseded -> 'version')) END,"
    "  'documents', (SELECT jsonb_object_agg(kind, digest) FROM kept WHERE kept.run_id = gone.run_id))"
    " FROM gone, i, chain c WHERE runs.id = gone.run_id AND i.run_id = gone.run_id AND c.run_id = gone.run_id"
)
_VERDICTS = (
    "INSERT INTO verdicts (run_id, findings, materials, annotations, env, left_out, claims, evaluations, reevaluation)"
    " SELECT run_id, findings, materials, annotations, env, left_out, claims, evaluations, nullif(reevaluation, 'null')"
    " FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(run_id uuid, findings jsonb, materials jsonb, annotations jsonb,"
    "  env jsonb, left_out jsonb, claims jsonb, evaluations jsonb, reevaluation jsonb)"
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
    "WITH i AS (SELECT * FROM"
    "  unnest(%(run)b::uuid[], %(result)s::text[], %(evidence)s::text[], %(at)s::timestamptz[], %(asked)s::boolean[])"
    "  WITH ORDINALITY AS i(id, result, evidence, judged_at, asked, place)"
    "), v AS (UPDATE versions SET value = value + %(count)s RETURNING value - %(count)s AS base"
    ") UPDATE runs SET result = i.result, evidence = i.evidence,"
    "  judged_at = CASE WHEN i.asked THEN runs.judged_at ELSE i.judged_at END,"
    "  resource_version = v.base + i.place, judged_version = v.base + i.place,"
    "  created_version = CASE WHEN created_version = 0 THEN v.base + i.place ELSE created_version END"
    " FROM i, v WHERE runs.id = i.id"
)


def kind_of(kind: str, number: int) -> str:
    """How a document of a verdict is called that others took the place of, from 1 for the first; 0: the present one.

    >>> kind_of("vsa", 0), kind_of("vsa", 1), kind_of("vsa", 2)
    ('vsa', 'superseded-vsa', 'superseded-2-vsa')
    """
    if not number:
        return kind
    return f"{SUPERSEDED}{kind}" if number == 1 else f"{SUPERSEDED}{number}-{kind}"


async def write(connection: AsyncConnection, decided: Sequence[Decided]) -> frozenset[uuid.UUID]:
    """Store verdicts, documents and deliveries. Returns the runs that got theirs now; others were judged before."""
    if any(signed.verdict.result is verdict_model.VerdictResult.PENDING for signed, _, _ in decided):
        raise errors.Invalid("Pending is not a decision", field="result", fix="judge again later instead")
    asked = {
        "ids": [signed.verdict.run_id for signed, _, _ in decided],
        "over": [over for _, _, over in decided],
        "asked": [_asked(signed) for signed, _, _ in decided],
    }
    open_ = {row.id: row for row in await connection.exec_driver_sql(_UNDECIDED, asked)}
    now = sorted((one for one in decided if one[0].verdict.run_id in open_), key=lambda one: one[0].verdict.run_id)
    if not now:
        return frozenset()
    await _set_aside(connection, [one for one in now if one[2]])
    verdicts = [signed.verdict for signed, _, _ in now]
    await connection.exec_driver_sql(_VERDICTS, {"rows": _json([_verdict(verdict) for verdict in verdicts])})
    await _documents(connection, [signed for signed, _, _ in now])
    await artifacts.refer(connection, _kept(verdicts))
    await _fan_out(connection, now)
    for verdict in verdicts:
        external = open_[verdict.run_id].subject_kind == runs.EXTERNAL
        passed = verdict.result is verdict_model.VerdictResult.PASSED
        if external and passed and verdict.reevaluation is None:
            await external_runs.release(connection, verdict.run_id, verdict.judged_at)
    await connection.exec_driver_sql(_DECIDE, _decisions(verdicts))
    return frozenset(verdict.run_id for verdict in verdicts)


async def _set_aside(connection: AsyncConnection, decided: Sequence[Decided]) -> None:
    """Make room for verdicts that take the place of others."""
    if not decided:
        return
    given = {
        "ids": [signed.verdict.run_id for signed, _, _ in decided],
        "asked": [_asked(signed) for signed, _, _ in decided],
        "told": [one.attachment_uid for _, deliveries, _ in decided for one in deliveries],
        "prefix": SUPERSEDED,
    }
    await connection.exec_driver_sql(_SET_ASIDE, given)


def _asked(signed: verdict_model.SignedVerdict) -> bool:
    """Whether somebody asked for it."""
    return signed.verdict.reevaluation is not None


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
        "reevaluation": None if verdict.reevaluation is None else _reevaluation(verdict.reevaluation),
    }


def _reevaluation(about: verdict_model.Reevaluation) -> dict[str, Any]:
    times = {name: rfc3339.to_seconds(getattr(about, name)) for name in ("asked_at", "judged_at")}
    return {**asdict(about), **times}


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
        "asked": [verdict.reevaluation is not None for verdict in verdicts],
        "count": len(verdicts),
    }
