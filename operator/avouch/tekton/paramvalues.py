"""Tekton's ParamValue, the type of params and results: a string, an array of strings or an object of strings.

A step writes a result as text; Tekton reads an array or object from it and keeps only that. Whoever compares what a
step wrote with what Tekton kept reads both here. Rules: UnmarshalJSON in tektoncd/pipeline
pkg/apis/pipeline/v1/param_types.go, which is Go's: null is an empty string, and of two equal keys the last one counts.
"""

import json
from collections.abc import Mapping
from typing import TypeAlias

from avouch import storable

Value: TypeAlias = str | list[str] | dict[str, str]


def read(value: object) -> Value:
    """A value as the API holds it; what is of none of the three kinds is text.

    >>> read("a"), read(["a", 1]), read({"b": "2"}), read(None)
    ('a', ['a', '1'], {'b': '2'}, '')
    """
    if isinstance(value, list):
        return [text(each) for each in value]
    if isinstance(value, Mapping):
        return {key: text(each) for key, each in value.items()}
    return "" if value is None else text(value)


def text(value: object) -> str:
    """A value as the API holds it: a string as it is, an array or object as JSON in one spelling, as it is recorded."""
    if isinstance(value, str):
        return value
    return json.dumps(storable.clean(value).value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def normalized(written: str) -> str:
    """What a step wrote, spelt as `text` spells the array or object that Tekton reads from it, else unchanged.

    >>> normalized('["a", "b"]'), normalized('{"b": "2", "a": null}'), normalized('[1, 2]')
    ('["a","b"]', '{"a":"","b":"2"}', '[1, 2]')
    """
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        return written
    if isinstance(value, dict) and all(map(_is_text, value.values())):
        return text({key: each or "" for key, each in value.items()})
    if isinstance(value, list) and all(map(_is_text, value)):
        return text([each or "" for each in value])
    return written


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)
