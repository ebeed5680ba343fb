import json

import pytest
import yaml

from avouch.cli import output
from tests.unit.cli import line

TABLE = output.Table(("NAME", "READY"), (("a", "True"), ("a-longer-name", "False")))


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "3"}, True, True),
    ],
)
def test_colours_by_what_was_asked_for_then_by_the_terminal(environment, terminal, wanted):
    assert output.coloured(environment, terminal) is wanted


def test_columns_are_aligned_and_nothing_is_cut():
    long = "x" * 500
    assert output.aligned(output.Table(("A", "B"), ((long, "1"), ("y", "2"))))[1] == f"{long}   1"


def test_a_cell_cannot_write_to_the_terminal_what_it_likes():
    assert output.aligned(output.Table(("A",), (("\x1b[31mred\nline",),)))[1] == " [31mred line"


def test_an_empty_table_says_so_and_prints_nothing_to_pipe_on(capsys):
    output.tabulate(output.Table(("A",), ()))
    assert capsys.readouterr() == ("", "Nothing found.\n")


@pytest.mark.parametrize(
    ("colour", "terminal", "red"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_on_a_terminal_the_table_is_drawn_and_has_the_same_cells(colour, terminal, red, monkeypatch):
    monkeypatch.setenv("TERM", terminal)
    text = output.drawn(TABLE, colour)
    assert all(word in text for word in ("NAME", "a-longer-name", "False"))
    assert ("\x1b[31m" in text) is red


@pytest.mark.parametrize(
    "value",
    ["yes", "on", "1", "1.0", "null", "2026-01-01", "a: b", "# no", "", " x ", "line\nline\n", "tab\tand\nmore ", "é"],
)
def test_a_text_stays_a_text_in_yaml(value):
    assert yaml.safe_load(output.yaml_text({"a": [value]})) == {"a": [value]}


def test_yaml_has_no_anchors_and_keeps_the_order():
    same = {"z": 1, "a": 2}
    assert output.yaml_text({"one": same, "two": same}) == "one:\n  z: 1\n  a: 2\ntwo:\n  z: 1\n  a: 2\n"


def test_many_objects_are_documents_of_yaml_and_a_list_of_json(capsys):
    output.document("yaml", [{"a": 1}, {"b": 2}])
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == [{"a": 1}, {"b": 2}]
    output.document("json", [{"a": 1}, {"b": 2}])
    assert json.loads(capsys.readouterr().out) == [{"a": 1}, {"b": 2}]


def test_colours_can_be_forced_into_a_pipe_and_forbidden():
    forced = line.run("runner", "show", "--runner", "JENKINS_JOB", adapters=line.Adapters({"FORCE_COLOR": "1"}))
    assert "\x1b[31m" in forced.err
    plain = line.run(
        "runner", "show", "--runner", "JENKINS_JOB", adapters=line.Adapters({"FORCE_COLOR": "1", "NO_COLOR": "1"})
    )
    assert "\x1b[" not in plain.err


HOSTILE = {"description": "\x9b31mred\x9b0m \u202egnp.exe \x7f \U0001f600 é"}


def test_json_on_a_terminal_is_ascii_and_means_the_same(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.document("json", HOSTILE)
    said = capsys.readouterr().out
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    assert json.loads(said) == HOSTILE


def test_json_for_programs_is_as_it_is(capsys):
    output.document("json", HOSTILE)
    assert "\u202egnp.exe \x7f \U0001f600 é" in capsys.readouterr().out


def test_yaml_on_a_terminal_is_ascii_and_means_the_same(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.document("yaml", HOSTILE)
    said = capsys.readouterr().out
    assert said.replace("\n", "").isascii()
    assert said.replace("\n", "").isprintable()
    assert yaml.safe_load(said) == HOSTILE
