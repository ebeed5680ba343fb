"""A contract as a domain value: the same value for the same meaning, in either spelling."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """A name and its value; an empty value must be supplied by the run."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One material that runs must deliver."""

    name: str
    type: str
    optional: bool = False
    output: bool = False
    skip_upload: bool = False
    group: str = ""
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyAttachment:
    """A policy; exactly one of `ref` and `embedded` (canonical JSON of the Policy) is not empty."""

    ref: str = ""
    embedded: str = ""
    selector_name: str = ""
    match_mode: str = ""
    disabled: bool = False
    inputs: tuple[tuple[str, str], ...] = ()
    requirements: tuple[str, ...] = ()
    gate: bool | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroupAttachment:
    """A group of policies."""

    ref: str
    inputs: tuple[tuple[str, str], ...] = ()
    skip: tuple[str, ...] = ()
    gate: bool | None = None


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """A contract. Tuples are in the order written; their order carries no meaning.

    `metadata` holds the annotations of the object that belong to the contract: bare keys and `chainloop.dev/*`.
    """

    name: str
    metadata: tuple[tuple[str, str], ...] = ()
    materials: tuple[Material, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    env_allow_list: tuple[str, ...] = ()
    runner: str = ""
    material_policies: tuple[PolicyAttachment, ...] = ()
    attestation_policies: tuple[PolicyAttachment, ...] = ()
    policy_groups: tuple[PolicyGroupAttachment, ...] = ()

    @property
    def has_policies(self) -> bool:
        """True if policies must be evaluated before a run may pass."""
        return bool(self.material_policies or self.attestation_policies or self.policy_groups)
