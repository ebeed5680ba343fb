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


def named(*parts: str) -> dict[str, Any]:
    first, *others = parts
    below = [{"type": "string", "value": part} for part in others]
    return {"type": "ref", "value": [{"type": "var", "value": first}, *below]}


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


def test_what_a_script_says_itself_of_valid_input_and_violations_has_no_default_of_ours() -> None:
    added = rego.completed("", rego.module_of(tree(rule("valid_input"), rule("violations"))))
    assert "default valid_input" not in added
    assert "default violations" not in added
    assert "default valid_input := true" in rego.completed("", rego.module_of(tree()))


@pytest.mark.parametrize("other", ["deny", "violation", "warn", "allow"])
def test_a_script_that_finds_nothing_is_refused_and_its_rule_is_named(other: str) -> None:
    source = f"package main\n{other} := 1"
    with pytest.raises(errors.Invalid, match=f"has no rule violations.*its rule {other} is not read") as told:
        rego.compiled(source, rego.module_of(tree(rule(other))))
    assert "violations contains msg if" in told.value.fix


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


def test_what_asks_other_hosts_is_the_librarys_wherever_it_is_called_or_stands_in() -> None:
    source = "package main\na := http.send(1)\nb := f(1) with f as http.send\nc := http.send"

    def sending(line: int, column: int) -> dict[str, Any]:
        return {"type": "ref", "value": [term("http", line, column), term("send", line, column + 5, "string")]}

    body = [
        {"terms": [{"type": "call", "value": [sending(2, 6)]}]},
        {"terms": [named("f")], "with": [{"target": named("f"), "value": sending(3, 21)}]},
        {"terms": sending(4, 6)},  # a variable of that name
    ]
    made = rego.compiled(source, rego.module_of(tree(rule("result", body=body))))
    assert made.sends
    assert made.source.split("\n")[1:4] == [
        "a := data.avouch.library.http.send(1)",
        "b := f(1) with f as data.avouch.library.http.send",
        "c := http.send",
    ]


def test_a_place_that_holds_something_else_is_refused() -> None:
    parsed = tree({"head": {"name": "result", "value": {"type": "ref", "value": [term("data", 1, 3)]}}})
    with pytest.raises(errors.Invalid, match="1:3: data cannot be told apart"):
        rego.compiled("package main", rego.module_of(parsed))


def test_each_function_that_a_script_may_call_is_known_wherever_it_is_named() -> None:
    terms = [{"type": "call", "value": [named("time", "now_ns")]}, {"type": "call", "value": [named("count")]}]
    replaced = {"terms": terms, "with": [{"target": named("count"), "value": named("http", "send")}]}
    known = {"type": "ref", "value": [{"type": "var", "value": "input"}, {"type": "number", "value": 1}]}
    module = rego.module_of(tree(rule("violations", body=[replaced, known])))
    assert module.calls == {"time.now_ns", "count", "http.send"}


def test_two_scripts_have_two_names_and_one_script_has_one() -> None:
    assert rego.name_of("package a") == rego.name_of("package a") != rego.name_of("package a ")


def var(name: str) -> dict[str, Any]:
    return {"type": "var", "value": name}


def texts(*said: str) -> dict[str, Any]:
    return {"type": "array", "value": [{"type": "string", "value": one} for one in said]}


def call(function: dict[str, Any], *given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "call", "value": [function, *given]}


GET = named("object", "get")
WHOLE = {
    "passed on": call(named("walk"), named("input")),
    "alone": named("input"),
    "a variable": var("input"),
    "asked by a variable": {"type": "ref", "value": [var("input"), var("k")]},
    "asked by a number": {"type": "ref", "value": [var("input"), {"type": "number", "value": 1}]},
    "gotten by a variable": call(GET, named("input"), var("k"), var("d")),
    "gotten by a path that begins with a variable": call(GET, named("input"), {"type": "array", "value": [var("k")]}),
    "gotten by no path": call(GET, named("input"), texts()),
    "gotten by a set": call(GET, named("input"), {**texts("a"), "type": "set"}),
    "given to another function of objects": call(named("object", "keys"), named("input")),
    "given to a function below object.get": call(named("object", "get", "x"), named("input"), texts("a")),
    "the default of what is gotten": call(GET, named("input", "a"), texts("a"), named("input")),
}


@pytest.mark.parametrize("how", WHOLE)
def test_a_script_that_may_see_all_of_its_input_is_taken_to_see_it(how: str) -> None:
    harmless = [named("input", "args"), call(GET, named("input"), texts("components"))]
    assert rego.module_of(tree(rule("a", body=harmless))).reads == {"args", "components"}
    assert rego.module_of(tree(rule("a", body=[*harmless, WHOLE[how]]))).reads is None


@pytest.mark.parametrize(
    ("parsed", "reads"),
    [
        (tree(), frozenset()),
        (tree(rule("a", body=[{"terms": [GET, named("input"), texts("args", "x"), var("d")]}])), {"args"}),
        (tree(rule("a", body=[named("input", "lit", "x")], **{"else": {"body": [named("input", "other")]}})),
         {"lit", "other"}),
        (tree(rule("a", value=call(GET, named("input", "x"), named("input", "y")))), {"x", "y"}),
        ({**tree(), "imports": [{"path": named("input", "foo"), "alias": "bar"}]}, {"foo"}),
        ({**tree(), "imports": [{"path": named("input"), "alias": "bar"}]}, None),
    ],
)  # fmt: skip
def test_fields_of_input_that_a_script_spells_out_are_what_it_sees(parsed: Any, reads: frozenset[str] | None) -> None:
    assert rego.module_of(parsed).reads == reads


@pytest.mark.parametrize(
    "other",
    [
        {"rules": [rule("object")]},
        {"rules": [rule("a", body=[{"terms": var("x"), "with": [{"target": GET, "value": var("mine")}]}])]},
        {"rules": [rule("a", body=[{"terms": var("x"), "with": [{"target": named("count"), "value": GET}]}])]},
        {"rules": [rule("a", args=[var("object")])]},
        {"imports": [{"path": named("data", "mine"), "alias": "object"}]},
        {"imports": [{"path": named("data", "object")}]},
    ],
)
def test_a_script_that_gives_object_another_meaning_may_see_all_that_it_gets_a_field_of(other: Any) -> None:
    asking = rule("b", body=[call(GET, named("input"), texts("args"))])
    assert rego.module_of({**tree(), **other}).reads is not None
    assert rego.module_of({**tree(), **other, "rules": [asking, *other.get("rules", ())]}).reads is None


@pytest.mark.parametrize(
    "name",
    [
        *("time.now_ns", "rand.intn", "uuid.rfc4122", "http.send", "net.lookup_ip_addr", "opa.runtime"),
        *("io.jwt.decode_verify", "crypto.x509.parse_and_verify_certificates", "json.match_schema"),  # by the time
    ],
)
def test_what_calls_for_what_changes_does_not_last(name: str) -> None:
    known = rego.Compiled("a", "", ("a",), frozenset({"count", "input.time.zone"}))
    assert known.lasting
    assert not rego.Compiled("a", "", ("a",), frozenset({"count", name})).lasting


def test_of_what_lies_beside_a_script_sees_what_it_reads() -> None:
    beside = {"args": {}, "chainloop_metadata": {"name": "a"}, "avouch": {"run": {"name": "b"}}}
    assert rego.Compiled("a", "", ("a",), reads=frozenset({"avouch"})).seen(beside) == {"avouch": beside["avouch"]}
    assert rego.Compiled("a", "", ("a",), reads=frozenset({"args", "components"})).seen(beside) == {"args": {}}
    assert rego.Compiled("a", "", ("a",), reads=frozenset()).seen(beside) == {}
    assert rego.Compiled("a", "", ("a",), reads=None).seen(beside) == beside
