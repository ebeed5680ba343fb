"""What a contract owes, as people and programs read it: the status of a Contract, and `contract resolve`. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from avouch.contract import model, owed, revisions

ROOM = 16 * 1024  # bytes of JSON that a status has for materials, and as many for policies: some 150 and 60 of them
_INPUTS, _VALUE = 16, 128  # inputs of one policy that a status shows, and characters of a name or a value

Json = dict[str, Any]


def whole(found: owed.Owed) -> Json:
    """All of it."""
    return _view(found, lambda listed: (listed, 0), dict)


def bounded(found: owed.Owed) -> Json:
    """As much of it as a status has room for; `moreMaterials` and `morePolicies` count the others."""
    return _view(found, _fitting, shown_inputs)


def _view(
    found: owed.Owed,
    fitting: Callable[[list[Json]], tuple[list[Json], int]],
    inputs: Callable[[Iterable[tuple[str, str]]], Mapping[str, str]],
) -> Json:
    """Both lists in an order of their own: what means the same is shown in the same way."""
    ordered = sorted(found.materials, key=lambda one: (found.origin(one.name).group, one.name))
    bound = sorted(found.policies, key=lambda one: (one.line, one.policy, one.material, one.digest, one.inputs))
    materials, more_materials = fitting([_material(one, found.origin(one.name)) for one in ordered])
    policies, more_policies = fitting([_policy(one, inputs(one.inputs)) for one in bound])
    return _said(materials=materials, moreMaterials=more_materials, policies=policies, morePolicies=more_policies)


def _fitting(listed: list[Json]) -> tuple[list[Json], int]:
    """Those of the first that fit, at least one of them, and how many others there are."""
    room, kept = ROOM, 0
    for one in listed:
        room -= len(revisions.compact(one))
        if room < 0 and kept:
            break
        kept += 1
    return listed[:kept], len(listed) - kept


def shown_inputs(inputs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The inputs of one policy, as far as a status shows them."""
    every = list(inputs)
    shown = {_short(name): _short(text) for name, text in every[:_INPUTS]}
    return {**shown, **({"...": f"and {len(every) - _INPUTS} more"} if len(every) > _INPUTS else {})}


def _short(text: str) -> str:
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 3]}..."


def _material(one: model.Material, origin: owed.Origin) -> Json:
    return _said(
        name=one.name,
        type=one.type,
        optional=one.optional,
        group=one.group,
        line=origin.line,
        policyGroup=origin.group,
    )


def _policy(one: owed.Bound, inputs: Mapping[str, str]) -> Json:
    said = _said(
        name=one.policy,
        digest=one.digest,
        reference=one.reference,
        line=one.line,
        policyGroup=one.group,
        attestation=one.attestation,
        material=one.material,
        matchMode="PREFIX" if one.prefix else "",
        type=one.type,
        inputs=dict(inputs),
    )
    return {**said, "gate": one.gate, "gateBy": str(one.gate_by)}


def _said(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}
