import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ocilayout


@pytest.fixture
def image(tmp_path: Path) -> ocilayout.Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF of a sort")
    return ocilayout.Image(
        "localhost/thing:1",
        "amd64",
        programs={"/opt/deep/thing": program},
        links={"/bin/sh": "/opt/deep/thing"},
        folders=("/scratch",),
        entrypoint=("/opt/deep/thing", "go"),
    )


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        content = tar.extractfile(name)
        assert content is not None
        return content.read()


def blob(archive: Path, descriptor: dict[str, Any]) -> bytes:
    content = read(archive, "blobs/" + descriptor["digest"].replace(":", "/"))
    assert len(content) == descriptor["size"]
    assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"]
    return content


def test_every_descriptor_tells_the_truth_about_its_blob(image: ocilayout.Image, tmp_path: Path) -> None:
    archive = ocilayout.write(image, tmp_path / "image.tar")
    entry = json.loads(read(archive, "index.json"))["manifests"][0]
    manifest = json.loads(blob(archive, entry))
    config = json.loads(blob(archive, manifest["config"]))
    layer = blob(archive, manifest["layers"][0])
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    assert config["config"]["Entrypoint"] == ["/opt/deep/thing", "go"]
    assert config["architecture"] == entry["platform"]["architecture"] == "amd64"


def test_the_layer_holds_programs_links_and_every_folder_above_them(image: ocilayout.Image, tmp_path: Path) -> None:
    archive = ocilayout.write(image, tmp_path / "image.tar")
    manifest = json.loads(blob(archive, json.loads(read(archive, "index.json"))["manifests"][0]))
    (tmp_path / "layer.tar").write_bytes(blob(archive, manifest["layers"][0]))
    with tarfile.open(tmp_path / "layer.tar") as layer:
        members = {member.name: member for member in layer}
    assert set(members) == {"opt", "opt/deep", "bin", "scratch", "opt/deep/thing", "bin/sh"}
    assert members["opt/deep/thing"].mode == 0o755
    assert members["bin/sh"].linkname == "/opt/deep/thing"
    assert members["scratch"].mode == 0o1777


def test_the_same_image_is_written_as_the_same_bytes(image: ocilayout.Image, tmp_path: Path) -> None:
    first = ocilayout.write(image, tmp_path / "first.tar").read_bytes()
    assert first == ocilayout.write(image, tmp_path / "second.tar").read_bytes()


def test_a_node_finds_the_image_under_its_full_name(image: ocilayout.Image, tmp_path: Path) -> None:
    archive = ocilayout.write(image, tmp_path / "image.tar")
    entry = json.loads(read(archive, "index.json"))["manifests"][0]
    assert entry["annotations"]["io.containerd.image.name"] == "localhost/thing:1"


def test_renaming_changes_the_name_and_no_blob(image: ocilayout.Image, tmp_path: Path) -> None:
    archive = ocilayout.write(image, tmp_path / "image.tar")
    before = json.loads(read(archive, "index.json"))["manifests"][0]
    ocilayout.rename(archive, "localhost/other:2")
    after = json.loads(read(archive, "index.json"))["manifests"][0]
    assert after["annotations"]["io.containerd.image.name"] == "localhost/other:2"
    assert after["digest"] == before["digest"]
    assert blob(archive, after)
