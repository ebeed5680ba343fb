"""Integration, `avouch.dev/v1alpha1`: a registered place that verdicts are delivered to."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch.api import meta, rules

_URL = rules.Pattern(
    "^https?://[^ /]+(/[^ ]*)?$", "is not an HTTP address", "write https://host/path, or http://host/path"
)


class Webhook(meta.Model):
    """An HTTP endpoint."""

    url: Annotated[str, meta.bounded(2048, _URL, minimum=1), AfterValidator(_URL.check)]
    """Address that each verdict is POSTed to, such as https://hooks.example.com/avouch; redirects are not followed."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] | None = None
    """Seconds to wait for an answer. Default 10."""
    allow_private_addresses: bool = False
    """Also deliver to loopback, link-local and private addresses, such as Services of this cluster. Default false."""


class IntegrationSpec(meta.Model):
    """What to deliver to, and with which secret."""

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
    """Hold deliveries back until it is false again. Default false."""
    webhook: Webhook | None = None
    """Where to deliver, for type webhook."""
    secret_ref: meta.SecretKeyRef | None = None
    """Key that signs each delivery (HMAC-SHA256), in a Secret of this namespace; absent, deliveries are unsigned."""


class IntegrationStatus(meta.Status):
    """What became of the integration."""


class Integration(meta.Model):
    """A registered place that verdicts are delivered to."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata."""
    spec: IntegrationSpec
    """What to deliver to, and with which secret."""
    status: IntegrationStatus | None = None
    """What became of the integration."""


KIND = meta.Kind(
    Integration,
    "integrations",
    "avint",
    columns=(meta.READY, meta.Column("Type", ".spec.type"), meta.REASON, meta.MESSAGE, meta.AGE),
    selectable=(".spec.type",),
)
