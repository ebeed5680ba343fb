"""What Chainloop's JSON reader forgives in the body of a contract and Kubernetes does not: enums by number, nulls."""

from collections.abc import Mapping
from typing import Any

from avouch.contract import materials
from avouch.contract.runners import table

_MATERIALS = {material.number: material.name for material in materials.MATERIALS}
_RUNNERS = {row.number: str(row.name) for row in table.RUNNERS if row.name}


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with names for numbers and without nulls; embedded policies and all that it does not know stay as is."""
    said = {key: _table(value) for key, value in body.items() if value is not None}
    if isinstance(said.get("materials"), list):
        said["materials"] = [_typed(material, _MATERIALS) for material in said["materials"]]
    return said | ({"runner": _typed(said["runner"], _RUNNERS)} if "runner" in said else {})


def name_of(number: Any, runner: bool = False) -> str | None:
    """The name of an enum's number; None where nothing has this number."""
    names = _RUNNERS if runner else _MATERIALS
    return names.get(number) if isinstance(number, int) and not isinstance(number, bool) else None


def _typed(value: Any, names: Mapping[int, str]) -> Any:
    if not isinstance(value, dict):
        return value
    name = name_of(value.get("type"), runner=names is _RUNNERS)
    return value if name is None else {**value, "type": name}


def _table(value: Any) -> Any:
    """Without nulls; inputs of policies (`with`) keep theirs, since a null is no text, and so do embedded policies."""
    if isinstance(value, dict):
        return {
            key: child if key in ("embedded", "with") else _table(child)
            for key, child in value.items()
            if child is not None
        }
    return [_table(child) for child in value] if isinstance(value, list) else value
