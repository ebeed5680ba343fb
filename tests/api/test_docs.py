"""The README's install section against a real API server, with the real Helm: pasted as it stands."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests import docs
from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

INSTALL = "Install it on your cluster"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as started:
        started.kubectl("create", "namespace", "my-project")
        yield started


@pytest.fixture(scope="module")
def shell(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which kubectl and helm mean ours, and the cluster is this API server."""
    programs = tmp_path_factory.mktemp("bin")
    (programs / "kubectl").symlink_to(binaries.kubectl())
    (programs / "helm").symlink_to(binaries.binary("helm"))
    home = tmp_path_factory.mktemp("home")
    return {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(api.kubeconfig), "HOME": str(home)}


def commands() -> Iterator[str]:
    for block in docs.blocks(docs.ROOT / "README.md"):
        if block.heading == INSTALL:
            yield from block.commands()


def test_the_install_section_installs(api: ApiServer, shell: dict[str, str]) -> None:
    typed = list(commands())
    assert len(typed) >= 4
    for command in typed:
        done = subprocess.run(  # noqa: S602 - what a reader would do
            command, shell=True, cwd=docs.ROOT, env=shell, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    installed = api.kubectl("-n", "avouch", "get", "deployments", "-o", "name").split()
    assert installed == [f"deployment.apps/avouch-{name}" for name in ("controller", "migrator", "server", "worker")]
    label = api.kubectl("get", "namespace", "my-project", "-o", r"jsonpath={.metadata.labels.avouch\.dev/inject}")
    assert label == "enabled"


def test_what_the_page_says_about_crds_applied_by_hand_holds(shell: dict[str, str]) -> None:
    with ApiServer() as fresh:
        fresh.kubectl("apply", "--server-side", "-f", str(docs.ROOT / "crds"))
        fresh.kubectl("create", "namespace", "avouch")
        environment = {**shell, "KUBECONFIG": str(fresh.kubeconfig)}
        helm = [
            "helm",
            "install",
            "avouch",
            "charts/avouch",
            "-n",
            "avouch",
            "--set",
            "verifierId=https://v.example.com",
        ]
        refused = subprocess.run(helm, cwd=docs.ROOT, env=environment, text=True, capture_output=True, check=False)
        assert "cannot be imported into the current release" in refused.stderr
        mended = [*helm, "--set", "crds.install=false"]
        taken = subprocess.run(mended, cwd=docs.ROOT, env=environment, text=True, capture_output=True, check=False)
        assert taken.returncode == 0, taken.stderr
