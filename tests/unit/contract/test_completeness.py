"""What a run owes of its contract, and what its people are told to do about it."""

from dataclasses import dataclass, field

import pytest

from avouch import plan
from avouch.contract import completeness

SBOM = "SBOM_CYCLONEDX_JSON"


@dataclass(frozen=True)
class Delivered:
    name: str
    annotations: dict[str, str] = field(default_factory=dict)


def asking(
    *materials: plan.PlannedMaterial, annotations: tuple[plan.PlannedAnnotation, ...] = (), env: tuple[str, ...] = ()
) -> plan.Plan:
    return plan.Plan("w", "u", "ns", "c", 1, "sha256:" + "1" * 64, materials, annotations, env)


def fix_of(asked: plan.Plan, *delivered: Delivered, advice: completeness.Advice | None = None) -> str:
    """What helps against the only thing that is owed."""
    (found,) = completeness.owed(asked, completeness.Evidence(delivered), advice)
    return found.fix


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        (plan.Source(plan.From.RESULT, "t", "r"), "let task t write the result r"),
        (plan.Source(plan.From.RESULT, name="r"), "let a task write the result r"),
        (plan.Source(plan.From.ARTIFACT, "t", "a"), "let task t write the output artifact a"),
        (plan.Source(plan.From.WORKSPACE, "t", "w", path="x/y"), "let task t write x/y in workspace w"),
        (plan.Source(plan.From.PARAM, "t", "p"), "give task t the param p"),
        (plan.Source(plan.From.PARAM, name="p"), "give the run the param p"),
        (plan.Source(plan.From.ENV, "t", "E", step="s"), "give step s of task t the literal environment variable E"),
        (plan.Source(), "name the source of m in the Workflow's spec.tekton.materials"),
    ],
)
def test_what_helps_against_a_missing_material_is_a_line_of_its_source(source: plan.Source, fix: str) -> None:
    assert fix_of(asking(plan.PlannedMaterial("m", SBOM, source))) == fix


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        (None, "name the source of a in the Workflow's spec.tekton.annotations"),
        (plan.Source(plan.From.ANNOTATION, name="x/y"), "add the annotation x/y to the run"),
        (plan.Source(plan.From.PARAM, name="p"), "give the run the param p"),
        (plan.Source(plan.From.RESULT, "t", "r"), "let task t write the result r"),
        (plan.Source(plan.From.RESULT, name="r"), "let task of any name write the result r"),
    ],
)
def test_what_helps_against_an_empty_annotation_is_a_line_of_its_source(source: plan.Source | None, fix: str) -> None:
    empty = plan.PlannedAnnotation("a", source=source)
    assert fix_of(asking(annotations=(empty,))) == fix
    assert fix_of(asking(plan.PlannedMaterial("m", SBOM, annotations=(empty,))), Delivered("m")) == fix


@pytest.mark.parametrize(("type_", "value"), [("STRING", "TEXT"), ("CONTAINER_IMAGE", "REFERENCE"), (SBOM, "FILE")])
def test_outside_of_tekton_a_command_helps_and_says_what_it_takes(type_: str, value: str) -> None:
    asked = asking(plan.PlannedMaterial("m", type_))
    assert fix_of(asked, advice=completeness.COMMAND_LINE) == f"avouch attestation add --name m --value {value}"


def test_outside_of_tekton_an_annotation_is_an_option_of_the_command_that_it_belongs_to() -> None:
    empty = plan.PlannedAnnotation("a")
    of_material = fix_of(
        asking(plan.PlannedMaterial("m", SBOM, annotations=(empty,))),
        Delivered("m"),
        advice=completeness.COMMAND_LINE,
    )
    assert of_material == "avouch attestation add --name m --value ... --annotation a=VALUE"
    of_run = fix_of(asking(annotations=(empty,)), advice=completeness.COMMAND_LINE)
    assert of_run == "avouch attestation push --annotation a=VALUE"


def test_a_variable_is_given_where_the_run_gets_its_environment() -> None:
    asked = asking(env=("STAGE",))
    assert fix_of(asked) == "give the run a param STAGE, or a step the literal environment variable STAGE"
    outside = fix_of(asked, advice=completeness.COMMAND_LINE)
    assert outside == "set STAGE in the environment of avouch attestation init"


def test_an_annotation_that_the_contract_fixes_is_not_owed_and_an_empty_one_is_owed_of_what_was_delivered_only() -> (
    None
):
    fixed, empty = plan.PlannedAnnotation("fixed", "1"), plan.PlannedAnnotation("empty")
    optional = plan.PlannedMaterial("m", SBOM, optional=True, annotations=(fixed, empty))
    assert completeness.owed(asking(optional), completeness.Evidence()) == ()
    assert completeness.owed(asking(optional), completeness.Evidence((Delivered("m", {"empty": "x"}),))) == ()
    (owed,) = completeness.owed(asking(optional), completeness.Evidence((Delivered("m", {"empty": ""}),)))
    assert owed.message == 'annotations ["empty"] required for material "m"'


def test_of_two_materials_of_one_name_the_last_one_counts() -> None:
    asked = asking(plan.PlannedMaterial("m", SBOM, annotations=(plan.PlannedAnnotation("a"),)))
    filled, bare = Delivered("m", {"a": "x"}), Delivered("m")
    assert completeness.owed(asked, completeness.Evidence((bare, filled))) == ()
    assert [owed.material for owed in completeness.owed(asked, completeness.Evidence((filled, bare)))] == ["m"]


def test_a_group_is_owed_though_its_members_are_optional_and_no_other_group_fills_it() -> None:
    members = [plan.PlannedMaterial(n, SBOM, group=n[0], optional=n == "a1") for n in ("a1", "a2", "b1")]
    found = completeness.owed(asking(*members), completeness.Evidence((Delivered("b1"),)))
    assert [(owed.code, owed.message) for owed in found] == [
        ("GroupUnsatisfied", "group a needs at least one of a1, a2")
    ]


REFUSED = "note.txt is empty (fix: write a text)"


def test_what_was_refused_is_told_with_its_reason_and_with_the_fix_of_that_where_it_has_one() -> None:
    asked = asking(plan.PlannedMaterial("m", SBOM, plan.Source(plan.From.RESULT, "t", "m")))
    told = {}
    for why in (REFUSED, "it was too late", ""):
        (found,) = completeness.owed(asked, completeness.Evidence(absent={"m": why, "other": "x"}))
        told[why] = (found.message, found.fix)
    missing = f"material m ({SBOM}) was not delivered"
    assert told == {
        REFUSED: (f"{missing}; m: note.txt is empty", "write a text"),
        "it was too late": (f"{missing}; m: it was too late", "let task t write the result m"),
        "": (missing, "let task t write the result m"),
    }


def test_of_a_group_each_member_that_was_refused_says_why_and_the_first_fix_helps() -> None:
    members = [
        plan.PlannedMaterial(f"m{i}", SBOM, plan.Source(plan.From.RESULT, "t", f"m{i}"), group="g") for i in "123"
    ]
    message = "group g needs at least one of m1, m2, m3"
    for absent, said, fix in (
        (
            {"m1": "late", "m2": REFUSED, "m3": "odd (fix: x)"},
            "; m1: late; m2: note.txt is empty; m3: odd",
            "write a text",
        ),
        ({"m2": "late"}, "; m2: late", "let task t write the result m1"),
        ({}, "", "let task t write the result m1"),
    ):
        (found,) = completeness.owed(asking(*members), completeness.Evidence(absent=absent))
        assert (found.message, found.fix) == (message + said, fix)


def test_what_is_optional_is_not_owed_and_what_is_required_is_owed_until_it_is_there() -> None:
    optional, required = plan.PlannedMaterial("o", SBOM, optional=True), plan.PlannedMaterial("m", SBOM, line="spec.m")
    asked = asking(optional, required)
    (found,) = completeness.owed(asked, completeness.Evidence((Delivered("o"),)))
    assert (found.code, found.material, found.line) == ("MaterialMissing", "m", "spec.m")
    assert completeness.owed(asked, completeness.Evidence((Delivered("m"),))) == ()


def test_annotations_and_variables_with_a_value_are_not_owed_and_empty_ones_are() -> None:
    asked = asking(annotations=(plan.PlannedAnnotation("fixed", "1"), plan.PlannedAnnotation("a")), env=("E",))
    for annotations, env, codes in (
        ({"a": "x"}, {"E": "1"}, []),
        ({"a": ""}, {"E": ""}, ["AnnotationMissing", "EnvironmentMissing"]),
        ({"b": "x"}, {"F": "1"}, ["AnnotationMissing", "EnvironmentMissing"]),
    ):
        found = completeness.owed(asked, completeness.Evidence((), annotations, env))
        assert [each.code for each in found] == codes
