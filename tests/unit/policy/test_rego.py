"""What is added to a script, and where it is put: on trees as `opa parse` prints them."""

import base64
from typing import Any

import pytest

from avouch import errors
from avouch.policy import rego


def term(text: str, line: int, column: int, type_: str = "var") -> dict[str, Any]:
    location = {"row": line, "col": column, "text": base64.b64encode(text.encode()).decode()}
    return {"type": type_, "value": text, "location": location}


def tree(*rules: Any, line: int = 1) -> dict[str, Any]:
    path = [term("data", line, 9), term("main", line, 9, "string")]
    return {"package": {"path": path}, "rules": list(rules)}


def rule(name: str, **said: Any) -> dict[str, Any]:
    return {"head": {"name": name, "ref": [{"type": "var", "value": name}]}, **said}


def test_a_package_is_needed() -> None:
    with pytest.raises(errors.Invalid, match="has no package"):
        rego.module_of({"rules": []})


def test_a_rule_that_is_there_is_not_added_and_its_default_is() -> None:
    module = rego.module_of(tree(rule("ignore", body=[])))
    added = rego.completed("package main", module)
    assert "default ignore := false" in added
    assert added.startswith("package main\n")
    again = rego.module_of(tree(rule("ignore", default=True), rule("result")))
    assert "ignore" not in rego.completed("package main", again)
    assert "result" not in rego.completed("package main", again)


def test_a_rule_that_collects_has_no_default() -> None:
    collecting = {"head": {"name": "violations", "key": {"type": "string", "value": "a"}}}
    assert "default violations" not in rego.completed("package main", rego.module_of(tree(collecting)))


def test_the_package_and_each_reference_to_data_have_the_scripts_name() -> None:
    source = "# é\npackage main\na := é.data[data.main.b]\nb := chainloop.vulnerability(1)"
    references = [
        {"type": "ref", "value": [term("data", 3, 13), term("main", 3, 18, "string")]},
        {"type": "ref", "value": [term("é", 3, 6), term("data", 3, 8, "string")]},
        {
            "type": "call",
            "value": [
                {"type": "ref", "value": [term("chainloop", 4, 6), term("vulnerability", 4, 16, "string")]},
            ],
        },
    ]
    parsed = tree(*({"head": {"name": "result", "value": each}} for each in references), line=2)
    made = rego.compiled(source, rego.module_of(parsed))
    lines = made.source.split("\n")
    assert lines[1] == f"package {made.name}.main"
    assert lines[2] == f"a := é.data[data.{made.name}.main.b]"
    assert lines[3] == "b := data.avouch.library.chainloop.vulnerability(1)"
    assert made.result == (made.name, "main", "result")


def test_a_place_that_holds_something_else_is_refused() -> None:
    parsed = tree({"head": {"name": "result", "value": {"type": "ref", "value": [term("data", 1, 3)]}}})
    with pytest.raises(errors.Invalid, match="1:3: data cannot be told apart"):
        rego.compiled("package main", rego.module_of(parsed))


def named(*parts: str) -> dict[str, Any]:
    first, *others = parts
    below = [{"type": "string", "value": part} for part in others]
    return {"type": "ref", "value": [{"type": "var", "value": first}, *below]}


def test_each_function_that_a_script_may_call_is_known_wherever_it_is_named() -> None:
    terms = [{"type": "call", "value": [named("time", "now_ns")]}, {"type": "call", "value": [named("count")]}]
    replaced = {"terms": terms, "with": [{"target": named("count"), "value": named("http", "send")}]}
    known = {"type": "ref", "value": [{"type": "var", "value": "input"}, {"type": "number", "value": 1}]}
    module = rego.module_of(tree(rule("violations", body=[replaced, known])))
    assert module.calls == {"time.now_ns", "count", "http.send"}


def test_two_scripts_have_two_names_and_one_script_has_one() -> None:
    assert rego.name_of("package a") == rego.name_of("package a") != rego.name_of("package a ")
