"""Statements, archives, descriptions of APIs and findings on lines as policies see them."""

import base64
import json
from typing import Any

import pytest

from avouch import errors
from avouch.materials.projections import apis, jsons, packages, pieces
from tests.materials import packing


def test_a_statement_is_shown_as_it_was_signed() -> None:
    signed = b'{"_type":"https://in-toto.io/Statement/v1",  "predicate":{"n":1.0}}'
    envelope = {"payload": base64.b64encode(signed).decode()}
    bundle = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope}
    assert jsons.statement(json.dumps(envelope).encode()) == signed
    assert jsons.statement(json.dumps(bundle).encode()) == signed


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"a":1.0}\n{"b":2}\n', b'[{"a":1.0},{"b":2}]'),
        (b'{"a":1}{"b":2}', b'[{"a":1},{"b":2}]'),
        (b' [{"a":1}]\n', b'[{"a":1}]'),
        (b"\xef\xbb\xbf{}", b"[{}]"),
        (b"", b"[]"),
    ],
)
def test_findings_on_lines_are_a_list_and_keep_their_spelling(content: bytes, shown: bytes) -> None:
    assert jsons.lines(content) == shown


def test_raw_control_characters_are_escaped() -> None:
    assert jsons.mended(b'{"a":"x\ty\x01"}') == b'{"a":"x\\ty\\u0001"}'


def test_zap_shows_its_report() -> None:
    assert packages.zap(packing.zip_of(("zap/report_json.json", b'{"a": 1}'))) == b'{"a": 1}'


def test_helm_shows_its_chart_and_its_values_of_which_the_last_counts() -> None:
    chart = packing.tgz_of(("c/Chart.yaml", b"name: c\nversion: 1\n"), ("c/values.yaml", b"a: 1\na: 2\n"))
    assert json.loads(packages.helm(chart)) == {"chart": {"name": "c", "version": 1}, "values": {"a": 2}}


def test_yaml_is_shown_as_json_and_json_as_it_is() -> None:
    assert apis.described(b"openapi: 3.0.3\nx: [1, a]\n") == b'{"openapi":"3.0.3","x":[1,"a"]}'
    assert apis.described(b'{"openapi": 1.0}') == b'{"openapi": 1.0}'


@pytest.mark.parametrize("number", [b".inf", b".nan", b"0x" + b"f" * 5000])
def test_a_number_that_json_does_not_have_is_refused(number: bytes) -> None:
    with pytest.raises(errors.Invalid, match="a number that JSON does not have"):
        apis.described(b"x: " + number)


def test_half_of_a_surrogate_pair_is_no_character() -> None:
    assert pieces.encoded(pieces.text({"a": "\ud800"})) == b'{"a":"?"}'


def test_a_graphql_schema_shows_its_types_with_their_fields() -> None:
    schema = b"""
    schema { query: Q }
    directive @auth(role: String = "any") on FIELD_DEFINITION
    type Q implements N & M { a(id: ID!, n: [Int!]!): [S!]! @auth(role: ADMIN), b: S }
    enum E { X Y @deprecated(reason: "old") }
    union U = Q | R
    extend input I { x: Float }
    scalar S
    """
    found: Any = json.loads(apis.schema(schema))
    assert found["schema"] == {"query": "Q"}
    assert found["directives"] == [
        {
            "name": "auth",
            "locations": ["FIELD_DEFINITION"],
            "arguments": [{"name": "role", "type": "String", "directives": []}],
        }
    ]
    types = {each["name"]: each for each in found["types"]}
    assert {name: (each["kind"], each["extension"]) for name, each in types.items()} == {
        "Q": ("OBJECT", False),
        "E": ("ENUM", False),
        "U": ("UNION", False),
        "I": ("INPUT_OBJECT", True),
        "S": ("SCALAR", False),
    }
    assert types["Q"]["interfaces"] == ["N", "M"]
    assert types["U"]["members"] == ["Q", "R"]
    assert types["E"]["values"][1]["directives"] == [{"name": "deprecated", "arguments": {"reason": "old"}}]
    first = types["Q"]["fields"][0]
    assert (first["type"], first["directives"]) == ("[S!]!", [{"name": "auth", "arguments": {"role": "ADMIN"}}])
    assert [each["type"] for each in first["arguments"]] == ["ID!", "[Int!]!"]
