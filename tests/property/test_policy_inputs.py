"""What a script sees of its input: whatever else stands in it, one look at the whole is noticed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avouch.policy import rego
from tests.unit.policy import test_rego as trees

NAMES = st.sampled_from(["args", "components", "object", "input", "data"])
FIELDS = NAMES.map(lambda name: (trees.named("input", name), {name}))
GOTTEN = NAMES.map(lambda name: (trees.call(trees.GET, trees.named("input"), trees.texts(name, "x")), {name}))
OTHERS = st.sampled_from(["x", "input_", "data"]).map(lambda name: (trees.var(name), set()))


def _together(parts: list[tuple[Any, set[str]]]) -> tuple[Any, set[str]]:
    return trees.call(trees.named("count"), *(part for part, _ in parts)), set().union(*(seen for _, seen in parts))


TERMS = st.recursive(st.one_of(FIELDS, GOTTEN, OTHERS), lambda inner: st.lists(inner, max_size=4).map(_together))


@given(st.lists(TERMS, max_size=6))
def test_what_is_spelled_out_is_all_that_is_seen(terms: list[tuple[Any, set[str]]]) -> None:
    module = rego.module_of(trees.tree(trees.rule("a", body=[term for term, _ in terms])))
    assert module.reads == set().union(*(seen for _, seen in terms))


@given(st.lists(TERMS, max_size=6), TERMS, st.sampled_from(sorted(trees.WHOLE)))
def test_one_look_at_the_whole_is_noticed_wherever_it_stands(
    terms: list[tuple[Any, set[str]]], around: tuple[Any, set[str]], how: str
) -> None:
    within = trees.call(trees.named("f"), around[0], {"type": "set", "value": [[trees.WHOLE[how]]]})
    module = rego.module_of(trees.tree(trees.rule("a", body=[*(term for term, _ in terms), within])))
    assert module.reads is None
