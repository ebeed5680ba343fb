from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch import errors
from avouch.contract import reading, references, revisions
from avouch.materials import types as material_types

SEED = Path(__file__).resolve().parents[2] / "assets/seed"


def manifest(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Contract",
        "metadata": {"name": "c", **metadata},
        "spec": spec or {},
    }


def lines(spec: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.line, problem.message) for problem in reading.problems(manifest(spec))]


@pytest.mark.parametrize("name", ["contract.yaml", "contract-policies.yaml", "contract-runner.yaml"])
def test_the_seeds_contracts_are_read(name):
    assert reading.problems(yaml.safe_load((SEED / name).read_text())) == ()


def test_both_spellings_mean_the_same():
    snake = (SEED / "contract.yaml").read_text()
    camel = snake.replace("skip_upload", "skipUpload")
    other = snake.replace("envAllowList", "env_allow_list")
    read = [reading.read(yaml.safe_load(text)) for text in (snake, camel, other)]
    assert read[0] == read[1] == read[2]
    assert read[0].materials[-1].skip_upload


def test_policy_groups_and_match_mode_are_read_in_both_spellings():
    snake = manifest(
        {
            "policy_groups": [{"ref": "g", "with": {"a": "b"}}],
            "policies": {"materials": [{"ref": "p", "selector": {"name": "s", "match_mode": "PREFIX"}}]},
        }
    )
    camel = manifest(
        {
            "policyGroups": [{"ref": "g", "with": {"a": "b"}}],
            "policies": {"materials": [{"ref": "p", "selector": {"name": "s", "matchMode": "PREFIX"}}]},
        }
    )
    assert reading.read(snake) == reading.read(camel)
    assert reading.read(snake).has_policies


def test_a_duplicate_material_is_named_with_its_line_and_fix():
    spec = {"materials": [{"name": "sbom", "type": "ARTIFACT"}, {"name": "sbom", "type": "STRING"}]}
    with pytest.raises(errors.Invalid, match="material with name=sbom is duplicated") as refused:
        reading.read(manifest(spec))
    assert refused.value.field == "spec.materials[1].name"
    assert refused.value.fix == "give each material its own name"


@pytest.mark.parametrize(
    ("spec", "line", "message"),
    [
        ({"materials": [{"name": "a", "type": "NOPE"}]}, "spec.materials[0].type", "unknown value 'NOPE'"),
        ({"materials": [{"name": "a", "type": 2}]}, "spec.materials[0].type", "unknown value '2'"),
        ({"materials": [{"name": "a"}]}, "spec.materials[0].type", "is required"),
        ({"materials": [{"name": "A", "type": "STRING"}]}, "spec.materials[0].name", "must contain only lowercase"),
        ({"annotations": [{"name": "my-x"}]}, "spec.annotations[0].name", "letters, digits and underscores"),
        ({"annotations": [{"name": "é"}]}, "spec.annotations[0].name", "letters, digits and underscores"),
        ({"runner": {"type": "RUNNER"}}, "spec.runner.type", "unknown value 'RUNNER'"),
        ({"policies": {"materials": [{}]}}, "spec.policies.materials[0]", "exactly one field is required in oneof"),
        (
            {"policies": {"attestation": [{"ref": "file://x"}]}},
            "spec.policies.attestation[0].ref",
            'policy attachment validation failed: invalid reference "file://x": missing extension',
        ),
        ({"materials": "none"}, "spec.materials", "must be a list"),
        ({"envAllowList": "HOME"}, "spec.envAllowList", "must be a list"),
        ({"runner": "github"}, "spec.runner", "must be a mapping"),
        ({"materials": [{"name": "a", "type": "STRING", "optional": "yes"}]}, "spec.materials[0].optional", "true or"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_problem_names_its_line(spec, line, message):
    (found,) = lines(spec)
    assert found[0] == line
    assert message in found[1]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("SBOM_CYCLONEDX", "SBOM_CYCLONEDX_JSON"), ("junit", "JUNIT_XML"), ("container-image", "CONTAINER_IMAGE")],
)
def test_a_type_that_is_almost_known_gets_the_known_one(written, meant):
    with pytest.raises(errors.Invalid, match="unknown value") as refused:
        reading.read(manifest({"materials": [{"name": "a", "type": written}]}))
    assert refused.value.fix == f"did you mean {meant}?"


def test_a_type_that_is_like_no_known_one_gets_them_all():
    with pytest.raises(errors.Invalid, match="unknown value") as refused:
        reading.read(manifest({"materials": [{"name": "a", "type": "NOPE"}]}))
    assert refused.value.fix.startswith("use one of 'STRING', 'CONTAINER_IMAGE'")


@pytest.mark.parametrize(
    "wrong",
    [
        {**manifest(), "kind": "Policy"},
        {**manifest(), "apiVersion": "v1"},
        {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "spec": {}},
        {**manifest(), "metadata": {"name": "x" * 64}},
        {**manifest(), "metadata": {"name": "UPPER"}},
        {**manifest(), "spec": None},
    ],
)
def test_what_is_no_contract_is_refused(wrong):
    with pytest.raises(errors.Invalid):
        reading.read(wrong)


def test_tools_annotations_are_no_part_of_a_contract_but_bare_and_chainloops_are():
    plain = manifest(annotations={"version": "1", "chainloop.dev/description": "d"})
    noisy = manifest(
        annotations={"version": "1", "chainloop.dev/description": "d", "kubectl.kubernetes.io/x": "y", "a.dev/b": "c"}
    )
    other = manifest(annotations={"version": "2", "chainloop.dev/description": "d"})
    identity = [revisions.digest(reading.read(each)) for each in (plain, noisy, other)]
    assert identity[0] == identity[1] != identity[2]


def test_suspending_a_contract_makes_no_revision():
    assert reading.read(manifest({"suspend": True})) == reading.read(manifest())


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("", "reference is empty"),
        ("name@sha256:short", "invalid digest, want policy-ref@sha256:[hex]"),
        ("BAD@x", "invalid digest, want policy-ref@sha256:[hex]"),
        ("file://", "invalid file reference"),
        ("file://policy", "missing extension"),
        ("https://host/policy", "missing extension"),
        (f"{'p' * 64}", "invalid policy name"),
        (f"{'o' * 64}/p", "invalid organization name"),
        (f"chainloop://{'v' * 64}:p", "invalid provider name"),
        ("file://a b.yaml", "invalid host name"),
        ("https://h:x/p.yaml", "invalid host name"),
        ("https://h/%zz.yaml", "invalid URL escape"),
        ("file:///a%.yaml", "invalid URL escape"),
        ("file:///a\tb.yaml", "invalid control character in URL"),
        ("ftp://host/policy.yaml", "unsupported protocol: ftp"),
        ("oci://registry.example/policies/sbom", "missing digest, want oci://registry/repository@sha256:[hex]"),
        (
            f"oci://registry.example@sha256:{'0' * 64}",
            "invalid repository, want oci://registry/repository@sha256:[hex]",
        ),
        (f"oci://harbor/sbom@sha256:{'0' * 64}", "invalid repository, want oci://registry/repository@sha256:[hex]"),
        (f"oci://r.example/a:1@sha256:{'0' * 64}", "invalid repository, want oci://registry/repository@sha256:[hex]"),
        (f"oci://r.example/../a@sha256:{'0' * 64}", "invalid repository, want oci://registry/repository@sha256:[hex]"),
        ("oci://registry.example/sbom@latest", "invalid digest, want policy-ref@sha256:[hex]"),
        ("Bad", "invalid policy name"),
        ("Org/name", "invalid organization name"),
        ("P:org/name", "invalid provider name"),
    ],
)
def test_a_bad_policy_reference_is_explained_in_chainloops_words(reference, reason):
    assert references.problem(reference).endswith(reason)


@pytest.mark.parametrize(
    "reference",
    [
        "name",
        "org/name",
        "provider:org/name",
        "chainloop://name",
        f"oci://registry.example:5000/policies/sbom@sha256:{'0' * 64}",
        "file://a.yaml",
        "file:///my policies/a.yaml",
        "file://../a.yaml",
        "https://h:8443/a%20b.yaml",
        "https://[::1]:8443/a.yaml",
        "p" * 63,
        "https://h/p.yaml?x#y",
        f"name@sha256:{0:064}",
    ],
)
def test_a_good_policy_reference_passes(reference):
    assert references.problem(reference) == ""


def test_the_table_holds_every_type_once_in_the_order_of_chainloops_numbers():
    assert len({material.name for material in material_types.MATERIALS}) == 42
    assert [material.number for material in material_types.MATERIALS] == list(range(1, 43))


def test_an_unknown_type_is_answered_with_the_known_ones():
    with pytest.raises(errors.Invalid, match="CHECKMARX_JSON"):
        material_types.of("SBOM")
