"""Which policy it is: what of it decides, in one form, and the digest of that."""

import json

from avouch import digests
from avouch.api import policy as kind
from avouch.contract import reading

_API_VERSION = "chainloop.dev/v1"


def canonical(policy: kind.Policy | kind.PolicyGroup) -> bytes:
    """As compact JSON with sorted keys, without fields that are not set, in one spelling. It reads as a policy again.

    Of the annotations Chainloop's are in it: they say what the findings are. `suspend` is not: it says nothing of what
    the policy decides.
    """
    spec = policy.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"suspend"})
    annotations = dict(reading.own_annotations(policy.metadata.annotations))
    form = {
        "apiVersion": _API_VERSION,
        "kind": type(policy).__name__,
        "metadata": {"name": policy.metadata.name, **({"annotations": annotations} if annotations else {})},
        "spec": spec,
    }
    return json.dumps(form, sort_keys=True, separators=(",", ":")).encode("ascii")


def digest(policy: kind.Policy | kind.PolicyGroup) -> digests.Digest:
    """Digest of the canonical form: the same policy has the same digest, wherever it is."""
    return digests.of_bytes(canonical(policy))
