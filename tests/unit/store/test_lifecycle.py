"""What is stored of a Done subject: all that it holds, but for characters that no database takes."""

import msgspec
import pytest

from avouch import errors
from avouch.controlplane.model import runs
from avouch.store import lifecycle, rows


def stored(snapshot: runs.Snapshot) -> runs.Snapshot:
    return rows.snapshot_of(msgspec.json.decode(lifecycle.document(snapshot)))


def test_a_record_without_such_characters_is_stored_as_it_is() -> None:
    snapshot = runs.Snapshot({"metadata": {"annotations": {"a": r"\u0000"}}}, ({"é": 1},), ("p",), {"pod": "uid"})
    assert stored(snapshot) == snapshot


@pytest.mark.parametrize("refused", ["\0", "\ud800"])
def test_a_character_that_cannot_be_stored_is_replaced_and_its_place_kept(refused: str) -> None:
    snapshot = runs.Snapshot({"spec": {"params": [{"name": "p", "value": f"a{refused}b"}]}}, ({"a": refused},))
    found = stored(snapshot)
    assert found.subject == {"spec": {"params": [{"name": "p", "value": "a\ufffdb"}]}}
    assert found.cleaned == ("subject.spec.params[0].value", "taskruns[0].a")


def test_a_record_nested_without_end_is_stored_without_its_end() -> None:
    deep: object = {}
    for _ in range(20_000):
        deep = [deep]
    assert stored(runs.Snapshot({"spec": deep}, ())).cleaned


def test_what_stands_for_a_record_that_cannot_be_stored_says_why_in_words_that_can() -> None:
    found = rows.snapshot_of(msgspec.json.decode(lifecycle.refusal(errors.Invalid("no\0t this"))))
    assert found == runs.Snapshot({}, (), refused="no\ufffdt this")
