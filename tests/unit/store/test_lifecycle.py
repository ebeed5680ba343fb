"""What is stored of a Done subject: all that it holds, but for characters that no database takes."""

import datetime

import msgspec
import pytest

from avouch import errors
from avouch.controlplane.model import runs
from avouch.store import lifecycle, rows


def stored(snapshot: runs.Snapshot) -> runs.Snapshot:
    return rows.snapshot_of(msgspec.json.decode(lifecycle.document(snapshot)))


def test_a_record_without_such_characters_is_stored_as_it_is() -> None:
    told = {"metadata": {"annotations": {"a": r"\u0000"}}}
    snapshot = runs.Snapshot(told, ({"é": 1},), ("p",), {"pod": "uid"}, ended=("q",))
    assert stored(snapshot) == snapshot


def test_of_a_record_that_nothing_is_cleaned_in_no_place_is_named() -> None:
    assert "cleaned" not in msgspec.json.decode(lifecycle.document(runs.Snapshot({}, ())))


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


class Emptied:
    """A database that deletes what was asked for while it is opened."""

    async def run(self, statement: bytes, parameters: object) -> list[object]:
        return []


async def test_a_run_that_was_deleted_while_it_was_opened_is_to_be_opened_again() -> None:
    key = runs.RunKey("w", "s")
    run = runs.Run(
        id=key.id, name=key.name("build"), key=key, namespace="n", namespace_uid="u", workflow="build",
        subject_kind="TaskRun", subject_name="t", contract="c", revision=1, contract_digest="d", plan="{}",
        created_at=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    )  # fmt: skip
    (answer,) = await lifecycle.open_all(Emptied(), [run])  # type: ignore[arg-type]
    assert isinstance(answer, errors.Unavailable)
