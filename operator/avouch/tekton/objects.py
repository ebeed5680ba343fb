"""Reads untrusted Kubernetes JSON: a missing or malformed field reads as empty and never raises."""

from collections.abc import Mapping
from typing import Any


def at(value: object, *path: str) -> object:
    """The field at this path, or None."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping(value: object, *path: str) -> Mapping[str, Any]:
    """The object at this path; empty if there is none."""
    found = at(value, *path)
    return found if isinstance(found, Mapping) else {}


def mappings(value: object, *path: str) -> tuple[Mapping[str, Any], ...]:
    """The list of objects at this path; entries that are not objects are left out."""
    found = at(value, *path)
    return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, (list, tuple)) else ()


def texts(value: object, *path: str) -> tuple[str, ...]:
    """The list of strings at this path."""
    found = at(value, *path)
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, (list, tuple)) else ()


def text(value: object, *path: str) -> str:
    """The string at this path; empty if there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""
