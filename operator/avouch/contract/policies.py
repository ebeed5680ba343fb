"""Policies and policy groups as Chainloop writes them: read, with every problem in its place."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pydantic

from avouch import errors
from avouch.api import meta, policy, rules
from avouch.contract import reading

KINDS: Mapping[str, meta.Kind] = {kind.name: kind for kind in (policy.KIND, policy.GROUP_KIND)}
LEGACY_API_VERSION = "workflowcontract.chainloop.dev/v1"  # Chainloop reads it; upstream.to_object writes today's
_MODELS: Mapping[str, type[policy.Policy | policy.PolicyGroup]] = {
    "Policy": policy.Policy,
    "PolicyGroup": policy.PolicyGroup,
}
SPECS: Mapping[str, type[meta.Model]] = {"Policy": policy.PolicySpec, "PolicyGroup": policy.PolicyGroupSpec}

Spec = Mapping[str, Any]


def problems(manifest: Mapping[str, Any]) -> tuple[reading.Problem, ...]:
    """Everything wrong with a Policy or PolicyGroup; empty when it can be read."""
    return _parsed(manifest)[1]


def read(manifest: Mapping[str, Any]) -> policy.Policy | policy.PolicyGroup:
    """The object as a model of its kind.

    Raises:
        Invalid: it breaks rules; `field` and `fix` are those of the first problem, the message names all.
    """
    found, broken = _parsed(manifest)
    if found is None or broken:
        first, *others = broken
        raise errors.Invalid("; ".join([first.message, *map(str, others)]), field=first.line, fix=first.fix)
    return found


def _parsed(
    manifest: Mapping[str, Any],
) -> tuple[policy.Policy | policy.PolicyGroup | None, tuple[reading.Problem, ...]]:
    kind = KINDS.get(str(manifest.get("kind")), policy.KIND)
    head = tuple(reading.head_problems(manifest, kind))
    if head:
        return None, head
    body = manifest.get("spec")
    broken = tuple(
        problem for check in _CHECKS[kind.name] for problem in check(body if isinstance(body, Mapping) else {})
    )
    try:
        return _MODELS[kind.name].model_validate(dict(manifest)), broken
    except pydantic.ValidationError as exc:
        return None, (*(reading.schema_problem(error, kind) for error in exc.errors()), *broken)


def _sources(body: Spec) -> Iterator[reading.Problem]:
    if body.get("path") is not None and body.get("embedded") is not None:
        yield _broken("spec", policy.TWO_SOURCES)
    if body.get("path") is None and body.get("embedded") is None and not body.get("policies"):
        yield _broken("spec", policy.SOME_SOURCE)
    for line, script in _scripts(body):
        if sum(script.get(name) is not None for name in policy.SOURCES) != 1:
            yield _broken(line, policy.ONE_SOURCE)


def _formless(body: Spec) -> Iterator[reading.Problem]:
    if body.get("type") in policy.NO_TYPE:
        yield _broken("spec.type", policy.NEVER_TYPE)
    for line, script in _scripts(body):
        if script.get("kind") in policy.NO_KIND:
            yield _broken(f"{line}.kind", policy.NEVER_KIND)


def _inputs(body: Spec) -> Iterator[reading.Problem]:
    seen: set[str] = set()
    for line, found in _listed(body, "spec", "inputs"):
        if found.get("required") is True and found.get("default"):
            yield _broken(line, policy.REQUIRED_AND_DEFAULT)
        name = found.get("name")
        if isinstance(name, str) and name in seen:
            yield reading.Problem(f"{line}.name", f"duplicate input {name}", "keep one of them")
        seen |= {name} if isinstance(name, str) else set()


def _group_materials(body: Spec) -> Iterator[reading.Problem]:
    for line, material in _listed(_mapping(body.get("policies")), "spec.policies", "materials"):
        if material.get("name") and material.get("type") is None:
            yield _broken(line, policy.NAME_WITHOUT_TYPE)


def _attachments(body: Spec) -> Iterator[reading.Problem]:
    policies = _mapping(body.get("policies"))
    found = [*_listed(policies, "spec.policies", "attestation")]
    for line, material in _listed(policies, "spec.policies", "materials"):
        found += _listed(material, line, "policies")
    for line, attachment in found:
        yield from reading.attachment_problems(line, attachment)


_CHECKS: Mapping[str, tuple[Callable[[Spec], Iterator[reading.Problem]], ...]] = {
    "Policy": (
        _sources,  # also CEL
        _formless,  # also CEL
        _inputs,  # required and default together also CEL; names that stand twice
    ),
    "PolicyGroup": (
        _inputs,
        _group_materials,  # also CEL
        _attachments,  # ref or embedded also CEL; the grammar of references costs more than its budget
    ),
}


def _scripts(body: Spec) -> Iterator[tuple[str, Spec]]:
    yield from _listed(body, "spec", "policies")
    for name in ("autoMatch", "auto_match"):
        if isinstance(body.get(name), Mapping):
            yield f"spec.{name}", body[name]


def _listed(body: Spec, line: str, field: str) -> Iterator[tuple[str, Spec]]:
    found = body.get(field)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, Mapping):
            yield f"{line}.{field}[{index}]", item


def _mapping(value: Any) -> Spec:
    return value if isinstance(value, Mapping) else {}


def _broken(line: str, rule: rules.Rule) -> reading.Problem:
    return reading.Problem(line, rule.message, rule.fix)
