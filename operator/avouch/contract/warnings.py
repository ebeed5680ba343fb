"""Warnings about parts of a contract that have no effect or are most likely a mistake. They never block its use."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from avouch.api import contract as contract_kind
from avouch.contract import reading
from avouch.materials import types as material_types


def advise(contract: contract_kind.ContractSpec) -> tuple[reading.Problem, ...]:
    """All warnings about a valid contract."""
    return tuple(found for check in _CHECKS for found in check(contract))


def _idle_groups(contract: contract_kind.ContractSpec) -> Iterator[reading.Problem]:
    sizes = Counter(material.group for material in contract.materials if material.group)
    for index, material in enumerate(contract.materials):
        line = f"spec.materials[{index}]"
        if material.group and material.optional:
            message = f"optional has no effect in group {material.group}: at least one of its materials is required"
            yield reading.Problem(f"{line}.optional", message, "remove optional or group")
        if sizes[material.group] == 1 and material.group:
            message = f"{material.name} is alone in group {material.group}, so it is required"
            yield reading.Problem(f"{line}.group", message, "add others to the group, or remove group")


def _idle_flags(contract: contract_kind.ContractSpec) -> Iterator[reading.Problem]:
    for index, material in enumerate(contract.materials):
        line, form = f"spec.materials[{index}]", material_types.of(material.type).form
        if material.output and form is material_types.Form.VALUE:
            yield reading.Problem(f"{line}.output", f"a {material.type} never becomes a subject", "remove output")
        if material.skip_upload and form is not material_types.Form.FILE:
            yield reading.Problem(f"{line}.skipUpload", f"a {material.type} is not uploaded", "remove skipUpload")


def _repeated(contract: contract_kind.ContractSpec) -> Iterator[reading.Problem]:
    yield from _again("spec.annotations", (annotation.name for annotation in contract.annotations), ".name")
    yield from _again("spec.envAllowList", contract.env_allow_list, "")
    for index, material in enumerate(contract.materials):
        line = f"spec.materials[{index}].annotations"
        yield from _again(line, (annotation.name for annotation in material.annotations), ".name")


def _again(line: str, names: Iterable[str], field: str) -> Iterator[reading.Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            message = f"{name} is a duplicate{'; the last one counts' if field else ''}"
            yield reading.Problem(f"{line}[{index}]{field}", message, "keep one of them")
        seen.add(name)


def _idle_policies(contract: contract_kind.ContractSpec) -> Iterator[reading.Problem]:
    for line, attachment in reading.attachments(contract):
        if attachment.disabled:
            yield reading.Problem(f"{line}.disabled", "has no effect, as in Chainloop", "remove the policy")
        selector = attachment.selector
        if selector and selector.match_mode and not selector.name:
            message = "has no effect without a name"
            yield reading.Problem(f"{line}.selector.matchMode", message, "write selector.name, or remove matchMode")


def _selecting_nothing(contract: contract_kind.ContractSpec) -> Iterator[reading.Problem]:
    """Only without policy groups, which may bring materials of their own."""
    names = [material.name for material in contract.materials]
    for line, attachment in () if contract.policy_groups else reading.attachments(contract):
        selector = attachment.selector or contract_kind.Selector()
        prefix = selector.match_mode == "PREFIX"
        if selector.name and not any(
            name.startswith(selector.name) if prefix else name == selector.name for name in names
        ):
            message = f"no material of this contract is named {selector.name}{'...' if prefix else ''}"
            yield reading.Problem(f"{line}.selector.name", message, f"use one of {', '.join(names) or 'its materials'}")


_CHECKS: tuple[Callable[[contract_kind.ContractSpec], Iterator[reading.Problem]], ...] = (
    _idle_groups,  # optional in a group, groups of one
    _idle_flags,  # output and skipUpload where they say nothing
    _repeated,  # names that stand twice
    _idle_policies,  # disabled, and a match mode without name
    _selecting_nothing,  # a selector that no material fits
)
