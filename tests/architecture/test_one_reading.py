"""What several rooms need is spelt, read and cut in one place."""

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.architecture import sources

ROOMS = Path(__file__).parents[2] / "operator" / "avouch"
PLACES = {
    r"STRING|CONTAINER_IMAGE": {"types.py"},
    r"avouch-sidecar": {"names.py"},
    r"(?s).*-----BEGIN CERTIFICATE-----.*": {"pem.py"},
    r"(?i)(https?|all|no)_proxy": {"proxies.py"},
    r".*%Y-%m-%dT.*": set(),
    r".*sha256:\[0-9a-f\]\{64\}.*": {"digests.py"},
}
CALLS = {
    "load_pem_x509_certificate": set(),
    "load_verify_locations": {"pem.py", "certificates.py"},
    "getproxies": set(),
    "load_pem_x509_certificates": {"trust.py"},
    "strftime": set(),
    "safe_load": set(),
}


@functools.cache
def constants() -> list[tuple[str, str]]:
    return [(name, node.value) for name, node in every(ast.Constant) if isinstance(node.value, str)]


@functools.cache
def every(kind: type) -> list[tuple[str, Any]]:
    return [(path.name, node) for path in ROOMS.rglob("*.py") for node in sources.nodes(path) if isinstance(node, kind)]


@pytest.mark.parametrize("pattern", PLACES)
def test_a_constant_stands_in_one_place(pattern: str) -> None:
    found = {name for name, text in constants() if re.fullmatch(pattern, text)}
    assert found <= PLACES[pattern], "take it from the module that has it"


@pytest.mark.parametrize("function", CALLS)
def test_a_text_is_read_or_written_in_one_place(function: str) -> None:
    found = {name for name, node in every(ast.Attribute) if node.attr == function}
    assert found <= CALLS[function], "use the module that does it"


def test_no_library_reads_proxies_or_authorities_in_its_own_way() -> None:
    """`proxies` and `pem` do: httpx trips over networks in NO_PROXY, ssl over a comment in a file of authorities."""
    found = {(name, node.arg) for name, node in every(ast.keyword) if node.arg in ("cafile", "capath")}
    trusting = {name for name, node in every(ast.keyword) if node.arg == "trust_env" and _value(node) is not False}
    building = {
        name for name, node in every(ast.Call) if ast.unparse(node.func) in ("httpx.AsyncClient", "httpx.Client")
    }
    careful = {name for name, node in every(ast.keyword) if node.arg == "trust_env"}
    assert not found
    assert not trusting
    assert building <= careful


def _value(node: ast.keyword) -> object:
    return node.value.value if isinstance(node.value, ast.Constant) else None
