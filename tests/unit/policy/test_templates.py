"""Inputs of a group in its texts, and nothing else of Go's template language."""

import pytest

from avouch import errors
from avouch.policy import templates

INPUTS = {"name": "shop", "Max_Days1": "30"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{ inputs.name }}", "shop"),
        ("{{inputs.name}}", "shop"),
        ("{{ .inputs.name }}", "shop"),
        ("{{\n.inputs.name\t}}", "shop"),
        ("a-{{ inputs.name }}-{{ inputs.Max_Days1 }}", "a-shop-30"),
        ("{{ inputs.missing }}", ""),
        ("{ inputs.name }} }}", "{ inputs.name }} }}"),
    ],
)
def test_inputs_are_filled_in_and_missing_ones_are_empty(text: str, made: str) -> None:
    assert templates.filled(text, INPUTS) == made


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert templates.filled("{{ inputs.a }}", {"a": "{{ inputs.b }}", "b": "x"}) == "{{ inputs.b }}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ if .inputs.name }}x{{ end }}",
        "{{ .inputs.name | upper }}",
        "{{- .inputs.name -}}",
        '{{ index .inputs "name" }}',
        "{{ inputs.a-b }}",
        "{{ inputs.a.b }}",
        "{{ inputs }}",
        "{{ inputs. }}",
        "{{ printf `%s` .inputs.name }}",
        "{{/* comment */}}",
        "{{ .other }}",
        "{{ inputs.name }",
        "{{",
        "{{{ inputs.name }}}",
    ],
)
def test_everything_else_in_double_braces_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(errors.Invalid, match="only inputs are filled in") as told:
        templates.filled(f"before {text}", INPUTS, "with.days")
    assert told.value.field == "with.days"
