import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from avouch import digests, errors
from avouch.materials import images
from avouch.oci import client
from avouch.registry import layouts
from tests.cluster import ocilayout

MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {}, "layers": []}


class Layout:
    """An OCI layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, text: str, notes: dict[str, str] | None = None, **said: Any) -> digests.Digest:
        content = json.dumps({**MANIFEST, "annotations": {"for": text}, **said}).encode()
        digest = digests.of_bytes(content)
        (self.folder / "blobs" / "sha256" / digest.hex).write_bytes(content)
        kind = {"artifactType": said["artifactType"]} if "artifactType" in said else {}
        self.entries.append({"digest": str(digest), "size": len(content), "annotations": notes or {}, **kind})
        self.write({"schemaVersion": 2, "manifests": self.entries})
        return digest

    def write(self, index: object) -> None:
        (self.folder / "index.json").write_text(json.dumps(index))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_only_image_is_meant(layout: Layout) -> None:
    digest = layout.add("a")
    assert layouts.is_layout(str(layout.folder))
    assert layouts.image(str(layout.folder)) == images.Image("oci-layout:unknown", digest)


def test_of_several_one_is_named_by_its_digest(layout: Layout) -> None:
    one, two = layout.add("a"), layout.add("b")
    with pytest.raises(errors.Invalid, match="OCI layout contains 2 images, please specify which one to use with @"):
        layouts.image(str(layout.folder))
    assert layouts.image(f"{layout.folder}@{two}").digest == two
    assert layouts.image(f"{layout.folder}@{one}").digest == one


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({}, {"artifactType": "application/spdx+json"}),
        ({"vnd.docker.reference.type": "attestation-manifest"}, {}),
        ({"kind": "dev.cosignproject.cosign/atts"}, {}),
        ({}, {"subject": True}),
    ],
)
def test_what_belongs_to_an_image_lies_beside_it(layout: Layout, notes: dict[str, str], said: dict[str, Any]) -> None:
    image = layout.add("a")
    if "subject" in said:
        said = {"subject": {"digest": str(image), "size": 1, "mediaType": MANIFEST["mediaType"]}}
    beside = layout.add("sbom", notes, **said)
    assert layouts.image(str(layout.folder)).digest == image
    with pytest.raises(errors.Invalid, match="not found in OCI layout") as raised:
        layouts.image(f"{layout.folder}@{beside}")
    assert str(beside) not in raised.value.fix


@pytest.mark.parametrize(
    "kind", ["application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json"]
)
def test_an_image_that_names_its_own_type_is_one(layout: Layout, kind: str) -> None:
    digest = layout.add("a", artifactType=kind)
    assert layouts.image(str(layout.folder)).digest == digest


def test_one_image_under_two_tags_is_one_image_whose_tag_is_open(layout: Layout) -> None:
    for tag in ("1.2", "1.2.3"):
        digest = layout.add(
            "a", {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": f"r.example/a:{tag}"}
        )
    assert layouts.image(str(layout.folder)) == images.Image("oci-layout:unknown", digest)


def test_of_several_images_each_is_offered_once(layout: Layout) -> None:
    one = layout.add("a", {"org.opencontainers.image.ref.name": "1"})
    layout.add("a", {"org.opencontainers.image.ref.name": "2"})
    two = layout.add("b")
    with pytest.raises(errors.Invalid, match="contains 2 images") as raised:
        layouts.image(str(layout.folder))
    assert raised.value.fix == f"use @{one}, @{two}"


def test_an_unknown_digest_is_not_found(layout: Layout) -> None:
    known = layout.add("a")
    with pytest.raises(errors.Invalid, match="not found in OCI layout") as raised:
        layouts.image(f"{layout.folder}@sha256:{'0' * 64}")
    assert str(known) in raised.value.fix


@pytest.mark.parametrize(
    ("notes", "name", "tag"),
    [
        (
            {"org.opencontainers.image.ref.name": "registry.example:5000/app:1.2"},
            "registry.example:5000/app:1.2",
            "1.2",
        ),
        ({"org.opencontainers.image.ref.name": "1.2"}, "1.2", ""),
        (
            {"io.containerd.image.name": "docker.io/acme/app:v3", "org.opencontainers.image.ref.name": "v3"},
            "v3",
            "v3",
        ),
        ({"org.opencontainers.image.base.name": "docker.io/library/alpine:3"}, "docker.io/library/alpine:3", ""),
        ({"org.opencontainers.image.ref.name": "registry.example:5000/app"}, "registry.example:5000/app", ""),
    ],
)
def test_name_and_tag_come_from_annotations(layout: Layout, notes: dict[str, str], name: str, tag: str) -> None:
    layout.add("a", notes)
    found = layouts.image(str(layout.folder))
    assert (found.name, found.tag, found.latest) == (f"oci-layout:{name}", tag, False)


def test_latest_is_latest(layout: Layout) -> None:
    layout.add("a", {"io.containerd.image.name": "docker.io/acme/app:latest"})
    assert layouts.image(str(layout.folder)).latest


def test_what_cosign_saves_is_one_image_and_its_signature(layout: Layout) -> None:
    digest = layout.add("a", {"kind": "dev.cosignproject.cosign/image"})
    signature = layout.add(
        "sig",
        {
            "kind": "dev.cosignproject.cosign/sigs",
            "org.opencontainers.image.ref.name": f"registry.example/app:sha256-{digest.hex}.sig",
        },
    )
    found = layouts.image(str(layout.folder))
    assert found.digest == digest
    assert found.signature is not None
    assert (found.signature.digest, found.signature.provider) == (signature, "cosign")


def test_a_signature_of_another_image_is_none_of_this_one(layout: Layout) -> None:
    layout.add("a")
    subject = {"digest": f"sha256:{'0' * 64}"}
    layout.add("sig", artifactType="application/vnd.cncf.notary.signature", subject=subject)
    assert layouts.image(str(layout.folder)).signature is None


def test_bytes_that_are_not_what_their_name_says_are_refused(layout: Layout) -> None:
    digest = layout.add("a")
    (layout.folder / "blobs" / "sha256" / digest.hex).write_text(json.dumps(MANIFEST))
    with pytest.raises(errors.Corrupt):
        layouts.image(str(layout.folder))


@pytest.mark.parametrize(
    "index",
    [
        [],
        {},
        {"schemaVersion": 2},
        {"schemaVersion": 1, "manifests": []},
        {"schemaVersion": 2, "manifests": [1, None]},
        {"schemaVersion": 2, "manifests": [{"digest": "sha256:../../../../etc/passwd"}]},
        {"schemaVersion": 2, "manifests": [{"digest": 3}]},
        {"schemaVersion": 2, "manifests": [{"digest": "sha256:" + "0" * 64, "annotations": []}]},
    ],
)
def test_an_index_without_sense_is_refused(layout: Layout, index: object) -> None:
    layout.write(index)
    with pytest.raises(errors.Invalid):
        layouts.image(str(layout.folder))


def test_an_index_that_is_too_large_is_not_read(layout: Layout) -> None:
    (layout.folder / "index.json").write_bytes(b" " * (client.MANIFEST_LIMIT + 1))
    with pytest.raises(errors.TooLarge):
        layouts.image(str(layout.folder))


def test_another_version_is_refused(layout: Layout) -> None:
    layout.add("a")
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(errors.Invalid, match=r"version 1\.0\.0"):
        layouts.image(str(layout.folder))


def test_a_directory_with_an_at_sign_in_its_name_is_a_directory(tmp_path: Path) -> None:
    made = Layout(tmp_path / "a@b")
    digest = made.add("a")
    assert layouts.image(str(made.folder)).digest == digest


@pytest.mark.parametrize("value", ["", "nginx", "/nowhere", "/nowhere@sha256:12", "a\0b"])
def test_other_values_are_no_layouts(value: str) -> None:
    assert not layouts.is_layout(value)


def test_a_layout_that_another_program_wrote_is_read(tmp_path: Path) -> None:
    archive = ocilayout.write(ocilayout.Image("localhost/thing:1", "amd64"), tmp_path / "image.tar")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "layout", filter="data")
    found = layouts.image(str(tmp_path / "layout"))
    assert (found.name, found.tag) == ("oci-layout:1", "1")
