"""The record of a deleted run as the Kubernetes object `RunDeletion`. Pure."""

from datetime import datetime
from typing import Any

from avouch.ingest.aggregated import objects

_COLUMNS = (
    objects.Column("Name", "Name of the run.", format="name"),
    objects.Column("Run of", "What the run was about."),
    objects.Column("Verdict", "Its verdict."),
    objects.Column("By", "User of the cluster who deleted it."),
    objects.Column("Reason", "Why, as that user said."),
    objects.Column("Deleted", "Time since then."),
    objects.Column("Workflow", "Workflow that the run belonged to.", priority=1),
)


def _body(document: objects.Document) -> dict[str, Any]:
    subject = {key: document[f"subject{key.title()}"] for key in ("kind", "name", "uid")}
    contract = {
        "name": document["contract"], "revision": document["revision"], "digest": document["contractDigest"],
    }  # fmt: skip
    run = {
        "uid": document["id"], "workflow": document["workflow"], "subject": subject, "contract": contract,
        "verdict": document["result"], "evidence": document["evidence"], "documents": document["documents"],
        "openedAt": document["createdAt"], "judgedAt": document["judgedAt"],
    }  # fmt: skip
    spec = {"reason": document["reason"], "deletedBy": document["deletedBy"], "run": run}
    return {
        "metadata": {
            "name": document["name"],
            "namespace": document["namespace"],
            "uid": f"{document['id']}.deleted",
            "resourceVersion": str(document["resourceVersion"]),
            "creationTimestamp": document["requestedAt"],
        },
        "spec": objects.without_empty(spec),
        "status": objects.without_empty({"deletedAt": document["deletedAt"]}),
    }


def _cells(document: objects.Document, now: datetime) -> list[Any]:
    return [
        document["name"],
        f"{document['subjectKind']}/{document['subjectName']}",
        document["result"],
        document["deletedBy"],
        document["reason"],
        objects.age(now - datetime.fromisoformat(document["requestedAt"])),
        document["workflow"],
    ]


KIND = objects.Kind("RunDeletion", "rundeletions", _COLUMNS, _body, _cells)
