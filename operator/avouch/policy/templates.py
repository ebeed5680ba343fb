"""Inputs of a policy group in the texts of the group: `{{ inputs.name }}` and `{{ .inputs.name }}`.

Chainloop runs Go's template language over them. Only that substitution is left of it here: whatever else stands in
double braces is refused, so that a text never means something else than it seems to.
"""

import re
from collections.abc import Mapping

from avouch import errors

_SUBSTITUTED = re.compile(r"\{\{\s*\.?inputs\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}", re.ASCII)
_BEGUN = "{{"
_SHOWN = 60


def filled(text: str, inputs: Mapping[str, str], field: str = "with") -> str:
    """The text with the inputs of its group; one that the group does not have is empty.

    >>> filled("sbom-{{ inputs.name }}{{ .inputs.other }}", {"name": "shop"})
    'sbom-shop'

    Raises:
        errors.Invalid: something else stands in double braces.
    """
    parts, at = [], 0
    while (begun := text.find(_BEGUN, at)) >= 0:
        found = _SUBSTITUTED.match(text, begun)
        if found is None:
            said = text[begun : begun + _SHOWN].partition("}}")
            fix = "write {{ inputs.NAME }}; a text that needs two braces cannot be in a group"
            message = f"{said[0] + said[1]!r} is not understood: of templates only inputs are filled in"
            raise errors.Invalid(message, field=field, fix=fix)
        parts += [text[at:begun], inputs.get(found[1], "")]
        at = found.end()
    return "".join((*parts, text[at:]))
