"""docs/tutorial.md on the real cluster: each command typed in order, and what it prints compared with the page."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import docs, registries
from tests.cluster.choice import AnyCluster
from tests.e2e import external
from tests.e2e.stage import Stage
from tests.terminal import Terminal, differs

pytestmark = pytest.mark.cluster

PAGE = docs.ROOT / "docs/tutorial.md"
PROJECT = "skynet"
IMAGE = "docker.io/library/busybox"  # the page's image, of a registry that no test reaches


@pytest.fixture
def registry() -> Iterator[str]:
    with registries.running("crane") as server:
        repository = registries.Repository(server, "library/busybox")
        repository.image("1.37")
        yield server
        repository.close()


@pytest.fixture
def checkout(machine: external.Machine) -> Path:
    """What a reader works in: the repository, as far as the page enters it."""
    where = machine.job("tutorial")
    shutil.copytree(docs.ROOT / "examples/tutorial", where / "examples/tutorial")
    return where


@pytest.fixture
def terminal(cluster: AnyCluster, machine: external.Machine, checkout: Path, tmp_path: Path) -> Terminal:
    operator = external.with_kubectl(cluster, tmp_path / "bin", machine.environment["PATH"])
    shell = machine.terminal("tutorial", checkout, **operator)
    author = "-c user.name=avouch -c user.email=avouch@example.com"
    made = shell(f"git init -q && git add . && git {author} commit -qm 'the tutorial'")
    assert made.code == 0, made.output
    return shell


def test_the_tutorial_works_and_shows_what_it_says(cluster: AnyCluster, terminal: Terminal, registry: str) -> None:
    stage = Stage(cluster, PROJECT)
    stage.kubectl("delete", "namespace", PROJECT, "--ignore-not-found", "--wait=true", "--timeout=90s")
    typed = 0
    for block in docs.blocks(PAGE):
        for command, shown in block.told():
            answer = terminal(command.replace(IMAGE, f"{registry}/library/busybox"))
            assert answer.code == 0, f"{block.heading}: {command}\n{answer.output}"
            wanted = shown.replace("index.docker.io/library/busybox", f"{registry}/library/busybox")
            difference = differs(wanted, answer.output)
            assert not difference, f"{block.heading}: {command}\n{difference}"
            typed += 1
    assert typed > 30
    verdicts = sorted(run["status"]["verdict"] for run in stage.get("workflowruns")["items"])
    assert verdicts == ["Failed", "Passed", "Passed"]
    stage.close()
