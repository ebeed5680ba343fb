"""Safe YAML: aliases count with their expanded size, keys are strings, no duplicate names, no timestamps.

YAML lets few bytes expand into billions of values. The first pass looks at events only and knows the true size before
anything is built. Keys such as 200 become texts, as they do on the way to JSON.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from avouch import errors

DEPTH = 100
VALUES = 500_000
FIX = "write plain YAML: few aliases, each key once"


_RESOLVERS = yaml.CSafeLoader.yaml_implicit_resolvers
# Numbers of base 60 (`12:30:45`) are texts, as in YAML 1.2: to compute one takes the square of its length.
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(
        r"[-+]?0b[01_]+$|[-+]?0[0-7_]+$|[-+]?(?:0|[1-9][0-9_]*)$|[-+]?0x[0-9a-fA-F_]+$", re.ASCII
    ),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
        re.ASCII,
    ),
}


class _Loader(yaml.CSafeLoader):
    """The values that JSON has: no dates, no binary, no sets."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the base class keeps it so
        first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in _RESOLVERS.items()
    }

    repeated = False  # whether a key may stand twice: then the last one counts

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if node.tag in _NUMBERS and ":" in node.value:  # a tag says that it is a number
            raise errors.Invalid(f"{node.value[:64]!r} is no number of base 10", fix=FIX)
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise errors.Invalid("a key is not a text", fix=FIX)
            if key_node.value in found and not self.repeated:
                raise errors.Invalid(f"{key_node.value[:64]!r} is in one mapping twice", fix=FIX)
            found[key_node.value] = self.construct_object(value_node, deep=deep)
        return found


class _Texts(_Loader):
    """Every scalar as it is written: 1.10 is no number, and nothing but null is no text."""


def _as_written(_: _Texts, node: yaml.ScalarNode) -> str:
    return str(node.value)


for _kind in ("bool", "int", "float", "timestamp"):
    _Texts.add_constructor(f"tag:yaml.org,2002:{_kind}", _as_written)


def texts(content: bytes) -> Any:
    """As `load`, but each scalar is a text, as it is written, or null: for files whose fields are all texts."""
    return _parsed(content, _Texts)


class _Repeated(_Loader):
    repeated = True


def last(content: bytes) -> Any:
    """As `load`, but of a key that stands twice the last one counts: for what `check_syntax` accepts."""
    return _parsed(content, _Repeated)


def load(content: bytes) -> Any:
    """Parse one document.

    Raises:
        Invalid: not YAML, several documents, a key twice.
        TooLarge: deeper than `DEPTH`, or it expands to more than `VALUES`.
    """
    return _parsed(content, _Loader)


def _parsed(content: bytes, loader: type[_Loader]) -> Any:
    try:
        text = content.decode("utf-8-sig")
        _check_size(text)
        return yaml.load(text, Loader=loader)  # noqa: S506  # a safe loader, with less
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise _broken(exc) from exc


def check_syntax(content: bytes) -> None:
    """Whether this is YAML at all, for what other tools merge: a key may stand twice. Raises as `load`."""
    try:
        _check_size(content.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError) as exc:
        raise _broken(exc) from exc


def _broken(exc: Exception) -> errors.Invalid:
    return errors.Invalid(f"not YAML in UTF-8: {' '.join(str(exc).split())}", fix=FIX)


def _check_size(text: str) -> None:
    sizes = _Sizes()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        sizes.add(event)
        if sizes.total > VALUES:
            raise errors.TooLarge(f"it expands to more than {VALUES} values", fix=FIX)
        if len(sizes.open) > DEPTH:
            raise errors.TooLarge(f"nested too deeply: more than {DEPTH} levels", fix=FIX)


class _Sizes:
    """How many values there are. An anchor's are known when it ends; an alias inside its own anchor never ends."""

    def __init__(self) -> None:
        self.total = 0
        self.open: list[tuple[str | None, int]] = []
        self.anchored: dict[str | None, int] = {}

    def add(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            self.anchored[anchor] = self.total - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchored:
                message = f"the alias {str(event.anchor)[:64]!r} refers to no complete anchor"
                raise errors.Invalid(message, fix=FIX)
            self.total += self.anchored[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.total))
            self.total += 1
        elif isinstance(event, yaml.ScalarEvent):
            self.total += 1
            self.anchored[event.anchor] = 1
