import copy

import hypothesis
from hypothesis import strategies as st

from avouch.cli import objects

# Kubernetes keeps no nulls.
values = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.text("ab", max_size=2)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.sampled_from("abc"), below, max_size=3)),
    max_leaves=12,
)
tables = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def merged(target, patch):
    """RFC 7396, section 2, word by word."""
    if not isinstance(patch, dict):
        return patch
    target = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


@hypothesis.given(tables, tables)
def test_the_difference_makes_one_of_the_other(before, after):
    assert merged(copy.deepcopy(before), objects.difference(before, after)) == after


@hypothesis.given(tables)
def test_what_is_the_same_needs_no_change(table):
    assert objects.difference(table, copy.deepcopy(table)) == {}
