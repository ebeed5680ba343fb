"""No reader takes more than its share of time for a longer document, with whatever is long or wrong in it.

Nor does what makes of it what policies see.

CPU time of this process is measured at growing sizes; other processes disturb it, so what looks worse than it should
is measured again. What remains worse is worse.
"""

import contextlib
import math
import time
from collections.abc import Callable

import pytest

from avouch import errors
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.policy import documents
from tests.exhaustion import growing

# The exponent. What is linear was seen to reach 1.58 where other processes had the caches; what takes the square has 2.
MOST = 1.7
_BYTES = 1024 * 1024  # of the largest document
_PART = 1_000  # parts by which a document's size is estimated
_TIMES = 16  # as large as the small document is the large one
_SOON = 0.05  # seconds: what takes less is not compared
_SLOW = 0.3  # seconds: of what takes more and is worse, no larger one is read
_TRIES = 4
AS_READ = ("OPENAPI_SPEC", "ASYNCAPI_SPEC")  # policies see what the reader parses, by the same parser


Take = Callable[[str, bytes], object]


def shown(type_: str, content: bytes) -> None:
    with contextlib.suppress(errors.Invalid):
        documents.of_material(type_, content)


def seconds(case: growing.Growing, content: bytes, take: Take) -> float:
    started = time.process_time()
    take(case.type, content)
    return time.process_time() - started


def exponent(case: growing.Growing, take: Take) -> float:
    """Of the time over the size; 0 where even the large document takes no time to speak of."""
    limit = min(material_types.of(case.type).limit, _BYTES)
    size = len(case.make(_PART))
    number = max(min(case.most, _PART * limit // size), _TIMES)
    small = seconds(case, case.make(number // _TIMES), take)
    if small > _SOON and (middle := seconds(case, case.make(number // 4), take)) > _SLOW:
        found = _exponent(small, middle, _TIMES / 4)
        if found > MOST:
            return found
    large = seconds(case, case.make(number), take)
    return 0.0 if large < _SOON else _exponent(small, large, _TIMES)


def _exponent(small: float, large: float, times: float) -> float:
    return math.log(large / max(small, 0.001)) / math.log(times)


def worse(type_: str, take: Take) -> dict[str, list[float]]:
    """What takes more than its share, with the exponents that were measured."""
    told = {}
    for case in growing.of_type(type_):
        found = [exponent(case, take)]
        while min(found) > MOST and len(found) < _TRIES:
            found.append(exponent(case, take))
        if min(found) > MOST:
            told[case.name] = [round(each, 2) for each in found]
    return told


@pytest.mark.parametrize("type_", growing.TYPES)
def test_a_longer_document_takes_no_more_than_its_share_of_time(type_):
    assert worse(type_, validation.read) == {}


@pytest.mark.parametrize("type_", [name for name, row in documents.TABLE.items() if row.made and name not in AS_READ])
def test_a_longer_document_is_shown_to_policies_in_no_more_than_its_share_of_time(type_):
    assert worse(type_, shown) == {}


def test_every_type_that_is_read_is_grown():
    read = {kind.name for kind in material_types.MATERIALS if kind.reader}
    assert set(growing.TYPES) == read
    for type_ in read:
        assert sum(1 for _ in growing.of_type(type_)) >= 1
