"""A run document as the Kubernetes object `WorkflowRun`, and as a row of a table. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from avouch import findings
from avouch.contract import owedview
from avouch.ingest.aggregated import objects

VERDICT = "avouch.dev/verdict"  # annotation that repeats what the status says, where kubectl shows it first
_SAID = 10  # findings in it
_COLUMNS = (
    objects.Column("Name", "Name of the run.", format="name"),
    objects.Column("Workflow", "Workflow that the run belongs to."),
    objects.Column("Run of", "PipelineRun or TaskRun that the run is about, or External and its id."),
    objects.Column("Verdict", "Pending, Passed, Failed, Rejected, Error, Unobserved, Expired or Canceled."),
    objects.Column("Reason", "Code of the verdict's first finding."),
    objects.Column("Evidence", "Where the evidence came from: sidecar, taskrun, cli or missing."),
    objects.Column("Materials", "Materials found of those that the contract asks for."),
    objects.Column("Age", "Time since the run was opened."),
    objects.Column("Contract", "Contract and revision that the run is judged against.", priority=1),
    objects.Column("Finding", "Message of the verdict's first finding.", priority=1),
)


def _metadata(document: objects.Document) -> dict[str, Any]:
    labels = dict(document.get("labels") or {})
    return {
        "name": document["name"],
        "namespace": document["namespace"],
        "uid": document["id"],
        "resourceVersion": str(document["resourceVersion"]),
        "creationTimestamp": document["createdAt"],
        **({"labels": labels} if labels else {}),
        **({"annotations": {VERDICT: summary(document)}} if "findings" in document else {}),
    }


def summary(document: objects.Document) -> str:
    """Verdict and findings in a few lines: `kubectl describe` begins with the annotations."""
    lines = [str(document["result"])]
    for found in document["findings"][:_SAID]:
        lines.append(findings.sentence(found["code"], found["message"], found.get("fix", "")))
    if len(document["findings"]) > _SAID:
        lines.append(f"and {len(document['findings']) - _SAID} more: see status.findings")
    return "\n".join(lines)


def _body(document: objects.Document) -> dict[str, Any]:
    spec = {
        **{key: document.get(key) for key in ("attester", "runner", "version", "organization")},
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
    }
    return {
        "metadata": _metadata(document),
        "spec": objects.without_empty(spec),
        "status": objects.without_empty(_status(document)),
    }


def _status(document: objects.Document) -> dict[str, Any]:
    plain = {
        "verdict": document["result"],
        "evidence": document["evidence"],
        "materialsFound": document["materialsFound"],
        "materialsAsked": document["materialsAsked"],
    }
    times = ("finishedAt", "judgedAt", "expiresAt")
    shown = ("findings", "annotations", "env", "leftOut")
    again = ("superseded", "earlier", "reevaluation", "reevaluationRequest")
    deep = (*shown, "deliveries", *again, "lateClaims", "attestationBundle")
    materials = [_material(one) for one in document.get("materials") or ()]
    said = {"materials": materials, "policies": [_policy(one) for one in document.get("evaluations") or ()]}
    return {**plain, **{key: document.get(key) for key in (*times, *deep)}, **said}


def _material(found: Mapping[str, Any]) -> dict[str, Any]:
    """A text or an image has a value, and no bytes of ours: a size of 0 would say that it is empty."""
    return {key: value for key, value in found.items() if key != "size" or not found.get("value")}


def _policy(found: Mapping[str, Any]) -> dict[str, Any]:
    """What one policy said; its messages are what people read."""
    same = ("digest", "reference", "description", "scripts", "group", "material", "status", "reason", "gate", "more",
            "line")  # fmt: skip
    violations = [one["message"] for one in found["violations"]]
    exception = found.get("exception")  # as the client's word, absent in older verdicts
    said = {
        "name": found["policy"],
        **{key: found.get(key) for key in same},
        "violations": violations,
        "inputs": owedview.shown_inputs(found.get("inputs") or ()),
        "client": found.get("client"),
        "exception": exception and _exception(exception),
    }
    return {key: value for key, value in said.items() if value}


def _exception(found: Mapping[str, str]) -> dict[str, str]:
    same = {key: found[key] for key in ("name", "reason")}
    return {**same, "grantedBy": found["granted_by"], "expiresAt": found["expires_at"]}


def _cells(document: objects.Document, now: datetime) -> list[str]:
    return [
        document["name"],
        document["workflow"],
        f"{document['subjectKind']}/{document['subjectName']}",
        document["result"],
        document.get("reason", ""),
        document["evidence"],
        f"{document['materialsFound']}/{document['materialsAsked']}",
        objects.age(now - datetime.fromisoformat(document["createdAt"])),
        f"{document['contract']}@{_judging(document)}",
        document.get("finding", ""),
    ]


def _judging(document: objects.Document) -> int:
    """The revision that its verdict is of."""
    again = document.get("reevaluation")
    return int(again["contract"]["revision"] if again else document["revision"])


KIND = objects.Kind("WorkflowRun", "workflowruns", _COLUMNS, _body, _cells, short=("avrun",))
