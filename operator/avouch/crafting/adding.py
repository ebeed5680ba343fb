"""Materials and annotations enter the state here, by the contract's rules.

1. A name that the contract asks for takes the contract's type, output, skip_upload and annotations, whatever was said.
2. Any other name is contract-free: optional, of the type that was said or detected.
3. A name that is there already is overwritten.
4. Annotations: a value of the contract's is never overridden, an empty one is filled, one that stays empty is an
   error that names them all. What the contract does not know is accepted.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from avouch import digests, errors, plan
from avouch.attestation import materials, statement
from avouch.crafting import state as states
from avouch.materials import types
from avouch.runners import credentials

UNNAMED = "material-"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"[^\s=\x00-\x1f\x7f]{1,128}")
_MAX_VALUE = 4096  # characters of one annotation
_ROOM = statement.MAX_PAYLOAD - 256 * 1024  # bytes of a statement that inlined content may take, base64 included


class Spelling(NamedTuple):
    """How the command that adds a material spells its options: messages name what its user can type."""

    name: str = "--name"
    value: str = "--value"
    annotation: str = "--annotation "


_STEPS = Spelling()


class Asked(NamedTuple):
    """What is to be added: its name, its type (empty: to be detected), and what the contract says of it."""

    name: str
    type: str
    planned: plan.PlannedMaterial | None = None
    spelling: Spelling = _STEPS
    ignored: str = ""  # a type that was said, and that the contract overrules

    @property
    def skip_upload(self) -> bool:
        """Whether its bytes stay where they are."""
        return self.planned is not None and self.planned.skip_upload

    @property
    def output(self) -> bool:
        """Whether it becomes a subject."""
        return self.planned is not None and self.planned.output


class Gathered(NamedTuple):
    """What was found of a value: digest and name, and whatever its reader extracted.

    `content` is the text of a STRING, or the whole file where it may have to go into the statement.
    """

    type: str
    digest: digests.Digest
    resource: str = ""
    size: int | None = None
    content: bytes | None = None
    image_tag: str = ""
    image_latest: bool = False
    extracted: Mapping[str, object] = {}  # never changed


class Change(NamedTuple):
    """A new state, and notes for people on how it differs from what was asked."""

    state: states.State
    notes: tuple[str, ...] = ()


def asked(state: states.State, name: str, kind: str, serial: int, spelling: Spelling = _STEPS) -> Asked:
    """What the contract makes of a name and a type, each of them possibly empty.

    Args:
        state: the attestation so far.
        name: as the user gave it.
        kind: as the user gave it.
        serial: makes the name of a material that has none.
        spelling: of the options of the command that adds it.

    Raises:
        Invalid: a name or a type that none can have.
    """
    if kind:
        types.of(kind)
    name = name or f"{UNNAMED}{serial}"
    if not _NAME.fullmatch(name):
        fix = "use lowercase letters, numbers and hyphens, at most 63"
        raise errors.Invalid(f"{name[:80]!r} is not a valid material name", field=spelling.name, fix=fix)
    planned = next((each for each in state.run.plan.materials if each.name == name), None)
    known = planned.type if planned else kind
    return Asked(name, known, planned, spelling, ignored=kind if kind != known else "")


def storage(state: states.State, wanted: Asked, kind: str, size: int) -> materials.Storage:
    """Where the bytes of a material go.

    Raises:
        TooLarge: more than the backend takes, or than a statement has room for.
    """
    if types.of(kind).form is not types.Form.FILE or wanted.skip_upload:
        return "none"
    backend = state.run.backend
    if backend.max_bytes and size > backend.max_bytes:
        message = (
            f"this file is too big for the {backend.name or 'configured'} CAS backend, please contact your "
            f"administrator: fileSize={size}, maxSize={backend.max_bytes}"
        )
        fix = "deliver a smaller file, skip_upload it in the contract, or raise the backend's limit"
        raise errors.TooLarge(message, field=wanted.name, fix=fix)
    if not backend.inline:
        return "none" if state.dry_run else "uploaded"
    others = sum(len(each.content or b"") for each in state.materials if each.name != wanted.name)
    if (others + size) * 4 // 3 > _ROOM:
        message = f"{others + size} bytes of materials do not fit into one statement"
        raise errors.TooLarge(message, field=wanted.name, fix="use a CAS backend that is not inline, or skip_upload")
    return "inline"


def add(state: states.State, wanted: Asked, found: Gathered, annotations: Mapping[str, str]) -> Change:
    """Add a material, or put it in the place of an earlier one of its name.

    Raises:
        Invalid: annotations without value, or one that cannot be recorded; all that are missing are named.
        TooLarge: no room for it.
    """
    values, notes = _annotated(wanted, annotations)
    if wanted.ignored:
        notes = (f"{wanted.name} keeps the contract's type {wanted.type}, not {wanted.ignored}", *notes)
    where = storage(state, wanted, found.type, found.size or 0)
    if found.type == materials.STRING:
        _refuse_secret(wanted.name, credentials.in_text((found.content or b"").decode("utf-8", "replace")))
    keeps_content = where == "inline" or found.type == materials.STRING
    added = materials.Material(
        name=wanted.name,
        type=found.type,
        digest=found.digest,
        resource=found.resource,
        content=found.content if keeps_content else None,
        size=found.size,
        output=wanted.output,
        storage=where,
        image_tag=found.image_tag,
        image_latest=found.image_latest,
        extracted=dict(found.extracted),
        annotations=values,
    )
    materials.descriptor(added)  # what cannot be written is refused now, not at the end
    if state.of(wanted.name) is not None:
        notes = (*notes, f"{wanted.name} replaces an earlier material of this name")
    return Change(state.with_material(added), notes)


def annotate(state: states.State, annotations: Mapping[str, str]) -> Change:
    """Add annotations of the attestation itself.

    Raises:
        Invalid: one that cannot be recorded.
    """
    fixed = {each.name: each.value for each in state.run.plan.annotations if each.value}
    given, notes = _given(annotations, fixed)
    return Change(state._replace(annotations={**state.annotations, **given, **fixed}), notes)


def pairs(texts: tuple[str, ...], field_name: str = "--annotation", form: str = "NAME=VALUE") -> dict[str, str]:
    """Options of the form `NAME=VALUE`, as their help spells it; the last of one name holds.

    Raises:
        Invalid: one without a name or without `=`.

    >>> pairs(("who=me", "why=a=b"))
    {'who': 'me', 'why': 'a=b'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise errors.Invalid(f"{text[:80]!r} is not {form}", field=field_name, fix=f"write {form}")
        found[name] = value
    return found


def _refuse_secret(where: str, reason: str) -> None:
    """Attestations are public and cannot be unsaid. The value is never repeated."""
    if reason:
        raise errors.Invalid(f"looks like {reason}", field=where, fix="remove the secret: attestations are public")


def _annotated(wanted: Asked, annotations: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    declared = wanted.planned.annotations if wanted.planned else ()
    fixed = {each.name: each.value for each in declared if each.value}
    given, notes = _given(annotations, fixed)
    values = {**given, **fixed}
    missing = [each.name for each in declared if not values.get(each.name)]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        fix = f"add {' '.join(f'{wanted.spelling.annotation}{name}=VALUE' for name in missing)}"
        raise errors.Invalid(f'annotations [{names}] required for material "{wanted.name}"', fix=fix)
    return values, notes


def _given(annotations: Mapping[str, str], fixed: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    for name, value in annotations.items():
        if not _KEY.fullmatch(name) or name.startswith(materials.PREFIX):
            fix = f"use another name: letters and digits, and not {materials.PREFIX}*, which is reserved"
            raise errors.Invalid(f"{name[:80]!r} cannot name an annotation", field="--annotation", fix=fix)
        if len(value) > _MAX_VALUE or "\0" in value:
            raise errors.Invalid("too long, or not text", field=f"--annotation {name}", fix=f"at most {_MAX_VALUE}")
        _refuse_secret(f"--annotation {name}", credentials.found(name, value))
    overridden = sorted(name for name, value in annotations.items() if fixed.get(name, value) != value)
    notes = tuple(f"annotation {name} keeps the contract's value {fixed[name]!r}" for name in overridden)
    return {name: value for name, value in annotations.items() if value and name not in fixed}, notes
