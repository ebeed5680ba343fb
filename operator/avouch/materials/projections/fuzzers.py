"""Reports of fuzzers: dranzer's text as objects, findings and counters, and the records of radamsa -M.

Dranzer's format is not published, and it writes in the code page of the machine: bytes that are no UTF-8 are left out,
lines that say nothing known are passed over, and the whole text stays beside what was read of it, as `raw`. Each
pattern takes time in proportion to its line.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from avouch.materials.projections import pieces
from avouch.materials.readers import fuzzers

_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_ADDRESS = "0x[0-9A-Fa-f]+"
_OBJECT = re.compile(r"Testing COM Object - (\{[^}]+\}|[0-9A-Fa-f-]+)\s*(.*)")
_CALL = re.compile(r"Invok(?:ing|ed) (?:Method|Property Get|Property Put Reference|Property Put)\s+-\s+(.+)")
_VIOLATION = re.compile(rf"(.+?) at ({_ADDRESS}) :Bad (read|write) on {_ADDRESS}")
_EXCEPTION = re.compile(rf"(.+?) \(code ([0-9A-Fa-f]+)\) at ({_ADDRESS})")
_FAILED = re.compile(r"(\{[^}]+\})-(.*)")
_ERROR = re.compile(rf"ERROR - (.*)\(({_ADDRESS})\)")
_FACT = re.compile("[A-Za-z][A-Za-z .]+")
_NUMBER_OF = "Number of "
_ENGINE = "Test Engine Version"
_SUMMARY = {
    "object_count": "com_objects",
    "kill_bit_count": "com_objects_with_kill_bit",
    "passed_count": "com_objects_passed_test",
    "failed_count": "com_objects_failed_test",
    "hung_count": "com_objects_hung_during_test",
}


def radamsa(content: bytes) -> bytes:
    """The records of all logs, those of an archive in the order of their names."""
    counted = pieces.Counted()
    logs = sorted(fuzzers.logs(content), key=lambda log: log.name)
    records = (record for log in logs for record in fuzzers.records(log))
    return pieces.encoded(pieces.array([counted.piece({name: _value(said) for name, said in one}) for one in records]))


def _value(said: str) -> object:
    if len(said) > 1 and said.startswith('"') and said.endswith('"'):
        try:
            return json.loads(said)
        except ValueError:  # escaped as JSON does not
            return said[1:-1]
    return int(said) if _INTEGER.fullmatch(said) else said


def dranzer(content: bytes) -> bytes:
    """What all reports tell together, in the order of their names, and the summary of each.

    Counters are added up: one run tests the same objects in several modes.
    """
    counted = pieces.Counted()
    found = [_Report.of(one.name, one.content) for one in sorted(fuzzers.reports(content), key=lambda one: one.name)]
    total: Counter[str] = Counter()
    for each in found:
        total.update(each.counters)
    fields = {
        "tool": _tool(next((each.version for each in found if each.version), "")),
        "summary": _summary(total),
        "raw": "".join(each.shown for each in found),
    }
    return pieces.encoded(
        pieces.with_lists(
            counted.piece(fields),
            objects=[counted.piece(each) for one in found for each in one.objects],
            findings=[counted.piece(each) for one in found for each in one.findings],
            reports=[counted.piece(one.entry) for one in found],
        )
    )


def _tool(version: str) -> dict[str, str]:
    return {"name": "dranzer", **({"version": version} if version else {})}


def _summary(counters: Counter[str]) -> dict[str, Any]:
    known = {name: counters.get(label, 0) for name, label in _SUMMARY.items()}
    return {**known, **({"counters": dict(counters)} if counters else {})}


@dataclass(slots=True)
class _Report:
    """One report of dranzer. `source` is its name in an archive."""

    source: str
    text: str
    version: str
    objects: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, str]] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, source: str, content: bytes) -> "_Report":
        """Read one."""
        text = content.decode("utf-8", "ignore")
        made = cls(source, text, fuzzers.revision_of(content).decode("ascii"))
        state = _State(made)
        for line in text.split("\n"):
            said = line.strip()
            if said.strip("* ").lower() not in ("", "access violation"):
                state.see(said)
        return made

    @property
    def shown(self) -> str:
        """Its text, under its name where it has one."""
        return f"===== {self.source} =====\n{self.text.removesuffix(chr(10))}\n" if self.source else self.text

    @property
    def entry(self) -> dict[str, Any]:
        """Its own summary."""
        return {**self.where, "tool": _tool(self.version), "summary": _summary(self.counters)}

    @property
    def where(self) -> dict[str, str]:
        """The report that something stands in; nothing where there is one only."""
        return {"source": self.source} if self.source else {}


class _State:
    """Where in a report a line stands."""

    def __init__(self, report: _Report) -> None:
        self._report = report
        self._object: dict[str, Any] | None = None
        self._failed: dict[str, str] | None = None  # waits for the line with its error
        self._call = ""
        self._known = (  # in this order
            (_OBJECT, self._begin),
            (_CALL, self._invoke),
            (_VIOLATION, self._violate),
            (_EXCEPTION, self._except),
            (_FAILED, self._expect),
            (_ERROR, self._fail),
        )

    def see(self, line: str) -> None:
        """Read one line."""
        for pattern, tell in self._known:
            if found := pattern.fullmatch(line):
                tell(found)
                return
        if line.startswith(_NUMBER_OF):
            self._count(line)
        elif line.startswith(_ENGINE):
            self._object = None  # what follows is the summary of the run
        elif self._object is not None:
            self._tell(line, self._object)

    def _begin(self, found: re.Match[str]) -> None:
        about = {"clsid": found[1], "description": found[2].strip()}
        said: dict[str, Any] = {name: value for name, value in about.items() if value}
        self._object = {**said, "metadata": {}, **self._report.where}
        self._report.objects.append(self._object)
        self._failed, self._call = None, ""

    def _invoke(self, found: re.Match[str]) -> None:
        self._call = found[1].strip()

    def _violate(self, found: re.Match[str]) -> None:
        self._find(method=self._call, error_message=found[1], address=found[2], access_type=found[3])

    def _except(self, found: re.Match[str]) -> None:
        self._find(method=self._call, error_message=found[1], error_code=f"0x{found[2]}", address=found[3])

    def _expect(self, found: re.Match[str]) -> None:
        self._failed = self._made(clsid=found[1], class_name=found[2])

    def _fail(self, found: re.Match[str]) -> None:
        said = {"error_message": found[1].strip(), "error_code": found[2]}
        if self._failed is not None:
            self._failed |= {name: text for name, text in said.items() if text}
            self._failed = None
        else:
            self._find(**said)

    def _count(self, line: str) -> None:
        label, _, number = line.removeprefix(_NUMBER_OF).replace("\t", "  ").rpartition("  ")
        if label.strip() and _INTEGER.fullmatch(number.strip()):
            self._report.counters[_key(label)] = int(number)

    def _find(self, **said: str) -> None:
        self._made(**self._of_object(), **said)

    def _of_object(self) -> dict[str, str]:
        tested = self._object or {}
        return {"clsid": str(tested.get("clsid", "")), "class_name": str(tested.get("description", ""))}

    def _made(self, **said: str) -> dict[str, str]:
        made = {name: text.strip() for name, text in said.items() if text.strip()} | self._report.where
        self._report.findings.append(made)
        return made

    def _tell(self, line: str, tested: dict[str, Any]) -> None:
        name, colon, value = line.partition(":")
        if colon and _FACT.fullmatch(name.strip()):
            tested["metadata"][_key(name)] = value.strip()


def _key(label: str) -> str:
    return "_".join(label.lower().replace(".", "").split())
