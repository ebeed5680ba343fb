"""Contract, `chainloop.dev/v1`: Chainloop's own schema v2, taken unchanged in both of its spellings."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from avouch.api import meta, rules, vocabulary

MaterialType = Annotated[vocabulary.MaterialType, Field(strict=False)]
RunnerType = Annotated[vocabulary.RunnerType, Field(strict=False)]
Requirement = Annotated[str, meta.bounded(200, rules.REQUIREMENT, minimum=1), AfterValidator(rules.REQUIREMENT.check)]
Shown = Annotated[str, meta.bounded(253)]
Inputs = Annotated[dict[str, meta.Text], Field(max_length=64)]

UNIQUE_MATERIALS = rules.Rule(
    "self.all(m, self.exists_one(n, n.name == m.name))",
    "unique material name validation failed: two materials share a name",
    "give each entry of spec.materials its own name",
)
REF_OR_EMBEDDED = rules.exactly_one(("ref", "embedded"), "set ref to refer to a policy, or embedded to include it")


class Chainloop(meta.Model):
    """A part of the contract: read in camelCase and in snake_case, as Chainloop does."""

    both_spellings = True


class Annotation(Chainloop):
    """A name and value that becomes part of the attestation."""

    name: meta.AnnotationName
    """Name: letters, digits and underscores, such as version."""
    value: meta.Text = ""
    """Value; if it is empty, each run must supply one."""


class Material(Chainloop):
    """One material that every run must deliver."""

    type: MaterialType
    """Type of the material, such as SBOM_CYCLONEDX_JSON; the content is checked against it."""
    name: meta.Name
    """Unique name of the material in this contract, such as my-sbom."""
    optional: bool = False
    """If true, a run without this material still passes; what is delivered of it is checked. Default false."""
    output: bool = False
    """If true, the material becomes a subject of the attestation. Default false."""
    annotations: Annotated[list[Annotation], Field(max_length=32)] = Field(default_factory=list)
    """Annotations of this material; each run must supply the values that are empty here."""
    skip_upload: bool = False
    """If true, only the digest is recorded and the content is not stored. Default false."""
    group: Annotated[str, meta.bounded(63, rules.GROUP), AfterValidator(rules.GROUP.check)] = ""
    """Group of the material: at least one material of each group is required, regardless of `optional`."""


class Selector(Chainloop):
    """Which materials a policy evaluates."""

    name: meta.Text = ""
    """Name of the material, or its prefix if matchMode is PREFIX."""
    match_mode: Literal["UNSPECIFIED", "EXACT", "PREFIX"] | None = None
    """How the name is compared: EXACT (the default) or PREFIX."""


class PolicyAttachment(Chainloop):
    """A policy that the material or the attestation must pass."""

    cel = (REF_OR_EMBEDDED,)

    ref: Annotated[str, meta.bounded(2048, minimum=1)] | None = None
    """Reference to the policy: a name, file://, https://, oci:// or chainloop://, optionally @sha256:<digest>."""
    embedded: dict[str, Any] | None = None
    """A complete Policy object, instead of a reference."""
    selector: Selector | None = None
    """Materials that the policy evaluates; default: all that match its type."""
    disabled: bool = False
    """Accepted because Chainloop's schema has it; Chainloop does not read it either. Default false."""
    with_: Inputs = Field(default_factory=dict, alias="with")
    """Inputs of the policy, by name."""
    requirements: Annotated[list[Requirement], Field(max_length=20)] = Field(default_factory=list)
    """Requirements that are met when the policy passes, as [organization/]framework/requirement[@version]."""
    gate: bool | None = None
    """If true, a violation fails the run; if false, it never does. Default: what the group's attachment says, then
    settings.blockOnPolicyViolation of the Organization."""


class PolicyGroupAttachment(Chainloop):
    """A group of policies that the run must pass."""

    ref: Annotated[str, meta.bounded(2048, minimum=1)]
    """Reference to the policy group: a name, file://, https://, oci:// or chainloop://."""
    with_: Inputs = Field(default_factory=dict, alias="with")
    """Inputs of the group's policies, by name."""
    skip: Annotated[list[meta.Word], Field(max_length=100)] = Field(default_factory=list)
    """Names (metadata.name) of policies of the group to leave out."""
    gate: bool | None = None
    """If true, a violation of its policies fails the run, unless their attachment says otherwise; false: it does not.
    Default: settings.blockOnPolicyViolation of the Organization."""


class Policies(Chainloop):
    """Policies of the contract."""

    materials: Annotated[list[PolicyAttachment], Field(max_length=100)] = Field(default_factory=list)
    """Policies for single materials."""
    attestation: Annotated[list[PolicyAttachment], Field(max_length=100)] = Field(default_factory=list)
    """Policies for the attestation as a whole."""


class Runner(Chainloop):
    """Where the attestation has to be made."""

    type: RunnerType
    """Type of runner, proven: TEKTON_PIPELINE by the record of the cluster, a CI by its OIDC token."""


class ContractSpec(Chainloop):
    """What every run of a Workflow that uses this contract must deliver."""

    suspend: bool = False
    """If true, no new revisions are recorded. Not part of the contract's revision. Default false."""
    materials: Annotated[
        list[Material], Field(max_length=200, json_schema_extra={meta.RULES: [UNIQUE_MATERIALS.to_schema()]})
    ] = Field(default_factory=list)
    """Materials that every run must deliver; names are unique."""
    env_allow_list: Annotated[list[meta.Word], Field(max_length=200)] = Field(default_factory=list)
    """Environment variables that are recorded in the attestation; each is required and must not be empty."""
    runner: Runner | None = None
    """Runner that the attestation must come from; default: any."""
    annotations: Annotated[list[Annotation], Field(max_length=200)] = Field(default_factory=list)
    """Annotations of the attestation; each run must supply the values that are empty here."""
    policies: Policies | None = None
    """Policies that materials and attestation must pass."""
    policy_groups: Annotated[list[PolicyGroupAttachment], Field(max_length=50)] = Field(default_factory=list)
    """Groups of policies that the run must pass."""


class ResolvedMaterial(meta.Model):
    """One material that runs must deliver."""

    name: Shown = ""
    """Name of the material."""
    type: Shown = ""
    """Type of the material."""
    optional: bool = False
    """Whether a run passes without it."""
    group: Shown = ""
    """Group of the material, of which any one is enough."""
    line: meta.Long = ""
    """The line of the contract that asks for it, or that attaches the policy group which does."""
    policy_group: Shown = ""
    """Name of the PolicyGroup that brings it; empty for the contract itself."""


class ResolvedPolicy(meta.Model):
    """One policy that runs must pass."""

    name: Shown = ""
    """Name of the Policy."""
    digest: meta.DigestText = ""
    """Digest of the Policy that is evaluated."""
    reference: meta.Text = ""
    """Reference by which it was found; empty if it is embedded."""
    line: meta.Long = ""
    """The line of the contract that attaches it, or its policy group."""
    policy_group: Shown = ""
    """Name of the PolicyGroup that brings it; empty for the contract itself."""
    attestation: bool = False
    """Whether it judges the attestation as a whole, not materials."""
    material: meta.Text = ""
    """Name of the materials that it judges, or its prefix if matchMode is PREFIX; empty for any name."""
    match_mode: Shown = ""
    """PREFIX if `material` is how names begin."""
    type: Shown = ""
    """Type of the materials that it judges; empty for the kinds of its scripts."""
    inputs: Inputs = Field(default_factory=dict)
    """What it is given; long values are cut."""
    gate: bool = False
    """Whether a violation fails the run."""
    gate_by: Shown = ""
    """What says so: attachment, group or organization."""


class Resolved(meta.Model):
    """What the contract owes with its policies and groups looked up; as much of it as a status has room for."""

    materials: Annotated[list[ResolvedMaterial], Field(max_length=200)] = Field(default_factory=list)
    """Materials, those of policy groups among them."""
    more_materials: int = 0
    """Number of materials that are not shown."""
    policies: Annotated[list[ResolvedPolicy], Field(max_length=200)] = Field(default_factory=list)
    """Policies, those of policy groups among them."""
    more_policies: int = 0
    """Number of policies that are not shown."""


class ReplayExample(meta.Model):
    """One run that would have failed."""

    namespace: meta.Text
    """Namespace of the run."""
    workflow: meta.Text
    """Workflow of the run."""
    run: meta.Text
    """Name of the WorkflowRun."""
    verdict: meta.Text
    """Verdict that it would have got."""
    reason: meta.Text
    """Code of its first finding."""
    message: meta.Text
    """What the finding says; of a run of another namespace, what its code means."""


class Replay(meta.Model):
    """What a revision would have done to the last runs: they were judged again, and kept their verdicts."""

    revision: int
    """The revision that they were held to."""
    at: meta.Time
    """When that was known."""
    message: meta.Text
    """The same in one sentence, with the newest run that would have failed."""
    replayed: int
    """Number of runs that were judged again: of all Workflows that use the contract, the newest ones."""
    would_fail: int
    """Of those, runs that passed and would not have."""
    would_pass: int
    """Of those, runs that did not pass and would have."""
    unknown: int
    """Number of runs that could not be judged again: their evidence is gone, or the time was over."""
    examples: Annotated[list[ReplayExample], Field(max_length=10)] = Field(default_factory=list)
    """Runs that would have failed, the newest first, at most 10."""


class ContractStatus(meta.Status):
    """Observed state of the contract."""

    revision: int | None = None
    """Number of the newest recorded revision, from 1."""
    digest: meta.DigestText | None = None
    """Digest of the canonical form of that revision: the same contract has the same digest."""
    source_digest: meta.DigestText | None = None
    """Digest of the bytes of that revision: what kubectl apply sent, or else the spec as compact, sorted JSON."""
    workflows: int | None = None
    """Number of Workflows that use this contract."""
    resolved: Resolved | None = None
    """What runs owe that are held to that revision, with its policies and groups looked up."""
    replay: Replay | None = None
    """What the newest revision would have done to past runs. A worker finds out; Ready does not say."""


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
    """Standard object's metadata. Chainloop's description goes into the annotation chainloop.dev/description."""
    spec: ContractSpec
    """What every run of a Workflow that uses this contract must deliver."""
    status: ContractStatus | None = None
    """Observed state of the contract."""


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
