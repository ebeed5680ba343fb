"""What a script sees: the material itself as JSON, and beside it the arguments and what is known of the material.

A material is not parsed here, and is passed on as it is: it was checked when it was taken, and the engine, which is
bounded, reads it.
"""

import codecs
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from avouch import errors
from avouch.materials import types as material_types

MOST = 64 * 1024 * 1024  # bytes of one document
_JSON = frozenset(one.name for one in material_types.MATERIALS if one.media_type.endswith("json"))


def of_material(material_type: str, content: bytes) -> bytes:
    """A material as JSON. An array is `elements`, and what is neither array nor object is {}, as Chainloop has it.

    Raises:
        errors.Invalid: no script can be shown a material of this type.
        errors.TooLarge: it has more bytes than scripts are shown.
    """
    if material_type not in _JSON:
        fix = "evaluate a material that is a JSON document"
        raise errors.Invalid(f"policies are not shown materials of type {material_type} yet", field="--kind", fix=fix)
    if len(content) > MOST:
        most = MOST // (1024 * 1024)
        raise errors.TooLarge(f"policies are shown documents of at most {most} MiB", fix="make the report smaller")
    said = content.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    if said.startswith(b"["):
        return b'{"elements":' + said + b"}"
    return said if said.startswith(b"{") else b"{}"


def beside(
    arguments: Mapping[str, Any], known: Mapping[str, Any], own: Mapping[str, Any] = MappingProxyType({})
) -> Mapping[str, Any]:
    """What stands beside it in the document, whatever it has there itself; `own` is what Chainloop does not have."""
    return {**own, "args": dict(arguments), "chainloop_metadata": dict(known)}
