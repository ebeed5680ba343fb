"""docs/guide.md, and docs/runs.md of the run that it makes, on the real cluster: each block pasted in order."""

import subprocess
from pathlib import Path

import pytest

from tests import docs
from tests.cluster import images
from tests.cluster.choice import AnyCluster
from tests.e2e import external
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

PAGES = (docs.ROOT / "docs/guide.md", docs.ROOT / "docs/runs.md")
PULLED = "docker.io/library/busybox:1.37"  # the page's image; the test's cluster pulls nothing


def test_the_guide_works_as_it_stands(cluster: AnyCluster, machine: external.Machine, tmp_path: Path) -> None:
    shell = {**machine.environment, **external.with_kubectl(cluster, tmp_path / "bin", machine.environment["PATH"])}
    told: dict[str, str] = {}
    for block in (block for page in PAGES for block in docs.blocks(page)):
        if block.kind == "yaml":
            typed, pasted = ("kubectl apply -f -",), block.text.replace(PULLED, images.SHELL)
        else:
            typed, pasted = block.commands(), ""
        for command in typed:
            done = subprocess.run(  # noqa: S602 - what a reader would do
                command, shell=True, cwd=tmp_path, env=shell, input=pasted, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, f"{block.heading}: {command}\n{done.stdout}{done.stderr}"
            told[command] = done.stdout
    assert "sidecar" in told["kubectl -n my-project get workflowruns"]
    assert Stage(cluster, "my-project").told("first", "AttestationPassed")  # within seconds, a reader types slower
    assert "verdict" in told["kubectl explain workflowrun.status --api-version=runs.avouch.dev/v1alpha1"]
    assert "workflowrun.runs.avouch.dev" in told["kubectl get avouch -n my-project"]
    assert "Passed" in told["kubectl avouch -n my-project run show first"]
    (verified,) = (output for command, output in told.items() if command.startswith("avouch run verify"))
    assert verified.count("signed by https://kubernetes.io/namespaces/my-project/serviceaccounts/default") == 1
