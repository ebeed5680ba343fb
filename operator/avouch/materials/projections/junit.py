"""JUnit reports as a list of suites: fields, statuses and totals as Chainloop's parser (go-junit) has them.

Durations are whole nanoseconds. Totals are counted, whatever the report says of itself. A suite's properties are its
attributes and its properties, and so are a case's.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from avouch.materials.projections import pieces
from avouch.materials.readers import archives, junit, xmls

_NANOSECONDS = 1_000_000_000
_LONGEST = 2**63 - 1
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": _NANOSECONDS, "m": 60 * _NANOSECONDS,
          "h": 3600 * _NANOSECONDS}  # fmt: skip
_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?)(ns|us|µs|ms|s|m|h)", re.ASCII)
_STATUSES = {"skipped": "skipped", "failure": "failed", "error": "error"}
_OUTPUTS = {"system-out": "stdout", "system-err": "stderr"}


def suites(content: bytes) -> bytes:
    """The suites of a report, or of all reports of an archive, in their order.

    Cases without a suite are in one without a name, after the others.
    """
    counted = pieces.Counted()
    return pieces.encoded(pieces.array([suite for report in _reports(content) for suite in _of(report, counted)]))


def _reports(content: bytes) -> Iterator[bytes]:
    if archives.is_packed(content):
        yield from (entry.content for entry in archives.files(content) if entry.name.lower().endswith(".xml"))
    else:
        yield content


def _of(report: bytes, counted: pieces.Counted) -> list[str]:
    follower = _Follower(counted)
    xmls.follow(report, follower)
    loose = follower.loose
    return [*follower.found, *([loose.piece(counted)] if loose.totals["tests"] else [])]


def nanoseconds(said: str) -> int:
    """How long something took: seconds, with commas or without, or a duration as Go writes it; 0 for anything else.

    >>> nanoseconds("1,000.5"), nanoseconds("1m30s"), nanoseconds("soon"), nanoseconds("nan")
    (1000500000000, 90000000000, 0, 0)
    """
    plain = said.replace(",", "").strip()
    try:
        taken = float(plain) * _NANOSECONDS
    except ValueError:
        parts = _PART.findall(plain)
        whole = "".join(number + unit for number, unit in parts) == plain
        taken = sum(float(number) * _UNITS[unit] for number, unit in parts) if whole else 0.0
    return int(taken) if math.isfinite(taken) and abs(taken) < _LONGEST else 0


class _Part(Enum):
    """What an element that is open means."""

    OUTSIDE = auto()
    SUITE = auto()
    CASE = auto()
    PROPERTIES = auto()
    OUTCOME = auto()
    OUTPUT = auto()
    IGNORED = auto()


@dataclass(slots=True)
class _Suite:
    attributes: Mapping[str, str]
    properties: dict[str, str]
    tests: list[str] = field(default_factory=list)
    suites: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("tests", "passed", "skipped", "failed", "error", "duration"), 0)
    )

    def piece(self, counted: pieces.Counted) -> str:
        """Empty properties, cases, suites and outputs are left out."""
        fields = {
            "name": self.attributes.get("name", ""),
            "package": self.attributes.get("package", ""),
            **({"properties": self.properties} if self.properties else {}),
            **self.outputs,
            "totals": self.totals,
        }
        lists = {"tests": self.tests, "suites": self.suites}
        return pieces.with_lists(counted.piece(fields), **{name: made for name, made in lists.items() if made})


@dataclass(slots=True)
class _Case:
    attributes: Mapping[str, str]
    properties: dict[str, str]
    status: str = "passed"
    message: str = ""
    error: dict[str, str] | None = None
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> int:
        return nanoseconds(self.attributes.get("time", ""))

    def piece(self, counted: pieces.Counted) -> str:
        return counted.piece(
            {
                "name": self.attributes.get("name", ""),
                "classname": self.attributes.get("classname", ""),
                "duration": self.duration,
                "status": self.status,
                "message": self.message,
                "error": self.error,
                "properties": self.properties,
                **self.outputs,
            }
        )


class _Follower:
    """Follows a report. `found`: its suites; `loose`: the suite of the cases that are in none."""

    def __init__(self, counted: pieces.Counted) -> None:
        self.found: list[str] = []
        self.loose = _Suite({}, {})
        self._counted = counted
        self._open: list[_Part] = []
        self._suites: list[_Suite] = []
        self._case: _Case | None = None
        self._said: list[str] = []
        self._name = ""  # of the element whose text is kept

    def started(self, element: xmls.Element) -> None:
        if self._open:
            part = self._begun(element, self._open[-1])
        elif element.name in junit.ROOTS:
            part = self._begun(element, _Part.OUTSIDE)
        else:
            part = _Part.IGNORED  # what a build puts beside its reports; the reader has told of it
        self._open.append(part)

    def ended(self) -> None:
        part = self._open.pop()
        if part is _Part.SUITE:
            self._end_suite()
        elif part is _Part.CASE:
            self._end_case()
        elif part in (_Part.OUTCOME, _Part.OUTPUT):
            self._end_text(part)

    def text(self, text: str) -> None:
        if self._name:
            self._said.append(text)

    def _begun(self, element: xmls.Element, parent: _Part) -> _Part:
        name = element.name
        if name == "testsuite" and parent in (_Part.OUTSIDE, _Part.SUITE):
            self._suites.append(_Suite(element.attributes, _local(element.attributes)))
            return _Part.SUITE
        if name == "testcase" and parent in (_Part.OUTSIDE, _Part.SUITE):
            self._case = _Case(element.attributes, _local(element.attributes))
            return _Part.CASE
        if parent is _Part.PROPERTIES and name == "property":
            attributes = element.attributes
            self._owner.properties[attributes.get("name", "")] = attributes.get("value", "")
        if parent not in (_Part.SUITE, _Part.CASE):
            return _Part.OUTSIDE if parent is _Part.OUTSIDE else _Part.IGNORED
        return self._inside(element, parent)

    def _inside(self, element: xmls.Element, parent: _Part) -> _Part:
        name = element.name
        if name == "properties":
            return _Part.PROPERTIES
        if name in _OUTPUTS:
            self._name, self._said = name, []
            return _Part.OUTPUT
        if parent is _Part.CASE and name in _STATUSES and self._case is not None:
            self._name, self._said = name, []
            self._case.status = _STATUSES[name]
            self._case.message = element.attributes.get("message", "")
            if name != "skipped":
                said = {each: element.attributes.get(each, "") for each in ("message", "type")}
                self._case.error = {each: text for each, text in said.items() if text}
            return _Part.OUTCOME
        return _Part.IGNORED

    @property
    def _owner(self) -> _Suite | _Case:
        return self._case or self._suites[-1]

    def _end_text(self, part: _Part) -> None:
        said, name = "".join(self._said), self._name
        self._name = ""
        if not said:
            return
        if part is _Part.OUTPUT:
            self._owner.outputs[_OUTPUTS[name]] = said
        elif name != "skipped" and self._case is not None and self._case.error is not None:
            self._case.error["body"] = said

    def _end_case(self) -> None:
        case, self._case = self._case, None
        if case is None:
            return
        suite = self._suites[-1] if self._suites else self.loose
        suite.tests.append(case.piece(self._counted))
        suite.totals["tests"] += 1
        suite.totals[case.status] += 1
        suite.totals["duration"] += case.duration

    def _end_suite(self) -> None:
        suite = self._suites.pop()
        made = suite.piece(self._counted)
        if not self._suites:
            self.found.append(made)
            return
        outer = self._suites[-1]
        outer.suites.append(made)
        for name, number in suite.totals.items():
            outer.totals[name] += number


def _local(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name.rpartition(":")[2]: value for name, value in attributes.items()}
