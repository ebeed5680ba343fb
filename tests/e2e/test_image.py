"""What our images hold, read from their archives: nothing of a cluster."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.quickstart import install
from tests.cluster import binaries, images
from tests.cluster.commands import run

pytestmark = pytest.mark.cluster

OPA = "opt/opa/opa"
LICENCES = "opt/opa/licenses"


class Content:
    """The layers of an image, from an OCI archive that was unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        index = json.loads((folder / "index.json").read_text())
        manifest = json.loads(self._blob(index["manifests"][0]).read_text())
        self.config: dict[str, Any] = json.loads(self._blob(manifest["config"]).read_text())["config"]
        self._layers = [self._blob(layer) for layer in manifest["layers"]]

    def _blob(self, descriptor: dict[str, Any]) -> Path:
        return self._folder / "blobs" / descriptor["digest"].replace(":", "/")

    def files(self, prefix: str) -> set[str]:
        """Paths of the files below a folder."""
        return {
            each.name for layer in self._members() for each in layer if each.isfile() and each.name.startswith(prefix)
        }

    def extract(self, path: str, into: Path) -> Path:
        """A file of the image, as the newest layer has it."""
        for layer in reversed(self._layers):
            with tarfile.open(layer) as tar:
                if path in tar.getnames():
                    tar.extract(path, into, filter="tar")
                    return into / path
        raise AssertionError(f"{path} is not in the image")

    def _members(self) -> Iterator[list[tarfile.TarInfo]]:
        for layer in self._layers:
            with tarfile.open(layer) as tar:
                yield tar.getmembers()


@contextmanager
def _unpacked(name: str, folder: Path) -> Iterator[Content]:
    with tarfile.open(images.archive_of(name)) as archive:
        archive.extractall(folder, filter="data")
    yield Content(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Content]:
    with _unpacked(f"{install.SERVER}:{install.build_images()}", tmp_path_factory.mktemp("server")) as content:
        yield content


@pytest.fixture(scope="module")
def sidecar(server: Content, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Content]:
    with _unpacked(install.SIDECAR, tmp_path_factory.mktemp("sidecar")) as content:
        yield content


def test_the_server_image_names_the_opa_that_its_module_pins(server: Content, tmp_path: Path) -> None:
    assert f"AVOUCH_OPA=/{OPA}" in server.config["Env"]
    said = run(server.extract(OPA, tmp_path), "version")
    assert f"Version: {binaries.PROGRAMS['opa'].version.removeprefix('v')}\n" in said


def test_the_opa_in_it_may_be_run_and_not_changed_by_the_user_of_the_image(server: Content, tmp_path: Path) -> None:
    assert server.config["User"] == "65532:65532"
    assert server.extract(OPA, tmp_path).stat().st_mode & 0o7777 == 0o755


def test_each_module_in_opa_has_its_licence_beside_it(server: Content, tmp_path: Path) -> None:
    apache = server.extract(f"{LICENCES}/{binaries.PROGRAMS['opa'].module}/LICENSE", tmp_path).read_text()
    assert "Apache License" in apache
    linked = run("go", "version", "-m", server.extract(OPA, tmp_path)).splitlines()
    modules = [line.split()[1] for line in linked if line.split()[:1] == ["dep"]]
    texts = server.files(LICENCES)
    assert len(modules) > 50
    assert [module for module in modules if not any(f"/{module}/" in text for text in texts)] == []


def test_the_sidecar_image_holds_no_opa(sidecar: Content) -> None:
    assert sidecar.files("opt/opa") == set()
    assert not any(each.startswith("AVOUCH_OPA=") for each in sidecar.config["Env"])
