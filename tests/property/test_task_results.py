"""Task results of every type read the same from the cluster's record and from the file that a step wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch.controlplane.judging import agreement, cluster_record
from avouch.tekton import paramvalues, results

ARRAYS = st.lists(st.text(max_size=8), max_size=5)
OBJECTS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=5)
SPELLINGS = st.fixed_dictionaries(
    {"indent": st.none() | st.integers(0, 3), "ensure_ascii": st.booleans(), "sort_keys": st.booleans()}
)


def seen(value: str, who: str) -> cluster_record.Seen:
    return cluster_record.Seen("build", "uid", who, value=value)


@given(ARRAYS | OBJECTS, SPELLINGS)
def test_an_array_or_object_is_one_value_however_its_step_spelt_it(value: object, spelling: dict[str, object]) -> None:
    record = results.task_results({"status": {"results": [{"name": "r", "value": value}]}})["r"]
    written = json.dumps(value, **spelling)
    assert paramvalues.normalized(written) == paramvalues.normalized(record) == record
    pair = agreement.disagreement(
        (seen(record, "TaskRun"),), (seen(written, "claim"),), agreement.identity_of(cluster_record.STRING)
    )
    assert pair is None


@given(st.text(max_size=50))
def test_a_string_that_is_no_array_or_object_stays_as_it_is(text: str) -> None:
    assert paramvalues.text(text) == text
    if not text.strip().startswith(("[", "{")):
        assert paramvalues.normalized(text) == text


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", '{"a": 1}', '["a", ["b"]]', "[a]", "[", "{}x", '{"a": true}', "[" * 100_000],
    ids=lambda text: text[:20],
)
def test_what_tekton_takes_for_no_array_or_object_is_compared_letter_by_letter(text: str) -> None:
    assert paramvalues.normalized(text) == text


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('["a", null]', ["a", ""]),
        ('{"a": null}', {"a": ""}),
        ('{"a": "1", "a": "2"}', {"a": "2"}),
        ('["\\ud800"]', ["\ufffd"]),
        ('["\\u0000"]', ["\ufffd"]),  # Tekton keeps U+0000, the server records U+FFFD instead
        (' ["a"]\r\n', ["a"]),
    ],
)
def test_what_go_forgives_is_read_as_tekton_reads_it(written: str, kept: object) -> None:
    assert paramvalues.normalized(written) == paramvalues.text(kept)


def test_an_array_that_a_claim_changes_is_still_a_contradiction() -> None:
    told, record = seen('["a", "evil"]', "claim"), seen('["a","b"]', "TaskRun")
    assert agreement.disagreement((record,), (told,), agreement.value_of) == (told, record)
