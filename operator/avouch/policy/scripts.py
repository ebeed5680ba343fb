"""The scripts of a Policy, and which of them judge a material."""

from collections.abc import Sequence

from avouch import errors
from avouch.api import policy as kind
from avouch.materials import types as material_types
from avouch.values import dataclass

ATTESTATION = "ATTESTATION"  # the kind of scripts that judge an attestation as a whole


@dataclass(frozen=True, slots=True)
class Script:
    """One script.

    Attributes:
        place: the field that it stands in, such as spec.policies[0].embedded.
        embedded: its text; "" where it is somewhere else.
        reference: where it is otherwise.
        judges: the type of material that it judges; "" for any.
        at_push: whether it judges an attestation that is complete, and not only one that begins.
    """

    place: str
    embedded: str = ""
    reference: str = ""
    judges: str = ""
    at_push: bool = True


def of(spec: kind.PolicySpec) -> Sequence[Script]:
    """All scripts of a policy, in both of Chainloop's forms."""
    if spec.policies:
        return [
            Script(f"spec.policies[{index}].{_source(one)}", *_said(one), str(one.kind or ""), _at_push(one))
            for index, one in enumerate(spec.policies)
        ]
    return [Script(f"spec.{_source(spec)}", *_said(spec), str(spec.type or ""))]


def judging(scripts: Sequence[Script], material_type: str) -> Sequence[Script]:
    """Those that judge a material of this type.

    Raises:
        errors.Invalid: none does.
    """
    found = [one for one in scripts if one.judges in ("", material_type)]
    if not found:
        kinds = ", ".join(sorted({one.judges for one in scripts}))
        raise errors.Invalid(f"judges {kinds}, not {material_type}", field="--kind", fix="name a material of that type")
    if material_type in kind.NO_KIND and not any(one.judges for one in found):
        raise errors.Invalid(f"no policy can judge {material_type}, whose content has no fixed format", field="--kind")
    return found


def types(scripts: Sequence[Script]) -> Sequence[str]:
    """Types of materials that a policy of these scripts judges; all of them where one script judges any."""
    named = {one.judges for one in scripts}
    return [one.name for one in material_types.MATERIALS] if "" in named else sorted(named)


def _at_push(one: kind.Script) -> bool:
    return not one.attestation_phases or "PUSH" in one.attestation_phases


def _source(one: kind.Script | kind.PolicySpec) -> str:
    return "embedded" if one.embedded is not None else "ref" if getattr(one, "ref", None) is not None else "path"


def _said(one: kind.Script | kind.PolicySpec) -> tuple[str, str]:
    return one.embedded or "", getattr(one, "ref", None) or one.path or ""
