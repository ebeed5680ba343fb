"""Finds the element of a long list that makes a document invalid, by bisection.

To explain an error, a schema library copies what it looked at: for one wrong element in a long list under an `anyOf`
that takes minutes and gigabytes. Validation alone is cheap, so the document is bisected until the rest is small enough
to be explained.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SMALL = 5_000  # values that a document may have for its errors to be explained
_LONG = 50  # elements of a list that is worth a try without them
_TRIES = 20  # each validates the document once
_LEVELS = 4  # of objects that are searched for long lists: runs/0/results is the deepest that formats have
Valid = Callable[[Any], bool]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A document with the same error, and where its one-element list stood in the whole: path and index."""

    document: Any
    path: Path = ()
    index: int = 0

    def place(self, found: list[str | int]) -> str:
        """The path in the whole document of an error in the smaller one."""
        where = list(found)
        if self.path and tuple(where[: len(self.path)]) == self.path and len(where) > len(self.path):
            where[len(self.path)] = self.index
        return "/".join(map(str, where or (*self.path, *((self.index,) if self.path else ()))))


def suspect(document: Any, valid: Valid) -> Suspect | None:
    """A document that is small enough to be explained; None if there is none."""
    document = document if _small(document) else _thinned(document, valid)
    if _small(document):
        return Suspect(document)
    for path, items in itertools.islice(_lists(document, (), _LEVELS), _TRIES):
        if any(valid(_with(document, path, few)) for few in ([], items[:1], items[-1:])):
            low = _halved(items, functools.partial(_valid_with, valid, document, path))
            found = Suspect(_with(document, path, items[low : low + 1]), path, low)
            return found if _small(found.document) else None
    return None


def _thinned(document: Any, valid: Valid) -> Any:
    """The document with one element of each long list in which its error is not, or is already in the first element."""
    tried: set[Path] = set()
    while len(tried) < _TRIES:
        long = ((path, items) for path, items in _lists(document, (), _LEVELS) if len(items) > _LONG)
        path, items = next(((path, items) for path, items in long if path not in tried), ((), []))
        if not path:
            break
        tried.add(path)
        fewer = _with(document, path, items[:1])
        document = document if valid(fewer) else fewer
    return document


def _valid_with(valid: Valid, document: Any, path: Path, items: list[Any]) -> bool:
    return valid(_with(document, path, items))


def _halved(items: list[Any], valid: Callable[[list[Any]], bool]) -> int:
    low, high = 0, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        if valid(items[low:middle]):
            low = middle
        else:
            high = middle
    return low


def _small(document: Any) -> bool:
    count, rest = 0, [document]
    while rest and count <= SMALL:
        each = rest.pop()
        children = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        count += len(children)
        rest += children if count <= SMALL else ()
    return count <= SMALL


def _lists(value: Any, path: Path, levels: int) -> Iterator[tuple[Path, list[Any]]]:
    """Lists, the shallow first; inside lists only the first elements are looked into."""
    inside: list[tuple[Path, Any]] = []
    named = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, child in named:
        if isinstance(child, list) and len(child) > 1:
            yield (*path, key), child
        inside.append(((*path, key), child))
    for where, child in inside if levels > 1 else ():
        yield from _lists(child, where, levels - 1)


def _with(document: Any, path: Path, items: list[Any]) -> Any:
    if not path:
        return items
    copy = document.copy()
    copy[path[0]] = _with(document[path[0]], path[1:], items)
    return copy
