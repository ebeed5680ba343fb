"""`avouch contract resolve`: what a contract owes, of the cluster and of files."""

import json
from pathlib import Path
from typing import Any

import pytest

from avouch import errors
from avouch.contract import model, owed, owedview
from tests.unit.cli import line

GROUP = 'spec.policyGroups[ref="security"]'
OWED = owed.Owed(
    (model.Material("sbom", "SBOM_CYCLONEDX_JSON"), model.Material("scan", "SARIF", optional=True)),
    (
        owed.Bound(
            "banned", "sha256:" + "ab" * 32, 'spec.policies.materials[ref="banned"]', "banned", material="sbom",
            inputs=(("names", "left-pad,event-stream"),), gate=True, gate_by=owed.GateBy.ATTACHMENT,
        ),
        owed.Bound("quiet", "sha256:" + "cd" * 32, f"{GROUP}.attestation", "quiet", group="security", attestation=True),
    ),
    {"scan": owed.Origin(f"{GROUP}.materials[0]", "security")},
)  # fmt: skip
READY = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "recorded"}
SCRIPT = "package main\n\nimport rego.v1\n"


class Cluster:
    """A Contract with its status, and its revisions."""

    def __init__(self, ready: dict[str, str] = READY, **status: Any) -> None:
        said = {"revision": 3, "digest": "sha256:c", "observedGeneration": 1, "resolved": owedview.bounded(OWED)}
        self.status = {**said, "conditions": [ready], **status}
        self.asked: list[str] = []

    def get(self, kind: str, name: str) -> dict[str, Any]:
        self.asked.append(f"{kind}/{name}")
        if f"{kind}/{name}" == "contracts.chainloop.dev/evidence":
            return {"metadata": {"name": name, "generation": 1}, "status": self.status}
        if f"{kind}/{name}" == "contractrevisions.runs.avouch.dev/evidence.3":
            return {
                "metadata": {"name": name},
                "spec": {"digest": "sha256:c", "resolved": owed.canonical(OWED).decode()},
            }
        raise errors.NotFound(f"{name} not found")


def resolve(*arguments: str, cluster: Any = None) -> line.Answer:
    return line.run("contract", "resolve", *arguments, adapters=line.Adapters(cluster=cluster))


def test_materials_and_policies_are_shown_with_where_they_come_from() -> None:
    answer = resolve("evidence", cluster=Cluster())
    assert answer.code == 0, answer.err
    rows = [each.split("   ") for each in answer.out.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["sbom", "SBOM_CYCLONEDX_JSON", "yes", 'spec.materials[name="sbom"]'] in cells
    assert ["scan", "SARIF", "no", f"PolicyGroup security: {GROUP}.materials[0]"] in cells
    own = ["banned", "sha256:abababababab", "sbom", "yes (attachment)", 'spec.policies.materials[ref="banned"]']
    assert [*own, 'names="left-pad,event-stream"'] in cells
    of_group = ["the attestation", "no (organization)", f"PolicyGroup security: {GROUP}.attestation"]
    assert ["quiet", "sha256:cdcdcdcdcdcd", *of_group] in cells


def test_programs_get_the_view_itself() -> None:
    said = json.loads(resolve("evidence", "-o", "json", cluster=Cluster()).out)
    assert (said["contract"], said["revision"], said["digest"]) == ("evidence", 3, "sha256:c")
    assert {key: said[key] for key in ("materials", "policies")} == owedview.whole(OWED)


def test_what_the_status_has_no_room_for_comes_from_the_revision() -> None:
    cut = {"materials": [], "policies": [], "moreMaterials": 2, "morePolicies": 2}
    cluster = Cluster(resolved=cut)
    said = json.loads(resolve("evidence", "-o", "json", cluster=cluster).out)
    assert len(said["materials"]) == len(said["policies"]) == 2
    assert cluster.asked[-1] == "contractrevisions.runs.avouch.dev/evidence.3"


def test_a_revision_that_is_named_is_shown() -> None:
    assert "Revision:  3" in resolve("evidence", "--revision", "3", cluster=Cluster()).out
    assert resolve("evidence", "--revision", "4", cluster=Cluster()).code == 1


def test_a_contract_that_is_not_ready_is_shown_as_it_is_in_force_with_a_warning() -> None:
    waiting = {**READY, "status": "False", "reason": "DependencyNotReady", "message": "Policy x does not exist"}
    answer = resolve("evidence", cluster=Cluster(waiting))
    assert answer.code == 0
    assert "revision 3 stays in force: False (DependencyNotReady: Policy x does not exist)" in answer.err


def test_a_contract_that_was_never_recorded_is_an_error() -> None:
    answer = resolve("evidence", cluster=Cluster(revision=None, resolved=None))
    assert answer.code == 1
    assert "is not recorded yet" in answer.err


def written(folder: Path, *manifests: dict[str, Any]) -> str:
    path = folder / "all.yaml"
    path.write_text("\n---\n".join(map(json.dumps, manifests)))
    return str(path)


def an_object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


POLICY = an_object("Policy", "banned", {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "embedded": SCRIPT}]})
SECURITY = an_object(
    "PolicyGroup", "security",
    {"policies": {"materials": [{"name": "scan", "type": "SARIF"}], "attestation": [{"ref": "org/banned"}]}},
)  # fmt: skip


def test_files_are_looked_up_in_each_other(tmp_path: Path) -> None:
    contract = an_object("Contract", "evidence", {"policyGroups": [{"ref": "security", "gate": True}]})
    answer = resolve("-f", written(tmp_path, contract, POLICY, SECURITY), "-o", "json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said["materials"] == [
        {"name": "scan", "type": "SARIF", "line": f"{GROUP}.materials[0]", "policyGroup": "security"}
    ]
    assert [(each["name"], each["gate"], each["gateBy"]) for each in said["policies"]] == [("banned", True, "group")]


def test_files_that_are_named_are_read_from_the_working_directory_and_scripts_from_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    named = {**POLICY, "spec": {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "path": "banned.rego"}]}}
    group = {**SECURITY, "spec": {"policies": {"attestation": [{"ref": "file://policies/banned.yaml"}]}}}
    (tmp_path / "policies" / "banned.rego").write_text(SCRIPT)
    (tmp_path / "policies" / "banned.yaml").write_text(json.dumps(named))
    (tmp_path / "group.yaml").write_text(json.dumps(group))
    contract = an_object("Contract", "evidence", {"policyGroups": [{"ref": "file://group.yaml"}]})
    answer = resolve("-f", written(tmp_path, contract), "-o", "json")
    assert answer.code == 0, answer.err
    same = an_object("Contract", "evidence", {"policies": {"attestation": [{"embedded": POLICY}]}})
    embedded = resolve("-f", written(tmp_path, same), "-o", "json")
    digests = [json.loads(each.out)["policies"][0]["digest"] for each in (answer, embedded)]
    assert digests[0] == digests[1], "the script is part of what is judged by"


def test_an_embedded_policy_needs_no_other_file_and_the_organization_is_not_known(tmp_path: Path) -> None:
    attached = {"policies": {"materials": [{"embedded": POLICY}]}}
    answer = resolve("-f", written(tmp_path, an_object("Contract", "evidence", attached)))
    assert answer.code == 0, answer.err
    assert "no (organization)" in answer.out
    assert "what the Organization says of gates is not known here" in answer.err


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("other", "Policy other is not in these files"),
        ("https://example.com/policy.yaml", "the server answered 404"),
        ("file://policy.yaml", "there is no file policy.yaml"),
        ("oci://registry.example/p@sha256:" + "0" * 64, "oci://registry.example/p cannot be looked up here"),
        ("file://banned.yaml@sha256:" + "0" * 64, "digest mismatch: got sha256:"),
        ("banned@sha256:" + "0" * 64, "the digest of Policy banned is sha256:"),
    ],
)
def test_what_cannot_be_looked_up_without_a_cluster_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "banned.yaml").write_text(json.dumps(POLICY))
    spec = {"policies": {"materials": [{"ref": reference}, {"ref": "gone"}]}}
    answer = resolve("-f", written(tmp_path, an_object("Contract", "evidence", spec), POLICY))
    assert (answer.code, answer.out) == (1, "")
    assert told in answer.err
    assert f'field: spec.policies.materials[ref="{reference}"]' in answer.err
    assert "Policy gone is not in these files" in answer.err, "all of it at once"


def test_one_contract_is_resolved_at_a_time(tmp_path: Path) -> None:
    assert "declare 0 Contracts, not one" in resolve("-f", written(tmp_path, POLICY)).err
    assert resolve("evidence", "-f", written(tmp_path, POLICY)).code == 2
    assert resolve().code == 2
