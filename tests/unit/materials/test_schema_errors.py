"""The one wrong element of a large document is named, without the cost of explaining the whole."""

import json

import pytest

from avouch.materials import validation
from avouch.materials.readers import schema_errors


def bom(**lists: object) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, **lists}).encode()


@pytest.mark.parametrize("wrong", [0, 4_321, 19_999])
def test_a_wrong_component_among_many_is_named_by_its_index(wrong):
    components = [{"type": "library", "name": "a"} for _ in range(20_000)]
    components[wrong]["type"] = "bad"
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", bom(components=components)).flaws
    assert f'components/{wrong}/type: "bad" is not one of' in flaw.message


def test_a_wrong_element_of_an_spdx_3_graph_is_named_although_its_schema_is_one_any_of():
    element = {"type": "software_Package", "spdxId": "https://x/1", "name": "n", "creationInfo": "_:c"}
    graph = [*([element] * 5_000), element | {"type": "nonsense"}]
    content = {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}
    (flaw,) = validation.read("SBOM_SPDX_JSON", json.dumps(content).encode()).flaws
    assert "@graph/5000" in flaw.message


def test_a_wrong_result_deep_in_a_sarif_log_is_named():
    results: list[dict[str, object]] = [{"message": {"text": "m"}} for _ in range(20_000)]
    results[7] = {"message": 1}
    log = {"$schema": "x", "version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": results}]}
    (flaw,) = validation.read("SARIF", json.dumps(log).encode()).flaws
    assert "runs/0/results/7" in flaw.message


def test_a_wrong_element_beside_long_lists_without_fault_is_named():
    components = [{"type": "library", "name": "a"} for _ in range(20_000)]
    dependencies = [{"ref": f"{number}"} for number in range(20_000)]
    vulnerabilities: list[dict[str, object]] = [{"id": f"CVE-{number}"} for number in range(300)]
    vulnerabilities[7]["cwes"] = [None]
    lists = {"components": components, "dependencies": dependencies, "vulnerabilities": vulnerabilities}
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", bom(**lists)).flaws
    assert "vulnerabilities/7/cwes/0: null is not of type" in flaw.message
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", bom(**lists, metadata={"timestamp": "x"})).flaws
    assert "metadata/timestamp" in flaw.message or "vulnerabilities/7" in flaw.message


def test_a_document_wrong_in_many_places_is_refused_with_one_of_them():
    components = [{"type": "bad", "name": "a"} for _ in range(20_000)]
    services = [{} for _ in range(20_000)]
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", bom(components=components, services=services)).flaws
    assert 'components/0/type: "bad" is not one of' in flaw.message or "services/0" in flaw.message


def test_what_is_wrong_as_a_whole_and_too_large_to_explain_is_refused_without_a_place():
    wide = {f"{number}": 1 for number in range(10_000)}
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", bom(**wide)).flaws
    assert "too large to locate" in flaw.message


def test_a_small_document_is_its_own_suspect():
    assert schema_errors.suspect({"a": [1]}, lambda _: False) == schema_errors.Suspect({"a": [1]})
