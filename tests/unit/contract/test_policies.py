"""Policies and policy groups: Chainloop's rules, with lines."""

from typing import Any

import pytest

from avouch import errors
from avouch.contract import lint, policies

REGO = "package main\nimport rego.v1\nviolations contains msg if { msg := input.x }\n"
HEAD = "apiVersion: chainloop.dev/v1\nkind: {kind}\nmetadata: {{name: p}}\nspec:\n"


def manifest(spec: dict[str, Any], kind: str = "Policy", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": kind, "metadata": {"name": "p", **metadata}, "spec": spec}


def found(kind: str, spec: str) -> list[tuple[int, str, str, str]]:
    problems = lint.lint((HEAD.format(kind=kind) + spec).encode())
    return [(each.line, each.field, str(each.severity), each.message) for each in problems]


GOOD = [
    manifest({"embedded": REGO, "type": "SBOM_CYCLONEDX_JSON"}),
    manifest({"path": "policy.rego"}),
    manifest({"policies": [{"kind": "ATTESTATION", "ref": "https://h/p.rego", "attestation_phases": ["INIT"]}]}),
    manifest({"policies": [{"embedded": REGO}], "inputs": [{"name": "max_days", "default": "5"}]}),
    manifest({"path": "x", "autoMatch": {"embedded": "x"}, "inputs": [{"name": "a", "required": True}]}),
    manifest({"policies": [{"kind": "STRING", "embedded": REGO}]}, annotations={"chainloop.dev/finding_type": "SAST"}),
    manifest({}, "PolicyGroup"),
    manifest({"policies": {"materials": [{"name": "{{ inputs.sbom }}", "type": "SARIF"}]}}, "PolicyGroup"),
    manifest({"policies": {"materials": [{"type": "SARIF", "policies": [{"ref": "a"}]}]}}, "PolicyGroup"),
    manifest({"policies": {"materials": [{"type": "SARIF"}], "attestation": [{"embedded": {"x": 1}}]}}, "PolicyGroup"),
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD)
def test_what_chainloop_takes_is_taken(good: dict[str, Any]) -> None:
    assert policies.problems(good) == ()
    assert policies.read(good).metadata.name == "p"


@pytest.mark.parametrize(
    ("kind", "spec", "line", "field", "message"),
    [
        ("Policy", "  inputs: []\n", 4, "spec", "either spec source or policies fields must be provided"),
        ("Policy", "  policies: []\n", 4, "spec", "either spec source or policies fields must be provided"),
        ("Policy", "  path: a\n  embedded: b\n", 4, "spec", "path and embedded are two sources of one policy"),
        ("Policy", "  embedded: b\n  type: STRING\n", 6, "spec.type", "type cannot be STRING or ARTIFACT or EVIDENCE"),
        ("Policy", "  embedded: b\n  type: NOPE\n", 6, "spec.type", "unknown value 'NOPE'"),
        ("Policy", "  policies:\n    - kind: SARIF\n", 6, "spec.policies[0]", "exactly one of path, embedded, ref"),
        ("Policy", "  policies:\n    - {ref: a, path: b}\n", 6, "spec.policies[0]", "exactly one of path, embedded"),
        ("Policy", "  policies:\n    - {ref: a.b, kind: ARTIFACT}\n", 6, "spec.policies[0].kind", "cannot be ARTIFACT"),
        ("Policy", "  path: a\n  autoMatch: {}\n", 6, "spec.autoMatch", "exactly one of path, embedded, ref"),
        ("Policy", "  path: a\n  inputs:\n    - name: my-x\n", 7, "spec.inputs[0].name", "letters, digits and under"),
        ("Policy", "  path: a\n  inputs: [{name: x}, {name: x}]\n", 6, "spec.inputs[1].name", "duplicate input x"),
        ("Policy", "  path: a\n  inputs: [{name: x, required: true, default: y}]\n", 6, "spec.inputs[0]", "a required"),
        ("PolicyGroup", "  policies: {materials: [{name: a}]}\n", 5, "spec.policies.materials[0]", "type should have"),
        (
            "PolicyGroup",
            "  policies:\n    materials:\n      - type: SARIF\n        policies: [{}]\n",
            8,
            "spec.policies.materials[0].policies[0]",
            "exactly one field is required in oneof",
        ),
        (
            "PolicyGroup",
            "  policies:\n    attestation: [{ref: 'ftp://x'}]\n",
            6,
            "spec.policies.attestation[0].ref",
            "unsupported protocol: ftp",
        ),
    ],
)
def test_what_chainloop_refuses_is_refused_with_its_line(
    kind: str, spec: str, line: int, field: str, message: str
) -> None:
    said = found(kind, spec)
    assert [each[:3] for each in said if message in each[3]] == [(line, field, "error")], said


@pytest.mark.parametrize(
    ("kind", "spec", "line", "field"),
    [
        ("Policy", "  path: a\n  typ: SARIF\n", 6, "spec.typ"),
        ("Policy", "  policies: [{ref: a.b, kinds: SARIF}]\n", 5, "spec.policies[0].kinds"),
        ("Policy", "  path: a\n  materials: []\n", 6, "spec.materials"),
        (
            "PolicyGroup",
            "  policies: {materials: [{type: SARIF, policy: []}]}\n",
            5,
            "spec.policies.materials[0].policy",
        ),
    ],
)
def test_an_unknown_field_is_a_warning(kind: str, spec: str, line: int, field: str) -> None:
    assert [(each[0], each[1], each[2]) for each in found(kind, spec)] == [(line, field, "warning")]


def test_numbers_and_the_older_version_are_warned_of() -> None:
    text = HEAD.format(kind="Policy") + "  policies:\n    - {kind: 12, embedded: x}\n"
    problems = lint.lint(text.replace("chainloop.dev/v1", policies.LEGACY_API_VERSION).encode())
    assert [(each.line, each.field, each.fix) for each in problems] == [
        (1, "apiVersion", "use avouch apply, or write chainloop.dev/v1"),
        (6, "spec.policies[0].kind", "write ATTESTATION"),
    ]


def test_a_finding_type_that_nobody_knows_is_refused_where_it_was_written() -> None:
    text = HEAD.format(kind="Policy").replace("name: p", "name: p, finding_type: BUG") + "  path: a\n"
    problems = lint.lint(text.encode())
    assert [(each.field, each.message) for each in problems if each.severity is lint.Severity.ERROR] == [
        ("metadata.finding_type", "unknown value 'BUG'")
    ]


def test_a_broken_policy_is_not_read_and_says_why() -> None:
    with pytest.raises(errors.Invalid, match="either spec source") as refused:
        policies.read(manifest({}))
    assert refused.value.field == "spec"


@pytest.mark.parametrize("spec", [None, [], "x", {"policies": "x"}, {"policies": [3]}, {"inputs": {"a": 1}}])
@pytest.mark.parametrize("kind", ["Policy", "PolicyGroup"])
def test_any_nonsense_is_a_problem_and_no_crash(kind: str, spec: Any) -> None:
    odd = {**manifest({}, kind), "spec": spec}
    assert policies.problems(odd)
