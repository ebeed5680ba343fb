"""ContractRevision: one recorded revision of a Contract, read-only. It has a schema and no CRD."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class RevisionSpec(Struct, frozen=True):
    """The revision: immutable."""

    contract: Annotated[str, Meta(description="Name of the Contract.")] = ""
    revision: Annotated[int, Meta(description="Revision number; the first is 1.")] = 0
    digest: Annotated[str, Meta(description="Digest of the canonical form: the identity of the revision.")] = ""
    sourceDigest: Annotated[  # noqa: N815  # the API's spelling
        str, Meta(description="Digest of the text that was applied, which also changes with comments and order.")
    ] = ""
    canonical: Annotated[str, Meta(description="The canonical form, whose sha256 is the digest.")] = ""
    resolved: Annotated[
        str, Meta(description="What it owes with its policies and groups looked up; empty where it has none.")
    ] = ""


class ContractRevision(Struct, frozen=True):
    """One revision of a Contract as it was recorded; it stays when the Contract is changed or deleted."""

    apiVersion: Annotated[str, Meta(description="runs.avouch.dev/v1alpha1.")] = ""  # noqa: N815
    kind: Annotated[str, Meta(description="ContractRevision.")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="Standard object's metadata.")] = {}
    spec: Annotated[RevisionSpec, Meta(description="The revision.")] = RevisionSpec()
