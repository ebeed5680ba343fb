from pathlib import Path
from typing import Any

import pytest

from avouch import errors
from avouch.contract import legacy, reading, revisions, upstream
from avouch.contract.text import files, nodes

ASSETS = Path(__file__).resolve().parents[2] / "assets"
# The legacy contract of the seed, written by hand in schema v2.
BY_HAND = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "skynet-contract"},
    "spec": {
        "annotations": [{"name": "version", "value": "oss"}],
        "materials": [
            {
                "type": "CONTAINER_IMAGE",
                "name": "skynet-control-plane",
                "output": True,
                "annotations": [{"name": "component", "value": "control-plane"}, {"name": "asset"}],
            },
            {"type": "ARTIFACT", "name": "rootfs"},
            {"type": "ARTIFACT", "name": "dockerfile", "optional": True},
            {"type": "SBOM_CYCLONEDX_JSON", "name": "skynet-sbom"},
            {"type": "OPENVEX", "name": "disclosure"},
            {"type": "SARIF", "name": "static-out"},
            {"type": "STRING", "name": "build-ref"},
        ],
        "envAllowList": ["CUSTOM_VAR"],
        "runner": {"type": "GITHUB_ACTION"},
    },
}


def load(name: str) -> dict[str, Any]:
    read = files.read((ASSETS / name).read_bytes(), name)
    assert read.flaws == ()
    document: dict[str, Any] = nodes.plain(read.documents[0])
    return document


def canonical(manifest: dict[str, Any]) -> bytes:
    return revisions.canonical(reading.read(manifest))


def spec(**body: Any) -> Any:
    return legacy.convert({"schemaVersion": "v1", **body}, "c")["spec"]


def test_the_seeds_legacy_contract_means_what_its_twin_in_schema_v2_means():
    assert canonical(legacy.convert(load("seed/contract-legacy.yaml"), "skynet-contract")) == canonical(BY_HAND)


def test_json_with_tabs_is_read_like_any_other():
    converted = legacy.convert(load("seed/contract-legacy.json"), "c")
    assert [material.name for material in reading.read(converted).materials] == ["skynet-control-plane"]


def test_name_and_description_come_from_elsewhere():
    converted = legacy.convert({"schemaVersion": "v1"}, "c", "what it is for")
    assert converted["metadata"] == {
        "name": "c",
        "annotations": {"chainloop.dev/description": "what it is for"},
    }
    assert converted["spec"] == {}


def test_without_a_name_it_is_refused_in_chainloops_words():
    with pytest.raises(errors.Invalid, match="name is required: either provide explicit name"):
        legacy.convert({"schemaVersion": "v1"})


@pytest.mark.parametrize(
    "document",
    [{}, {"schemaVersion": "v2"}, {"schemaVersion": None}, {"schemaVersion": "v1", "schema_version": "v2"}],
)
def test_another_version_is_refused(document):
    with pytest.raises(errors.Invalid, match="must be v1"):
        legacy.convert(document, "c")


def test_either_spelling_of_the_version_is_read():
    assert legacy.convert({"schema_version": "v1", "materials": []}, "c")["spec"] == {"materials": []}


@pytest.mark.parametrize(
    ("document", "is_it"),
    [
        ({"schemaVersion": "v1"}, True),
        ({"schema_version": "v1"}, True),
        ({"schemaVersion": "v1", "kind": "Contract"}, False),
        ({"schemaVersion": "v1", "apiVersion": "chainloop.dev/v1"}, False),
        ({"materials": []}, False),
    ],
)
def test_the_form_is_told_by_its_discriminator_and_schema_v2_holds_where_both_are_there(document, is_it):
    assert legacy.is_legacy(document) is is_it


def test_enums_by_number_become_names_and_nulls_go():
    assert spec(
        materials=[{"type": 2, "name": "image", "group": None, "annotations": [{"name": "who", "value": None}]}],
        runner={"type": 8},
        envAllowList=None,
    ) == {
        "materials": [{"type": "CONTAINER_IMAGE", "name": "image", "annotations": [{"name": "who"}]}],
        "runner": {"type": "TEKTON_PIPELINE"},
    }


@pytest.mark.parametrize("number", [0, 43, -1, 2.0, True, "2"])
def test_a_number_that_means_nothing_stays_for_the_rules_to_refuse(number):
    assert spec(materials=[{"type": number, "name": "m"}])["materials"][0]["type"] is number


def test_what_is_embedded_and_inputs_of_policies_stay_as_they_are():
    policies = {"materials": [{"embedded": {"a": None, "type": 2}}, {"ref": "p", "with": {"x": None}, "gate": None}]}
    found = spec(policies=policies)["policies"]["materials"]
    assert found == [{"embedded": {"a": None, "type": 2}}, {"ref": "p", "with": {"x": None}}]


def test_unknown_fields_are_carried_along_and_never_lost():
    assert spec(optionl=True) == {"optionl": True}


@pytest.mark.parametrize("odd", [{"materials": "x"}, {"materials": ["x"]}, {"runner": "x"}, {"policies": [1]}])
def test_odd_shapes_are_left_for_the_rules(odd):
    with pytest.raises(errors.Invalid):
        reading.read(legacy.convert({"schemaVersion": "v1", **odd}, "c"))


def chainloop(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c", **metadata}, "spec": {}}


def test_a_real_contract_of_chainloops_goes_to_the_cluster():
    adopted = upstream.to_object(load("chainloop-run/contract.yaml"))
    assert "description" not in adopted["metadata"]
    assert adopted["metadata"]["annotations"]["chainloop.dev/description"]
    assert reading.problems(adopted) == ()


@pytest.mark.parametrize("name", ["contract.yaml", "contract-policies.yaml", "contract-runner.yaml"])
def test_the_seeds_contracts_go_to_the_cluster_unchanged(name):
    assert upstream.to_object(load(f"seed/{name}")) == load(f"seed/{name}")


def test_chainloops_metadata_becomes_annotations_there_and_back():
    file = chainloop(
        description="d", organization="acme", finding_type="SAST", annotations={"version": "1", "chainloop.dev/x": "y"}
    )
    adopted = upstream.to_object(file)
    assert adopted["metadata"] == {
        "name": "c",
        "annotations": {
            "version": "1",
            "chainloop.dev/x": "y",
            "chainloop.dev/description": "d",
            "chainloop.dev/organization": "acme",
            "chainloop.dev/finding_type": "SAST",
        },
    }
    assert upstream.to_file(adopted) == file


@pytest.mark.parametrize("kind", ["Policy", "PolicyGroup"])
def test_policies_and_groups_are_taken_too(kind):
    said = {"findingType": "SAST", "description": "d", "organization": "o"}
    file = {**chainloop(**said), "kind": kind, "apiVersion": "workflowcontract.chainloop.dev/v1", "spec": {"x": None}}
    adopted = upstream.to_object(file)
    assert adopted["apiVersion"] == "chainloop.dev/v1"
    assert adopted["metadata"]["annotations"] == {
        "chainloop.dev/finding_type": "SAST",
        "chainloop.dev/description": "d",
        "chainloop.dev/organization": "o",
    }
    assert adopted["spec"] == {}


@pytest.mark.parametrize(
    ("kind", "spec", "wanted"),
    [
        ("Policy", {"type": 4, "embedded": "x"}, {"type": "SBOM_CYCLONEDX_JSON", "embedded": "x"}),
        (
            "Policy",
            {"policies": [{"kind": 12, "attestation_phases": [1, 3, "PUSH"], "ref": None}, "odd"]},
            {"policies": [{"kind": "ATTESTATION", "attestation_phases": ["INIT", "PUSH", "PUSH"]}, "odd"]},
        ),
        ("Policy", {"policies": [{"kind": True}]}, {"policies": [{"kind": True}]}),
        ("Policy", {"policies": [{"attestationPhases": 3}]}, {"policies": [{"attestationPhases": 3}]}),
        (
            "PolicyGroup",
            {"policies": {"materials": [{"type": 9}, 3], "attestation": [{"ref": "a", "with": {"b": None}}]}},
            {"policies": {"materials": [{"type": "SARIF"}, 3], "attestation": [{"ref": "a", "with": {"b": None}}]}},
        ),
    ],
)  # fmt: skip
def test_what_kubernetes_does_not_take_in_a_policy_is_written_as_it_does(kind, spec, wanted):
    assert upstream.to_object({**chainloop(), "kind": kind, "spec": spec})["spec"] == wanted


def test_what_the_cluster_adds_does_not_go_back():
    held = chainloop(
        uid="u", generation=3, managedFields=[], annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    )
    assert upstream.to_file({**held, "status": {"revision": 3}}) == chainloop()


def test_a_name_that_differs_is_refused_and_one_that_is_missing_is_filled_in():
    with pytest.raises(errors.Invalid, match=r'--name "d" and metadata.name "c" differ'):
        upstream.to_object(chainloop(), "d")
    assert upstream.to_object(chainloop(), "c") == chainloop()
    assert upstream.to_object(chainloop(name=None), "d")["metadata"] == {"name": "d"}
    assert upstream.to_object({"schemaVersion": "v1"}, "d")["metadata"] == {"name": "d"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"description": "a", "annotations": {"chainloop.dev/description": "b"}},
        {"finding_type": "SAST", "findingType": "LICENSE_VIOLATION"},
    ],
)
def test_two_sayings_that_differ_are_refused(metadata):
    with pytest.raises(errors.Invalid, match=r"differ|set twice"):
        upstream.to_object(chainloop(**metadata))


def test_two_sayings_that_agree_are_one():
    both = chainloop(description="a", annotations={"chainloop.dev/description": "a"})
    assert upstream.to_object(both)["metadata"]["annotations"] == {"chainloop.dev/description": "a"}


@pytest.mark.parametrize("document", [{}, {"kind": "Pod"}, {"kind": 7}, {"apiVersion": "chainloop.dev/v1"}])
def test_what_is_none_of_chainloops_kinds_is_refused(document):
    with pytest.raises(errors.Invalid, match=r"kind"):
        upstream.to_object(document)
