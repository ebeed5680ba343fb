"""PolicyReview: a policy tried by the server on a document. Nothing of it is kept; it has a schema and no CRD."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class PolicyReviewSpec(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The policy, what it is tried on, and what it is given."""

    policy: Annotated[dict[str, Any], Meta(description="The Policy, whole, as it would be applied.")]
    type: Annotated[
        str, Meta(description="Type of the material, such as SBOM_CYCLONEDX_JSON; ATTESTATION for one as a whole.")
    ]
    document: Annotated[Any, Meta(description="The material as scripts see it, which is JSON.")] = {}
    metadata: Annotated[dict[str, Any], Meta(description="What scripts see as chainloop_metadata.")] = {}
    run: Annotated[dict[str, Any] | None, Meta(description="What scripts see as avouch.run.")] = None
    inputs: Annotated[dict[str, str], Meta(description="Inputs of the policy, as an attachment gives them.")] = {}
    at: Annotated[str, Meta(description="Time that scripts take for now, in RFC 3339; empty: now.")] = ""


class ReviewedViolation(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that the policy found."""

    message: Annotated[str, Meta(description="What.")] = ""
    finding: Annotated[
        dict[str, Any] | None, Meta(description="All that the policy says of it, where its findings have a type.")
    ] = None


class PolicyReviewStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the policy says."""

    outcome: Annotated[
        str,
        Meta(
            description="Passed, Violated, Skipped (the policy does not judge this document), Ignored (it has nothing "
            "to say about it) or Error (it cannot be evaluated, which never passes)."
        ),
    ] = ""
    message: Annotated[str, Meta(description="Why it was skipped, or cannot be evaluated.")] = ""
    violations: Annotated[list[ReviewedViolation], Meta(description="What it found; the first 1,000.")] = []
    more: Annotated[int, Meta(description="How many it found besides.")] = 0
    suppressed: Annotated[list[ReviewedViolation], Meta(description="What it found and does not count.")] = []
    more_suppressed: Annotated[int, Meta(description="How many of those it found besides.")] = 0
    notes: Annotated[list[str], Meta(description="What the policy's author should know.")] = []
    engine: Annotated[str, Meta(description="What evaluated it, such as OPA 1.22.3.")] = ""
    milliseconds: Annotated[int, Meta(description="How long that took.")] = 0


class PolicyReview(Struct, frozen=True, rename={"api_version": "apiVersion"}):
    """Tries a policy on a document, in the engine that judges runs. Create one and read its status: nothing is kept."""

    spec: Annotated[PolicyReviewSpec, Meta(description="The policy, what it is tried on, and what it is given.")]
    api_version: Annotated[str, Meta(description="runs.avouch.dev/v1alpha1.")] = ""
    kind: Annotated[str, Meta(description="PolicyReview.")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="Standard object's metadata.")] = {}
    status: Annotated[PolicyReviewStatus, Meta(description="What the policy says.")] = PolicyReviewStatus()
