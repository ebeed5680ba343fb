"""Whatever the bytes are, a reader answers with flaws or a document, and policies are shown JSON or nothing.

Nothing else is raised, and what is said is text.
"""

import json
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from avouch import errors
from avouch.materials import detection, validation
from avouch.materials import types as material_types
from avouch.policy import documents
from tests.materials import table

FILES = [case.content for _, case in table.good() if 0 < len(case.content) < 5000]
NAMES = [kind.name for kind in material_types.MATERIALS]
PARSED = [name for name, row in documents.TABLE.items() if row.made]
# Names that readers look for, so that made-up documents come further than the first check.
KEYS = [
    "bomFormat", "specVersion", "spdxVersion", "document", "category", "csaf_version", "@context", "@graph", "@id",
    "runs", "version", "$schema", "tool", "driver", "scan", "type", "results", "scanID", "openapi", "swagger",
    "asyncapi", "info", "scorecard", "payload", "payloadType", "signatures", "dsseEnvelope", "mediaType", "meta",
    "data", "statements", "metadata", "component", "components", "tools", "name", "creationInfo", "creators",
    "relationships", "tracking",
]  # fmt: skip
words = st.sampled_from(
    [*KEYS, "", "2.0", "2.1.0", "SPDX-2.3", "1.6", "3.1.0", "CycloneDX", "\0", "\ud800", "csaf_vex"]
)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=30,
)
tags = st.sampled_from(
    ["testsuites", "testsuite", "testcase", "failure", "properties", "property", "report", "counter", "coverage",
     "packages", "package", "classes", "class", "lines", "line", "sources", "source", "a:b", "x"]
)  # fmt: skip
attributes = st.dictionaries(
    st.sampled_from(["type", "missed", "covered", "line-rate", "name", "time", "number", "branch"]),
    st.text("0.NaN1ex-", max_size=4),
)


@st.composite
def xml_like(draw: st.DrawFn, depth: int = 3) -> str:
    tag = draw(tags)
    inside = (
        "".join(draw(st.lists(xml_like(depth - 1), max_size=2))) if depth else draw(st.sampled_from(["", "&x;", "<"]))
    )
    said = "".join(f' {name}="{value}"' for name, value in draw(attributes).items())
    return f"<{tag}{said}>{inside}</{tag}>"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file in which some bytes were changed, taken out or doubled."""
    content = bytearray(draw(st.sampled_from(FILES)))
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311  # where a file is damaged is no secret
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(content) + 1)
        length = chance.randint(0, 12)
        content[place : place + length] = chance.choice(
            (b"", chance.randbytes(length), content[place : place + 40] * 2)
        )
    return bytes(content)


contents = (
    st.binary(max_size=200)
    | json_like.map(lambda value: json.dumps(value).encode())
    | xml_like().map(str.encode)
    | st.text("abc:-&*[]{}#!|>'\"\n ,?%@`0", max_size=80).map(str.encode)
    | damaged()
)


@pytest.mark.parametrize("name", PARSED)
@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(content=contents)
def test_a_policy_is_shown_one_json_object_or_an_error_says_why_not(name: str, content: bytes) -> None:
    check_shown(name, content)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(name=st.sampled_from(sorted(set(NAMES) - set(PARSED))), content=contents)
def test_what_is_passed_on_as_it_is_written_is_one_json_object(name: str, content: bytes) -> None:
    check_shown(name, content)


def check_shown(name: str, content: bytes) -> None:
    shown, message, fix = b"{}", "-", "-"
    try:
        shown = documents.of_material(name, content)
    except errors.Invalid as exc:
        message, fix = exc.args[0], exc.fix
    assert message
    assert fix
    assert isinstance(json.loads(shown.decode("utf-8", "replace"), parse_constant=pytest.fail, parse_int=str), dict)


@pytest.mark.parametrize("name", NAMES)
@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(content=contents)
def test_no_reader_raises(name: str, content: bytes) -> None:
    found = validation.read(name, content)
    assert not (found.flaws and (found.annotations or found.parsed))
    for flaw in found.flaws:
        assert flaw.fix
        assert 0 < len(flaw.message) <= 300
        assert flaw.message.isprintable()
    for key, value in found.annotations:
        assert key in material_types.of(name).annotations
        assert value.isprintable()
        value.encode()


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(content=contents)
def test_detection_names_a_type_that_takes_the_content(content: bytes) -> None:
    try:
        found = detection.file(content)
    except errors.Invalid:
        assert not content
        return
    assert validation.read(found.type, content) == found.found
    assert found.found.flaws == ()


@hypothesis.given(text=st.text(max_size=40))
def test_a_text_is_never_asked_for_in_a_registry_unless_it_could_be_an_image(text: str) -> None:
    asked: list[str] = []
    try:
        found = detection.value(text, lambda name: bool(asked.append(name)))  # type: ignore[func-returns-value]
    except errors.Invalid:
        return
    assert found.type == "STRING"
    assert all(name == text and " " not in name for name in asked)
