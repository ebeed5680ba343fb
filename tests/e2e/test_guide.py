"""docs/guide.md on the real cluster: each of its blocks pasted in order, as a reader would."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import docs
from tests.cluster import binaries, images
from tests.cluster.choice import AnyCluster
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

GUIDE = docs.ROOT / "docs/guide.md"
PULLED = "docker.io/library/busybox:1.37"  # the page's image; the test's cluster pulls nothing


def test_the_guide_works_as_it_stands(cluster: AnyCluster, tmp_path: Path) -> None:
    (tmp_path / "kubectl").symlink_to(binaries.kubectl())
    shell = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    told: dict[str, str] = {}
    for block in docs.blocks(GUIDE):
        if block.kind == "yaml":
            typed, pasted = ("kubectl apply -f -",), block.text.replace(PULLED, images.SHELL)
        else:
            typed, pasted = block.commands(), ""
        for command in typed:
            done = subprocess.run(  # noqa: S602 - what a reader would do
                command, shell=True, env=shell, input=pasted, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, f"{block.heading}: {command}\n{done.stdout}{done.stderr}"
            told[command] = done.stdout
    assert "sidecar" in told["kubectl -n my-project get workflowruns"]
    assert Stage(cluster, "my-project").told("first", "AttestationPassed")  # within seconds, a reader types slower
    assert "verdict" in told["kubectl explain workflowrun.status --api-version=runs.avouch.dev/v1alpha1"]
    assert "workflowrun.runs.avouch.dev" in told["kubectl get avouch -n my-project"]
