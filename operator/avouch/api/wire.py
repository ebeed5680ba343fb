"""Bodies of the ingest API, as they travel. The OpenAPI document is made from these; unknown fields are ignored."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from avouch import digests
from avouch.findings import Finding

DIGEST = rf"^{digests.PATTERN}$"

Digest = Annotated[str, Meta(pattern=DIGEST, description="sha256: and 64 lower-case hexadecimal characters.")]


class OpenRequest(Struct, frozen=True):
    """Empty: the token proves who calls and for which run."""


class OpenedRun(Struct, frozen=True):
    """One run and what it must deliver."""

    id: Annotated[str, Meta(description="The workflowRunID that the statement must carry.")]
    name: Annotated[str, Meta(description="Name that `kubectl get workflowruns` shows.")]
    workflow: Annotated[str, Meta(description="Name of the Workflow.")]
    verdict: Annotated[str, Meta(description="Pending until judged.")]
    plan: Annotated[dict[str, Any], Meta(description="Materials that the run must deliver, and their sources.")]


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
    """A leaf certificate that is valid for ten minutes, and the authorities that it chains to."""

    certificate: Annotated[str, Meta(description="PEM.")]
    chain: Annotated[list[str], Meta(description="PEM, one authority each.")]


class BundleAnswer(Struct, frozen=True, omit_defaults=True):
    """A stored claim: it was committed before this answer was sent."""

    id: str
    digest: Digest
    created: Annotated[bool, Meta(description="False for a resend of the same bytes.")]
    note: Annotated[str, Meta(description="What becomes of a claim that came after the verdict (202).")] = ""


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: Annotated[str, Meta(description="Stable name of the problem, a URI reference.")]
    title: str
    status: int
    detail: str = ""
    instance: Annotated[str, Meta(description="Request id: quote it when you ask for help.")] = ""
    field: Annotated[str, Meta(description="Path of the offending field.")] = ""
    fix: Annotated[str, Meta(description="The smallest change that fixes it.")] = ""
    step: Annotated[str, Meta(description="The verification step that failed.")] = ""


Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

VERSION = r"^$|^[a-zA-Z0-9.\-_+]+(?:\+[a-zA-Z0-9.\-_]+)?$"  # Chainloop's project versions


class RunnerRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The runner, as the client describes it."""

    type: Annotated[
        str, Meta(max_length=64, description="Runner type, such as GITHUB_ACTION; empty for any other.")
    ] = ""
    url: Annotated[str, Meta(max_length=2048, description="Link to the run.")] = ""
    identity_token: Annotated[
        str, Meta(max_length=16384, description="OIDC token of the runner, which proves it. Verified, never stored.")
    ] = ""


class VersionRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The version of the project."""

    name: Annotated[str, Meta(pattern=VERSION, max_length=128, description="Empty: v0.")] = ""
    existing: Annotated[bool, Meta(description="Fail if the version does not exist.")] = False
    latest: Annotated[bool, Meta(description="The latest version instead of a name.")] = False
    mark_latest: Annotated[bool | None, Meta(description="Make it the latest version; null: only if it is new.")] = None


class ExternalRunRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A run to be opened."""

    id: Annotated[Uuid, Meta(description="Chosen by the client; a request with the same id returns the same run.")]
    contract_revision: Annotated[int, Meta(ge=0, description="0: the newest.")] = 0
    runner: RunnerRequest = field(default_factory=RunnerRequest)
    version: VersionRequest = field(default_factory=VersionRequest)
    release: Annotated[bool, Meta(description="Release the version once the run has passed.")] = False
    dry_run: Annotated[bool, Meta(description="Dry run: answer the same and store nothing.")] = False


class ResetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a run is canceled."""

    trigger: Literal["failure", "cancellation"]
    reason: Annotated[str, Meta(max_length=1024)] = ""


class JoinRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Stored parts, in the order in which they are joined."""

    parts: Annotated[list[Digest], Meta(min_length=1, max_length=4096)]


class ContractAnswer(Struct, frozen=True):
    """The revision that the run is pinned to."""

    name: str
    revision: int
    latest: Annotated[int, Meta(description="The newest revision.")]
    digest: str


class VersionAnswer(Struct, frozen=True):
    """The project's version."""

    name: str
    prerelease: bool


class RunnerAnswer(Struct, frozen=True, rename="camel"):
    """The runner as the server knows it."""

    type: str
    url: str
    environment: Annotated[str, Meta(description="managed, self-hosted or unknown.")]
    authenticated: Annotated[bool, Meta(description="The runner's own token was verified.")]
    workflow_file_path: str


class AttesterAnswer(Struct, frozen=True):
    """The attester: `auth` of the predicate."""

    type: str
    id: str


class BackendAnswer(Struct, frozen=True, rename="camel"):
    """Where artifacts are stored."""

    id: str
    name: str
    inline: Annotated[bool, Meta(description="Content goes into the attestation itself; nothing is uploaded.")]
    fallback: bool
    max_bytes: int


class ExternalRun(Struct, frozen=True, rename="camel"):
    """An external run with all that its client needs."""

    id: Annotated[str, Meta(description="The workflowRunID that the statement must carry.")]
    name: Annotated[str, Meta(description="Name that `kubectl get workflowruns` shows.")]
    namespace: str
    workflow: str
    workflow_uid: str
    team: str
    project: str
    organization: str
    verdict: Annotated[str, Meta(description="Pending until judged.")]
    created_at: str
    expires_at: str
    contract: ContractAnswer
    plan: Annotated[dict[str, Any], Meta(description="What the run must deliver.")]
    version: VersionAnswer
    runner: RunnerAnswer
    attester: AttesterAnswer
    backend: BackendAnswer
    skip_runner_variables: Annotated[bool, Meta(description="Record none of the runner's own variables.")]
    gate: Annotated[bool, Meta(description="Exit with 4 unless the run has passed.")]
    findings: list[Finding]
    enforcement: Annotated[
        str, Meta(description="observe, warn or gate: what a client does unless the run has passed.")
    ] = "warn"


class TrustAnswer(Struct, frozen=True):
    """The authorities that certify attesters."""

    authorities: Annotated[list[str], Meta(description="PEM, one certificate each.")]
    root: Annotated[
        dict[str, Any],
        Meta(description="The trust root, every authority and key that has signed; empty until it is made."),
    ] = {}
