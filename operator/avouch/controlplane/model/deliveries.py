"""Attachments and the deliveries that a verdict owes them, the port of the ledger, and that of one integration."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import pydantic

from avouch.api import meta
from avouch.controlplane.model import deliverybounds


class Secret(meta.SecretKeyRef):
    """The key that signs."""

    namespace: str = ""
    """Of the Integration; "": that of the delivery."""


class Route(meta.Model):
    """What of an attachment's configuration is ours; the rest is its integration's."""

    verdicts: list[str] = pydantic.Field(default_factory=list)
    """Verdicts that are delivered; none: all of them."""
    reevaluations: bool = False
    """Whether those of runs that somebody had judged again are delivered, too."""
    suspend: bool = False
    secret_ref: Secret | None = None


def route_of(config: dict[str, Any], attachment: str) -> Route:
    """What the attachment of this name says of its deliveries. Raises errors.Invalid."""
    return Route.read(config, f"IntegrationAttachment {attachment}", field="config")


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """An IntegrationAttachment with its Integration resolved. `secret` keeps the HMAC key out of repr."""

    namespace: str
    name: str
    uid: str
    integration: str
    type: str  # e.g. webhook
    config: dict[str, Any]
    secret: bytes = field(repr=False, default=b"")
    workflow: str = ""  # one Workflow by name, or
    selector: dict[str, str] = field(default_factory=dict)  # matchLabels over Workflows


class DeliveryState(StrEnum):
    """State of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up: the answer says that trying again is pointless, or the tries are used up


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verdict on its way to one attachment. The id is stable over all tries."""

    id: uuid.UUID
    run_id: uuid.UUID
    attachment_uid: str
    attachment: str
    namespace: str
    type: str
    config: dict[str, Any]
    payload: bytes
    attempts: int
    secret: bytes = field(repr=False, default=b"")


class Deliveries(Protocol):
    """The fan-out ledger."""

    async def lease(self, capacity: deliverybounds.Capacity, seconds: int) -> Sequence[Delivery]:
        """Take as many due deliveries as there is room for; each is ours for `seconds`, then anyone may take it.

        Each with its attachment's configuration of now; one whose attachment is suspended stays, and no try is counted.
        """
        ...

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        """Mark it delivered."""
        ...

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        """Mark a failed attempt; without `next_try` the delivery is given up."""
        ...

    async def counts(self, attachment_uid: str) -> "tuple[int, int, int, str]":
        """(pending, delivered, failed, last error) of one attachment."""
        ...


class Integration(Protocol):
    """One kind of receiver."""

    async def deliver(self, delivery: Delivery) -> None:
        """Send it.

        Raises:
            errors.Unavailable: not now; `errors.Overloaded` says when.
            errors.AvouchError: trying again is pointless.
        """
        ...
