"""The name that was most likely meant. Standard library only."""

import difflib
import heapq
import itertools
from collections.abc import Iterable

_LONG = 64  # characters that are compared
_APART = 3  # characters by which the length of what was meant differs
_MANY = 200  # names whose letters are compared
_FEW = 16  # of these, the most alike, whose order is: 20 ms if somebody makes them so that they are all alike


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one; "" where none is.

    >>> nearest("testz", ["image", "tests"]), nearest("testz", ["image"])
    ('tests', '')
    """
    alike = (each for each in known if abs(len(each) - len(name)) <= _APART)
    some = {each[:_LONG]: each for each in itertools.islice(alike, _MANY)}
    wanted = difflib.SequenceMatcher(b=name[:_LONG])

    def letters(each: str) -> float:
        wanted.set_seq1(each)
        return wanted.quick_ratio()

    found = difflib.get_close_matches(name[:_LONG], heapq.nlargest(_FEW, some, key=letters), n=1)
    return some[found[0]] if found else ""
