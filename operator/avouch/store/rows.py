"""Rows to values and back: plain mappings, no I/O."""

import json
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from avouch import digests
from avouch.controlplane.model import deliveries, external, runs, verdicts
from avouch.store import tables

# Runs of a namespace that was deleted, or was deleted and made anew, belong to its predecessor: nobody sees them.
RUNS = tables.runs.join(
    tables.namespaces,
    sa.and_(
        tables.namespaces.c.name == tables.runs.c.namespace, tables.namespaces.c.uid == tables.runs.c.namespace_uid
    ),
)


def run_of(row: "sa.Row[Any]") -> runs.Run:
    """A row of `runs` as the control plane knows it."""
    return runs.Run(
        id=row.id,
        name=row.name,
        key=runs.RunKey(row.workflow_uid, row.subject_uid, external=row.subject_kind == runs.EXTERNAL),
        namespace=row.namespace,
        namespace_uid=row.namespace_uid,
        workflow=row.workflow,
        subject_kind=row.subject_kind,
        subject_name=row.subject_name,
        contract=row.contract,
        revision=row.revision,
        contract_digest=row.contract_digest,
        plan=row.plan,
        created_at=row.created_at,
        result=verdicts.VerdictResult(row.result),
        evidence=verdicts.Evidence(row.evidence),
        finished_at=row.finished_at,
        judged_at=row.judged_at,
        labels=row.labels,
        own_labels=row.own_labels,
        resource_version=row.resource_version,
    )


def row_of(run: runs.Run) -> dict[str, Any]:
    """A new run as a row; versions are stamped by the transaction."""
    return {
        "id": run.id,
        "name": run.name,
        "workflow_uid": run.key.workflow_uid,
        "subject_uid": run.key.subject_uid,
        "namespace": run.namespace,
        "namespace_uid": run.namespace_uid,
        "workflow": run.workflow,
        "subject_kind": run.subject_kind,
        "subject_name": run.subject_name,
        "contract": run.contract,
        "revision": run.revision,
        "contract_digest": run.contract_digest,
        "plan": run.plan,
        "created_at": run.created_at,
        "result": verdicts.VerdictResult.PENDING.value,
        "evidence": verdicts.Evidence.NONE.value,
        "labels": run.labels,
        "own_labels": run.own_labels,
    }


def claim_of(row: "sa.Row[Any]") -> runs.Claim:
    """A row of `claims`."""
    return runs.Claim(
        run_id=row.run_id,
        digest=digests.Digest.parse(row.digest),
        bundle=row.bundle,
        pod_uid=row.pod_uid,
        taskrun_uid=row.taskrun_uid,
        taskrun=row.taskrun,
        pipeline_task=row.pipeline_task,
        service_account=row.service_account,
        received_at=row.received_at,
        explicit=row.explicit,
        pod=row.pod,
    )


def attachment_of(row: "sa.Row[Any]") -> deliveries.AttachmentRecord:
    """A row of `attachments`; `secret` is empty."""
    return deliveries.AttachmentRecord(**row._mapping)


def snapshot_of(document: dict[str, Any]) -> runs.Snapshot:
    """A stored Done snapshot."""
    return runs.Snapshot(
        subject=document["subject"],
        taskruns=tuple(document["taskruns"]),
        injected=tuple(document["injected"]),
        pods=document["pods"],
        cleaned=tuple(document.get("cleaned", ())),
        refused=document.get("refused", ""),
        ended=tuple(document.get("ended", ())),
        unseen=tuple(document.get("unseen", ())),
        crowded=document.get("crowded", False),
        interrupted=document.get("interrupted", ""),
        said=document.get("said", {}),
        uninjected=document.get("uninjected", ""),
        cut=tuple(document.get("cut", ())),
    )


def plain(value: Any) -> Any:
    """A frozen value as JSON types (tuples become lists, enums their text)."""
    return json.loads(json.dumps(asdict(value)))


def external_of(row: "sa.Row[Any]") -> external.ExternalPart:
    """A row of `external_runs`."""
    attester, reset = row.attester, row.reset
    return external.ExternalPart(
        run_id=row.run_id,
        attester=external.Attester(attester["type"], attester["id"], tuple(attester["uris"])),
        runner=external.Runner(**row.runner),
        organization=row.organization,
        expires_at=row.expires_at,
        lifetime=row.lifetime,
        version=row.version,
        prerelease=row.prerelease,
        release=row.release,
        reset=external.Reset(**reset) if reset else None,
    )
