import doctest
import importlib
import pkgutil

import pytest

from avouch import contract, materials, runners

MODULES = sorted(
    found.name
    for room in (contract, materials, runners)
    for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
