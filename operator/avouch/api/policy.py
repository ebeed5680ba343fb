"""Policy and PolicyGroup, `chainloop.dev/v1`: Chainloop's own schemas, taken unchanged in both of their spellings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch.api import contract as contract_kind
from avouch.api import meta, rules
from avouch.materials import types as material_types

SOURCES = ("path", "embedded", "ref")
FINDING_TYPES = ("VULNERABILITY", "SAST", "LICENSE_VIOLATION")
NO_TYPE = (material_types.STRING, "ARTIFACT", "EVIDENCE")  # nothing is known of what they hold
NO_KIND = ("ARTIFACT",)

INPUT_NAME = rules.Pattern(
    "^[a-zA-Z][a-zA-Z0-9_]*$",
    "the name of an input is letters, digits and underscores, and begins with a letter",
    "write it like max_days",
)
ONE_SOURCE = rules.exactly_one(SOURCES, "set embedded to the script itself, or ref to a reference")
SOME_SOURCE = rules.Rule(
    "has(self.path) || has(self.embedded) || (has(self.policies) && self.policies.size() > 0)",
    "either spec source or policies fields must be provided",
    "add spec.policies with one script, such as {kind: SBOM_CYCLONEDX_JSON, embedded: ...}",
)
TWO_SOURCES = rules.Rule(
    "!has(self.path) || !has(self.embedded)", "path and embedded are two sources of one policy", "keep one of them"
)
REQUIRED_AND_DEFAULT = rules.Rule(
    "!has(self.required) || !self.required || !has(self.default) || self.default == ''",
    "a required input cannot have a default",
    "keep one of required and default",
)
NAME_WITHOUT_TYPE = rules.Rule(
    "!has(self.name) || self.name == '' || has(self.type)",
    "if name is provided, type should have a valid value",
    "add type, such as SBOM_CYCLONEDX_JSON, or remove name",
)


def _never(field: str, types: tuple[str, ...]) -> rules.Rule:
    """A rule that the field cannot be a material type without a fixed format."""
    listed = ", ".join(f"'{each}'" for each in types)
    words = " or ".join(types)
    return rules.Rule(
        f"!has(self.{field}) || !(self.{field} in [{listed}])",
        f"{field} cannot be {words}, whose content has no fixed format",
        f"write the type of a report, or leave {field} out",
    )


NEVER_TYPE, NEVER_KIND = _never("type", NO_TYPE), _never("kind", NO_KIND)

Source = Annotated[str, meta.bounded(524288, minimum=1)]  # Rego, or WebAssembly in base64
# Without its CEL rule, which three lists deep costs more than the API server's budget: the reconciler and lint ask it.
Requirement = Annotated[str, meta.bounded(200, minimum=1), AfterValidator(rules.REQUIREMENT.check)]
Reference = Annotated[str, meta.bounded(2048, minimum=1)]


class PolicyInput(contract_kind.Chainloop):
    """An input that an attachment of the policy sets."""

    cel = (REQUIRED_AND_DEFAULT,)

    name: Annotated[str, meta.bounded(63, INPUT_NAME, minimum=1), AfterValidator(INPUT_NAME.check)]
    """Name of the input, such as max_days."""
    description: meta.Text = ""
    """Description of the input."""
    required: bool = False
    """If true, an attachment without this input is refused. Default false."""
    default: meta.Text = ""
    """Value if the attachment sets none."""


class Script(contract_kind.Chainloop):
    """A script, and the materials that it evaluates."""

    cel = (ONE_SOURCE, NEVER_KIND)

    path: Reference | None = None
    """Older spelling of ref."""
    embedded: Source | None = None
    """The script itself, in Rego, or WebAssembly in base64."""
    ref: Reference | None = None
    """Reference to the script: file:// or https://."""
    kind: contract_kind.MaterialType | None = None
    """Type of the materials that it evaluates, or ATTESTATION for the whole attestation; default: any."""
    attestation_phases: Annotated[list[Literal["INIT", "PUSH"]], Field(max_length=2)] = Field(default_factory=list)
    """With kind ATTESTATION: when it is evaluated; default: always."""


class AutoMatch(contract_kind.Chainloop):
    """A script that selects materials. Accepted because Chainloop's schema has it."""

    cel = (ONE_SOURCE,)

    path: Reference | None = None
    """Older spelling of ref."""
    embedded: Source | None = None
    """The script itself."""
    ref: Reference | None = None
    """Reference to the script: file:// or https://."""


class PolicySpec(contract_kind.Chainloop):
    """The scripts of the policy."""

    cel = (SOME_SOURCE, TWO_SOURCES, NEVER_TYPE)

    suspend: bool = False
    """If true, changes of this object have no effect. Default false."""
    path: Reference | None = None
    """Reference to the only script, in Chainloop's older form."""
    embedded: Source | None = None
    """The only script itself, in Chainloop's older form."""
    type: contract_kind.MaterialType | None = None
    """Type of the materials that the only script evaluates, in Chainloop's older form."""
    policies: Annotated[list[Script], Field(max_length=50)] = Field(default_factory=list)
    """Scripts; each one whose kind matches a material is evaluated, and the results are combined."""
    inputs: Annotated[list[PolicyInput], Field(max_length=64)] = Field(default_factory=list)
    """Inputs that an attachment may set."""
    auto_match: AutoMatch | None = None
    """A script that selects materials. Accepted because Chainloop's schema has it."""


class GroupedAttachment(contract_kind.PolicyAttachment):
    """A policy that a material of the group must pass."""

    requirements: Annotated[list[Requirement], Field(max_length=20)] = Field(default_factory=list)
    """Requirements that are met when the policy passes, as [organization/]framework/requirement[@version]."""


class GroupMaterial(contract_kind.Chainloop):
    """A material that the group requires, and its policies."""

    cel = (NAME_WITHOUT_TYPE,)

    type: contract_kind.MaterialType | None = None
    """Type of the material."""
    name: Annotated[str, meta.bounded(253)] = ""
    """Name of the material, which may contain inputs such as {{ inputs.name }}; default: every material of the type."""
    optional: bool = False
    """If true, a run without this material still passes. Default false."""
    match_mode: Literal["UNSPECIFIED", "EXACT", "PREFIX"] | None = None
    """How the name is compared: EXACT (the default) or PREFIX."""
    policies: Annotated[list[GroupedAttachment], Field(max_length=50)] = Field(default_factory=list)
    """Policies that the material must pass."""


class GroupPolicies(contract_kind.Chainloop):
    """Policies of the group."""

    materials: Annotated[list[GroupMaterial], Field(max_length=50)] = Field(default_factory=list)
    """Materials with their policies."""
    attestation: Annotated[list[contract_kind.PolicyAttachment], Field(max_length=50)] = Field(default_factory=list)
    """Policies for the attestation as a whole."""


class PolicyGroupSpec(contract_kind.Chainloop):
    """What belongs to the group."""

    suspend: bool = False
    """If true, changes of this object have no effect. Default false."""
    policies: GroupPolicies | None = None
    """Policies of the group."""
    inputs: Annotated[list[PolicyInput], Field(max_length=64)] = Field(default_factory=list)
    """Inputs that an attachment may set."""


class PolicyStatus(meta.Status):
    """Observed state of the policy. The condition PolicyCompiled says whether each script compiles, or where not."""

    digest: meta.DigestText | None = None
    """Digest of apiVersion, kind, name and spec in one form: the same policy has the same digest in every namespace."""


class PolicyGroupStatus(meta.Status):
    """Observed state of the group. RefsResolved says whether each policy was found, PolicyCompiled if they compile."""

    digest: meta.DigestText | None = None
    """Digest of apiVersion, kind, name and spec in one form: the same group has the same digest in every namespace."""


def _named(kind: str, example: str) -> rules.Rule:
    return rules.Rule(
        "self.metadata.name.size() <= 63 && self.metadata.name.matches('" + rules.DNS_1123 + "')",
        "metadata.name must contain only lowercase letters, numbers, and hyphens, at most 63",
        f"rename the {kind}, such as {example}",
    )


class Policy(meta.Model):
    """Scripts that judge a material or an attestation."""

    cel = (_named("Policy", "sbom-licenses"),)

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata. Chainloop's finding_type goes into the annotation chainloop.dev/finding_type."""
    spec: PolicySpec
    """The scripts of the policy."""
    status: PolicyStatus | None = None
    """Observed state of the policy."""


class PolicyGroup(meta.Model):
    """Policies that are attached together, and the materials that they require."""

    cel = (_named("PolicyGroup", "sbom-quality"),)

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: PolicyGroupSpec
    """What belongs to the group."""
    status: PolicyGroupStatus | None = None
    """Observed state of the group."""


_COMPILED = meta.Column("Compiled", meta.condition("PolicyCompiled", "status"))
_RESOLVED = meta.Column("Resolved", meta.condition("RefsResolved", "status"))
_DIGEST = meta.Column("Digest", ".status.digest", priority=1)
KIND = meta.Kind(
    Policy,
    "policies",
    "avpol",
    columns=(meta.READY, _COMPILED, meta.REASON, _DIGEST, meta.AGE),
    group="chainloop.dev",
    version="v1",
)
GROUP_KIND = meta.Kind(
    PolicyGroup,
    "policygroups",
    "avpg",
    columns=(meta.READY, _RESOLVED, _COMPILED, meta.REASON, _DIGEST, meta.AGE),
    group="chainloop.dev",
    version="v1",
)
