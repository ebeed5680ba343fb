"""Bodies of the ingest API, as they travel. The OpenAPI document is made from these; unknown fields are ignored."""

from typing import Annotated, Any

from msgspec import Meta, Struct

DIGEST = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Meta(pattern=DIGEST, description="sha256: and 64 lower-case hexadecimal characters.")]


class OpenRequest(Struct, frozen=True):
    """Nothing to say: who calls, and for which run, is proven by the token."""


class OpenedRun(Struct, frozen=True):
    """One run and what it owes."""

    id: Annotated[str, Meta(description="The workflowRunID that the statement must carry.")]
    name: Annotated[str, Meta(description="What `kubectl get workflowruns` shows.")]
    workflow: Annotated[str, Meta(description="Name of the Workflow.")]
    verdict: Annotated[str, Meta(description="Pending until judged.")]
    plan: Annotated[dict[str, Any], Meta(description="Which materials the run owes and where each one comes from.")]


class OpenAnswer(Struct, frozen=True):
    """The caller's runs: one for each Workflow that covers it."""

    runs: list[OpenedRun]


class MaterialAnswer(Struct, frozen=True):
    """Stored content."""

    digest: Digest
    size: Annotated[int, Meta(description="Bytes.")]


class CertificateRequest(Struct, frozen=True):
    """A key to be certified for the calling pod."""

    csr: Annotated[str, Meta(max_length=16384, description="PKCS #10, PEM, ECDSA P-256. Only its key is read.")]


class CertificateAnswer(Struct, frozen=True):
    """A leaf of ten minutes, and whom it chains to."""

    certificate: Annotated[str, Meta(description="PEM.")]
    chain: Annotated[list[str], Meta(description="PEM, one authority each.")]


class BundleAnswer(Struct, frozen=True):
    """A stored claim: what this answer says has been committed."""

    id: str
    digest: Digest
    created: Annotated[bool, Meta(description="False for a resend of the same bytes.")]


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: Annotated[str, Meta(description="Stable name of the problem, a URI reference.")]
    title: str
    status: int
    detail: str = ""
    instance: Annotated[str, Meta(description="Request id: quote it when you ask for help.")] = ""
    field: Annotated[str, Meta(description="Path of the offending field.")] = ""
    fix: Annotated[str, Meta(description="The smallest change that mends it.")] = ""
    step: Annotated[str, Meta(description="The verification step that failed.")] = ""
