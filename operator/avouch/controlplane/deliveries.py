"""Deliveries: lease, send, mark. At least once, with a stable id; one slow receiver never holds up another."""

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from avouch import digests, errors
from avouch.controlplane.model import cluster, runs, verdicts
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model.verdicts import VerdictResult

MAX_ATTEMPTS = 15

FIRST = timedelta(seconds=30)  # 30 s, 60 s ... 17 h, 24 h, 24 h: fifteen tries span 1.7 to 3.4 days

LONGEST = timedelta(hours=24)

LEASE = 90  # seconds; longer than any delivery may take, so that no two workers send the same one at once

BATCH = 32

AT_ONCE = 4  # deliveries in flight to one attachment


@dataclass(frozen=True, slots=True)
class Delivering:
    """The use case, with its ports and the table of integrations by type."""

    ledger: delivery_model.Deliveries
    secrets: cluster.Secrets
    clock: cluster.Clock
    integrations: Mapping[str, delivery_model.Integration]
    rng: random.Random = field(default_factory=random.SystemRandom)

    async def run(self) -> int:
        """Deliver what is due. Returns how many were tried."""
        due = await self.ledger.lease(BATCH, LEASE)
        gates: dict[str, asyncio.Semaphore] = {one.attachment_uid: asyncio.Semaphore(AT_ONCE) for one in due}
        await asyncio.gather(*(self._one(delivery, gates[delivery.attachment_uid]) for delivery in due))
        return len(due)

    async def _one(self, delivery: delivery_model.Delivery, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await self._send(delivery)
            except errors.AvouchError as exc:
                again = next_after(exc, delivery.attempts, self.clock.now(), self.rng)
                await self.ledger.failed(delivery.id, str(exc)[:500], next_try=again)
            except Exception as exc:  # a bug in a plugin is this delivery's failure, not its neighbours'
                again = next_try(delivery.attempts, self.clock.now(), self.rng)
                await self.ledger.failed(delivery.id, f"internal error: {type(exc).__name__}", next_try=again)
            else:
                await self.ledger.delivered(delivery.id, self.clock.now())

    async def _send(self, delivery: delivery_model.Delivery) -> None:
        integration = self.integrations.get(delivery.type)
        if integration is None:
            raise errors.Invalid(f"no integration of type {delivery.type[:40]!r}", field="spec.type")
        if delivery.config.get("suspend") is True:  # the ledger holds these back while their attachment exists
            raise errors.Unavailable("suspended when the verdict was given, and the attachment is gone")
        reference = delivery.config.get("secretRef") or {}
        name, key = reference.get("name", ""), reference.get("key", "")
        if name:
            secret = await self._secret(reference.get("namespace") or delivery.namespace, name, key)
            delivery = replace(delivery, secret=secret)
        await integration.deliver(delivery)

    async def _secret(self, namespace: str, name: str, key: str) -> bytes:
        """A Secret that is not there yet may come: GitOps applies in any order."""
        try:
            return await self.secrets.read(namespace, name, key or "secret")
        except (errors.NotFound, errors.Denied) as exc:
            raise errors.Unavailable(f"secret {namespace}/{name}: {exc}") from exc


def next_after(exc: errors.AvouchError, attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """When to try again after this failure; None gives up."""
    if not exc.retry:
        return None
    later = next_try(attempts, now, rng)
    if later is None or not isinstance(exc, errors.Overloaded):
        return later
    asked = now + min(timedelta(seconds=max(exc.retry_after, 1)), LONGEST)
    return max(later, asked)


def next_try(attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """Exponential with full half-jitter, so that receivers that come back are not hit at once; None after the last.

    `attempts` counts the try that just failed.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    whole = min(FIRST * (1 << max(attempts - 1, 0)), LONGEST)
    return now + whole * (0.5 + rng.random() / 2)


_DELIVERY_NAMESPACE = uuid.UUID("a3c1c7a2-6a0e-5d52-9a35-0b9d6f6f6f10")  # uuid5 namespace of delivery ids


def deliveries(
    run: runs.Run, signed: verdicts.SignedVerdict, attachments: tuple[delivery_model.AttachmentRecord, ...]
) -> tuple[delivery_model.Delivery, ...]:
    """One delivery for each attachment that wants this verdict; the id is the same however often this is worked out."""
    content = payload(run, signed)
    return tuple(
        delivery_model.Delivery(
            id=uuid.uuid5(_DELIVERY_NAMESPACE, f"{run.id}/{attachment.uid}"),
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
        if wants(attachment, run, signed.verdict.result)
    )


def wants(attachment: delivery_model.AttachmentRecord, run: runs.Run, result: VerdictResult) -> bool:
    """By name or by every label of the selector, and by verdict. Without name and labels it wants nothing."""
    listed = attachment.config.get("verdicts") or ()
    if listed and result.value not in listed:
        return False
    if attachment.workflow:
        return attachment.workflow == run.workflow
    return bool(attachment.selector) and attachment.selector.items() <= run.labels.items()


def payload(run: runs.Run, signed: verdicts.SignedVerdict) -> bytes:
    """The body that every integration gets. The module docstring is the schema."""
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
        "statementDigest": str(digests.of_bytes(signed.statement)),
        "links": {"run": f"/apis/runs.avouch.dev/v1alpha1/namespaces/{run.namespace}/workflowruns/{run.name}"},
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
