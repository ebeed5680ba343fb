"""Contract, `chainloop.dev/v1`: Chainloop's own schema v2, taken unchanged in both of its spellings."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from avouch.api import meta, rules, vocabulary

MaterialType = Annotated[vocabulary.MaterialType, Field(strict=False)]
RunnerType = Annotated[vocabulary.RunnerType, Field(strict=False)]
Requirement = Annotated[str, meta.bounded(200, rules.REQUIREMENT, minimum=1), AfterValidator(rules.REQUIREMENT.check)]
Inputs = Annotated[dict[str, meta.Text], Field(max_length=64)]

UNIQUE_MATERIALS = rules.Rule(
    "self.all(m, self.exists_one(n, n.name == m.name))",
    "unique material name validation failed: two materials share a name",
    "give each entry of spec.materials its own name",
)
REF_OR_EMBEDDED = rules.exactly_one(("ref", "embedded"), "write ref to point at a policy, or embedded to write it here")


class Chainloop(meta.Model):
    """A part of the contract: read in camelCase and in snake_case, as Chainloop does."""

    both_spellings = True


class Annotation(Chainloop):
    """A name and value that becomes part of the attestation."""

    name: meta.AnnotationName
    """Name: letters, digits and underscores, such as version."""
    value: meta.Text = ""
    """Value; left empty, it is required from the run."""


class Material(Chainloop):
    """One piece of evidence that every run owes."""

    type: MaterialType
    """What the material is; its content is checked accordingly, such as SBOM_CYCLONEDX_JSON."""
    name: meta.Name
    """Unique name of the material in this contract, such as my-sbom."""
    optional: bool = False
    """A run without this material still passes. Default false."""
    output: bool = False
    """The material becomes a subject of the attestation. Default false."""
    annotations: Annotated[list[Annotation], Field(max_length=32)] = Field(default_factory=list)
    """Annotations of this material; those without a value are required from the run."""
    skip_upload: bool = False
    """Record the digest only and do not store the content. Default false."""
    group: Annotated[str, meta.bounded(63, rules.GROUP), AfterValidator(rules.GROUP.check)] = ""
    """Materials of one group stand in for each other: at least one of them is required, whatever `optional` says."""


class Selector(Chainloop):
    """Which materials a policy looks at."""

    name: meta.Text = ""
    """Name of the material, or the beginning of it where matchMode is PREFIX."""
    match_mode: Literal["UNSPECIFIED", "EXACT", "PREFIX"] | None = None
    """How the name is compared: EXACT (the default) or PREFIX."""


class PolicyAttachment(Chainloop):
    """A policy that the material or the attestation must pass."""

    cel = (REF_OR_EMBEDDED,)

    ref: Annotated[str, meta.bounded(2048, minimum=1)] | None = None
    """Where the policy is: a name, file://, http(s):// or chainloop:// reference, optionally @sha256:<digest>."""
    embedded: dict[str, Any] | None = None
    """A whole Policy object written here instead of referenced."""
    selector: Selector | None = None
    """Which materials the policy looks at; absent, all that its type fits."""
    disabled: bool = False
    """Kept because Chainloop's schema has it; Chainloop itself never reads it. Default false."""
    with_: Inputs = Field(default_factory=dict, alias="with")
    """Inputs of the policy, by name."""
    requirements: Annotated[list[Requirement], Field(max_length=20)] = Field(default_factory=list)
    """Requirements that passing the policy fulfils, as [organization/]framework/requirement[@version]."""
    gate: bool | None = None
    """Whether a violation blocks. Policies are not evaluated yet."""


class PolicyGroupAttachment(Chainloop):
    """A group of policies that the run must pass."""

    ref: Annotated[str, meta.bounded(2048, minimum=1)]
    """Where the policy group is: a name, file://, http(s):// or chainloop:// reference."""
    with_: Inputs = Field(default_factory=dict, alias="with")
    """Inputs of the group's policies, by name."""
    skip: Annotated[list[meta.Word], Field(max_length=100)] = Field(default_factory=list)
    """Names (metadata.name) of policies of the group to leave out."""
    gate: bool | None = None
    """Whether a violation blocks. Policies are not evaluated yet."""


class Policies(Chainloop):
    """Policies of the contract."""

    materials: Annotated[list[PolicyAttachment], Field(max_length=100)] = Field(default_factory=list)
    """Policies over single materials."""
    attestation: Annotated[list[PolicyAttachment], Field(max_length=100)] = Field(default_factory=list)
    """Policies over the attestation as a whole."""


class Runner(Chainloop):
    """Where the attestation has to be made."""

    type: RunnerType
    """Runner that the attestation must come from, such as TEKTON_PIPELINE."""


class ContractSpec(Chainloop):
    """What every run bound to this contract owes."""

    suspend: bool = False
    """Stop recording new revisions until it is false again. No part of the contract's revision. Default false."""
    materials: Annotated[
        list[Material], Field(max_length=200, json_schema_extra={meta.RULES: [UNIQUE_MATERIALS.to_schema()]})
    ] = Field(default_factory=list)
    """Evidence that every run owes; names are unique."""
    env_allow_list: Annotated[list[meta.Word], Field(max_length=200)] = Field(default_factory=list)
    """Environment variables that are recorded in the attestation; each is required and not empty."""
    runner: Runner | None = None
    """Runner that the attestation must come from; absent, any."""
    annotations: Annotated[list[Annotation], Field(max_length=200)] = Field(default_factory=list)
    """Annotations of the attestation; those without a value are required from the run."""
    policies: Policies | None = None
    """Policies that materials and attestation must pass."""
    policy_groups: Annotated[list[PolicyGroupAttachment], Field(max_length=50)] = Field(default_factory=list)
    """Groups of policies that the run must pass."""


class ContractStatus(meta.Status):
    """What became of the contract."""

    revision: int | None = None
    """Number of the newest recorded revision, from 1."""
    digest: meta.DigestText | None = None
    """Digest of the canonical form of that revision: the same contract has the same digest."""
    source_digest: meta.DigestText | None = None
    """Digest of the bytes of that revision: what kubectl apply sent, or else the spec as compact, sorted JSON."""
    workflows: int | None = None
    """How many Workflows are bound to this contract."""


class Contract(meta.Model):
    """What evidence a pipeline must deliver and which policies it must pass."""

    cel = (
        rules.Rule(
            "self.metadata.name.size() <= 63 && self.metadata.name.matches('" + rules.DNS_1123 + "')",
            "metadata.name must contain only lowercase letters, numbers, and hyphens, at most 63",
            "rename the contract, such as my-contract",
        ),
    )

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata. Chainloop's description goes into the annotation chainloop.dev/description."""
    spec: ContractSpec
    """What every run bound to this contract owes."""
    status: ContractStatus | None = None
    """What became of the contract."""


KIND = meta.Kind(
    Contract,
    "contracts",
    "avcon",
    columns=(
        meta.READY,
        meta.Column("Revision", ".status.revision", "integer"),
        meta.Column("Workflows", ".status.workflows", "integer"),
        meta.REASON,
        meta.Column("Digest", ".status.digest", priority=1),
        meta.AGE,
    ),
    group="chainloop.dev",
    version="v1",
)
