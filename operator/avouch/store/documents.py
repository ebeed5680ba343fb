"""Run documents, and what a watch tells about a change. Pure."""

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from avouch import errors, rfc3339

# Filters whose value changes in a run's life, and what it is before the verdict. Only `Pending` is ever replaced, so
# the state that a watcher saw before can be worked out and needs no memory per watcher.
CHANGING = {"verdict": "Pending", "evidence": ""}
OF_VERDICT = ("findings", "materials", "annotations", "env")  # what a whole document shows of it


def summary(row: "sa.Row[Any]") -> dict[str, Any]:
    """The run's own columns, as a list shows them."""
    asked = _asked(row.plan)
    return {
        "id": str(row.id),
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
        "reason": row.reason or "",
        "createdAt": _time(row.created_at),
        "finishedAt": _time(row.finished_at),
        "judgedAt": _time(row.judged_at),
        "labels": row.labels,
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
        "attestationBundle": (verdict.digest or "") if verdict else "",
        "deliveries": [_delivery(delivery) for delivery in deliveries],
    }


def chosen(row: "sa.Row[Any]", filters: Mapping[str, str]) -> bool:
    """Whether a run is one of those that a filter can ever show: by what never changes in its life."""
    if any(key in filters and getattr(row, key) != filters[key] for key in ("name", "workflow")):
        return False
    wanted = labels(filters.get("labels", ""))
    return all(row.labels.get(key) == value for key, value in wanted.items())


def event(row: "sa.Row[Any]", since: int, filters: Mapping[str, str]) -> str:
    """ADDED, MODIFIED, DELETED (it left the filter) or "" for one run changed after version `since`."""
    present = {"verdict": row.result, "evidence": row.evidence}
    before = CHANGING if row.judged_version > since else present
    was = row.created_version <= since and _matches(before, filters)
    if _matches(present, filters):
        return "MODIFIED" if was else "ADDED"
    return "DELETED" if was else ""


def labels(selector: str) -> dict[str, str]:
    """`a=b,c=d` as a mapping. Raises errors.Invalid."""
    pairs = [part.split("=", 1) for part in selector.replace("==", "=").split(",") if part.strip()]
    if any(len(pair) != 2 or pair[0].endswith("!") for pair in pairs):
        raise errors.Invalid("runs can be selected by equal labels only", field="labelSelector", fix="write key=value")
    return {key.strip(): value.strip() for key, value in pairs}


def _matches(state: Mapping[str, str], filters: Mapping[str, str]) -> bool:
    return all(state[key] == filters[key] for key in CHANGING if key in filters)


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
