from pathlib import Path

import pytest

from avouch.contract import lint

ASSETS = Path(__file__).resolve().parents[2] / "assets"
HEAD = "apiVersion: chainloop.dev/v1\nkind: Contract\nmetadata: {name: c}\n"


def found(content: str, name: str = "") -> list[tuple[int, str, str, str]]:
    return [(each.line, each.field, str(each.severity), each.message) for each in lint.lint(content.encode(), name)]


def body(spec: str) -> str:
    """A contract whose spec begins in line 5."""
    return f"{HEAD}spec:\n{spec}"


@pytest.mark.parametrize("name", sorted(path.name for path in (ASSETS / "seed").iterdir()))
def test_the_seeds_contracts_have_no_errors(name):
    problems = lint.lint((ASSETS / "seed" / name).read_bytes(), name)
    assert [problem for problem in problems if problem.severity is lint.Severity.ERROR] == []


def test_a_real_contract_of_chainloops_is_told_what_kubectl_would_not_take():
    content = (ASSETS / "chainloop-run/contract.yaml").read_text()
    assert found(content) == [
        (5, "metadata.description", "warning", "kubectl refuses it: metadata of Kubernetes has no such field"),
        (22, "spec.materials[2].output", "warning", "a STRING never becomes a subject"),
    ]


@pytest.mark.parametrize(
    ("spec", "line", "field", "nearest"),
    [
        (
            "  materials:\n    - name: a\n      type: STRING\n      optionl: true\n",
            8,
            "spec.materials[0].optionl",
            "optional",
        ),
        ("  envAllowlist: []\n", 5, "spec.envAllowlist", "envAllowList"),
        ("  policy_group: []\n", 5, "spec.policy_group", "policy_groups"),
        ("  runner: {type: JENKINS_JOB, typ: x}\n", 5, "spec.runner.typ", "type"),
        (
            "  policies:\n    attestation:\n      - ref: a\n        gates: true\n",
            8,
            "spec.policies.attestation[0].gates",
            "gate",
        ),
        (
            "  policies:\n    materials:\n      - {ref: a, selector: {match_mod: EXACT}}\n",
            7,
            "spec.policies.materials[0].selector.match_mod",
            "match_mode",
        ),
        ("  policyGroups:\n    - ref: a\n      skips: []\n", 7, "spec.policyGroups[0].skips", "skip"),
        ("  annotations: [{name: a, values: b}]\n", 5, "spec.annotations[0].values", "value"),
    ],
)
def test_an_unknown_field_is_a_warning_with_its_line_and_the_nearest_known_name(spec, line, field, nearest):
    (problem,) = lint.lint(body(spec).encode())
    assert (problem.line, problem.field, problem.severity) == (line, field, lint.Severity.WARNING)
    assert problem.fix == f"did you mean {nearest}?"


def test_a_field_that_looks_like_none_is_answered_with_all_that_are_known():
    (problem,) = lint.lint(body("  runner: {type: JENKINS_JOB, zzzzzzz: 1}\n").encode())
    assert problem.fix == "use one of type"


def test_unknown_fields_outside_the_spec_are_found_and_those_of_kubernetes_are_known():
    content = HEAD.replace("{name: c}", "{name: c, namespace: ns, labels: {a: b}, nmae: x}") + "spec: {}\nspc: {}\n"
    assert [(line, field) for line, field, _, _ in found(content)] == [(3, "metadata.nmae"), (5, "spc")]


def test_what_is_free_to_be_anything_is_not_looked_into():
    content = "  policies:\n    materials:\n      - embedded: {anything: {goes: 1}}\n        with: {some.key: x}\n"
    assert found(body(content)) == []


@pytest.mark.parametrize(
    ("spec", "line", "field", "message"),
    [
        ("  materials: [{type: STRING}]\n", 5, "spec.materials[0].name", "is required"),
        ("  materials:\n    - type: NOPE\n      name: a\n", 6, "spec.materials[0].type", "unknown value 'NOPE'"),
        (
            "  materials:\n    - type: STRING\n      name: A\n",
            7,
            "spec.materials[0].name",
            "must contain only lowercase",
        ),
        (
            "  materials:\n    - {type: STRING, name: a, group: A}\n",
            6,
            "spec.materials[0].group",
            "must contain only lowercase",
        ),
        (
            "  materials:\n    - {type: STRING, name: a, optional: 'yes'}\n",
            6,
            "spec.materials[0].optional",
            "must be true or false",
        ),
        (
            "  materials:\n    - {type: STRING, name: a}\n    - {type: STRING, name: a}\n",
            7,
            "spec.materials[1].name",
            "name=a is duplicated",
        ),
        ("  annotations:\n    - name: a\n      value: [x]\n", 7, "spec.annotations[0].value", "valid string"),
        ("  annotations:\n    - name: my-x\n", 6, "spec.annotations[0].name", "only letters, digits and underscores"),
        (
            "  materials:\n    - {type: STRING, name: a, skip_upload: 1}\n",
            6,
            "spec.materials[0].skip_upload",
            "must be true or false",
        ),
        (
            "  policies:\n    attestation:\n      - ref: file://x\n",
            7,
            "spec.policies.attestation[0].ref",
            "missing extension",
        ),
        (
            "  policies:\n    attestation:\n      - gate: true\n",
            7,
            "spec.policies.attestation[0]",
            "exactly one field is required in oneof",
        ),
        (
            "  policies:\n    attestation:\n      - ref: a\n        with: {some.key: {}}\n",
            8,
            "spec.policies.attestation[0].with.some.key",
            "valid string",
        ),
        (
            "  policies:\n    attestation:\n      - ref: a\n        requirements: [x]\n",
            8,
            "spec.policies.attestation[0].requirements[0]",
            "requirement reference",
        ),
        ("  runner:\n    type: TRAVIS\n", 6, "spec.runner.type", "unknown value 'TRAVIS'"),
        ("  runner: {}\n", 5, "spec.runner.type", "is required"),
        ("  envAllowList: [[]]\n", 5, "spec.envAllowList[0]", "valid string"),
    ],
)
def test_a_broken_rule_is_an_error_with_its_line(spec, line, field, message):
    (problem,) = found(body(spec))
    assert problem[:3] == (line, field, "error")
    assert message in problem[3]


def test_a_field_of_metadata_is_told_by_the_name_it_was_written_with():
    content = HEAD.replace("{name: c}", "{name: c, description: 1.10}") + "spec: {}\n"
    assert found(content) == [
        (3, "metadata.description", "warning", "kubectl reads 1.10 as a number, not as a text"),
        (3, "metadata.description", "warning", "kubectl refuses it: metadata of Kubernetes has no such field"),
    ]


def test_two_spellings_of_one_field_that_differ_are_an_error():
    spec = "  materials:\n    - {type: ARTIFACT, name: a, skip_upload: true, skipUpload: false}\n"
    assert found(body(spec)) == [
        (6, "spec.materials[0]", "error", "skipUpload and skip_upload are the same field and differ")
    ]
    assert found(body(spec.replace("false", "true"))) == []


def test_a_broken_schema_does_not_hide_the_other_rules():
    spec = "  materials: [{type: NOPE, name: a}, {type: STRING, name: a}]\n"
    spec += "  policies: {materials: [{ref: 'file://x'}, {}]}\n"
    assert [field for _, field, _, _ in found(body(spec))] == [
        "spec.materials[0].type",
        "spec.materials[1].name",
        "spec.policies.materials[0].ref",
        "spec.policies.materials[1]",
    ]


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ("  materials: [{type: STRING, name: a, group: g}]\n", "spec.materials[0].group", "a is alone in group g"),
        (
            "  materials: [{type: STRING, name: a, group: g, optional: true}, {type: STRING, name: b, group: g}]\n",
            "spec.materials[0].optional",
            "optional has no effect in group g",
        ),
        (
            "  materials: [{type: STRING, name: a, output: true}]\n",
            "spec.materials[0].output",
            "never becomes a subject",
        ),
        (
            "  materials: [{type: CONTAINER_IMAGE, name: a, skip_upload: true}]\n",
            "spec.materials[0].skipUpload",
            "is not uploaded",
        ),
        ("  annotations: [{name: a, value: x}, {name: a}]\n", "spec.annotations[1].name", "the last one counts"),
        ("  envAllowList: [A, A]\n", "spec.envAllowList[1]", "is a duplicate"),
        (
            "  policies: {materials: [{ref: p, disabled: true}]}\n",
            "spec.policies.materials[0].disabled",
            "has no effect",
        ),
        (
            "  policies: {materials: [{ref: p, selector: {matchMode: PREFIX}}]}\n",
            "spec.policies.materials[0].selector.matchMode",
            "without a name",
        ),
        (
            "  policies: {materials: [{ref: p, selector: {name: sbom}}]}\n",
            "spec.policies.materials[0].selector.name",
            "is named sbom",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(spec, field, message):
    ((_, where, severity, said),) = found(body(spec))
    assert (where, severity) == (field, "warning")
    assert message in said


@pytest.mark.parametrize(
    "spec",
    [
        "  materials: [{type: STRING, name: a, group: g}, {type: STRING, name: b, group: g}]\n",
        "  policyGroups: [{ref: g}]\n  policies: {materials: [{ref: p, selector: {name: sbom}}]}\n",
        "  materials: [{type: ARTIFACT, name: sbom-a}]\n"
        "  policies: {materials: [{ref: p, selector: {name: sbom, matchMode: PREFIX}}]}\n",
    ],
)
def test_what_has_an_effect_is_not_warned_of(spec):
    assert found(body(spec)) == []


def test_enums_by_number_are_chainloops_alone():
    assert found(body("  materials: [{type: 2, name: a}]\n  runner: {type: 1}\n")) == [
        (5, "spec.materials[0].type", "warning", "kubectl accepts names only, not 2"),
        (6, "spec.runner.type", "warning", "kubectl accepts names only, not 1"),
    ]


def test_the_legacy_form_is_told_in_its_own_lines_and_paths():
    content = "schemaVersion: v1\nmaterials:\n  - type: NOPE\n    name: a\n    optionl: 1\nenvAllowlist: []\n"
    assert [(line, field, severity) for line, field, severity, _ in found(content)] == [
        (3, "materials[0].type", "error"),
        (5, "materials[0].optionl", "warning"),
        (6, "envAllowlist", "warning"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "field", "message"),
    [
        ("", 1, "", "contains no document"),
        ("x", 1, "", "is not a mapping"),
        ("[1]", 1, "", "is not a mapping"),
        ("a: 1", 1, "kind", "is required"),
        ("kind: Pod", 1, "kind", "unsupported kind 'Pod'"),
        ("schemaVersion: v2", 1, "schemaVersion", "must be v1, is v2"),
        (HEAD, 1, "spec", "is required"),
        (HEAD.replace("dev/v1", "dev/v2") + "spec: {}", 1, "apiVersion", "must be chainloop.dev/v1"),
        (HEAD.replace(": c}", ": C}") + "spec: {}", 3, "metadata.name", "must contain only lowercase"),
        (HEAD.replace("Contract", "Policy").replace(": c}", ": C}"), 3, "metadata.name", "must contain only lowercase"),
        (HEAD.replace("{name: c}", "c") + "spec: {}", 3, "metadata.name", "must contain only lowercase"),
        (
            f"{HEAD}spec: {{}}\n---\n{HEAD}spec:\n  materials: [{{name: a}}]\n",
            10,
            "spec.materials[0].type",
            "is required",
        ),
        (f"{HEAD}spec: {{}}\nspec: {{}}\n", 5, "", "is a duplicate key, first in line 4"),
        ("a: [", 1, "", "not YAML"),
    ],
)
def test_what_is_no_contract_is_told_with_its_line(content, line, field, message):
    (problem,) = found(content)
    assert problem[:3] == (line, field, "error")
    assert message in problem[3]


def test_a_problem_reads_as_one_line():
    (problem,) = lint.lint(body("  materials: [{type: STRING, name: A}]\n").encode())
    assert str(problem).startswith("5:36: error: spec.materials[0].name: must contain only lowercase")
    assert "(fix: " in str(problem)


def test_problems_come_in_the_order_of_lines():
    content = body("  runner: {type: X}\n  materials: [{type: X, name: a, odd: 1}]\n")
    lines = [(problem.line, problem.column) for problem in lint.lint(content.encode())]
    assert lines == sorted(lines)
    assert len(lines) == 3
