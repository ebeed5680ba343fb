"""A run document as the Kubernetes object `WorkflowRun`, and as a row of a table. Pure."""

from datetime import datetime
from typing import Any

from avouch.ingest.aggregated import objects

_COLUMNS = (
    objects.Column("Name", "Name of the run.", format="name"),
    objects.Column("Workflow", "Workflow that the run belongs to."),
    objects.Column("Verdict", "Pending, Passed, Failed, Rejected, Error, Unobserved, Expired or Canceled."),
    objects.Column("Evidence", "Where the evidence came from: sidecar, taskrun, cli or missing."),
    objects.Column("Materials", "Materials found of those that the contract asks for."),
    objects.Column("Contract", "Contract and revision that the run is judged against."),
    objects.Column("Age", "Time since the run was opened."),
    objects.Column(
        "Run of",
        "PipelineRun or TaskRun that the run is about, or External and the id given outside Tekton.",
        priority=1,
    ),
    objects.Column("Reason", "First finding of the verdict.", priority=1),
)


def _metadata(document: objects.Document) -> dict[str, Any]:
    return {
        "name": document["name"],
        "namespace": document["namespace"],
        "uid": document["id"],
        "resourceVersion": str(document["resourceVersion"]),
        "creationTimestamp": document["createdAt"],
        "labels": dict(document.get("labels") or {}),
    }


def _body(document: objects.Document) -> dict[str, Any]:
    return {
        "metadata": _metadata(document),
        "spec": {
            **{key: document[key] for key in ("attester", "runner", "version", "organization") if document.get(key)},
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


def _status(document: objects.Document) -> dict[str, Any]:
    plain = {
        "verdict": document["result"],
        "evidence": document["evidence"],
        "materialsFound": document["materialsFound"],
        "materialsAsked": document["materialsAsked"],
        "finishedAt": document.get("finishedAt"),
        "judgedAt": document.get("judgedAt"),
        "expiresAt": document.get("expiresAt"),
    }
    deep = ("findings", "materials", "annotations", "env", "deliveries", "attestationBundle", "statement", "vsa")
    found = {**plain, **{key: document.get(key) for key in deep}}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _cells(document: objects.Document, now: datetime) -> list[str]:
    findings = document.get("findings") or [{}]
    return [
        document["name"],
        document["workflow"],
        document["result"],
        document["evidence"],
        f"{document['materialsFound']}/{document['materialsAsked']}",
        f"{document['contract']}@{document['revision']}",
        objects.age(now - datetime.fromisoformat(document["createdAt"])),
        f"{document['subjectKind']}/{document['subjectName']}",
        str(findings[0].get("code", "")),
    ]


KIND = objects.Kind("WorkflowRun", "workflowruns", _COLUMNS, _body, _cells)
