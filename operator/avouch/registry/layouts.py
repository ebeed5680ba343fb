"""OCI layouts: an image in a directory, as `path` or `path@sha256:...` (OCI image-spec, image-layout.md)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avouch import digests, errors, image_references
from avouch.materials import images
from avouch.oci import client, references
from avouch.registry import manifests, signatures

PREFIX = "oci-layout:"
_REF_NAME = "org.opencontainers.image.ref.name"
_BASE_NAME = "org.opencontainers.image.base.name"
_CONTAINERD = "io.containerd.image.name"  # the whole reference, where ref.name is but the tag
_KIND = "kind"  # cosign's own annotation, in what `cosign save` writes
_BESIDE = frozenset(
    {"dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/atts", "dev.cosignproject.cosign/sboms"}
)

_REFERENCE, _ATTESTATION = "vnd.docker.reference.type", "attestation-manifest"
# An image or a chart may name its own type: that of its configuration.
_IMAGE_TYPES = (
    "application/vnd.oci.image.",
    "application/vnd.docker.",
    "application/vnd.cncf.helm.",
)

Entry = Mapping[str, Any]


def is_layout(value: str) -> bool:
    """Whether a value is a directory with an OCI layout."""
    path, _ = _split(value)
    return "\0" not in path and os.path.isfile(os.path.join(path, "oci-layout"))


def image(value: str) -> images.Image:
    """The image in a directory: the only one there, or the one of the digest behind the path.

    Raises:
        Invalid: no layout, none or several images in it, or none of that digest.
        Corrupt: a manifest that is not what its name says.
        TooLarge: an index or manifest over 4 MiB.
    """
    path, wanted = _split(value)
    folder = Path(path)
    _check_version(folder)
    entries = manifests.read(_read(folder / "index.json"), "", f"index of {path}").entries
    entry = _chosen([each for each in entries if not _is_beside(folder, each)], wanted, path)
    found = _manifest(folder, entry)
    alike = [each for each in entries if each.get("digest") == entry.get("digest")]
    notes = _common([manifests.mapping(each.get("annotations")) for each in alike])
    name = manifests.text(notes, _REF_NAME) or manifests.text(notes, _BASE_NAME) or "unknown"
    tag = "" if wanted else _tag(notes)
    return images.Image(
        name=f"{PREFIX}{name}",
        digest=found.digest,
        tag=tag,
        latest=tag == references.LATEST,
        signature=_signature(folder, entries, found.digest),
    )


def _split(value: str) -> tuple[str, str]:
    """Path and digest; a path may well hold an @."""
    path, at, digest = value.rpartition("@")
    return (path, digest) if at and digest.startswith("sha256:") else (value, "")


def _chosen(entries: list[Entry], wanted: str, path: str) -> Entry:
    if wanted:
        digest = str(digests.Digest.parse(wanted))
        found = next((entry for entry in entries if entry.get("digest") == digest), None)
        if found is None:
            raise errors.Invalid(f"image {digest} not found in OCI layout {path}", fix=_offer(entries))
        return found
    images_there = {manifests.text(entry, "digest"): entry for entry in reversed(entries)}
    if len(images_there) != 1:
        message = f"OCI layout contains {len(images_there)} images, please specify which one to use with @digest"
        raise errors.Invalid(f"{message}: {path}", fix=_offer(entries))
    return entries[0]


def _offer(entries: list[Entry]) -> str:
    known = list(dict.fromkeys(f"@{manifests.text(entry, 'digest')}" for entry in entries))
    return (
        f"use {', '.join(known[:5])}{' or another one' if len(known) > 5 else ''}"
        if known
        else "write an image into it"
    )


def _manifest(folder: Path, entry: Entry) -> manifests.Manifest:
    digest = digests.Digest.parse(manifests.text(entry, "digest"))
    return manifests.read(_read(folder / "blobs" / "sha256" / digest.hex), str(digest), f"image {digest} in {folder}")


def _tag(notes: Entry) -> str:
    for name in (manifests.text(notes, _CONTAINERD), manifests.text(notes, _REF_NAME)):
        if tag := image_references.split(name).tag:
            return tag
    return ""


def _common(notes: list[Entry]) -> Entry:
    """What all entries of one image say: under two tags it has none that we could choose."""
    first, *others = notes
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def _is_beside(folder: Path, entry: Entry) -> bool:
    """A signature, an attestation or an SBOM of an image: no image itself.

    It says so by cosign's annotation, by docker's, by a type that is none of an image, or by naming what it belongs to.
    """
    notes = manifests.mapping(entry.get("annotations"))
    if manifests.text(notes, _KIND) in _BESIDE or manifests.text(notes, _REFERENCE) == _ATTESTATION:
        return True
    kind = manifests.text(entry, "artifactType")
    if kind and not kind.startswith(_IMAGE_TYPES):
        return True
    try:
        return bool(_manifest(folder, entry).subject)
    except errors.AvouchError:  # who chooses it is told why it cannot be read
        return False


def _signature(folder: Path, entries: list[Entry], digest: digests.Digest) -> images.Signature | None:
    """The signature that names the image: by cosign's tag, or as its subject."""
    for entry in entries:
        notes = manifests.mapping(entry.get("annotations"))
        provider = signatures.signs(entry)
        tagged = manifests.text(notes, _REF_NAME).endswith(signatures.tag_of(digest))
        if not (provider or tagged):
            continue
        found = _manifest(folder, entry)
        if tagged or found.subject == str(digest):
            return images.Signature(found.digest, provider or images.COSIGN, found.content)
    return None


def _check_version(folder: Path) -> None:
    try:
        said = json.loads(_read(folder / "oci-layout"))
    except (ValueError, RecursionError):
        said = None
    if manifests.text(manifests.mapping(said), "imageLayoutVersion") != "1.0.0":
        raise errors.Invalid(
            f"{folder} is not an OCI layout of version 1.0.0", fix="write it with buildah, skopeo or crane"
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            content = opened.read(client.MANIFEST_LIMIT + 1)
    except OSError as exc:
        raise errors.Invalid(f"{path} cannot be read: {exc.strerror}", fix="write the OCI layout again") from exc
    if len(content) > client.MANIFEST_LIMIT:
        raise errors.TooLarge(f"{path} has more than {client.MANIFEST_LIMIT} bytes")
    return content
