from typing import Any

import pytest

from avouch.contract.text import files, jsontext, nodes


def plain(content: str | bytes) -> list[Any]:
    read = files.read(content.encode() if isinstance(content, str) else content)
    assert read.flaws == ()
    return [nodes.plain(document) for document in read.documents]


def flaws(content: str | bytes, name: str = "") -> list[tuple[int, int, str]]:
    read = files.read(content.encode() if isinstance(content, str) else content, name)
    return [(flaw.place.line, flaw.place.column, flaw.message) for flaw in read.flaws]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("a: yes\nb: Off\nc: y\nd: N\ne: nO", {"a": True, "b": False, "c": True, "d": False, "e": "nO"}),
        ("a: 010\nb: 0x1F\nc: -1_000\nd: 0\ne: 0o17\nf: 0B11", {"a": 8, "b": 31, "c": -1000, "d": 0, "e": 15, "f": 3}),
        (
            "a: 1.5\nb: 1e3\nc: 1.10.0\nd: 08\ne: .5\nf: 0x",
            {"a": 1.5, "b": 1000.0, "c": "1.10.0", "d": 8.0, "e": 0.5, "f": "0x"},
        ),
        (
            "a: 1e400\nb: 123456789012345678901\nc: .5_0\nd: '.'",
            {"a": "1e400", "b": 123456789012345680000.0, "c": 0.5, "d": "."},
        ),
        ("a: 12:30:00\nb: 2026-11-21\nc: =", {"a": "12:30:00", "b": "2026-11-21", "c": "="}),
        ("a:\nb: ~\nc: ''", {"a": None, "b": None, "c": ""}),
        ("a: '1'\nb: \"yes\"\nc: !!str 1", {"a": "1", "b": "yes", "c": "1"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"q": 3, "p": 1}}),
        ("a: <<", {"a": "<<"}),
        ("a: {<<: [{p: 1}, {p: 2, r: 3}]}", {"a": {"p": 1, "r": 3}}),
        ("\ufeffa: 1", {"a": 1}),
        ('{"a": [1, 2.5, true, null, "x\\u00e9\\ud83d\\ude00\\/"]}', {"a": [1, 2.5, True, None, "xé😀/"]}),
        ('\t{\n\t"a"\t:\t1\n\t}\n', {"a": 1}),
        ("{a: 1}", {"a": 1}),
        ("{}", {}),
    ],
)
def test_a_text_is_read_as_kubernetes_reads_it(content, value):
    assert plain(content) == [value]


def test_documents_that_are_empty_are_left_out():
    assert plain("---\n# a comment\n---\na: 1\n...\n---\n") == [{"a": 1}]
    assert plain("") == []


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        ("a: 1\na: 2", 2, 1, "'a' is a duplicate key, first in line 1"),
        ('{"a": 1,\n "a": 2}', 2, 2, "'a' is a duplicate key, first in line 1"),
        ("? [a]\n: b", 1, 3, "a key is a list or a mapping"),
        ("a: !!python/object:os.system x", 1, 4, "tag:yaml.org,2002:python/object:os.system is not supported"),
        ("a: !thing {}", 1, 4, "the tag !thing is not supported"),
        ("a: !!binary eA==", 1, 4, "binary is not supported"),
        ("a: !!int x", 1, 4, "'x' cannot be read as int"),
        ("a: !!bool x", 1, 4, "'x' cannot be read as bool"),
        ("a: .inf", 1, 4, "inf is not a number in JSON"),
        ('{"a": "\\ud800"}', 1, 7, "half of a surrogate pair"),
        ("a: {<<: 1}", 1, 5, "<< needs a mapping"),
        ("a: *b", 1, 4, "not YAML: found undefined alias 'b'"),
        ("a: [", 1, 5, "not YAML"),
        ("a: b: c", 1, 5, "not YAML"),
        ("a:\n\t- b", 2, 1, "not YAML"),
        (b"a: \xff", 1, 4, "not UTF-8"),
        (b"a: 1\nb: \x00", 2, 4, "a character that YAML does not allow: U+0000"),
        ('a: "\\UFFFFFFFF"', 1, 7, "an escape that is not a character"),
        ("&a [*a]", 1, 1, "an alias that contains itself"),
        ("[" * 1000, 1, 66, "nested deeper than 64"),
    ],
)
def test_a_flaw_has_its_place(content, line, column, message):
    found = flaws(content)
    assert found[0][:2] == (line, column)
    assert message in found[0][2]


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        ("", 1, 1, "a value is missing"),
        ('{"a": 1} x', 1, 10, "text after the end of the document"),
        ('{"a": 1,}', 1, 9, "a value is missing"),
        ("[1,\n2,]", 2, 3, "a value is missing"),
        ("[1 2]", 1, 4, "expected ','"),
        ('{"a" 1}', 1, 6, "expected ':'"),
        ("{1: 2}", 1, 2, "a key is not a string"),
        ('{"a": tru}', 1, 7, "Expecting value"),
        ('{"a": "x', 1, 7, "Unterminated string"),
        ('{"a": NaN}', 1, 7, "NaN is not JSON"),
        ('{"a": "x\ty"}', 1, 9, "Invalid control character"),
        (f"[{'9' * 5000}]", 1, 2, "limit"),
        ("{", 1, 2, "a value is missing"),
    ],
)
def test_a_flaw_of_json_has_its_place(content, line, column, message):
    (flaw,) = jsontext.read(content).flaws
    assert (flaw.place.line, flaw.place.column) == (line, column)
    assert message in flaw.message


def test_of_two_readers_that_fail_the_one_that_came_further_explains():
    assert flaws('{"a": 1,\n"b": "\\ud83d",\n"c": tru "d"}')[-1][0] == 3
    assert flaws('{\n\t"a": 1,\n\t"b": tru\n}')[-1] == (3, 7, "not JSON: Expecting value")


@pytest.mark.parametrize(
    "content",
    [
        'package contracts\n\nschemaVersion: "v1"\nmaterials: [\n\t{type: "STRING", name: "x"},\n]\n',
        '// a contract\nschemaVersion: "v1"\nmaterials: [\n\t{type: "STRING"},\n]\n',
        'import "strings"\nmaterials: [\n\t{type: "STRING"},\n]\n',
        "#Material: {\n\ttype: string\n}\nmaterials: [...#Material]\n\tx",
    ],
)
def test_cue_is_refused_with_the_command_that_mends_it(content):
    read = files.read(content.encode())
    assert [flaw.message for flaw in read.flaws] == ["CUE contract format is no longer supported; use JSON or YAML"]
    assert read.flaws[0].fix.startswith("cue export")


@pytest.mark.parametrize(
    "script",
    [
        "package main\n\nimport rego.v1\n\nx := {\n}\n}",
        'package main\n\nviolations[msg] {\n\tmsg := "a"\n}\n',
        'package main\ndefault allow := false\nallow if {\n\t"a"\n}\n',
        'package main\nviolations contains msg if {\n\tmsg := "a"\n}\n',
    ],
)
def test_a_script_is_no_contract_in_cue_and_the_fix_says_where_it_belongs(script):
    for name in ("", "policy.rego"):
        (flaw,) = files.read(script.encode(), name).flaws
        assert "a script in Rego" in flaw.message
        assert "path: FILE" in flaw.fix


def test_cue_is_refused_by_the_name_of_its_file():
    assert flaws("schemaVersion: v1", "contract.CUE")[0][2].startswith("CUE contract format")


def test_a_file_that_is_too_large_is_not_read():
    assert "more than 1048576" in flaws(b" " * (nodes.LIMIT + 1))[0][2]


def test_more_documents_than_allowed_are_told():
    found = flaws("a: 1\n---\n" * 101)
    assert found[-1][2] == "more than 100 documents"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":' * 100_000, "nested deeper"),
        (b"{" + b'"a":1,' * 300 + b'"a":1}', "100 errors"),
        (b"a: 1\n" * 300, "100 errors"),
    ],
)
def test_a_text_of_too_much_is_a_flaw(content, message):
    assert any(message in flaw[2] for flaw in flaws(content))
