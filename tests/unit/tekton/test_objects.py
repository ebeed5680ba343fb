"""Whatever an object holds, reading it never raises."""

import pytest

from avouch.tekton import objects

OBJECT = {"a": {"b": "text", "list": ["x", 1, {"c": 1}, None, ("y",)], "pair": ("x", {"c": 2})}}


@pytest.mark.parametrize(
    ("path", "mapping", "mappings", "texts", "text"),
    [
        ((), OBJECT, (), (), ""),
        (("a", "b"), {}, (), (), "text"),
        (("a", "list"), {}, ({"c": 1},), ("x",), ""),
        (("a", "pair"), {}, ({"c": 2},), ("x",), ""),
        (("a", "b", "c"), {}, (), (), ""),
        (("a", "list", "c"), {}, (), (), ""),
        (("z", "y"), {}, (), (), ""),
    ],
)
def test_what_is_not_there_or_of_another_kind_reads_as_empty(
    path: tuple[str, ...], mapping: object, mappings: object, texts: object, text: str
) -> None:
    assert objects.mapping(OBJECT, *path) == mapping
    assert objects.mappings(OBJECT, *path) == mappings
    assert objects.texts(OBJECT, *path) == texts
    assert objects.text(OBJECT, *path) == text
