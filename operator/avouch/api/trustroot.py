"""TrustRoot: what verifies signatures of this installation, read-only. It has a schema and no CRD."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class TrustedAuthority(Struct, frozen=True, rename="camel"):
    """An authority that certified attesters."""

    key_id: Annotated[str, Meta(description="Subject key identifier, hexadecimal.")] = ""
    certificate: Annotated[str, Meta(description="Its certificate, PEM.")] = ""


class TrustedKey(Struct, frozen=True, rename="camel"):
    """A key of the server, by what it signs."""

    family: Annotated[str, Meta(description="attestation, passed or failed: all that it is believed for.")] = ""
    key_id: Annotated[str, Meta(description="Fingerprint, as ssh-keygen -l prints it.")] = ""
    public_key: Annotated[str, Meta(description="Public key, PEM.")] = ""
    since: Annotated[str, Meta(description="When it was listed first.")] = ""


class TrustSpec(Struct, frozen=True, rename="camel"):
    """The trust root as avouch trust export prints it."""

    media_type: Annotated[str, Meta(description="application/vnd.avouch.trust-root.v1+json.")] = ""
    authorities: Annotated[list[TrustedAuthority], Meta(description="Authorities, replaced ones too.")] = []
    keys: Annotated[list[TrustedKey], Meta(description="Keys, replaced ones too.")] = []


class TrustRoot(Struct, frozen=True, rename={"api_version": "apiVersion"}):
    """What verifies the attestations, claims and verdicts of this installation."""

    api_version: Annotated[str, Meta(description="runs.avouch.dev/v1alpha1.")] = ""
    kind: Annotated[str, Meta(description="TrustRoot.")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="Standard object's metadata.")] = {}
    spec: Annotated[TrustSpec, Meta(description="The trust root.")] = TrustSpec()
