"""The answer of a script, read strictly: what cannot be read has not passed."""

from typing import Any

import pytest

from avouch import errors
from avouch.policy import outcome

PASSED = {"skipped": False, "violations": []}


def test_no_violation_is_a_pass() -> None:
    assert outcome.read(PASSED) == outcome.Outcome()


def test_violations_are_texts_or_objects_with_a_message() -> None:
    found = outcome.read({**PASSED, "violations": ["a", {"message": "b", "severity": "HIGH"}]})
    assert [(each.message, each.finding) for each in found.violations] == [
        ("a", None),
        ("b", {"message": "b", "severity": "HIGH"}),
    ]


def test_findings_stand_for_violations_where_there_are_any() -> None:
    said = {**PASSED, "violations": ["a"], "findings": [{"message": "b"}]}
    assert [each.message for each in outcome.read(said).violations] == ["b"]
    assert [each.message for each in outcome.read({**said, "findings": []}).violations] == ["a"]


def test_a_violation_counts_even_where_the_script_says_that_it_skipped() -> None:
    found = outcome.read({"skipped": True, "skip_reason": "why", "violations": ["a"]})
    assert (found.skipped, len(found.violations)) == ("", 1)


def test_a_skip_has_a_reason() -> None:
    assert outcome.read({"skipped": True, "skip_reason": "old", "violations": []}).skipped == "old"
    assert outcome.read({"skipped": True}).skipped == "the policy gave no reason"


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (None, "result"),
        ([], "result"),
        ("passed", "result"),
        ({"skipped": "true"}, "result.skipped"),
        ({"violations": "none"}, "result.violations"),
        ({"violations": {"a": 1}}, "result.violations"),
        ({"violations": [1]}, "violations[0]"),
        ({"violations": ["a", None]}, "violations[1]"),
        ({"violations": [{"msg": "a"}]}, "violations[0].message"),
        ({"findings": [{"message": 1}]}, "violations[0].message"),
        ({"findings": "a"}, "result.findings"),
        ({"ignore": 1}, "result.ignore"),
        ({"skip_reason": []}, "result.skip_reason"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_field(result: Any, field: str) -> None:
    with pytest.raises(errors.Invalid) as told:
        outcome.read(result)
    assert told.value.field == field


def test_violations_are_bounded_and_the_others_counted() -> None:
    found = outcome.read({**PASSED, "violations": ["v"] * 10_000})
    assert (len(found.violations), found.more) == (outcome.MOST, 10_000 - outcome.MOST)
    both = outcome.combined([found, found])
    assert both is not None
    assert (len(both.violations), both.more) == (outcome.MOST, 20_000 - outcome.MOST)


def test_scripts_that_ignore_the_input_say_nothing() -> None:
    ignored, bad = outcome.Outcome(ignored=True), outcome.read({"violations": ["a"]})
    assert outcome.combined([ignored, ignored]) is None
    assert outcome.combined([]) is None
    assert outcome.combined([ignored, bad]) == outcome.Outcome(bad.violations)


def test_a_policy_is_skipped_only_if_each_of_its_scripts_is() -> None:
    skipped, passed = outcome.read({"skipped": True, "skip_reason": "old"}), outcome.read(PASSED)
    other = outcome.read({"skipped": True, "skip_reason": "odd"})
    assert outcome.combined([skipped, passed]) == outcome.Outcome()
    assert outcome.combined([skipped, other, skipped]) == outcome.Outcome(skipped="old; odd")
