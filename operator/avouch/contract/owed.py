"""What a contract owes with its policies and groups looked up: the form that is recorded with a revision.

How it is looked up stands in `policy.resolution`. The digests of policies are part of the form, so a policy that
changed makes another revision of every contract that refers to it.
"""

import json
from dataclasses import asdict
from typing import Any

from avouch import errors
from avouch.contract import model, revisions
from avouch.values import dataclass

_FORM = "avouch.dev/resolved/v1"  # names these rules: another form is another name


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
        gate: whether a violation blocks.
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
    requirements: tuple[str, ...] = ()

    def judges(self, name: str, type_: str) -> bool:
        """Whether a material of this name and type is judged, as far as its attachment says."""
        named = name.startswith(self.material) if self.prefix else self.material in ("", name)
        return not self.attestation and named and self.type in ("", type_)


@dataclass(frozen=True, slots=True)
class Owed:
    """Materials, those of groups among them, policies, and hosts that their scripts may ask. No order has a meaning."""

    materials: tuple[model.Material, ...]
    policies: tuple[Bound, ...]
    hosts: tuple[str, ...] = ()


def canonical(owed: Owed) -> bytes:
    """The recorded form: equal meaning is equal bytes. Where no host may be asked, nothing is said of hosts."""
    said: dict[str, list[Any]] = {
        "materials": [asdict(one) for one in owed.materials],
        "policies": [_said(one) for one in owed.policies],
    }
    if owed.hosts:
        said["hosts"] = list(owed.hosts)
    return revisions.compact(
        {"form": _FORM, **{name: sorted(each, key=revisions.compact) for name, each in said.items()}}
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
        return Owed(tuple(map(revisions.material, raw["materials"])), bound, tuple(raw.get("hosts", ())))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise errors.Corrupt(f"not a resolved contract: {exc}") from exc


def _said(one: Bound) -> dict[str, Any]:
    return {**asdict(one), "inputs": dict(one.inputs)}
