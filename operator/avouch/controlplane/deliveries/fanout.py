"""What a verdict owes to integrations: a delivery for each attachment that wants it, and what it says. Pure.

Payload of a delivery, schema `avouch.dev/verdict/v1`: {schema, run{id, name, namespace, workflow, subject{kind, name,
uid}}, contract{name, revision, digest}, verdict, evidence, judgedAt, findings[{code, message, line, fix, material}],
materials[{name, type, digest, value, filename, origin, output}], statementDigest, links{run}}, and of a verdict that
takes the place of an earlier one supersedes{verdict, judgedAt, digest}. `contract` is the revision that judged. Where
somebody had the run judged again, there is reevaluation{by, reason, askedAt, openedUnder{name, revision, digest}}.
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
    run: runs.Run,
    signed: verdicts.SignedVerdict,
    attachments: tuple[delivery_model.AttachmentRecord, ...],
    standing: verdicts.Standing | None = None,
) -> tuple[delivery_model.Delivery, ...]:
    """One delivery for each attachment that wants this verdict. Its id is of this very signed verdict and no other.

    So one id never says two things: not of a verdict that supersedes another, and not of a run that is judged anew
    because its database was lost. A verdict that supersedes another goes to those as well that wanted any earlier one:
    they rely on it. One that somebody asked for, by another revision, goes to none but those that ask for such.
    """
    content = payload(run, signed, standing)
    signature = digests.of_bytes(signed.document(verdicts.VSA).bundle)
    wanted = {signed.verdict.result, run.result, *(standing.earlier if standing else ())}  # nobody may ask for Pending
    asked = signed.verdict.reevaluation is not None
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
        if (not asked or _hears_again(attachment)) and any(wants(attachment, run, result) for result in wanted)
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


def _hears_again(attachment: delivery_model.AttachmentRecord) -> bool:
    """Whether it asks for verdicts of runs that are judged again; one that cannot be read did not."""
    try:
        return delivery_model.route_of(attachment.config, attachment.name).reevaluations
    except errors.Invalid:
        return False


def payload(run: runs.Run, signed: verdicts.SignedVerdict, standing: verdicts.Standing | None = None) -> bytes:
    """The body that every integration gets: the same for each of them, so that it is stored once."""
    verdict, again = signed.verdict, signed.verdict.reevaluation
    pinned = verdicts.Contract(run.contract, run.revision, run.contract_digest)
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
        "contract": asdict(again.contract if again else pinned),
        "verdict": verdict.result.value,
        "evidence": verdict.evidence.value,
        "judgedAt": verdict.judged_at.isoformat(),
        "findings": [asdict(finding) for finding in verdict.findings],
        "materials": [{key: getattr(found, key) for key in shown} for found in verdict.materials],
        "statementDigest": str(digests.of_bytes(signed.document(verdicts.ATTESTATION).statement)),
        **_supersedes(run, standing),
        **({"reevaluation": _asked(again, pinned)} if again else {}),
        "links": {"run": f"/apis/runs.avouch.dev/v1alpha1/namespaces/{run.namespace}/workflowruns/{run.name}"},
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _supersedes(run: runs.Run, standing: verdicts.Standing | None) -> dict[str, object]:
    judged_at = run.judged_at if standing is None else standing.judged_at
    if judged_at is None:
        return {}
    digest = {"digest": standing.digest} if standing and standing.digest else {}
    return {"supersedes": {"verdict": run.result.value, "judgedAt": judged_at.isoformat(), **digest}}


def _asked(again: verdicts.Reevaluation, pinned: verdicts.Contract) -> dict[str, object]:
    said = {"by": again.by, "reason": again.reason, "askedAt": again.asked_at.isoformat()}
    return {**said, "openedUnder": asdict(pinned)}
