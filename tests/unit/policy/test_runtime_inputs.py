"""Inputs of one run: how they are written, which policies get them, and which of several wins."""

import pytest

from avouch import errors
from avouch.policy import runtime_inputs
from avouch.policy.runtime_inputs import Attached, RuntimeInput

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(
    ("said", "scope", "name", "value"),
    [
        ("days=30", "", "days", "30"),
        (" days = 30 ", "", "days", "30"),
        ("age:days=30", "age", "days", "30"),
        ("acme/age:days=a=b,c", "acme/age", "days", "a=b,c"),
        ("hub:acme/age:days=30", "hub:acme/age", "days", "30"),
        ("https://example.com/age.yaml:days=30", "https://example.com/age.yaml", "days", "30"),
        (f"age@{ONE}:days=30", f"age@{ONE}", "days", "30"),
    ],
)
def test_an_input_has_an_optional_scope_before_its_last_colon(said: str, scope: str, name: str, value: str) -> None:
    assert runtime_inputs.read(said) == RuntimeInput(scope, name, value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("days", "has no value"),
        ("days= ", "has no value"),
        ("=30", "has no input"),
        ("age: =30", "has no input"),
        (":days=30", "has no policy"),
        (f"age@{ONE}=30", "has no input after the digest"),
    ],
)
def test_what_is_not_written_so_is_refused(said: str, words: str) -> None:
    with pytest.raises(errors.Invalid, match=words) as told:
        runtime_inputs.read(said)
    assert told.value.field == "--policy-input"


@pytest.mark.parametrize(
    ("scope", "reference", "matches"),
    [
        ("", "", True),
        ("age", "", True),
        ("licenses", "", False),
        ("age", "chainloop://hub:acme/age", True),
        ("acme/age", "chainloop://acme/age", True),
        ("chainloop://acme/age", "acme/age", True),
        ("acme/age", "other/age", False),
        ("acme/age", "age", True),
        ("hub:age", "hub:age", True),
        ("hub:age", "pub:age", False),
        (f"age@{ONE}", f"acme/age@{ONE}", True),
        (f"age@{ONE}", f"age@{OTHER}", False),
        (f"age@{ONE}", "age", False),
        ("file://age.yaml", "file://age.yaml", True),
        ("other.yaml", "file://age.yaml", False),
    ],
)
def test_a_scope_matches_what_says_nothing_else(scope: str, reference: str, matches: bool) -> None:
    one = RuntimeInput(scope, "days", "30")
    assert runtime_inputs.applied({}, Attached("age", reference), [one]) == ({"days": "30"} if matches else {})
    assert bool(runtime_inputs.unmatched([one], [Attached("age", reference)])) is not matches


def test_the_scope_that_says_most_wins_whatever_the_order() -> None:
    inputs = [
        RuntimeInput(f"age@{ONE}", "days", "of the digest"),
        RuntimeInput("acme/age", "days", "of the organization"),
        RuntimeInput("acme/age", "more", "of the organization"),
        RuntimeInput("age", "days", "of the name"),
        RuntimeInput("", "days", "of all"),
        RuntimeInput("", "other", "of all"),
    ]
    to, made = (
        Attached("age", f"acme/age@{ONE}"),
        {"days": "of the digest", "more": "of the organization", "other": "of all"},
    )
    assert runtime_inputs.applied({"days": "of the contract"}, to, inputs) == made
    assert runtime_inputs.applied({"days": "of the contract"}, to, inputs[::-1]) == made


def test_what_appends_follows_what_was_there_and_what_replaces_comes_last() -> None:
    appends = [RuntimeInput("", "ids", "b", appends=True), RuntimeInput("age", "ids", "c", appends=True)]
    assert runtime_inputs.applied({"ids": "a"}, Attached("age"), appends) == {"ids": "a\nb\nc"}
    assert runtime_inputs.applied({"ids": ""}, Attached("age"), appends[:1]) == {"ids": "b"}
    replaces = RuntimeInput("", "ids", "z")
    assert runtime_inputs.applied({"ids": "a"}, Attached("age"), [replaces, *appends]) == {"ids": "z"}


def test_scopes_without_a_policy_are_told() -> None:
    (note,) = runtime_inputs.unmatched(
        [RuntimeInput("aeg", "days", "1"), RuntimeInput("", "x", "1")], [Attached("age")]
    )
    assert note == "no policy of the contract is aeg: its inputs have no effect"
    assert runtime_inputs.unmatched([RuntimeInput("", "x", "1")], []) == []
