"""A run document as the Kubernetes object `WorkflowRun`, and as a row of a table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

GROUP, VERSION, KIND, PLURAL = "runs.avouch.dev", "v1alpha1", "WorkflowRun", "workflowruns"
API_VERSION = f"{GROUP}/{VERSION}"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table; priority 1 is shown with `-o wide` only."""

    name: str
    description: str
    priority: int = 0
    kind: str = "string"
    format: str = ""


COLUMNS = (
    Column("Name", "Name of the run.", format="name"),
    Column("Workflow", "Workflow that the run belongs to."),
    Column("Verdict", "Pending, Passed, Failed, Rejected, Error, Unobserved, Expired or Canceled."),
    Column("Evidence", "Where the evidence came from: sidecar, taskrun or missing."),
    Column("Materials", "Materials found of those that the contract asks for."),
    Column("Contract", "Contract and revision that the run is judged against."),
    Column("Age", "Time since the run was opened."),
    Column("Run of", "PipelineRun or TaskRun that the run is about.", priority=1),
    Column("Reason", "First finding of the verdict.", priority=1),
)


def resource(document: Document) -> dict[str, Any]:
    """The whole object; parts that a list does not carry are left out."""
    return {"apiVersion": API_VERSION, "kind": KIND, **_body(document)}


def partial(document: Document) -> dict[str, Any]:
    """Its metadata alone."""
    return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata(document)}


def metadata(document: Document) -> dict[str, Any]:
    """ObjectMeta."""
    return {
        "name": document["name"],
        "namespace": document["namespace"],
        "uid": document["id"],
        "resourceVersion": str(document["resourceVersion"]),
        "creationTimestamp": document["createdAt"],
        "labels": dict(document.get("labels") or {}),
    }


def _body(document: Document) -> dict[str, Any]:
    return {
        "metadata": metadata(document),
        "spec": {
            "workflow": document["workflow"],
            "contract": {
                "name": document["contract"],
                "revision": document["revision"],
                "digest": document["contractDigest"],
            },
            "subject": {
                "kind": document["subjectKind"],
                "name": document["subjectName"],
                "uid": document["subjectUid"],
            },
        },
        "status": _status(document),
    }


def _status(document: Document) -> dict[str, Any]:
    plain = {
        "verdict": document["result"],
        "evidence": document["evidence"],
        "materialsFound": document["materialsFound"],
        "materialsAsked": document["materialsAsked"],
        "finishedAt": document.get("finishedAt"),
        "judgedAt": document.get("judgedAt"),
    }
    deep = ("findings", "materials", "annotations", "env", "deliveries", "attestationBundle", "statement", "vsa")
    found = {**plain, **{key: document.get(key) for key in deep}}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def table(
    documents: Sequence[Document], listed: Mapping[str, Any], now: datetime, include: str = "Metadata"
) -> dict[str, Any]:
    """A `meta.k8s.io/v1` Table. `include` is the query's includeObject: None, Metadata or Object."""
    return {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "Table",
        "metadata": dict(listed),
        "columnDefinitions": [_definition(column) for column in COLUMNS],
        "rows": [_row(document, now, include) for document in documents],
    }


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(document: Document, now: datetime, include: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": cells(document, now)}
    if include != "None":
        row["object"] = resource(document) if include == "Object" else partial(document)
    return row


def cells(document: Document, now: datetime) -> list[str]:
    """One row, in the order of `COLUMNS`."""
    findings = document.get("findings") or [{}]
    return [
        document["name"],
        document["workflow"],
        document["result"],
        document["evidence"],
        f"{document['materialsFound']}/{document['materialsAsked']}",
        f"{document['contract']}@{document['revision']}",
        age(now - datetime.fromisoformat(document["createdAt"])),
        f"{document['subjectKind']}/{document['subjectName']}",
        str(findings[0].get("code", "")),
    ]


def age(passed: timedelta) -> str:
    """As kubectl writes it, in two units at most.

    >>> age(timedelta(seconds=95)), age(timedelta(minutes=12)), age(timedelta(hours=30)), age(timedelta(days=40))
    ('95s', '12m', '30h', '40d')
    """
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 2 * 86400 else f"{seconds // 86400}d"
