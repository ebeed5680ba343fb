"""The cache of objects: by key, by kind, and by what indexers file them under."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avouch.kube.cache import Key, ObjectCache

INDEXERS = {"Workflow": lambda obj: obj["metadata"]["colors"]}
COLORS = st.none() | st.lists(st.sampled_from(["red", "blue"]), max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from("ab"), COLORS), max_size=12)


def an_object(name: str, *colors: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team", "uid": name, "colors": colors}}


@given(STEPS)
def test_kinds_and_indices_say_what_a_look_at_every_object_would(steps: list[tuple[str, list[str] | None]]) -> None:
    cache = ObjectCache(INDEXERS)
    known: dict[str, list[str]] = {}
    for name, colors in steps:
        if colors is None:
            cache.drop(Key("Workflow", "team", name))
            known.pop(name, None)
        else:
            cache.put(Key("Workflow", "team", name), an_object(name, *colors))
            known[name] = colors
    assert sorted(key.name for key in cache.keys("Workflow")) == sorted(known)
    for color in ("red", "blue"):
        names = sorted(name for name, has in known.items() if color in has)
        assert [key.name for key in cache.found("Workflow", color)] == names
        assert cache.holds("Workflow", color) == bool(names)


def test_one_kind_is_not_another() -> None:
    cache = ObjectCache(INDEXERS)
    cache.put(Key("Workflow", "team", "a"), an_object("a", "red"))
    assert (cache.keys("Contract"), cache.holds("Contract", "red")) == ([], False)
