"""docs/guide.md, and docs/runs.md of the run that it makes, on the real cluster: each block pasted in order."""

from pathlib import Path

import pytest

from tests import docs
from tests.cluster.choice import AnyCluster
from tests.e2e import external, pages
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

PAGES = (docs.ROOT / "docs/guide.md", docs.ROOT / "docs/runs.md")


def test_the_guide_works_as_it_stands(cluster: AnyCluster, machine: external.Machine, tmp_path: Path) -> None:
    shell = {**machine.environment, **external.with_kubectl(cluster, tmp_path / "bin", machine.environment["PATH"])}
    told = pages.pasted(PAGES, shell, tmp_path)
    assert "sidecar" in told["kubectl -n my-project get workflowruns"]
    assert Stage(cluster, "my-project").told("first", "AttestationPassed")  # within seconds, a reader types slower
    assert "verdict" in told["kubectl explain workflowrun.status --api-version=runs.avouch.dev/v1alpha1"]
    assert "workflowrun.runs.avouch.dev" in told["kubectl get avouch -n my-project"]
    assert "Passed" in told["kubectl avouch -n my-project run show first"]
    (verified,) = (output for command, output in told.items() if command.startswith("avouch run verify"))
    assert verified.count("signed by https://kubernetes.io/namespaces/my-project/serviceaccounts/default") == 1
