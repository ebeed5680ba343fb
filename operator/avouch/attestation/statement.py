"""in-toto statements v1: subjects and a predicate about them.

Spec: in-toto/attestation, spec/v1/{statement,resource_descriptor,digest_set}.md. `predicate` builds and reads the one
predicate that Chainloop defines; `vsa` builds verification summaries; both travel in the Statement of this module.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field

from avouch import digests, errors
from avouch.attestation import dsse, shape, strictbase64, strictjson
from avouch.values import dataclass

TYPE = "https://in-toto.io/Statement/v1"
_TYPE_JSON = b'"https://in-toto.io/Statement/v1"'
MAX_PAYLOAD = dsse.MAX_ENVELOPE * 3 // 4  # bytes: what base64 inside the largest envelope can hold
MAX_SUBJECTS = 1024  # sigstore-go refuses more
MAX_DIGESTS = 16  # algorithms named in one descriptor

# Hexadecimal characters per algorithm (digest_set.md). Others, such as dirHash, are kept as they are.
_HEX_LENGTHS = {"sha1": 40, "gitCommit": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResourceDescriptor:
    """One artifact, by name and digests. `content` holds its bytes if it is small; annotations are JSON values."""

    name: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    uri: str = ""
    media_type: str = ""
    annotations: Mapping[str, object] = field(default_factory=dict)

    @property
    def sha256(self) -> digests.Digest | None:
        """The sha256 digest, by which avouch compares; None if the descriptor has only other algorithms."""
        found = self.digest.get("sha256")
        return None if found is None else digests.Digest(found)


@dataclass(frozen=True, slots=True)
class Statement:
    """A well-formed statement: at least one subject, each with a digest, and a predicate object. It is not verified."""

    subjects: tuple[ResourceDescriptor, ...]
    predicate_type: str
    predicate: Mapping[str, object]


def named(name: str, digest: digests.Digest) -> ResourceDescriptor:
    """The common case: a descriptor with a name and a sha256."""
    return ResourceDescriptor(name=name, digest={"sha256": digest.hex})


def to_bytes(statement: Statement) -> bytes:
    """The payload to sign: canonical JSON, the same for equal statements.

    Raises:
        Invalid: what `parse` would refuse, so that no invalid statement is signed.
        TooLarge: over 1,024 subjects or 3 MiB.
    """
    return compose(statement.subjects, statement.predicate_type, strictjson.dumps(dict(statement.predicate)))


def compose(subjects: Sequence[ResourceDescriptor], predicate_type: str, predicate: bytes) -> bytes:
    """The same from a predicate that is canonical JSON already. Raises as `to_bytes` does."""
    _check_subjects(subjects)
    if not predicate_type:
        raise errors.Invalid("empty", field="predicateType")
    about = strictjson.dumps([to_dict(subject) for subject in subjects])
    kind = strictjson.dumps(predicate_type)
    # The keys of a statement in canonical order.
    parts = (b'{"_type":', _TYPE_JSON, b',"predicate":', predicate, b',"predicateType":', kind, b',"subject":', about)
    payload = b"".join((*parts, b"}"))
    strictjson.check_size(payload, max_bytes=MAX_PAYLOAD)
    return payload


def parse(payload: bytes, read: strictjson.Reader = strictjson.loads) -> Statement:
    """Read a statement v1 of any predicate type.

    Raises:
        TooLarge: over 3 MiB, 1,024 subjects or 16 digests in one descriptor.
        Invalid: not strict JSON, another `_type`, no predicate type, no subject, a subject without a digest, a digest
            of the wrong length or alphabet, or a predicate that is not an object.
    """
    fields = shape.mapping(read(payload, max_bytes=MAX_PAYLOAD), "statement")
    if fields.get("_type") != TYPE:
        raise errors.Invalid(f"not an in-toto statement v1: {str(fields.get('_type'))[:80]!r}", field="_type", fix=TYPE)
    predicate_type = shape.text(fields.get("predicateType"), "predicateType")
    if not predicate_type:
        raise errors.Invalid("empty", field="predicateType")
    return Statement(
        subjects=_subjects(shape.sequence(fields.get("subject"), "subject")),
        predicate_type=predicate_type,
        predicate=shape.mapping(fields.get("predicate"), "predicate"),
    )


def to_dict(descriptor: ResourceDescriptor) -> dict[str, object]:
    """A descriptor as JSON values; empty fields are left out."""
    whole: dict[str, object] = {
        "name": descriptor.name,
        "uri": descriptor.uri,
        "digest": dict(descriptor.digest),
        "content": "" if descriptor.content is None else strictbase64.encode(descriptor.content),
        "mediaType": descriptor.media_type,
        "annotations": dict(descriptor.annotations),
    }
    return {key: value for key, value in whole.items() if value}


def descriptor_from_json(value: object, where: str) -> ResourceDescriptor:
    """Read a descriptor; `where` names the place in errors. Unknown fields are ignored.

    Raises:
        Invalid, TooLarge: a field of the wrong type, content that is not canonical base64, or a bad digest.
    """
    fields = shape.mapping(value, where)
    content, annotations = fields.get("content"), fields.get("annotations")
    return ResourceDescriptor(
        name=_text(fields, "name", where),
        digest=_digests(fields.get("digest"), where),
        content=None if content is None else _content(content, f"{where}.content"),
        uri=_text(fields, "uri", where),
        media_type=_text(fields, "mediaType", where),
        annotations={} if annotations is None else shape.mapping(annotations, f"{where}.annotations"),
    )


def _text(fields: Mapping[str, object], key: str, where: str) -> str:
    """An optional text. Its place is put together only for an error: this runs some hundred times a statement."""
    value = fields.get(key, "")
    return value if type(value) is str else shape.optional_text(value, f"{where}.{key}")


def _content(value: object, where: str) -> bytes:
    return strictbase64.decode(shape.text(value, where), where)


def _subjects(values: list[object]) -> tuple[ResourceDescriptor, ...]:
    if not values:
        raise errors.Invalid("no subject: a statement needs at least one", field="subject")
    if len(values) > MAX_SUBJECTS:
        raise errors.TooLarge(f"{len(values)} subjects, at most {MAX_SUBJECTS}", field="subject")
    subjects = tuple(descriptor_from_json(value, f"subject[{i}]") for i, value in enumerate(values))
    for i, subject in enumerate(subjects):
        if not subject.digest:
            raise errors.Invalid("a subject without a digest", field=f"subject[{i}].digest")
    return subjects


def _check_subjects(subjects: Sequence[ResourceDescriptor]) -> None:
    """What `parse` checks, on values that are to be written."""
    if not subjects:
        raise errors.Invalid("no subject: a statement needs at least one", field="subject")
    if len(subjects) > MAX_SUBJECTS:
        raise errors.TooLarge(f"{len(subjects)} subjects, at most {MAX_SUBJECTS}", field="subject")
    for i, subject in enumerate(subjects):
        if not _digests(dict(subject.digest), f"subject[{i}]"):
            raise errors.Invalid("a subject without a digest", field=f"subject[{i}].digest")


def _digests(value: object, where: str) -> dict[str, str]:
    """A DigestSet. Most are one good sha256, and need no further look."""
    if type(value) is dict and len(value) == 1 and _is_sha256(value.get("sha256")):
        return value
    found = shape.texts(value, f"{where}.digest")
    _check_digests(found, f"{where}.digest")
    return found


def _is_sha256(value: object) -> bool:
    return type(value) is str and len(value) == _HEX_LENGTHS["sha256"] and _HEX.fullmatch(value) is not None


def _check_digests(found: Mapping[str, str], where: str) -> None:
    if len(found) > MAX_DIGESTS:
        raise errors.TooLarge(f"{len(found)} digests, at most {MAX_DIGESTS}", field=where)
    for algorithm, value in found.items():
        length = _HEX_LENGTHS.get(algorithm)
        if not algorithm or not value:
            raise errors.Invalid("an empty digest or algorithm", field=where)
        if length is not None and (len(value) != length or not _HEX.fullmatch(value)):
            raise errors.Invalid(f"not a {algorithm}", field=f"{where}.{algorithm}", fix=f"{length} lower-case hex")
