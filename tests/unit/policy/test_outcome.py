"""The answer of a script, read strictly: what cannot be read has not passed."""

import json
from typing import Any

import pytest

from avouch import errors
from avouch.policy import outcome

PASSED = {"skipped": False, "violations": []}
LICENSE = {"message": "GPL", "component_name": "left-pad", "license_id": "GPL-3.0"}


def test_no_violation_is_a_pass() -> None:
    assert outcome.read(PASSED) == outcome.Outcome()


def test_violations_are_texts_or_objects_with_a_message() -> None:
    found = outcome.read({**PASSED, "violations": ["a", {"message": "b", "severity": "HIGH"}]})
    assert [(each.message, each.finding) for each in found.violations] == [("a", None), ("b", None)]


def test_of_findings_without_a_type_only_the_messages_are_kept_and_a_note_says_so() -> None:
    (note,) = outcome.read({"findings": [{"message": "b", "severity": "HIGH"}]}).notes
    assert note.startswith("the policy has no finding_type")
    assert outcome.read({"violations": ["a"]}).notes == ()


def test_a_finding_of_a_type_keeps_its_fields() -> None:
    (found,) = outcome.read({"findings": [{**LICENSE, "more": 1}]}, "LICENSE_VIOLATION").violations
    assert (found.message, found.finding) == ("GPL", LICENSE)


def test_texts_of_a_policy_with_a_finding_type_are_kept_with_a_note() -> None:
    found = outcome.read({"violations": ["a"]}, "SAST")
    assert [each.message for each in found.violations] == ["a"]
    assert "violations that are texts" in found.notes[0]


def test_a_finding_that_does_not_match_its_type_is_an_error_with_its_place() -> None:
    with pytest.raises(errors.Invalid, match="is missing") as told:
        outcome.read({"findings": [LICENSE, {"message": "m"}]}, "LICENSE_VIOLATION")
    assert told.value.field == "findings[1].component_name"


def test_suppressed_findings_are_kept_and_do_not_count() -> None:
    said = {"findings": [{"message": "a", "suppress": True}, {"message": "b", "suppress": False}],
            "suppressed_findings": [{"message": "c"}]}  # fmt: skip
    found = outcome.read(said)
    assert [each.message for each in found.violations] == ["b"]
    assert [each.message for each in found.suppressed] == ["a", "c"]


def test_a_policy_whose_findings_are_all_suppressed_passes() -> None:
    found = outcome.read(
        {"violations": ["told before findings were"], "findings": [{"message": "a", "suppress": True}]}
    )
    assert (found.violations, found.skipped, len(found.suppressed)) == ((), "", 1)


def test_suppressed_findings_are_bounded_and_counted_over_all_scripts() -> None:
    one = outcome.read({"suppressed_findings": [{"message": "a"}] * 1500})
    assert (len(one.suppressed), one.more_suppressed) == (outcome.MOST, 500)
    both = outcome.combined([one, one])
    assert both is not None
    assert (len(both.suppressed), both.more_suppressed) == (outcome.MOST, 2000)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\x1b[31mred\x07", "\x1b[31mred\x07"),  # what can be recorded is; commands write it harmlessly
        ("two\nlines", "two\nlines"),
        (" ", "the policy gave no message"),
        ("é" * 5000, "é" * 4000 + "... (1000 more characters)"),
    ],
)
def test_a_message_is_kept_as_it_can_be_recorded(said: str, kept: str) -> None:
    found = outcome.read({"violations": [said]})
    assert found.violations[0].message == kept
    assert json.dumps(kept, ensure_ascii=False).encode()


def test_notes_of_several_scripts_are_told_once() -> None:
    one = outcome.read({"findings": [{"message": "a"}]})
    both = outcome.combined([one, one])
    assert both is not None
    assert both.notes == one.notes


def test_findings_stand_for_violations_where_there_are_any() -> None:
    said = {**PASSED, "violations": ["a"], "findings": [{"message": "b"}]}
    assert [each.message for each in outcome.read(said).violations] == ["b"]
    assert [each.message for each in outcome.read({**said, "findings": []}).violations] == ["a"]


def test_a_violation_counts_even_where_the_script_says_that_it_skipped() -> None:
    found = outcome.read({"skipped": True, "skip_reason": "why", "violations": ["a"]})
    assert (found.skipped, len(found.violations)) == ("", 1)


def test_what_is_suppressed_keeps_no_script_from_skipping() -> None:
    found = outcome.read({"skipped": True, "skip_reason": "old", "findings": [{"message": "a", "suppress": True}]})
    assert (found.skipped, len(found.suppressed)) == ("old", 1)


def test_a_finding_that_says_nothing_of_being_suppressed_counts() -> None:
    assert len(outcome.read({"findings": [{"message": "a", "suppress": None}]}).violations) == 1


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
        ({"findings": [{"message": 1}]}, "findings[0].message"),
        ({"findings": [{"message": "a", "suppress": "yes"}]}, "findings[0].suppress"),
        ({"suppressed_findings": [2]}, "suppressed_findings[0]"),
        ({"suppressed_findings": {}}, "result.suppressed_findings"),
        ({"findings": "a"}, "result.findings"),
        ({"ignore": 1}, "result.ignore"),
        ({"skip_reason": []}, "result.skip_reason"),
        ({}, "result.violations"),
        ({"skipped": False, "violation": ["misspelt"]}, "result.violations"),
        ({"passed": False, "message": "of an older form"}, "result.violations"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_field(result: Any, field: str) -> None:
    with pytest.raises(errors.Invalid) as told:
        outcome.read(result)
    assert told.value.field == field


def test_a_finding_without_a_message_is_told_as_that() -> None:
    with pytest.raises(errors.Invalid, match=r"findings\[0\].message: is missing"):
        outcome.read({"findings": [{"msg": "of Gatekeeper"}]})


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
