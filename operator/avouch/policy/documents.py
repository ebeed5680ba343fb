"""What a script sees: `input`, made of a material's bytes, the arguments, and what is known of the material."""

import json
from collections.abc import Mapping
from typing import Any

from avouch import errors
from avouch.materials import types as material_types

_JSON = frozenset(one.name for one in material_types.MATERIALS if one.media_type.endswith(("json", "+json")))


def of_material(material_type: str, content: bytes, arguments: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The input document as JSON.

    An array is `elements`, as Chainloop has it; `args` and `chainloop_metadata` stand in the document itself.

    Raises:
        errors.Invalid: no script can be shown a material of this type, or the content is no JSON.
    """
    if material_type not in _JSON:
        fix = "evaluate a material that is a JSON document"
        raise errors.Invalid(f"policies are not shown materials of type {material_type} yet", field="--kind", fix=fix)
    try:
        read = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise errors.Invalid(f"the content is no JSON: {exc}"[:300]) from exc
    document = read if isinstance(read, dict) else {"elements": read} if isinstance(read, list) else {}
    return json.dumps({**document, "args": dict(arguments), "chainloop_metadata": dict(known)})
