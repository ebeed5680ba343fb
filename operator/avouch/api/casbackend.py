"""CASBackend, `avouch.dev/v1alpha1`: a store for artifacts, for one namespace or a whole organization."""

from typing import Annotated

from pydantic import AfterValidator, Field

from avouch.api import meta, rules

KINDS = ("inline", "filesystem", "s3", "gcs", "azure", "oci")
INLINE_BYTES = 500_000  # Chainloop's 500 KB: attestations are rows
SMALLEST = 10 * 1024 * 1024  # bytes: less would refuse everyday SBOMs
DEFAULT_BYTES = 100 * 1024 * 1024  # Chainloop's default for one artifact

_ENDPOINT = rules.Pattern(
    "^https?://[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[1-9][0-9]{0,4})?(/[a-zA-Z0-9._~-]+)*/?$",
    "is not an HTTP address",
    "write https://host[:port][/path]",
)
_REGION = rules.Pattern("^[a-zA-Z0-9-]+$", "is not a region", "write it like eu-central-1")
_ACCOUNT = rules.Pattern("^[a-z0-9]+$", "is not a storage account", "write lowercase letters and digits")
_BUCKET = rules.Pattern(
    "^[a-z0-9A-Z][a-zA-Z0-9._-]*$", "is not the name of a bucket", "write letters, digits, dots, hyphens, underscores"
)
_PREFIX = rules.Pattern(
    "^[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*$",
    "is not a prefix",
    "write it like team/artifacts, without / at its ends",
)
_REPOSITORY = rules.Pattern(
    "^[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$",
    "is not a repository with its registry",
    "write registry.example.com/team/artifacts, without https:// and without a tag",
)

Bucket = Annotated[str, meta.bounded(255, _BUCKET, minimum=1), AfterValidator(_BUCKET.check)]
Prefix = Annotated[str, meta.bounded(512, _PREFIX, minimum=1), AfterValidator(_PREFIX.check)]
Endpoint = Annotated[str, meta.bounded(2048, _ENDPOINT, minimum=1), AfterValidator(_ENDPOINT.check)]


# What says where artifacts lie: it never changes, or those that were stored before would be lost.
_PLACES = (
    ("s3", "bucket", True),
    ("s3", "prefix", False),
    ("gcs", "bucket", True),
    ("gcs", "prefix", False),
    ("azure", "account", True),
    ("azure", "container", True),
    ("azure", "prefix", False),
    ("oci", "repository", True),
)


def _fixed(kind: str, field: str, required: bool) -> rules.Rule:
    path = f"{kind}.{field}"
    same = f"self.{path} == oldSelf.{path}"
    if not required:
        both = f"has(self.{path}) == has(oldSelf.{path})"
        same = f"({both} && (!has(self.{path}) || {same}))"
    return rules.Rule(
        f"!has(self.{kind}) || !has(oldSelf.{kind}) || {same}",
        f"{path} cannot be changed: artifacts are stored there",
        "apply a CASBackend with another name and make it the default",
    )


class Inline(meta.Model):
    """Artifacts inside the attestation itself, in the database."""


class FileSystem(meta.Model):
    """The artifact volume of this install, in a separate folder for this backend."""


class S3(meta.Model):
    """A bucket of S3 or of an S3-compatible store. Secret: accessKeyId, secretAccessKey[, sessionToken]."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    region: Annotated[str, meta.bounded(64, _REGION, minimum=1), AfterValidator(_REGION.check)]
    """Region of the bucket, such as eu-central-1; use us-east-1 for stores without regions."""
    endpoint: Endpoint | None = None
    """Address of an S3-compatible store, such as https://minio.example.com:9000; default: AWS."""
    prefix: Prefix | None = None
    """Prefix of the key of each object, such as team/artifacts."""


class Gcs(meta.Model):
    """A bucket of Google Cloud Storage. Secret: credentials.json, a service account's key."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    prefix: Prefix | None = None
    """Prefix of the name of each object, such as team/artifacts."""


class Azure(meta.Model):
    """A container of Azure Blob Storage. Secret: accountKey, sasToken, or tenantId, clientId, clientSecret[; host]."""

    account: Annotated[str, meta.bounded(63, _ACCOUNT, minimum=1), AfterValidator(_ACCOUNT.check)]
    """Name of the storage account."""
    container: Bucket
    """Name of the container; it must exist."""
    endpoint: Endpoint | None = None
    """Address of the blob service in another cloud or a compatible store; default: Azure's public cloud."""
    prefix: Prefix | None = None
    """Prefix of the name of each blob, such as team/artifacts."""


class Oci(meta.Model):
    """A registry: an artifact becomes an image of one layer. Secret: .dockerconfigjson; or username, password, host."""

    repository: Annotated[str, meta.bounded(512, _REPOSITORY, minimum=1), AfterValidator(_REPOSITORY.check)]
    """Registry and path that get one repository per artifact, such as registry.example.com/team/artifacts."""
    insecure: bool = False
    """If true, http is used instead of https, for a registry that the operator lists in destinations. Default false."""


class CASBackendSpec(meta.Model):
    """Where artifacts are stored, when, and how large one may be."""

    cel = (
        rules.exactly_one(KINDS, "set one of inline, filesystem, s3, gcs, azure or oci"),
        rules.Rule(
            "!(has(self.default) && self.default && has(self.fallback) && self.fallback)",
            "a backend cannot be both default and fallback",
            "set one of spec.default and spec.fallback to false",
        ),
        rules.Rule(
            f"!has(self.maxBytes) || has(self.inline) || self.maxBytes >= {SMALLEST}",
            f"maxBytes must be at least 10 MB ({SMALLEST})",
            f"set spec.maxBytes to {SMALLEST} or more, or leave it out for 100 MB",
        ),
        rules.Rule(
            f"!has(self.maxBytes) || !has(self.inline) || self.maxBytes <= {INLINE_BYTES}",
            f"an inline backend holds at most 500 KB ({INLINE_BYTES}) of one artifact",
            f"set spec.maxBytes to {INLINE_BYTES} or less, or use another kind of backend",
        ),
        rules.Rule(
            "!(has(self.s3) || has(self.gcs) || has(self.azure)) || has(self.secretRef)",
            "an object store needs credentials",
            "put them into a Secret of this namespace and name it in spec.secretRef.name",
        ),
        rules.Rule(
            " && ".join(f"has(self.{kind}) == has(oldSelf.{kind})" for kind in KINDS),
            "the kind of a backend cannot be changed: artifacts are stored in it",
            "apply a CASBackend with another name and make it the default",
        ),
        *(_fixed(kind, field, required) for kind, field, required in _PLACES),
        rules.Rule(
            "!(has(self.inline) || has(self.filesystem)) || !has(self.secretRef)",
            "inline and filesystem backends take no credentials",
            "leave spec.secretRef out",
        ),
    )

    suspend: bool = False
    """If true, nothing new is stored here; stored artifacts stay readable. Default false."""
    default: bool = False
    """Store artifacts of this namespace here; in a home namespace also those of projects without a default."""
    fallback: bool = False
    """If true, artifacts are stored here while the default backend is not ready. Default false."""
    max_bytes: Annotated[int, Field(ge=1, le=1024**4)] | None = None
    """Maximum size of an artifact in bytes. Default 104857600 (100 MB), inline 500000."""
    secret_ref: meta.LocalRef | None = None
    """Secret of this namespace that holds the credentials; its keys depend on the kind of backend."""
    inline: Inline | None = None
    """Stores artifacts inside attestations, at most 500 KB each."""
    filesystem: FileSystem | None = None
    """Stores artifacts on the artifact volume of this install."""
    s3: S3 | None = None
    """Stores artifacts in a bucket of S3 or of an S3-compatible store."""
    gcs: Gcs | None = None
    """Stores artifacts in a bucket of Google Cloud Storage."""
    azure: Azure | None = None
    """Stores artifacts in a container of Azure Blob Storage."""
    oci: Oci | None = None
    """Stores artifacts in an OCI registry."""


class CASBackendStatus(meta.Status):
    """Observed state of the backend. Conditions: Reachable; Writable, after a real write, read and delete."""

    type: Annotated[str, meta.bounded(16)] | None = None
    """Kind of backend, such as s3."""


class CASBackend(meta.Model):
    """A store for artifacts."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: CASBackendSpec
    """Where artifacts are stored, when, and how large one may be."""
    status: CASBackendStatus | None = None
    """Observed state of the backend."""


KIND = meta.Kind(
    CASBackend,
    "casbackends",
    "avcas",
    columns=(
        meta.READY,
        meta.Column("Type", ".status.type"),
        meta.Column("Default", ".spec.default", "boolean"),
        meta.Column("Fallback", ".spec.fallback", "boolean"),
        meta.Column("Writable", meta.condition("Writable", "status")),
        meta.REASON,
        meta.MESSAGE,
        meta.AGE,
    ),
)
