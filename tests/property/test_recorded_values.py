"""Whatever Kubernetes takes as JSON can be stored as the record of a run, and judged."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from avouch import plan, storable
from avouch.controlplane.model import runs, verdicts
from avouch.store import lifecycle, rows
from tests.unit.controlplane.judging import tekton_cases as make

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # U+0000 and lone surrogates, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
NAMES = st.sampled_from(["IMAGE_URL", "IMAGE_DIGEST", "version"]) | TEXT
VERSION = plan.PlannedMaterial("version", "STRING", plan.Source(plan.From.RESULT, task="build", name="version"))
ASKED = make.planned(
    make.image(),
    VERSION,
    annotations=(plan.PlannedAnnotation("who", "", plan.Source(plan.From.PARAM, name="who")),),
    env=("who", "WHO"),
)


def refused(value: object) -> bool:
    """Whether PostgreSQL would refuse it."""
    if isinstance(value, dict):
        return any(map(refused, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(refused, value))
    return isinstance(value, str) and any(each == "\0" or "\ud800" <= each <= "\udfff" for each in value)


def recorded(snapshot: runs.Snapshot) -> runs.Snapshot:
    document = lifecycle.document(snapshot)
    assert not refused(msgspec.json.decode(document))
    return rows.snapshot_of(msgspec.json.decode(document))


@given(VALUES)
def test_every_value_is_stored_and_only_what_had_to_be_is_changed(value):
    found = recorded(runs.Snapshot({"spec": value}, ()))
    assert (found.subject["spec"] == value) == (not found.cleaned)
    assert bool(found.cleaned) == refused(value)


@given(VALUES)
def test_cleaning_twice_is_cleaning_once(value):
    cleaned = storable.clean(value).value
    assert storable.clean(cleaned) == storable.Cleaned(cleaned, ())


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), VALUES, st.dictionaries(TEXT, TEXT, max_size=3), VALUES)
def test_every_record_is_judged_and_its_verdict_can_be_stored(results, param, annotations, message):
    shot = make.snapshot(make.taskrun(results=results))
    shot.subject["spec"] = {"params": [{"name": "who", "value": param}]}
    shot.subject["metadata"]["annotations"] = annotations
    shot.subject["status"]["conditions"][0]["message"] = message
    found = make.verdict(make.case(ASKED, recorded(shot)))
    assert found.result is not verdicts.VerdictResult.PENDING
    assert not refused(msgspec.to_builtins(found))
