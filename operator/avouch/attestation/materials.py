"""One material as facts, and as Chainloop's resource descriptor with its `chainloop.material.*` annotations.

The prefix is reserved: annotations that a user declares under it are dropped, so none can claim that a file was
uploaded or has another type. Keys: chainloop pkg/attestation/crafter/api/attestation/v1/crafting_state.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from avouch import digests, errors, plan
from avouch.attestation import shape, statement

PREFIX = "chainloop.material."
NAME = PREFIX + "name"
TYPE = PREFIX + "type"
CAS = PREFIX + "cas"
INLINE = PREFIX + "cas.inline"
SIZE = PREFIX + "size"
IMAGE_TAG = PREFIX + "image.tag"
IMAGE_LATEST = PREFIX + "image.is_latest_tag"
STRING = plan.STRING

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
    if found.sha256 is None:
        raise errors.Invalid("a material without sha256", field=where)
    shown = outputs.get(name_of(found))
    if shown is not None and shown.digest != found.digest:
        raise errors.Invalid(f"material {name_of(found)[:80]!r} and its subject have different digests", field=where)
    material = Material(
        name=shape.text(notes.get(NAME), f"{where}.{NAME}"),
        type=shape.text(notes.get(TYPE), f"{where}.{TYPE}"),
        digest=found.sha256,
        resource=found.name,
        content=found.content,
        size=_size(notes.get(SIZE), f"{where}.{SIZE}"),
        output=shown is not None,
        storage=_storage(notes, where),
        image_tag=shape.optional_text(notes.get(IMAGE_TAG), f"{where}.{IMAGE_TAG}"),
        image_latest=shape.optional_flag(notes.get(IMAGE_LATEST), f"{where}.{IMAGE_LATEST}"),
        extracted={key: value for key, value in notes.items() if key.startswith(PREFIX) and key not in _CORE},
        annotations=shape.texts({key: value for key, value in notes.items() if not key.startswith(PREFIX)}, where),
    )
    _check(material)
    return material


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
    where = f"material {material.name[:80]!r}"
    if not material.name or not material.type:
        raise errors.Invalid("a material needs a name and a type", field=where)
    if material.type == STRING and not material.content:
        raise errors.Invalid("a STRING needs a text that is not empty", field=where)
    if material.type != STRING and not material.resource:
        raise errors.Invalid("needs the name of its file or image", field=where)
    if material.storage == "inline" and material.content is None:
        raise errors.Invalid("marked as inline, but has no content", field=where)
    if material.content is not None and digests.of_bytes(material.content) != material.digest:
        raise errors.Invalid("content does not hash to the digest", field=where)
    wrong = sorted(key for key in material.extracted if not key.startswith(PREFIX) or key in _CORE)
    if wrong:
        raise errors.Invalid(f"{wrong[0]!r} is not an extracted annotation", field=where)


def _storage(notes: Mapping[str, object], where: str) -> Storage:
    uploaded = shape.optional_flag(notes.get(CAS), f"{where}.{CAS}")
    inline = shape.optional_flag(notes.get(INLINE), f"{where}.{INLINE}")
    if uploaded and inline:
        raise errors.Invalid("both uploaded and inline", field=where)
    return "uploaded" if uploaded else "inline" if inline else "none"


def _size(value: object, where: str) -> int | None:
    found = shape.optional_text(value, where)
    if not found:
        return None
    if not _SIZE.fullmatch(found):
        raise errors.Invalid("not a size in bytes", field=where)
    return int(found)
