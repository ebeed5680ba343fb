"""Contracts that come and go, with the controller as the chart's ServiceAccount and its admission policies in force."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import installed
from tests.api.test_controller import CONTRACT, PIPELINERUN, TEKTON, WORKFLOW, Bench

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with installed.bench(tmp_path_factory.mktemp("contracts")) as bench:
        for kind in ("PipelineRun", "TaskRun"):
            bench.api.apply(TEKTON.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind))
        bench.api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield bench


def ours(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> str:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return json.dumps({"apiVersion": "avouch.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})


def reason(bench: Bench, name: str, namespace: str) -> tuple[str | None, str | None]:
    found = bench.condition("workflow", name, namespace)
    return found.get("status"), found.get("reason")


def test_a_workflow_brings_its_own_contract_which_may_then_be_edited(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.apply(ours("Workflow", "release", namespace, {}))
        bench.ready("workflow", "release", namespace)
        made = bench.get("contract", "release", namespace)
        assert made["spec"] == {}
        assert made["metadata"]["annotations"] == {"avouch.dev/default-for": "Workflow/release"}
        assert "ownerReferences" not in made["metadata"]
        bench.api.apply(CONTRACT.format(name="release", namespace=namespace))
        bench.becomes(lambda: bench.get("workflow", "release", namespace)["status"]["contractRevision"], 2)
    with installed.started(bench) as _:  # what was edited is never written over
        bench.api.apply(ours("Workflow", "later", namespace, {}))
        bench.ready("workflow", "later", namespace)  # so everything that stood before was looked at
        assert bench.get("contract", "release", namespace)["spec"]["materials"] == [
            {"type": "JUNIT_XML", "name": "tests"}
        ]


def test_a_contract_deleted_in_use_is_missed_and_running_runs_keep_their_revision(bench: Bench, namespace: str) -> None:
    runs = f"select subject_name, contract, revision, plan from avouch.runs where namespace = '{namespace}'"  # noqa: S608
    with installed.started(bench) as _:
        for name in ("build", "release"):
            bench.api.apply(CONTRACT.format(name=name, namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="named", namespace=namespace, contract="build"))
        bench.api.apply(ours("Workflow", "release", namespace, {}))
        for name in ("named", "release"):
            bench.ready("workflow", name, namespace)
        bench.api.apply(PIPELINERUN.format(name="run-1", namespace=namespace))
        bench.becomes(lambda: [row[:3] for row in bench.rows(runs)], [("run-1", "build", 1)])
        before = bench.rows(runs)
        bench.api.kubectl("delete", "contract", "build", "release", "-n", namespace)
        for name in ("named", "release"):
            bench.becomes(lambda name=name: reason(bench, name, namespace), ("False", "DependencyNotReady"))
        said = bench.condition("workflow", "release", namespace)["message"]
        assert "was deleted at revision 1: apply it again" in said
        bench.api.apply(CONTRACT.format(name="other", namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="other", namespace=namespace, contract="other"))
        bench.ready("workflow", "other", namespace)
        bench.api.apply(PIPELINERUN.format(name="run-2", namespace=namespace))
        others = f"{runs} and workflow = 'other'"
        bench.becomes(lambda: "run-2" in [row[0] for row in bench.rows(others)], True)  # so it was matched with all
        assert bench.rows(f"{runs} and workflow <> 'other'") == before  # pinned, and none is opened against nothing
        assert '"name": "tests"' in before[0][3].replace('":"', '": "')
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.ready("workflow", "named", namespace)


def test_a_restricted_project_gets_no_default_contract_until_one_of_those_who_may_applies_it(
    bench: Bench, namespace: str
) -> None:
    home = bench.namespace("restricted-home")
    spec = {"homeNamespace": home, "projects": {"namespaces": [namespace]}}
    strict = ours("Organization", "strict", "", {**spec, "settings": {"restrictContractCreation": True}})
    with installed.started(bench) as _:
        bench.api.apply(strict)
        bench.becomes(lambda: bench.condition("organization", "strict", "default").get("status"), "True")
        bench.api.apply(ours("Workflow", "release", namespace, {}))
        bench.becomes(lambda: reason(bench, "release", namespace), ("False", "DependencyNotReady"))
        assert "restricts who creates Contracts" in bench.condition("workflow", "release", namespace)["message"]
        assert "release" not in bench.api.kubectl("get", "contracts", "-n", namespace, "-o", "name")
        bench.api.apply(CONTRACT.format(name="release", namespace=namespace))  # the administrator may
        bench.ready("workflow", "release", namespace)
        bench.api.apply(ours("Workflow", "later", namespace, {}))
        bench.becomes(lambda: reason(bench, "later", namespace), ("False", "DependencyNotReady"))
        bench.api.apply(ours("Organization", "strict", "", spec))  # lifted
        bench.ready("workflow", "later", namespace)
    (row,) = bench.rows("select name, home, settings from avouch.organisations where name = 'strict'")
    assert row[1] == home
    projects = bench.rows("select namespace from avouch.projects where organisation = 'strict' order by 1")
    assert projects == sorted([(home,), (namespace,)])


def test_the_digest_of_the_bytes_is_kept_beside_that_of_the_meaning(bench: Bench, namespace: str) -> None:
    contract = CONTRACT.format(name="build", namespace=namespace)
    with installed.started(bench) as _:
        bench.api.kubectl("apply", "-f", "-", stdin=contract)
        bench.ready("contract", "build", namespace)
        found = bench.get("contract", "build", namespace)
        applied = found["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        assert found["status"]["sourceDigest"] == f"sha256:{hashlib.sha256(applied.encode()).hexdigest()}"
        bench.api.apply(contract.replace("name: build", "name: on-the-server"))
        bench.ready("contract", "on-the-server", namespace)
        stored = json.dumps(found["spec"], sort_keys=True, separators=(",", ":"))
        digest = bench.get("contract", "on-the-server", namespace)["status"]["sourceDigest"]
        assert digest == f"sha256:{hashlib.sha256(stored.encode()).hexdigest()}"
    kept = bench.rows(f"select source_digest from avouch.contract_revisions where namespace = '{namespace}'")  # noqa: S608
    assert (digest,) in kept
    assert (found["status"]["sourceDigest"],) in kept
