"""`avouch why`: from whatever names a run to what decided its verdict."""

import json
from typing import Any

from avouch import findings
from tests.unit.cli import line
from tests.unit.cli.runs.cluster import FINDING, IMAGE, Cluster, a_run

LINE = 'spec.policies.materials[ref="banned"]'
POLICY = {
    "name": "banned", "digest": "sha256:" + "ab" * 32, "reference": "banned", "line": LINE, "material": "sbom",
    "status": "Violated", "gate": True, "scripts": ["spec.policies[0].embedded"], "inputs": {"names": "left-pad"},
    "violations": ["left-pad is banned"],
}  # fmt: skip
VIOLATED = {
    "code": "PolicyViolated", "message": 'policy banned on material sbom: left-pad is banned (given names="left-pad")',
    "line": LINE, "fix": "correct material sbom, and run it again", "material": "sbom",
}  # fmt: skip
NOTE = {"code": "RecordCleaned", "message": "a result has characters that cannot be recorded"}


def why(known: Cluster, *arguments: str) -> line.Answer:
    return line.run("why", *arguments, adapters=line.Adapters(cluster=known))


def failed(**status: Any) -> Cluster:
    said = {"verdict": "Failed", "findings": [NOTE, VIOLATED, FINDING], "policies": [POLICY], **status}
    return Cluster(a_run("release-1", **said), found={f"status.digest={IMAGE}": ["release-1"]})


def test_what_decided_comes_first_with_its_line_its_policy_and_the_fix_and_notes_come_last() -> None:
    answer = why(failed(), "first")
    assert answer.code == 0, answer.err
    head, _, decided, *rest = answer.out.splitlines()
    assert head == "release-1 of PipelineRun/first: Failed, judged by Contract evidence, revision 3"
    assert decided == "Decided by:"
    assert rest[:6] == [
        f"  PolicyViolated: {VIOLATED['message']}",
        f"    asked by: Contract evidence, revision 3: {LINE}",
        f"    policy: banned@{POLICY['digest']}",
        "    script: spec.policies[0].embedded",
        "    input: names = left-pad",
        "    fix: correct material sbom, and run it again",
    ]
    assert rest[6] == "  MaterialMissing: material sbom was not delivered"
    assert rest[-2:] == ["Notes:", f"  RecordCleaned: {NOTE['message']}"]


def test_a_run_is_found_by_its_name_by_its_build_and_by_an_image_that_it_delivered() -> None:
    answers = {why(failed(), name).out for name in ("release-1", "pipelinerun/first", f"registry.example/app@{IMAGE}")}
    assert len(answers) == 1
    assert "PolicyViolated" in answers.pop()


def test_several_runs_are_listed_and_none_is_an_error() -> None:
    both = Cluster(a_run("one", minute=1), a_run("two", minute=2))
    answer = why(both, "first")
    assert answer.code == 1
    assert "first has 2 runs: two, one" in answer.err
    assert why(both, "other").code == 1


def test_what_is_wrong_and_did_not_decide_stands_apart() -> None:
    contradicted = {"code": "MaterialContradicted", "message": "another task says otherwise"}
    said = json.loads(why(failed(verdict="Rejected", findings=[contradicted, VIOLATED]), "first", "-o", "json").out)
    assert [each["code"] for each in said["decided"]] == ["MaterialContradicted"]
    assert [(each["code"], each["policies"]) for each in said["others"]] == [("PolicyViolated", [POLICY])]
    assert "Also wrong:\n  PolicyViolated" in why(failed(verdict="Rejected"), "first").out


def test_a_finding_of_a_newer_server_counts_as_what_decided() -> None:
    said = json.loads(why(failed(findings=[{"code": "Unheard", "message": "of"}]), "first", "-o", "json").out)
    assert [each["code"] for each in said["decided"]] == ["Unheard"]


def test_only_the_policy_that_a_finding_tells_of_stands_beside_it() -> None:
    others = [{**POLICY, "name": "ban"}, {**POLICY, "material": "other"}, {**POLICY, "line": "elsewhere"}]
    said = json.loads(why(failed(policies=[*others, POLICY]), "first", "-o", "json").out)
    (found,) = [each for each in said["decided"] if each["code"] == "PolicyViolated"]
    assert found["policies"] == [POLICY]


def test_a_run_that_passed_says_what_was_checked() -> None:
    passed = {**POLICY, "status": "Passed", "violations": []}
    skipped = {**POLICY, "name": "quiet", "material": "", "status": "Skipped", "reason": "nothing to say"}
    materials = [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "digest": IMAGE}]
    run = a_run("release-1", materials=materials, policies=[passed, skipped], findings=[NOTE])
    out = why(Cluster(run), "first").out.splitlines()
    at = out.index("Checked, and nothing was found wrong:")
    assert out[at + 1 :] == [
        f"  material sbom: is SBOM_CYCLONEDX_JSON, {IMAGE}",
        "  policy banned on material sbom: Passed",
        "  policy quiet: Skipped (nothing to say)",
    ]
    assert "Notes:" in out


def test_a_run_that_is_not_judged_yet_says_so() -> None:
    assert "Not judged yet" in why(Cluster(a_run("release-1", verdict="Pending")), "first").out


def test_a_verdict_without_a_finding_says_that_none_says_why() -> None:
    assert "No finding says why." in why(Cluster(a_run("release-1", verdict="Error")), "first").out


def test_the_sentence_is_the_one_that_events_have() -> None:
    told = findings.sentence(VIOLATED["code"], VIOLATED["message"], VIOLATED["fix"])
    assert told.startswith(f"{VIOLATED['code']}: {VIOLATED['message']}")
    assert why(failed(), "first").out.count(f"{VIOLATED['code']}: {VIOLATED['message']}") == 1
