"""The scripts of a policy, and which of them judge a material."""

from typing import Any

import pytest

from avouch import errors
from avouch.api import policy as kind
from avouch.policy import scripts


def spec(**said: Any) -> kind.PolicySpec:
    return kind.PolicySpec.model_validate(said)


def test_both_forms_of_chainloop_are_scripts() -> None:
    assert scripts.of(spec(embedded="package a", type="SARIF")) == [
        scripts.Script("spec.embedded", "package a", "", "SARIF")
    ]
    several = spec(policies=[{"kind": "SARIF", "embedded": "package a"}, {"ref": "file://b.rego"}])
    assert scripts.of(several) == [
        scripts.Script("spec.policies[0].embedded", "package a", "", "SARIF"),
        scripts.Script("spec.policies[1].ref", "", "file://b.rego", ""),
    ]


def test_scripts_of_the_materials_type_judge_it_and_those_of_none() -> None:
    found = scripts.of(spec(policies=[{"kind": "SARIF", "embedded": "a"}, {"kind": "OPENVEX", "embedded": "b"}]))
    assert [one.embedded for one in scripts.judging(found, "SARIF")] == ["a"]
    any_kind = scripts.of(spec(embedded="c"))
    assert scripts.judging(any_kind, "SARIF") == any_kind


def test_a_material_that_no_script_judges_is_an_error() -> None:
    found = scripts.of(spec(policies=[{"kind": "SARIF", "embedded": "a"}]))
    with pytest.raises(errors.Invalid, match="judges SARIF, not OPENVEX"):
        scripts.judging(found, "OPENVEX")
    with pytest.raises(errors.Invalid, match="no policy can judge ARTIFACT"):
        scripts.judging(scripts.of(spec(embedded="c")), "ARTIFACT")


@pytest.mark.parametrize(
    ("phases", "at_push"), [([], True), (["INIT"], False), (["PUSH"], True), (["INIT", "PUSH"], True)]
)
def test_a_script_judges_an_attestation_that_is_complete_unless_it_is_for_its_beginning_alone(
    phases: list[str], at_push: bool
) -> None:
    spec = kind.PolicySpec.model_validate({"policies": [{"embedded": "package a", "attestationPhases": phases}]})
    assert [one.at_push for one in scripts.of(spec)] == [at_push]
