import doctest
import importlib
import pkgutil

import pytest

from avouch import contract

MODULES = sorted(found.name for found in pkgutil.walk_packages(contract.__path__, "avouch.contract."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
