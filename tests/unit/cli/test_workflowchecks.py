"""`avouch workflow check`: what a Workflow names and nobody has, from files or from the cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from avouch import errors
from tests.unit.cli import line

CONTRACT = {
    "apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "tests", "type": "JUNIT_XML"}]},
}  # fmt: skip
PIPELINE = {
    "metadata": {"name": "build"},
    "spec": {"tasks": [{"name": "test", "taskSpec": {"workspaces": [{"name": "work"}], "steps": [{"name": "run"}]}}]},
}


def workflow(material: str = "tests", task: str = "test", **spec: Any) -> dict[str, Any]:
    source = {"name": material, "task": task, "workspace": {"name": "work", "path": "junit.xml"}}
    said = {"contractRef": {"name": "evidence"}, "tekton": {"pipelines": [{"name": "build"}], "materials": [source]}}
    head = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "release"}}
    return {**head, "spec": {**said, **spec}}


class Cluster:
    """A namespace with a Workflow, its Contract and a Pipeline."""

    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        self.stored = stored or workflow()
        self.away: errors.AvouchError | None = None
        self.contract: dict[str, Any] = CONTRACT

    def namespace(self) -> str:
        return "shop"

    def get(self, kind: str, name: str) -> dict[str, Any]:
        known = {
            ("workflows.avouch.dev", "release"): self.stored,
            ("contracts.chainloop.dev", "evidence"): self.contract,
        }
        if self.away:
            raise self.away
        if (kind, name) not in known:
            raise errors.NotFound(f"{name} not found")
        return known[kind, name]

    def list(self, kind: str, *, everywhere: bool = False) -> list[dict[str, Any]]:
        if self.away:
            raise self.away
        return {"pipelines.tekton.dev": [PIPELINE], "contracts.chainloop.dev": [CONTRACT]}.get(kind, [])


def check(cluster: Cluster, *arguments: str) -> line.Answer:
    return line.run("workflow", "check", *arguments, adapters=line.Adapters(cluster=cluster))


def written(folder: Path, *manifests: dict[str, Any]) -> str:
    path = folder / "all.yaml"
    path.write_text("\n---\n".join(map(json.dumps, manifests)))
    return str(path)


def test_a_workflow_whose_names_all_exist_is_ok() -> None:
    answer = check(Cluster(), "release")
    assert (answer.code, answer.out) == (0, "release: ok\n"), answer.err


@pytest.mark.parametrize(
    ("stored", "reason", "fix"),
    [
        (workflow(material="testz"), "UnknownMaterial", "write tests"),
        (workflow(task="tset"), "PipelineTaskNotFound", "write test"),
        (workflow(tekton={"pipelines": [{"name": "biuld"}]}), "PipelineNotFound", "write build"),
    ],
)
def test_what_leads_nowhere_is_told_with_what_was_meant(stored: dict[str, Any], reason: str, fix: str) -> None:
    answer = check(Cluster(stored), "release")
    assert answer.code == 1
    assert f"  {reason}: " in answer.out
    assert f"    fix: {fix}\n" in answer.out
    (told,) = json.loads(check(Cluster(stored), "release", "-o", "json").out)[0]["problems"]
    assert (told["reason"], told["fix"]) == (reason, fix)


def test_a_contract_that_is_not_there_is_a_problem_unless_the_controller_makes_it() -> None:
    answer = check(Cluster(workflow(contractRef={"name": "evidense"})), "release")
    assert answer.code == 1
    assert "  ContractNotFound: spec.contractRef: there is no Contract evidense" in answer.out
    assert "    fix: write evidence\n" in answer.out
    own = workflow(contractRef=None)
    assert "  not checked: Contract release: " in check(Cluster(own), "release").out


def test_files_are_checked_before_they_are_applied_with_the_contracts_among_them(tmp_path: Path) -> None:
    renamed = {**CONTRACT, "metadata": {"name": "mine"}}
    made = workflow(material="testz", contractRef={"name": "mine"})
    answer = check(Cluster(), "-f", written(tmp_path, renamed, made), "--offline")
    assert answer.code == 1
    assert "Contract mine does not ask for material testz" in answer.out
    assert "not checked: the cluster was not asked (--offline)" in answer.out


def test_a_folder_of_everything_is_checked_with_the_pipelines_in_it(tmp_path: Path) -> None:
    tekton = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", **PIPELINE, "metadata": {"name": "new"}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": "value"}}
    strange = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "other"}, "spec": {}}
    for name, code, told in (("new", 0, "release: ok\n"), ("nwe", 1, "    fix: write new\n")):
        made = workflow()
        made["spec"]["tekton"]["pipelines"] = [{"name": name}]
        answer = check(Cluster(), "-f", written(tmp_path, CONTRACT, made, tekton, settings, strange))
        assert answer.code == code, answer.err
        assert told in answer.out


def test_offline_the_cluster_is_not_even_asked_for_the_contract(tmp_path: Path) -> None:
    answer = check(Cluster(), "-f", written(tmp_path, workflow(material="testz")), "--offline")
    assert (answer.code, "Contract evidence is not in these files" in answer.out) == (0, True)


def test_one_of_several_workflows_with_a_problem_is_a_problem(tmp_path: Path) -> None:
    assert check(Cluster(), "-f", written(tmp_path, workflow(), workflow(material="testz"))).code == 1


def test_a_workflow_that_names_no_contract_is_held_against_the_one_of_its_own_name(tmp_path: Path) -> None:
    own = {**CONTRACT, "metadata": {"name": "release"}}
    answer = check(Cluster(), "-f", written(tmp_path, own, workflow(material="testz", contractRef=None)))
    assert "Contract release does not ask for material testz" in answer.out


def test_a_contract_that_is_named_may_be_among_the_files(tmp_path: Path) -> None:
    mine = {**CONTRACT, "metadata": {"name": "mine"}, "spec": {"materials": [{"name": "testz", "type": "JUNIT_XML"}]}}
    files = written(tmp_path, mine, workflow(material="testz"))
    answer = check(Cluster(), "-f", files, "--contract", "mine")
    assert (answer.code, "not checked" in answer.out) == (0, False)


def test_another_contract_may_be_named(tmp_path: Path) -> None:
    other = tmp_path / "contract.yaml"
    other.write_text(json.dumps({**CONTRACT, "spec": {"materials": [{"name": "testz", "type": "JUNIT_XML"}]}}))
    assert check(Cluster(workflow(material="testz")), "release", "--contract", str(other)).code == 0


def test_what_cannot_be_looked_at_is_no_problem_and_is_told(tmp_path: Path) -> None:
    cluster, files = Cluster(), written(tmp_path, workflow())
    cluster.away = errors.Unavailable("the API server is away")
    answer = check(cluster, "-f", files)
    assert answer.code == 0
    assert answer.out.count("not checked: ") == 2
    organization = workflow(contractRef={"name": "evidence", "scope": "Organization"})
    assert "organization's home namespace" in check(Cluster(organization), "release").out


def test_it_is_a_workflow_that_is_checked(tmp_path: Path) -> None:
    assert check(Cluster()).code == 2
    assert check(Cluster(), "release", "-f", "x").code == 2
    assert check(Cluster(), "-f", written(tmp_path, CONTRACT)).code == 1


def test_a_workflow_of_another_namespace_is_not_held_against_the_pipelines_and_contracts_of_this_one(
    tmp_path: Path,
) -> None:
    other = workflow(material="testz", task="tset")
    other["metadata"]["namespace"] = "bakery"
    answer = check(Cluster(), "-f", written(tmp_path, other))
    assert answer.code == 0, answer.out
    assert "  not checked: it is of namespace bakery, and shop was asked: say -n bakery\n" in answer.out
    assert "  not checked: Contract evidence is not in these files\n" in answer.out
    other["metadata"]["namespace"] = "shop"
    assert check(Cluster(), "-f", written(tmp_path, other)).code == 1


def grouped(**status: object) -> dict[str, Any]:
    spec = {**CONTRACT["spec"], "policyGroups": [{"ref": "security"}]}
    return {**CONTRACT, "metadata": {"name": "evidence", "generation": 2}, "spec": spec, "status": status}


def test_materials_that_a_policy_group_brings_are_known_by_the_status_of_the_contract() -> None:
    resolved = {"materials": [{"name": "tests"}, {"name": "scan"}]}
    for material, problems in (("scan", 0), ("scam", 1)):
        cluster = Cluster(workflow(material))
        cluster.contract = grouped(observedGeneration=2, resolved=resolved)
        assert f"{problems} problem(s)" in check(cluster, "release").err


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 1, "resolved": {"materials": []}},  # of an earlier generation
        {"observedGeneration": 2, "resolved": {"materials": [], "moreMaterials": 1}},
        {},
    ],
)
def test_where_they_are_not_known_nothing_is_called_unknown_and_that_is_said(status: dict[str, Any]) -> None:
    cluster = Cluster(workflow("scan"))
    cluster.contract = grouped(**status)
    answer = check(cluster, "release")
    assert "0 problem(s)" in answer.err
    assert "not checked: materials: which ones the policy groups of Contract evidence bring" in answer.out
