"""Runs as documents, which kubectl shows: of their rows, and what a watch tells about a change.

What people's jobs wrote decides how large a whole document is, so PostgreSQL says it before anything is read: a page or
a turn has as many documents as fit into a number of bytes, and at least one.
"""

import functools
import itertools
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors, rfc3339
from avouch.controlplane.model import selectors
from avouch.store import tables

# Filters whose value changes in a run's life, and what it is before the verdict. A run keeps what each of its earlier
# verdicts was, so the state that a watcher saw before can be worked out and needs no memory per watcher.
CHANGING = {"verdict": "Pending", "evidence": ""}
# Filters whose value never changes, and the column that has it.
FIXED = {
    "name": "name", "workflow": "workflow", "kind": "subject_kind", "subject": "subject_name", "uid": "subject_uid",
}  # fmt: skip
OF_VERDICT = (
    "findings",
    "materials",
    "annotations",
    "env",
    "left_out",
    "evaluations",
)  # what a whole document shows of it
ROOM = 1024 * 1024  # bytes of JSON that one page or turn reads; as objects they take some nine times as much
# Of small values PostgreSQL knows the size without reading them; of others what is stored may be compressed.
_SMALL = 300
_SIZE = " + ".join(
    f"CASE WHEN pg_column_size(v.{name}) < {_SMALL} THEN pg_column_size(v.{name}) ELSE octet_length(v.{name}::text) END"
    for name in OF_VERDICT
)
_SIZES = sa.text(
    f"SELECT v.run_id, ({_SIZE}) + coalesce((SELECT sum(octet_length(d.last_error) + 200) FROM deliveries d"  # noqa: S608
    " WHERE d.run_id = v.run_id), 0) AS size FROM verdicts v WHERE v.run_id = ANY(:ids)"
)


_FOUND = 10  # findings of an earlier verdict that are shown


@dataclass(frozen=True, slots=True)
class Documents:
    """Those of the first rows that fit, and how many bytes of JSON PostgreSQL gave for each."""

    shown: list[dict[str, Any]]
    sizes: list[int]


async def of(
    connection: AsyncConnection,
    found: "Sequence[sa.Row[Any]]",
    wanted_whole: Collection[uuid.UUID],
    room: int = ROOM,
) -> Documents:
    """One document for each row: whole ones where asked for, else the columns of a table.

    There are fewer than rows where the whole ones would take more bytes than `room`; there is always the first.
    """
    if not wanted_whole:
        return Documents([summary(row) for row in found], [0] * len(found))
    sizes = await _sizes(connection, found, wanted_whole)
    found = found[: max(1, sum(1 for total in itertools.accumulate(sizes) if total <= room))]
    wanted_whole = {row.id for row in found if row.id in wanted_whole}
    verdicts, ledger = tables.verdicts, tables.deliveries
    signed = tables.verdict_documents
    asked = tables.reevaluations
    columns = (
        verdicts.c.run_id,
        *(verdicts.c[name] for name in OF_VERDICT),
        signed.c.digest,
        *(asked.c[name] for name in Asked._fields),
    )
    attested = sa.and_(signed.c.run_id == verdicts.c.run_id, signed.c.kind == "attestation")
    whom = verdicts.outerjoin(signed, attested).outerjoin(asked, asked.c.run_id == verdicts.c.run_id)
    joined = sa.select(*columns).select_from(whom)
    decided = await connection.execute(joined.where(verdicts.c.run_id.in_(wanted_whole)))
    verdict_of = {verdict.run_id: verdict for verdict in decided.all()}
    sent = sa.select(ledger).where(ledger.c.run_id.in_(wanted_whole)).order_by(ledger.c.attachment, ledger.c.id)
    by_run: dict[uuid.UUID, list[sa.Row[Any]]] = {}
    for delivery in (await connection.execute(sent)).all():
        by_run.setdefault(delivery.run_id, []).append(delivery)
    late = await _late_claims(connection, wanted_whole)
    earlier = await _earlier(connection, [row.id for row in found if row.id in wanted_whole and _before_last(row)])
    shown = [
        {
            **whole(row, verdict_of.get(row.id), by_run.get(row.id, ())),
            "lateClaims": late.get(row.id, []),
            "earlier": earlier.get(row.id, []),
        }
        if row.id in wanted_whole
        else summary(row)
        for row in found
    ]
    return Documents(shown, sizes[: len(found)])


async def _sizes(
    connection: AsyncConnection, found: "Sequence[sa.Row[Any]]", wanted_whole: Collection[uuid.UUID]
) -> list[int]:
    said = await connection.execute(_SIZES, {"ids": list(wanted_whole)})
    size_of = {row.run_id: int(row.size) for row in said.all()}
    return [size_of.get(row.id, 0) + (len(json.dumps(row.superseded)) if row.superseded else 0) for row in found]


_LATE = (
    "SELECT c.run_id, c.digest, c.taskrun, c.pod, c.received_at FROM claims c JOIN verdicts v ON v.run_id = c.run_id"
    " JOIN runs r ON r.id = c.run_id WHERE c.run_id = ANY(%(ids)b)"
    " AND NOT coalesce(coalesce(nullif(r.superseded -> 'claims', 'null'), v.claims) ? c.digest, true)"
    " ORDER BY c.received_at, c.digest LIMIT 1000"
)


async def _late_claims(
    connection: AsyncConnection, run_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """The claims that came after the first verdict of a run."""
    found: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for row in await connection.exec_driver_sql(_LATE, {"ids": list(run_ids)}):
        said = {"digest": row.digest, "taskRun": row.taskrun, "pod": row.pod, "receivedAt": _time(row.received_at)}
        found.setdefault(row.run_id, []).append(said)
    return found


_EARLIER = "SELECT run_id, document FROM superseded_verdicts WHERE run_id = ANY(%(ids)b) ORDER BY run_id, number"


async def _earlier(connection: AsyncConnection, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """What runs were before the verdict that their present one took the place of, the oldest first."""
    found: dict[uuid.UUID, list[dict[str, Any]]] = {}
    if not run_ids:
        return found
    for row in await connection.exec_driver_sql(_EARLIER, {"ids": list(run_ids)}):
        said = _superseded(row.document)
        shown = {**said, "findings": said["findings"][:_FOUND], "more": max(0, len(said["findings"]) - _FOUND)}
        found.setdefault(row.run_id, []).append(shown)
    return found


def _before_last(row: "sa.Row[Any]") -> bool:
    return bool(row.superseded and row.superseded.get("before"))


def about(row: Any) -> dict[str, Any]:
    """Which run it is and what became of it: of a run, and of the record that one which was deleted leaves."""
    return {
        "name": row.name,
        "namespace": row.namespace,
        "workflow": row.workflow,
        "subjectKind": row.subject_kind,
        "subjectName": row.subject_name,
        "subjectUid": row.subject_uid,
        "contract": row.contract,
        "revision": row.revision,
        "contractDigest": row.contract_digest,
        "result": row.result,
        "evidence": row.evidence,
    }


def summary(row: "sa.Row[Any]") -> dict[str, Any]:
    """The run's own columns, as a list shows them."""
    again = row.reevaluation
    asked = frozenset(again["asked"]) if again else _asked(row.plan)
    return {
        "id": str(row.id),
        **about(row),
        "reason": row.reason or "",
        "finding": row.finding or "",
        "createdAt": _time(row.created_at),
        "finishedAt": _time(row.finished_at),
        "judgedAt": again["judged_at"] if again else _time(row.judged_at),
        "reevaluation": _reevaluation(again) if again else None,
        "labels": {**row.own_labels, **row.labels},
        "resourceVersion": row.resource_version,
        "materialsFound": len(asked.intersection(row.materials or ())),
        "materialsAsked": len(asked),
        **_external(row),
    }


@functools.lru_cache(maxsize=64)
def _asked(plan: str) -> frozenset[str]:
    """The materials that a plan asks for: a page shows few plans, each many times."""
    return frozenset(material["name"] for material in json.loads(plan).get("materials", ()))


def _external(row: "sa.Row[Any]") -> dict[str, Any]:
    """What only external runs have."""
    if row.attester is None:
        return {}
    runner = {key: row.runner[key] for key in ("type", "url", "environment", "authenticated") if row.runner[key]}
    return {
        "attester": {"type": row.attester["type"], "id": row.attester["id"]},
        "runner": runner,
        "version": row.version,
        "organization": row.organization,
        "expiresAt": _time(row.expires_at) if row.finished_at is None else None,
    }


def whole(row: "sa.Row[Any]", verdict: "sa.Row[Any] | None", deliveries: "Sequence[sa.Row[Any]]") -> dict[str, Any]:
    """The summary, and everything below it."""
    return {
        **summary(row),
        "findings": verdict.findings if verdict else [],
        "materials": verdict.materials if verdict else [],
        "annotations": verdict.annotations if verdict else {},
        "env": verdict.env if verdict else {},
        "leftOut": verdict.left_out if verdict else {},
        "evaluations": verdict.evaluations if verdict else [],
        "attestationBundle": (verdict.digest or "") if verdict else "",
        "superseded": None if row.superseded is None else _superseded(row.superseded),
        "reevaluationRequest": None if verdict is None or verdict.state is None else request(verdict),
        "deliveries": [_delivery(delivery) for delivery in deliveries],
    }


def _superseded(earlier: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict that another one took the place of."""
    shown = {name: earlier[name] for name in ("verdict", "evidence", "judgedAt", "findings")}
    digests = {kind.rpartition("-")[2]: digest for kind, digest in (earlier["documents"] or {}).items()}
    again = earlier.get("reevaluation")
    return {
        **shown,
        "number": earlier.get("number", 1),
        "attestationBundle": digests.get("attestation", ""),
        "summaryBundle": digests.get("vsa", ""),
        "reevaluation": _reevaluation(again) if again else None,
    }


def _reevaluation(again: Mapping[str, Any]) -> dict[str, Any]:
    """Who had a run judged again, why, and by what."""
    same = {name: again[name] for name in ("contract", "reason", "replaces")}
    return {**same, "askedBy": again["by"], "askedAt": again["asked_at"]}


class Asked(NamedTuple):
    """A request to judge a run again, as it is stored before anybody answered."""

    asked_by: str
    asked_at: datetime
    reason: str
    state: str = "Waiting"
    message: str = ""
    answered_at: datetime | None = None


def request(row: Any) -> dict[str, Any]:
    """What became of it when somebody asked last to have a run judged again: a row, or an `Asked`."""
    return {
        "askedBy": row.asked_by,
        "askedAt": _time(row.asked_at),
        "reason": row.reason,
        "state": row.state,
        "message": row.message,
        "answeredAt": _time(row.answered_at),
    }


def chosen(row: "sa.Row[Any]", filters: selectors.Filters) -> bool:
    """Whether a run is one of those that a filter can ever show: by what never changes in its life."""
    if any(not selectors.is_wanted(getattr(row, column), filters.get(key)) for key, column in FIXED.items()):
        return False
    found = {**row.own_labels, **row.labels}
    return all(one.holds(found) for one in asked_labels(filters))


def asked_labels(filters: selectors.Filters) -> Sequence[selectors.Requirement]:
    """What of the filters is about labels. Raises errors.Invalid where that is no list of requirements."""
    found = filters.get("labels", ())
    if isinstance(found, str | selectors.Not):
        raise errors.Invalid("labels are selected by requirements", field="labels", fix="read them by selectors.labels")
    return found


def event(row: "sa.Row[Any]", since: int, filters: selectors.Filters) -> str:
    """ADDED, MODIFIED, DELETED (it left the filter) or "" for one run changed after version `since`."""
    present = {"verdict": row.result, "evidence": row.evidence}
    before = _before(row, since) if row.judged_version > since else present
    was = row.created_version <= since and _matches(before, filters)
    if _matches(present, filters):
        return "MODIFIED" if was else "ADDED"
    return "DELETED" if was else ""


def _before(row: "sa.Row[Any]", since: int) -> Mapping[str, str]:
    """What a run was at a version before its present verdict."""
    earlier = row.superseded
    chain = [*(earlier.get("before") or ()), earlier] if earlier is not None else []
    return next((one for one in reversed(chain) if one["version"] <= since), CHANGING)


def _matches(state: Mapping[str, str], filters: selectors.Filters) -> bool:
    return all(selectors.is_wanted(state[key], filters.get(key)) for key in CHANGING)


def _delivery(row: "sa.Row[Any]") -> dict[str, Any]:
    return {
        "id": str(row.id),
        "attachment": row.attachment,
        "state": row.state,
        "attempts": row.attempts,
        "lastError": row.last_error,
        "nextTry": _time(row.next_try),
    }


def _time(at: datetime | None) -> str | None:
    return rfc3339.to_seconds(at) if at else None
