"""What `with` gives to a policy, as Chainloop reads it."""

from typing import Any

import pytest

from avouch import errors
from avouch.api import policy as kind
from avouch.policy import arguments


def declared(**said: Any) -> kind.PolicyInput:
    return kind.PolicyInput.model_validate({"name": "days", **said})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        (" a ", "a"),
        ("a,b", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\r\n\nb,", ["a", "b"]),
        ("a\u2028b\x0bc", "a\u2028b\x0bc"),
        (r"a\,b", "a,b"),
        (r"a\,b,c", ["a,b", "c"]),
        ('"a,b"', ['"a', 'b"']),
        ("", None),
        (" , \n", None),
    ],
)
def test_a_text_is_one_value_or_a_list(text: str, value: arguments.Value | None) -> None:
    assert arguments.value_of(text) == value


def test_an_input_that_is_not_given_has_its_default() -> None:
    assert arguments.bound("p", [declared(default="30")], {}).values == {"days": "30"}


@pytest.mark.parametrize("blank", ["", " "])
def test_an_input_that_is_given_blank_has_no_value(blank: str) -> None:
    assert arguments.bound("p", [declared(default="30")], {"days": blank}).values == {}


@pytest.mark.parametrize("given", [{}, {"days": ""}, {"days": " , "}, {"other": "1"}])
def test_a_required_input_without_a_value_is_an_error(given: dict[str, str]) -> None:
    with pytest.raises(errors.Invalid, match='missing required input "days" of policy p'):
        arguments.bound("p", [declared(required=True)], given)


def test_what_is_not_declared_is_left_out_and_told() -> None:
    found = arguments.bound("p", [declared()], {"days": "1", "dais": "2"})
    assert (found.values, found.undeclared) == ({"days": "1"}, ("dais",))


def test_a_policy_without_inputs_takes_every_argument() -> None:
    assert arguments.bound("p", [], {"a": "1", "b": ""}) == arguments.Arguments({"a": "1"})


def test_a_groups_own_arguments_stay_texts() -> None:
    inputs = [declared(default="a,b"), declared(name="must", required=True)]
    assert arguments.texts("group g", inputs, {"must": "x\ny", "other": "1"}) == {"days": "a,b", "must": "x\ny"}
    with pytest.raises(errors.Invalid, match='missing required input "must" of group g'):
        arguments.texts("group g", inputs, {})
