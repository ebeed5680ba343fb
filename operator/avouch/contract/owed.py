"""What a contract owes with its policies and groups looked up: the form that is recorded with a revision.

How it is looked up stands in `policy.resolution`. The digests of policies are part of the form, so a policy that
changed makes another revision of every contract that refers to it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from enum import StrEnum
from typing import Any, Protocol

from avouch import errors
from avouch.contract import model, revisions
from avouch.values import dataclass

_FORM = "avouch.dev/resolved/v1"  # names these rules: another form is another name


class GateBy(StrEnum):
    """What says whether a violation blocks: the first of these that says anything."""

    ATTACHMENT = "attachment"
    GROUP = "group"  # the attachment of the PolicyGroup
    ORGANIZATION = "organization"  # its settings.blockOnPolicyViolation


@dataclass(frozen=True, slots=True)
class Bound:
    """One policy as the contract is held to it.

    Attributes:
        policy: name of the Policy.
        digest: of its canonical form; its document is kept under it.
        line: of the contract that asks for it.
        reference: as it was written; "" for one that is embedded.
        group: name of the PolicyGroup that brings it; "" for none.
        attestation: whether it judges the attestation as a whole, not materials.
        material: name of the materials that it judges, or how it begins; "" for any.
        prefix: whether `material` is how it begins.
        type: type of the materials that it judges; "" for those that its scripts name.
        inputs: what it is given.
        gate: whether a violation blocks; `gate_by` says so.
        requirements: what is met when it passes.
    """

    policy: str
    digest: str
    line: str
    reference: str = ""
    group: str = ""
    group_digest: str = ""
    attestation: bool = False
    material: str = ""
    prefix: bool = False
    type: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    gate: bool = False
    gate_by: str = GateBy.ORGANIZATION
    requirements: tuple[str, ...] = ()

    def judges(self, name: str, type_: str) -> bool:
        """Whether a material of this name and type is judged, as far as its attachment says."""
        named = name.startswith(self.material) if self.prefix else self.material in ("", name)
        return not self.attestation and named and self.type in ("", type_)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a material comes from: the contract's line, and the PolicyGroup that brings it ("" for none)."""

    line: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Owed:
    """Materials, those of groups among them, and policies. No order carries a meaning.

    Attributes:
        materials: the contract's, and those that groups bring.
        policies: each as it is bound.
        brought: where the materials come from that groups bring, by their names.
        hosts: that scripts may ask.
    """

    materials: tuple[model.Material, ...]
    policies: tuple[Bound, ...] = ()
    brought: Mapping[str, Origin] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()

    def origin(self, material: str) -> Origin:
        """Where a material comes from: by its name, because the order of the list means nothing and may change."""
        return self.brought.get(material) or Origin(f'spec.materials[name="{material}"]')


class Revision(Protocol):
    """What is needed of a recorded revision."""

    @property
    def canonical(self) -> bytes:
        """The canonical form of the contract."""

    @property
    def resolved(self) -> bytes:
        """What `canonical` wrote of what it owes; b"" where the contract has no policies."""


def of_revision(revision: Revision) -> Owed:
    """What runs owe that are held to a revision. Raises errors.Corrupt."""
    return recorded(revision.canonical, revision.resolved)


def recorded(canonical: bytes, resolved: bytes) -> Owed:
    """What a contract owes, by the two forms that a revision has; only one of them is read. Raises errors.Corrupt."""
    return restore(resolved) if resolved else Owed(revisions.restore(canonical).materials)


def of(contract: model.ContractSpec, resolved: bytes) -> Owed:
    """What a contract owes: as it was `resolved`, else what stands in it. Raises errors.Corrupt."""
    return restore(resolved) if resolved else Owed(contract.materials)


def canonical(owed: Owed) -> bytes:
    """The recorded form: equal meaning is equal bytes. What is empty and came later is not said."""
    said: dict[str, list[Any]] = {
        "materials": [asdict(one) for one in owed.materials],
        "policies": [_said(one) for one in owed.policies],
        **({"hosts": list(owed.hosts)} if owed.hosts else {}),
    }
    brought = {name: asdict(one) for name, one in owed.brought.items()}
    return revisions.compact(
        {
            "form": _FORM,
            **{name: sorted(each, key=revisions.compact) for name, each in said.items()},
            **({"brought": brought} if brought else {}),
        }
    )


def restore(form: bytes) -> Owed:
    """Read a recorded form. Raises errors.Corrupt."""
    try:
        raw = json.loads(form)
        if raw["form"] != _FORM:
            raise errors.Corrupt(f"a resolved contract in an unknown form: {raw['form']!r}")
        bound = tuple(
            Bound(
                **{**each, "inputs": tuple(sorted(each["inputs"].items())), "requirements": tuple(each["requirements"])}
            )
            for each in raw["policies"]
        )
        brought = {name: Origin(**each) for name, each in raw.get("brought", {}).items()}
        hosts = tuple(raw.get("hosts", ()))
        return Owed(tuple(map(revisions.material, raw["materials"])), bound, brought, hosts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise errors.Corrupt(f"not a resolved contract: {exc}") from exc


def _said(one: Bound) -> dict[str, Any]:
    return {**asdict(one), "inputs": dict(one.inputs)}
