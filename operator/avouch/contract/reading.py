"""From a Contract object, in either spelling, to the domain value; every problem with its path and its fix."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from avouch import errors
from avouch.api import contract as contract_kind
from avouch.api import meta, policy, rules
from avouch.contract import model, references
from avouch.materials import types as material_types

_OWN_PREFIX = "chainloop.dev/"
FINDING_TYPE = f"{_OWN_PREFIX}finding_type"
_TYPES = {  # by the first word of pydantic's type of error, such as bool_parsing
    "bool": "must be true or false, in lower case and without quotes",
    "int": "must be a whole number",
    "list": "must be a list",
    "tuple": "must be a list",
    "dict": "must be a mapping",
    "model": "must be a mapping",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the text. `line` is its path, such as spec.materials[1].name."""

    line: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.line}: {self.message} (fix: {self.fix})"


def read(manifest: Mapping[str, Any]) -> model.ContractSpec:
    """Read a Contract as Kubernetes holds it.

    Raises:
        Invalid: it breaks rules; `field` and `fix` are those of the first problem, the message names all.
    """
    contract, found = _parsed(manifest)
    if contract is None or found:
        first, *others = found
        message = "; ".join([first.message, *map(str, others)])
        raise errors.Invalid(message, field=first.line, fix=first.fix)
    return _to_domain(contract)


def problems(manifest: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything wrong with a Contract; empty when it can be read."""
    return _parsed(manifest)[1]


def own_annotations(annotations: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Annotations of the object that belong to the contract: bare keys and chainloop.dev/*; tools write the others."""
    return tuple(
        sorted((key, value) for key, value in annotations.items() if "/" not in key or key.startswith(_OWN_PREFIX))
    )


def parsed(manifest: Mapping[str, Any]) -> contract_kind.Contract | None:
    """The object as a model of its kind; None if it has problems."""
    contract, found = _parsed(manifest)
    return None if found else contract


def attachments(contract: contract_kind.ContractSpec) -> Iterator[tuple[str, contract_kind.PolicyAttachment]]:
    """Every policy of a contract with its line."""
    policies = contract.policies or contract_kind.Policies()
    for field, attachments in (("materials", policies.materials), ("attestation", policies.attestation)):
        for index, attachment in enumerate(attachments):
            yield f"spec.policies.{field}[{index}]", attachment


def _parsed(manifest: Mapping[str, Any]) -> tuple[contract_kind.Contract | None, tuple[Problem, ...]]:
    head = tuple(head_problems(manifest, contract_kind.KIND))
    if head:
        return None, head
    broken = tuple(problem for check in _CHECKS for problem in check(_mapping(manifest.get("spec"))))
    try:
        return contract_kind.Contract.model_validate(dict(manifest)), broken
    except pydantic.ValidationError as exc:
        return None, (*(schema_problem(error, contract_kind.KIND) for error in exc.errors()), *broken)


def head_problems(manifest: Mapping[str, Any], kind: meta.Kind) -> Iterator[Problem]:
    """What is wrong with apiVersion, kind, name and finding type of an object of this kind."""
    for field, wanted in (("apiVersion", kind.api_version), ("kind", kind.name)):
        if manifest.get(field) != wanted:
            yield Problem(field, f"must be {wanted}", f"write {field}: {wanted}")
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    yield from name_problems(name if isinstance(name, str) else "", "metadata.name")
    found = _mapping(_mapping(metadata).get("annotations")).get(FINDING_TYPE)
    if found is not None and found not in policy.FINDING_TYPES:
        line, fix = f"metadata.annotations.{FINDING_TYPE}", f"use one of {', '.join(policy.FINDING_TYPES)}"
        yield Problem(line, f"unknown value {str(found)[:64]!r}", fix)


def name_problems(name: str, line: str) -> Iterator[Problem]:
    """What is wrong with the name of an object, if anything."""
    if not rules.LABEL.fullmatch(name):
        yield Problem(line, rules.NAME.message, f"{rules.NAME.fix}, at most 63 characters")


def schema_problem(error: Any, kind: meta.Kind) -> Problem:
    """A problem for one of pydantic's errors."""
    line = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    if error["type"] == rules.ERROR_TYPE:
        return Problem(line, error["ctx"]["message"], error["ctx"]["fix"])
    if error["type"] == "enum":
        found = str(error["input"])[:64]
        return Problem(line, f"unknown value {found!r}", _known(found, error["ctx"]["expected"]))
    if error["type"] == "missing":
        return Problem(line, "is required", "add it")
    message = _TYPES.get(error["type"].partition("_")[0], error["msg"])
    return Problem(line, message, f"see kubectl explain {kind.name.lower()}.{_explained(line)}")


def _known(found: str, expected: str) -> str:
    """The fix for a value that an enum does not have; pydantic writes those that it has as `'A', 'B' or 'C'`."""
    nearest = difflib.get_close_matches(found.upper(), re.findall(r"'([^']+)'", expected), n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"use one of {expected}"


def _explained(line: str) -> str:
    return "".join(character for character in line if not character.isdigit() and character not in "[]")


def _duplicate_materials(body: Mapping[str, Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, material in enumerate(_list(body.get("materials"))):
        name = _mapping(material).get("name")
        if isinstance(name, str) and name in seen:
            message = f"unique material name validation failed: material with name={name} is duplicated"
            yield Problem(f"spec.materials[{index}].name", message, "give each material its own name")
        seen |= {name} if isinstance(name, str) else set()


def attached(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every policy of a spec that may break its schema, with its line."""
    policies = _mapping(body.get("policies"))
    for field in ("materials", "attestation"):
        for index, attachment in enumerate(_list(policies.get(field))):
            if isinstance(attachment, Mapping):
                yield f"spec.policies.{field}[{index}]", attachment


def attachment_problems(line: str, attachment: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the policy reference of an attachment."""
    if (attachment.get("ref") is None) == (attachment.get("embedded") is None):
        rule = contract_kind.REF_OR_EMBEDDED
        yield Problem(line, "policy: exactly one field is required in oneof: ref, embedded", rule.fix)
    reference = attachment.get("ref")
    found = references.problem(reference) if isinstance(reference, str) else ""
    if found:
        message = f"policy attachment validation failed: {found}"
        fix = "write [provider:][organization/]name, or a file or URL with extension"
        yield Problem(f"{line}.ref", message, fix)


def _bad_attachments(body: Mapping[str, Any]) -> Iterator[Problem]:
    for line, attachment in attached(body):
        yield from attachment_problems(line, attachment)


# Over the raw spec, so that what breaks the schema elsewhere does not hide them.
_CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[Problem]], ...] = (
    _duplicate_materials,  # also CEL; here for what comes from a file
    _bad_attachments,  # ref or embedded also CEL; the grammar of references costs more than its budget
)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _to_domain(contract: contract_kind.Contract) -> model.ContractSpec:
    body = contract.spec
    policies = body.policies or contract_kind.Policies()
    return model.ContractSpec(
        name=contract.metadata.name,
        metadata=own_annotations(contract.metadata.annotations),
        materials=tuple(map(_material, body.materials)),
        annotations=_annotations(body.annotations),
        env_allow_list=tuple(dict.fromkeys(body.env_allow_list)),
        runner=str(body.runner.type) if body.runner else "",
        material_policies=tuple(map(policy_attachment, policies.materials)),
        attestation_policies=tuple(map(policy_attachment, policies.attestation)),
        policy_groups=tuple(map(_policy_group, body.policy_groups)),
    )


def _material(material: contract_kind.Material) -> model.Material:
    return model.Material(
        name=material.name,
        type=material_types.of(material.type).name,
        optional=material.optional,
        output=material.output,
        skip_upload=material.skip_upload,
        group=material.group,
        annotations=_annotations(material.annotations),
    )


def _annotations(annotations: list[contract_kind.Annotation]) -> tuple[model.Annotation, ...]:
    """A name may repeat, as in Chainloop; the last one counts."""
    last = {annotation.name: annotation.value for annotation in annotations}
    return tuple(model.Annotation(name, value) for name, value in last.items())


def policy_attachment(attachment: contract_kind.PolicyAttachment) -> model.PolicyAttachment:
    """An attachment as a domain value."""
    selector = attachment.selector or contract_kind.Selector()
    return model.PolicyAttachment(
        ref=attachment.ref or "",
        embedded="" if attachment.embedded is None else json.dumps(attachment.embedded, sort_keys=True),
        selector_name=selector.name,
        match_mode="PREFIX" if selector.match_mode == "PREFIX" else "EXACT" if selector.name else "",
        disabled=attachment.disabled,
        inputs=tuple(sorted(attachment.with_.items())),
        requirements=tuple(attachment.requirements),
        gate=attachment.gate,
    )


def _policy_group(attachment: contract_kind.PolicyGroupAttachment) -> model.PolicyGroupAttachment:
    return model.PolicyGroupAttachment(
        ref=attachment.ref,
        inputs=tuple(sorted(attachment.with_.items())),
        skip=tuple(attachment.skip),
        gate=attachment.gate,
    )
