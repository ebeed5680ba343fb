"""Integration, `avouch.dev/v1alpha1`: a registered place that verdicts are delivered to."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch.api import meta, rules

_URL = rules.Pattern(
    "^https?://[^ /]+(/[^ ]*)?$", "is not an HTTP address", "write https://host/path, or http://host/path"
)


class Webhook(meta.Model):
    """An HTTP endpoint."""

    cel = (
        rules.Rule(
            "!self.url.startsWith('http://') || (has(self.allowPrivateAddresses) && self.allowPrivateAddresses)",
            "plain HTTP is for receivers inside the network",
            "write https://, or set allowPrivateAddresses and let the operator list the host in destinations",
        ),
    )

    url: Annotated[str, meta.bounded(2048, _URL, minimum=1), AfterValidator(_URL.check)]
    """Address that each verdict is POSTed to, such as https://hooks.example.com/avouch; redirects are not followed."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] | None = None
    """Seconds to wait for an answer. Default 10."""
    allow_private_addresses: bool = False
    """If true, also deliver to what the operator lists in destinations, such as Services of this cluster."""


class IntegrationSpec(meta.Model):
    """Where to deliver, and with which secret."""

    cel = (
        rules.Rule(
            "self.type != 'webhook' || has(self.webhook)",
            "an Integration of type webhook needs spec.webhook",
            "add spec.webhook.url",
        ),
    )

    type: Literal["webhook"]
    """Kind of integration: webhook."""
    suspend: bool = False
    """If true, deliveries are held back. Default false."""
    webhook: Webhook | None = None
    """Webhook to deliver to, for type webhook."""
    secret_ref: meta.SecretKeyRef | None = None
    """Key in a Secret of this namespace that signs each delivery (Standard Webhooks); without it, none is signed."""


class IntegrationStatus(meta.Status):
    """Observed state of the integration."""


class Integration(meta.Model):
    """A registered place that verdicts are delivered to."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: IntegrationSpec
    """Where to deliver, and with which secret."""
    status: IntegrationStatus | None = None
    """Observed state of the integration."""


KIND = meta.Kind(
    Integration,
    "integrations",
    "avint",
    columns=(meta.READY, meta.Column("Type", ".spec.type"), meta.REASON, meta.MESSAGE, meta.AGE),
    selectable=(".spec.type",),
)
