"""One material as facts, and as Chainloop's resource descriptor with its `chainloop.material.*` annotations.

The prefix is reserved: annotations that a user declares under it are dropped, so none can claim that a file was
uploaded or has another type. Keys: chainloop pkg/attestation/crafter/api/attestation/v1/crafting_state.go.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from avouch import digests, errors
from avouch.attestation import shape, statement
from avouch.materials import types as material_types
from avouch.values import dataclass

PREFIX = "chainloop.material."
NAME = PREFIX + "name"
TYPE = PREFIX + "type"
CAS = PREFIX + "cas"
INLINE = PREFIX + "cas.inline"
SIZE = PREFIX + "size"
IMAGE_TAG = PREFIX + "image.tag"
IMAGE_LATEST = PREFIX + "image.is_latest_tag"
STRING = material_types.STRING

Storage = Literal["none", "uploaded", "inline"]

_CORE = frozenset({NAME, TYPE, CAS, INLINE, SIZE, IMAGE_TAG, IMAGE_LATEST})
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)  # bytes; 19 digits hold any file


@dataclass(frozen=True, slots=True)
class Material:
    """One material of a run.

    Attributes:
        name: its name in the contract.
        type: Chainloop's type name, such as `SBOM_CYCLONEDX_JSON`.
        digest: sha256 of the content, of the STRING's text, or of the image manifest.
        resource: file name or image repository; empty for a STRING.
        content: the text of a STRING, or the bytes of an inlined file; always hashes to `digest`.
        size: bytes of the content, None where unknown (images).
        output: the contract calls it an output of the workflow.
        storage: `uploaded` to the artifact store, `inline` in `content`, or `none` (STRING, images, skipped uploads).
        image_tag: tag of an image referenced by one.
        image_latest: whether that tag is `latest`, or points to the same image.
        extracted: annotations that were extracted from the content, full keys under `chainloop.material.`.
        annotations: the user's own, under their plain names.
    """

    name: str
    type: str
    digest: digests.Digest
    resource: str = ""
    content: bytes | None = None
    size: int | None = None
    output: bool = False
    storage: Storage = "none"
    image_tag: str = ""
    image_latest: bool = False
    extracted: Mapping[str, object] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def is_subject(material: Material) -> bool:
    """Whether this material is a subject of the statement: it is an output and not a STRING."""
    return material.output and material.type != STRING


def descriptor(material: Material) -> statement.ResourceDescriptor:
    """The material as a resource descriptor of the predicate.

    Raises:
        Invalid: no name or type, an empty STRING, no resource name (other types), content that does not hash to the
            digest, inline storage without content, or an extracted key outside the prefix or among the built-in ones.
    """
    _check(material)
    return statement.ResourceDescriptor(
        name=material.resource,
        digest={"sha256": material.digest.hex},
        content=material.content,
        annotations=_annotations(material),
    )


def subject(material: Material) -> statement.ResourceDescriptor:
    """An output material as a subject: its content stays in the predicate.

    Raises:
        Invalid: as `descriptor`.
    """
    whole = descriptor(material)
    return statement.ResourceDescriptor(name=whole.name, digest=whole.digest, annotations=whole.annotations)


def name_of(found: statement.ResourceDescriptor) -> str:
    """The material name that a descriptor carries, or empty text for anything that is not a material."""
    value = found.annotations.get(NAME)
    return value if isinstance(value, str) else ""


def read(
    found: statement.ResourceDescriptor, outputs: Mapping[str, statement.ResourceDescriptor], where: str
) -> Material:
    """The facts of one material of a predicate.

    Args:
        found: its descriptor.
        outputs: subjects of the statement by material name.
        where: place in the predicate, for errors.

    Raises:
        Invalid: name, type or sha256 missing, a field of the wrong type, content that does not hash to the digest, or a
            subject that gives this material another digest.
    """
    notes, where = found.annotations, f"{where}.annotations"
    name, digest = shape.text(notes.get(NAME), f"{where}.{NAME}"), found.sha256
    if digest is None:
        raise errors.Invalid("a material without sha256", field=where)
    shown = outputs.get(name)
    if shown is not None and shown.digest != found.digest:
        raise errors.Invalid(f"material {name[:80]!r} and its subject have different digests", field=where)
    storage = _storage(notes, where)
    extracted, own = _sorted_out(notes, where)
    material = Material(
        name=name,
        type=shape.text(notes.get(TYPE), f"{where}.{TYPE}"),
        digest=digest,
        resource=found.name,
        content=b"" if storage == "inline" and found.content is None else found.content,  # an empty field is left out
        size=_size(notes, where),
        output=shown is not None,
        storage=storage,
        image_tag=shape.optional_text(notes.get(IMAGE_TAG), f"{where}.{IMAGE_TAG}"),
        image_latest=_flag(notes, IMAGE_LATEST, where),
        extracted=extracted,
        annotations=own,
    )
    _check(material)
    return material


def _sorted_out(notes: Mapping[str, object], where: str) -> tuple[dict[str, object], dict[str, str]]:
    """Annotations that were read out of the content, and the user's own."""
    extracted: dict[str, object] = {}
    own: dict[str, str] = {}
    for key, value in notes.items():
        if not key.startswith(PREFIX):
            own[key] = shape.text(value, f"{where}.{key}")
        elif key not in _CORE:
            extracted[key] = value
    return extracted, own


def _annotations(material: Material) -> dict[str, object]:
    user = {key: value for key, value in material.annotations.items() if not key.startswith(PREFIX)}
    built_in: dict[str, object] = {
        NAME: material.name,
        TYPE: material.type,
        CAS: material.storage == "uploaded",
        INLINE: material.storage == "inline",
        SIZE: "" if material.size is None else str(material.size),
        IMAGE_TAG: material.image_tag,
        IMAGE_LATEST: material.image_latest,
    }
    return {**user, **material.extracted, **{key: value for key, value in built_in.items() if value}}


def _check(material: Material) -> None:
    problem = _problem(material)
    if problem:
        raise errors.Invalid(problem, field=f"material {material.name[:80]!r}")


def _problem(material: Material) -> str:
    """What is wrong with it; "" where nothing is."""
    if not material.name or not material.type:
        return "a material needs a name and a type"
    if material.type == STRING and not material.content:
        return "a STRING needs a text that is not empty"
    if material.type != STRING and not material.resource:
        return "needs the name of its file or image"
    if material.storage == "inline" and material.content is None:
        return "said to be inline, but has no content"
    if material.content is not None and digests.of_bytes(material.content) != material.digest:
        return "content does not hash to the digest"
    wrong = [key for key in material.extracted if not key.startswith(PREFIX) or key in _CORE]
    return f"{min(wrong)!r} is not an extracted annotation" if wrong else ""


def _flag(notes: Mapping[str, object], key: str, where: str) -> bool:
    return shape.optional_flag(notes.get(key), f"{where}.{key}")


def _storage(notes: Mapping[str, object], where: str) -> Storage:
    uploaded, inline = _flag(notes, CAS, where), _flag(notes, INLINE, where)
    if uploaded and inline:
        raise errors.Invalid("both uploaded and inline", field=where)
    return "uploaded" if uploaded else "inline" if inline else "none"


def _size(notes: Mapping[str, object], where: str) -> int | None:
    found = shape.optional_text(notes.get(SIZE), f"{where}.{SIZE}")
    if not found:
        return None
    if not _SIZE.fullmatch(found):
        raise errors.Invalid("not a size in bytes", field=f"{where}.{SIZE}")
    return int(found)
