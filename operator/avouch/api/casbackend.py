"""CASBackend, `avouch.dev/v1alpha1`: a place where artifacts are kept, for one namespace or a whole organization."""

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
        f"{path} cannot change: artifacts lie there",
        "apply a CASBackend of another name, and make that the default",
    )


class Inline(meta.Model):
    """Inside the attestation itself, in the database."""


class FileSystem(meta.Model):
    """The artifact volume of this install, in a folder of this backend's own."""


class S3(meta.Model):
    """A bucket of S3, or of a store that speaks its protocol. Secret: accessKeyId, secretAccessKey[, sessionToken]."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    region: Annotated[str, meta.bounded(64, _REGION, minimum=1), AfterValidator(_REGION.check)]
    """Region of the bucket, such as eu-central-1; stores that know no regions take us-east-1."""
    endpoint: Endpoint | None = None
    """Address of an S3-compatible store, such as https://minio.example.com:9000; absent, AWS."""
    prefix: Prefix | None = None
    """Put before the key of each object, such as team/artifacts."""


class Gcs(meta.Model):
    """A bucket of Google Cloud Storage. Secret: credentials.json, a service account's key."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    prefix: Prefix | None = None
    """Put before the name of each object, such as team/artifacts."""


class Azure(meta.Model):
    """A container of Azure Blob Storage. Secret: accountKey, or sasToken, or tenantId, clientId and clientSecret."""

    account: Annotated[str, meta.bounded(63, _ACCOUNT, minimum=1), AfterValidator(_ACCOUNT.check)]
    """Name of the storage account."""
    container: Bucket
    """Name of the container; it must exist."""
    endpoint: Endpoint | None = None
    """Address of another cloud's or a compatible store; absent, Azure's public one for the account."""
    prefix: Prefix | None = None
    """Put before the name of each blob, such as team/artifacts."""


class Oci(meta.Model):
    """A registry: each artifact becomes an image of one layer. Secret: .dockerconfigjson, or username and password."""

    repository: Annotated[str, meta.bounded(512, _REPOSITORY, minimum=1), AfterValidator(_REPOSITORY.check)]
    """Where repositories are made, one for each artifact: registry.example.com/team/artifacts."""
    insecure: bool = False
    """Speak http instead of https, for a registry on a network of your own. Default false."""


class CASBackendSpec(meta.Model):
    """Where artifacts go, when, and how large one may be."""

    cel = (
        rules.exactly_one(KINDS, "say where artifacts are kept with one of inline, filesystem, s3, gcs, azure or oci"),
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
            "a backend cannot become another kind: artifacts lie in it",
            "apply a CASBackend of another name, and make that the default",
        ),
        *(_fixed(kind, field, required) for kind, field, required in _PLACES),
        rules.Rule(
            "!(has(self.inline) || has(self.filesystem)) || !has(self.secretRef)",
            "inline and filesystem backends take no credentials",
            "leave spec.secretRef out",
        ),
    )

    suspend: bool = False
    """Store nothing new here until it is false again; what is stored stays readable. Default false."""
    default: bool = False
    """Artifacts of this namespace go here; in a home namespace, projects without a default share it. Default false."""
    fallback: bool = False
    """Artifacts go here while the default is not ready. Default false."""
    max_bytes: Annotated[int, Field(ge=1, le=1024**4)] | None = None
    """Largest artifact in bytes. Default 104857600 (100 MB), inline 500000."""
    secret_ref: meta.LocalRef | None = None
    """Secret of this namespace that holds the credentials; which keys, the kind of backend says."""
    inline: Inline | None = None
    """Inside attestations, for small artifacts: at most 500 KB each."""
    filesystem: FileSystem | None = None
    """On the artifact volume of this install."""
    s3: S3 | None = None
    """In a bucket of S3, or of a store that speaks its protocol."""
    gcs: Gcs | None = None
    """In a bucket of Google Cloud Storage."""
    azure: Azure | None = None
    """In a container of Azure Blob Storage."""
    oci: Oci | None = None
    """In an OCI registry."""


class CASBackendStatus(meta.Status):
    """Whether artifacts can be kept there. Conditions: Reachable, and Writable from a real write, read and delete."""

    type: Annotated[str, meta.bounded(16)] | None = None
    """Kind of backend, such as s3."""


class CASBackend(meta.Model):
    """A place where artifacts are kept."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata."""
    spec: CASBackendSpec
    """Where artifacts go, when, and how large one may be."""
    status: CASBackendStatus | None = None
    """Whether artifacts can be kept there."""


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
