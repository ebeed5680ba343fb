"""Reports of Sysinternals: sigcheck's rows, and accesschk's objects with what protects them.

Accesschk repeats the same few security descriptors for thousands of objects: each descriptor is listed once, and
objects name it by its place. No format is published: lines that say nothing known stay in `raw_lines`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from avouch.materials.projections import pieces
from avouch.materials.readers import sysinternals, texts

_RAW = 10 * pieces.MIB  # bytes of a report whose lines are shown as they are written, too
_VERSION = re.compile(r"accesschk v(\d[\d.]*)", re.ASCII | re.IGNORECASE)
_ACCESS = re.compile(r"(RW|R|W)\s+(\S.*)")
_ENTRY = re.compile(r"\[(\d{1,9})\](.*)", re.ASCII)


def sigcheck(content: bytes) -> bytes:
    """The rows by their columns."""
    counted = pieces.Counted()
    return pieces.encoded(pieces.array([counted.piece(row) for row in sysinternals.signed(content)]))


def accesschk(content: bytes) -> bytes:
    """The objects, their descriptors, and the text itself unless it is long."""
    counted = pieces.Counted()
    text = texts.decode(content)
    raw = text if len(content) <= _RAW else ""
    report = _Report(bool(raw))
    for line in texts.lines(text):
        report.see(line)
    places: dict[str, int] = {}
    objects = []
    for each in report.objects:
        place = places.setdefault(pieces.text(each.descriptor), len(places))
        lines = {"raw_lines": each.lines} if each.lines else {}
        objects.append(counted.piece({"name": each.name, "descriptor": place, **lines}))
    tool = {"name": "AccessChk", **({"version": report.version} if report.version else {})}
    made = counted.piece({"tool": tool, "raw": raw})
    return pieces.encoded(pieces.with_lists(made, descriptors=places, objects=objects))


@dataclass(slots=True)
class _Object:
    name: str
    flags: list[str] = field(default_factory=list)
    owner: str = ""
    allowed: list[dict[str, Any]] = field(default_factory=list)
    audited: list[dict[str, Any]] = field(default_factory=list)
    access: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What protects it: all but its name."""
        known = {"descriptor_flags": self.flags, "owner": self.owner, "dacl": self.allowed, "sacl": self.audited}
        return {**{name: value for name, value in known.items() if value}, "access_entries": self.access}


class _Report:
    """What was read so far."""

    def __init__(self, lines: bool) -> None:
        self.version = ""
        self.objects: list[_Object] = []
        self._lines = lines
        self._section = ""
        self._entry: dict[str, Any] | None = None  # of an access control list, to which flags and rights belong
        self._indent = -1  # of the last principal with its access

    def see(self, line: str) -> None:
        """Read one line: an object stands at its beginning, everything of it is indented."""
        said = line.strip()
        if not said or self._is_banner(said):
            return
        if not line[0].isspace():
            self.objects.append(_Object(said))
            self._section, self._entry, self._indent = "", None, -1
        elif self.objects:
            if self._lines:
                self.objects[-1].lines.append(line)
            self._belongs(said, len(line) - len(line.lstrip()), self.objects[-1])

    def _is_banner(self, said: str) -> bool:
        lower = said.lower()
        found = _VERSION.match(said)
        if found and not self.version:
            self.version = found[1].rstrip(".")
        return lower.startswith(("accesschk v", "copyright")) or "sysinternals - www.sysinternals.com" in lower

    def _belongs(self, said: str, indent: int, to: _Object) -> None:
        if found := _ACCESS.fullmatch(said):
            to.access.append({"access": found[1], "principal": found[2], "rights": []})
            self._indent, self._entry = indent, None
        elif said.startswith(("DESCRIPTOR FLAGS", "DACL", "SACL")):
            self._section, self._entry = said[:4], None
        elif said.startswith("OWNER:"):
            to.owner, self._entry = said.removeprefix("OWNER:").strip(), None
        elif (found := _ENTRY.fullmatch(said)) and ":" in found[2]:
            self._control(found, to)
        else:
            self._detail(said, indent, to)

    def _control(self, found: re.Match[str], to: _Object) -> None:
        kind, _, principal = found[2].partition(":")
        known = {"ace_type": kind.strip()} if kind.strip() else {}
        self._entry = {"index": int(found[1]), **known, "principal": principal.strip(), "ace_flags": [], "rights": []}
        self._section = self._section if self._section == "SACL" else "DACL"
        (to.audited if self._section == "SACL" else to.allowed).append(self._entry)

    def _detail(self, said: str, indent: int, to: _Object) -> None:
        """A flag stands in brackets, a right does not."""
        flag = said.startswith("[") and said.endswith("]")
        if self._entry is not None:
            self._entry["ace_flags" if flag else "rights"].append(said[1:-1] if flag else said)
        elif self._section == "DESC":
            to.flags.append(said.removeprefix("[").removesuffix("]"))
        elif 0 <= self._indent < indent and to.access:
            to.access[-1]["rights"].append(said)
