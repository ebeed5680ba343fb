"""What a verdict owes to integrations: a delivery for each attachment that wants it, and what it says. Pure.

Payload of a delivery, schema `avouch.dev/verdict/v1`: {schema, run{id, name, namespace, workflow, subject{kind, name,
uid}}, contract{name, revision, digest}, verdict, evidence, judgedAt, findings[{code, message, line, fix, material}],
materials[{name, type, digest, value, filename, origin, output}], statementDigest, links{run}}, and of a verdict that
takes the place of an earlier one supersedes{verdict, judgedAt}.
"""

import json
import uuid
from dataclasses import asdict

from avouch import digests, errors
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import runs, verdicts
from avouch.controlplane.model.verdicts import VerdictResult

_DELIVERY_NAMESPACE = uuid.UUID("a3c1c7a2-6a0e-5d52-9a35-0b9d6f6f6f10")  # uuid5 namespace of delivery ids


def deliveries(
    run: runs.Run, signed: verdicts.SignedVerdict, attachments: tuple[delivery_model.AttachmentRecord, ...]
) -> tuple[delivery_model.Delivery, ...]:
    """One delivery for each attachment that wants this verdict. Its id is of this very signed verdict and no other.

    So one id never says two things: not of a verdict that supersedes another, and not of a run that is judged anew
    because its database was lost. A verdict that supersedes goes to those as well that wanted the earlier one.
    """
    content = payload(run, signed)
    signature = digests.of_bytes(signed.document(verdicts.VSA).bundle)
    wanted = {signed.verdict.result, run.result}  # nobody may ask for Pending
    return tuple(
        delivery_model.Delivery(
            id=uuid.uuid5(_DELIVERY_NAMESPACE, f"{run.id}/{attachment.uid}/{signature}"),
            run_id=run.id,
            attachment_uid=attachment.uid,
            attachment=attachment.name,
            namespace=attachment.namespace,
            type=attachment.type,
            config=attachment.config,
            payload=content,
            attempts=0,
        )
        for attachment in attachments
        if any(wants(attachment, run, result) for result in wanted)
    )


def wants(attachment: delivery_model.AttachmentRecord, run: runs.Run, result: VerdictResult) -> bool:
    """By name or by every label of the selector, and by verdict. Without name and labels it wants nothing.

    One whose configuration cannot be read gets its delivery, which fails and says why: no verdict waits for it.
    """
    try:
        listed = delivery_model.route_of(attachment.config, attachment.name).verdicts
    except errors.Invalid:
        listed = []
    if listed and result.value not in listed:
        return False
    if attachment.workflow:
        return attachment.workflow == run.workflow
    return bool(attachment.selector) and attachment.selector.items() <= run.labels.items()


def payload(run: runs.Run, signed: verdicts.SignedVerdict) -> bytes:
    """The body that every integration gets: the same for each of them, so that it is stored once."""
    verdict = signed.verdict
    shown = ("name", "type", "digest", "value", "filename", "origin", "output")
    body = {
        "schema": "avouch.dev/verdict/v1",
        "run": {
            "id": str(run.id),
            "name": run.name,
            "namespace": run.namespace,
            "workflow": run.workflow,
            "subject": {"kind": run.subject_kind, "name": run.subject_name, "uid": run.key.subject_uid},
        },
        "contract": {"name": run.contract, "revision": run.revision, "digest": run.contract_digest},
        "verdict": verdict.result.value,
        "evidence": verdict.evidence.value,
        "judgedAt": verdict.judged_at.isoformat(),
        "findings": [asdict(finding) for finding in verdict.findings],
        "materials": [{key: getattr(found, key) for key in shown} for found in verdict.materials],
        "statementDigest": str(digests.of_bytes(signed.document(verdicts.ATTESTATION).statement)),
        **_supersedes(run),
        "links": {"run": f"/apis/runs.avouch.dev/v1alpha1/namespaces/{run.namespace}/workflowruns/{run.name}"},
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _supersedes(run: runs.Run) -> dict[str, object]:
    if run.judged_at is None:
        return {}
    return {"supersedes": {"verdict": run.result.value, "judgedAt": run.judged_at.isoformat()}}
