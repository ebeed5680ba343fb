"""A stand-in for `inspect` that nobody can tell from it."""

import inspect
import sys

import pytest

from avouch.processes import lateinspect

TEXTS = ("One line.", "  spaces around ", "", "a\tb", "Two\n    lines,\n      one deeper", "\n  begins late\n")


@pytest.fixture(autouse=True)
def standing_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "inspect", inspect)  # put back at the end
    monkeypatch.delitem(sys.modules, "inspect")
    lateinspect.install()


def loaded() -> bool:
    return not isinstance(sys.modules["inspect"], lateinspect._Late)


@pytest.mark.parametrize("text", TEXTS)
def test_help_is_cleaned_as_inspect_does_it(text):
    import inspect as found

    assert found.cleandoc(text) == inspect.cleandoc(text)


def test_help_of_one_line_loads_nothing_and_anything_else_loads_it():
    import inspect as found

    assert found.cleandoc(" One line.") == "One line."
    assert not loaded()
    assert str(found.signature(lambda a, b=1: a)) == "(a, b=1)"
    assert loaded()
    assert found.signature is sys.modules["inspect"].signature


def test_names_are_imported_from_it():
    from inspect import Parameter

    assert Parameter is sys.modules["inspect"].Parameter
    assert loaded()


def test_what_is_loaded_already_stays():
    sys.modules["inspect"] = inspect
    lateinspect.install()
    assert sys.modules["inspect"] is inspect
