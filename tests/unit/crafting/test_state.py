import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import digests, errors
from avouch.crafting import adding, state
from avouch.crafting import run as crafting_run
from tests.crafting import builders

NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?\Z")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def full() -> state.State:
    found = builders.begun(builders.real_contract(), env={"CUSTOM_VAR": "hello"}, commit=builders.head())
    note = adding.Gathered("STRING", digests.of_bytes(b"hi"), size=2, content=b"hi")
    return adding.add(found, adding.asked(found, "note", "", 0), note, {"a": "b"}).state


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(state.write(full())), **fields}).encode()


def test_what_was_written_is_read():
    assert state.read(state.write(full())) == full()


def test_the_contracts_own_annotations_are_there_from_the_start():
    assert builders.begun(builders.real_contract()).annotations == {"version": "oss"}


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 10**30])
def test_a_form_of_another_version_is_refused_with_the_fix(version: object):
    with pytest.raises(errors.Invalid, match="version") as caught:
        state.read(changed(version=version))
    assert "--replace" in caught.value.fix


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\x00", b"{", b'{"format":"avouch-attestation-state","format":"x"}', b"\xff"],
)
def test_what_is_no_state_is_refused(content: bytes):
    with pytest.raises(errors.Invalid):
        state.read(content)


def test_an_unknown_field_is_refused_because_an_older_reader_would_drop_it():
    with pytest.raises(errors.Invalid, match="unknown field 'more'"):
        state.read(changed(more=1))


@pytest.mark.parametrize("field", ["server", "dryRun", "initializedAt", "runner", "run", "env", "materials"])
def test_a_field_of_the_wrong_type_is_refused(field: str):
    with pytest.raises(errors.Invalid):
        state.read(changed(**{field: 1}))


def test_every_cut_of_a_state_is_refused():
    content = state.write(full())
    for end in range(0, len(content), 97):
        with pytest.raises(errors.Invalid):
            state.read(content[:end])


def test_content_that_was_changed_behind_our_back_does_not_come_back():
    body = json.loads(state.write(full()))
    body["materials"][0]["material"]["content"] = "b3RoZXI="
    with pytest.raises(errors.Invalid, match="does not hash"):
        state.read(json.dumps(body).encode())


def test_a_material_that_is_there_twice_is_refused():
    body = json.loads(state.write(full()))
    body["materials"] *= 2
    with pytest.raises(errors.Invalid, match="twice"):
        state.read(json.dumps(body).encode())


def test_more_bytes_than_the_server_keeps_are_never_written():
    with pytest.raises(errors.TooLarge, match="at most"):
        state.write(builders.begun(annotations={"a": "x" * state.MAX_STATE}))


@given(annotations=st.dictionaries(NAMES, TEXTS, max_size=4), env=st.dictionaries(NAMES, TEXTS, max_size=4))
def test_any_texts_survive_the_form(annotations: dict[str, str], env: dict[str, str]):
    found = builders.begun(env=env, annotations=annotations)
    assert state.read(state.write(found)) == found


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(content: bytes):
    with pytest.raises(errors.Invalid):
        state.read(content)


def wire(**fields: Any) -> dict[str, Any]:
    return {**crafting_run.write(builders.run()), **fields}


def test_a_run_survives_the_wire_and_unknown_fields_of_a_newer_server():
    assert crafting_run.read(wire(novel={"x": 1})) == builders.run()


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": None},
        {"plan": None},
        {"plan": {}},
        {"gate": "yes"},
        {"backend": {"maxBytes": -1}},
        {"backend": {"maxBytes": True}},
        {"contract": []},
        {"findings": {}},
        {"expiresAt": 5},
    ],
)
def test_an_answer_that_is_no_run_is_refused(fields: dict[str, Any]):
    with pytest.raises(errors.Invalid):
        crafting_run.read(wire(**fields))


def test_a_run_that_never_expires_says_so_with_null():
    assert crafting_run.read(wire(expiresAt=None)).expires_at == ""
