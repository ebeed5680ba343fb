"""What Chainloop's JSON reader accepts in the body of a file and Kubernetes does not: enums by number, nulls."""

from collections.abc import Mapping
from typing import Any

from avouch.materials import types as material_types
from avouch.runners import table

_MATERIALS = {material.number: material.name for material in material_types.MATERIALS}
_PHASES = {1: "INIT", 3: "PUSH"}
MATCH_MODE = ("matchMode", "match_mode")
_MATCH_MODES = {0: "UNSPECIFIED", 1: "EXACT", 2: "PREFIX"}
_RUNNERS = {row.number: str(row.name) for row in table.RUNNERS if row.name}


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with names for numbers and without nulls; embedded policies and unknown fields are unchanged."""
    said = {key: _table(value) for key, value in body.items() if value is not None}
    if isinstance(said.get("materials"), list):
        said["materials"] = [_typed(material, _MATERIALS) for material in said["materials"]]
    if isinstance(said.get("policies"), dict):
        said["policies"] = {key: _matched(value) for key, value in said["policies"].items()}
    return said | ({"runner": _typed(said["runner"], _RUNNERS)} if "runner" in said else {})


def normal_policy(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a policy or a policy group in the same way."""
    said = {key: _table(value) for key, value in body.items() if value is not None}
    policies = said.get("policies")
    if isinstance(policies, list):  # scripts
        said["policies"] = [_phased(_typed(script, _MATERIALS, "kind")) for script in policies]
    elif isinstance(policies, dict) and isinstance(policies.get("materials"), list):
        said["policies"] = {**policies, "materials": [_typed(each, _MATERIALS) for each in policies["materials"]]}
    return dict(_typed(said, _MATERIALS))


def phase_of(number: Any) -> str | None:
    """The name of an attestation phase's number; None if nothing has this number."""
    return _PHASES.get(number) if isinstance(number, int) and not isinstance(number, bool) else None


def name_of(number: Any, runner: bool = False) -> str | None:
    """The name of an enum's number; None if nothing has this number."""
    names = _RUNNERS if runner else _MATERIALS
    return names.get(number) if isinstance(number, int) and not isinstance(number, bool) else None


def _typed(value: Any, names: Mapping[int, str], field: str = "type") -> Any:
    if not isinstance(value, dict):
        return value
    name = name_of(value.get(field), runner=names is _RUNNERS)
    return value if name is None else {**value, field: name}


def match_mode_of(number: Any) -> str | None:
    """The name of a match mode's number; None if nothing has this number."""
    return _MATCH_MODES.get(number) if isinstance(number, int) and not isinstance(number, bool) else None


def _matched(attachments: Any) -> Any:
    """Attachments of policies whose selectors have names of match modes."""
    return [_selecting(each) for each in attachments] if isinstance(attachments, list) else attachments


def _selecting(attachment: Any) -> Any:
    selector = attachment.get("selector") if isinstance(attachment, dict) else None
    if not isinstance(selector, dict):
        return attachment
    named = {field: match_mode_of(selector.get(field)) or selector[field] for field in MATCH_MODE if field in selector}
    return {**attachment, "selector": {**selector, **named}}


def _phased(script: Any) -> Any:
    if not isinstance(script, dict):
        return script
    said = {field: script[field] for field in ("attestationPhases", "attestation_phases") if field in script}
    lists = {field: phases for field, phases in said.items() if isinstance(phases, list)}
    return {**script, **{field: [phase_of(each) or each for each in phases] for field, phases in lists.items()}}


def _table(value: Any) -> Any:
    """Without nulls, except inputs of policies (`with`), since a null is not a string, and embedded policies."""
    if isinstance(value, dict):
        return {
            key: child if key in ("embedded", "with") else _table(child)
            for key, child in value.items()
            if child is not None
        }
    return [_table(child) for child in value] if isinstance(value, list) else value
