"""Texts, flags and enums of a contract in YAML are what Chainloop's decoder makes of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch.contract import lint, reading, scalars, upstream
from avouch.contract.text import files, nodes

PRODUCTION = Path(__file__).resolve().parents[2] / "assets" / "contracts"
HEAD = "apiVersion: chainloop.dev/v1\nkind: Contract\nmetadata: {name: c}\n"


def read(content: str) -> Any:
    """The one document, as `apply` reads it."""
    (tree,) = files.read(content.encode()).documents
    return nodes.plain(scalars.read(tree).document)


def spec(body: str) -> Any:
    return read(f"{HEAD}spec:\n{body}")["spec"]


def problems(content: str) -> list[tuple[str, str, str]]:
    return [(each.field, str(each.severity), each.message) for each in lint.lint(content.encode())]


def inputs(text: str) -> Any:
    return spec(f"  policies:\n    attestation:\n      - ref: p\n        with: {{{text}}}\n")["policies"][
        "attestation"
    ][0]["with"]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("true", "true"),
        ("yes", "yes"),
        ("On", "On"),
        ("30", "30"),
        ("1.20", "1.20"),
        ("010", "010"),
        ("1e3", "1e3"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("", ""),
        ("~", "~"),
        ("null", "null"),
        ("2031-01-01", "2031-01-01"),
        ('"true"', "true"),
    ],
)
def test_an_input_of_a_policy_is_the_text_that_was_written(written, text):
    assert inputs(f"a: {written}") == {"a": text}


@pytest.mark.parametrize("key", ["y", "on", "1", "1.5", "null"])
def test_the_name_of_an_input_is_the_text_that_was_written(key):
    assert inputs(f'{key}: "3"') == {key: "3"}


@pytest.mark.parametrize(
    ("content", "path", "text"),
    [
        (HEAD + "spec:\n  annotations: [{name: line, value: 1.20}]\n", "spec.annotations.0.value", "1.20"),
        (HEAD + "spec:\n  annotations: [{name: 1, value: x}]\n", "spec.annotations.0.name", "1"),
        (HEAD + "spec:\n  materials: [{name: 123, type: SARIF}]\n", "spec.materials.0.name", "123"),
        (HEAD + "spec:\n  materials: [{name: a, type: SARIF, group: 7}]\n", "spec.materials.0.group", "7"),
        (
            HEAD + "spec:\n  materials: [{name: a, annotations: [{name: n, value: no}]}]\n",
            "spec.materials.0.annotations.0.value",
            "no",
        ),
        (HEAD + "spec:\n  envAllowList: [1, yes]\n", "spec.envAllowList.1", "yes"),
        (HEAD + "spec:\n  env_allow_list: [1]\n", "spec.env_allow_list.0", "1"),
        (HEAD + "spec:\n  policyGroups: [{ref: g, with: {a: 1}}]\n", "spec.policyGroups.0.with.a", "1"),
        (HEAD + "spec:\n  policy_groups: [{ref: g, skip: [1]}]\n", "spec.policy_groups.0.skip.0", "1"),
        (
            HEAD + "spec:\n  policies: {materials: [{ref: p, selector: {name: 5}}]}\n",
            "spec.policies.materials.0.selector.name",
            "5",
        ),
        (HEAD.replace("{name: c}", "{name: 123}"), "metadata.name", "123"),
        (HEAD.replace("{name: c}", "{name: c, description: 1.10}"), "metadata.description", "1.10"),
        (HEAD.replace("{name: c}", "{name: c, annotations: {on: 1, version: }}"), "metadata.annotations.on", "1"),
        (HEAD.replace("{name: c}", "{name: c, annotations: {version: }}"), "metadata.annotations.version", ""),
        ("schemaVersion: v1\nannotations: [{name: a, value: 1.0}]\n", "annotations.0.value", "1.0"),
    ],
)
def test_each_text_of_a_contract_is_the_text_that_was_written(content, path, text):
    found = read(content)
    for part in path.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    assert found == text


def test_an_empty_field_is_a_field_that_is_not_there():
    assert spec("  annotations: [{name: a, value: }]\n")["annotations"] == [{"name": "a", "value": None}]


@pytest.mark.parametrize("kind", ["Policy", "PolicyGroup"])
def test_policies_are_read_as_kubernetes_reads_them(kind):
    content = HEAD.replace("Contract", kind) + "spec: {description: 1.10}\n"
    assert read(content)["spec"]["description"] == 1.1


def test_json_has_no_text_but_those_in_quotes():
    content = (
        '{"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": {"annotations": '
    )
    content += '[{"name": "a", "value": 3}]}}'
    assert problems(content) == [("spec.annotations[0].value", "error", "3 is not a string")]


@pytest.mark.parametrize("word", ["yes", "on", "True", "TRUE", "y"])
def test_a_flag_is_true_or_false_as_in_chainloop(word):
    (problem,) = problems(f"{HEAD}spec:\n  materials: [{{name: a, type: SARIF, optional: {word}}}]\n")
    assert problem[:2] == ("spec.materials[0].optional", "error")
    assert "must be true or false" in problem[2]


def test_what_kubernetes_reads_otherwise_is_a_warning_with_the_text_in_quotes():
    content = f"{HEAD}spec:\n  annotations:\n    - name: line\n      value: 1.20\n"
    (problem,) = lint.lint(content.encode())
    assert (problem.line, problem.column, problem.mended) == (7, 14, True)
    assert problem.message == "kubectl reads 1.20 as a number, not as a text"
    assert problem.fix == 'use avouch apply, or write "1.20"'


@pytest.mark.parametrize("kind", ["labels: {y: x}", "annotations: {a: b}, nothing: {y: x}"])
def test_a_key_that_is_no_text_anywhere_else_is_an_error(kind):
    said = problems(HEAD.replace("{name: c}", f"{{name: c, {kind}}}") + "spec: {}\n")
    assert "the key 'y' is not a string but bool" in [message for _, severity, message in said if severity == "error"]


def test_a_key_that_is_no_text_in_our_own_kinds_is_an_error():
    content = "apiVersion: avouch.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w, labels: {1: x}}\nspec: {}\n"
    assert problems(content) == [("metadata.labels.1", "error", "the key '1' is not a string but int")]


@pytest.mark.parametrize("name", sorted(path.name for path in PRODUCTION.iterdir()))
def test_contracts_as_chainloop_runs_them_in_production_are_taken(name):
    content = (PRODUCTION / name).read_bytes()
    found = [each for each in lint.lint(content, name) if not each.mended]
    assert [each for each in found if "no material of this contract" not in each.message] == []
    assert reading.problems(upstream.to_object(read(content.decode()))) == ()


def test_a_spec_without_value_is_an_empty_one():
    content = f"{HEAD}spec:\n"
    assert upstream.to_object(read(content))["spec"] == {}
    assert problems(content) == [("spec", "warning", "kubectl refuses null")]


def test_a_match_mode_by_number_is_its_name():
    body = "spec:\n  materials: [{name: scan-a, type: SARIF}]\n"
    body += "  policies: {materials: [{ref: p, selector: {name: scan, matchMode: 2}}]}\n"
    made = upstream.to_object(read(HEAD + body))
    assert made["spec"]["policies"]["materials"][0]["selector"] == {"name": "scan", "matchMode": "PREFIX"}
    assert problems(HEAD + body) == [
        ("spec.policies.materials[0].selector.matchMode", "warning", "kubectl accepts names only, not 2")
    ]


def test_the_version_in_snake_case_is_the_version():
    content = HEAD.replace("apiVersion", "api_version") + "spec: {}\n"
    assert upstream.to_object(read(content)) == yaml.safe_load(HEAD + "spec: {}")
    assert problems(content) == [("api_version", "warning", "kubectl does not know this spelling")]
    twice = HEAD + "api_version: chainloop.dev/v2\nspec: {}\n"
    assert problems(twice) == [("api_version", "error", "apiVersion and api_version differ")]


def test_a_list_without_value_is_a_warning_since_server_side_apply_refuses_it():
    assert problems(f"{HEAD}spec:\n  materials:\n") == [
        ("spec.materials", "warning", "kubectl apply --server-side refuses null")
    ]


def test_a_finding_type_that_does_not_exist_is_refused_of_a_contract_too():
    content = HEAD.replace("{name: c}", "{name: c, finding_type: NOTHING}") + "spec: {}\n"
    assert ("metadata.finding_type", "error", "unknown value 'NOTHING'") in problems(content)
