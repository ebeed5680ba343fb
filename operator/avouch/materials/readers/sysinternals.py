"""Reports of Sysinternals' sigcheck and accesschk. No format is published: typical columns and lines are checked."""

import csv
import re
from collections.abc import Iterator

from avouch import errors
from avouch.materials.readers import document, texts, tools

_COLUMNS = ("Path", "Verified")
_SIGCHECK = "deliver sigcheck -c (CSV) or -ct (TSV) with its header"
_ACCESSCHK = "deliver what accesschk printed"
_BANNER = re.compile(r"\s*accesschk v(\d[\d.]*)", re.ASCII | re.IGNORECASE)
_ENTRY = re.compile(r"[ \t]+(?:RW|R|W)[ \t]+\S")  # a principal and its access, below an object
_DESCRIPTOR = re.compile(r"[ \t]+(?:DESCRIPTOR FLAGS:|OWNER:|\[\d+\] ACCESS_ALLOWED)", re.ASCII)


def sigcheck(content: bytes) -> document.Document:
    """CSV or TSV with the columns Path and Verified; only a header means that nothing was found."""
    for _ in signed(content):
        pass
    return document.understood(tools.one("sigcheck"))


def signed(content: bytes) -> Iterator[dict[str, str]]:
    """The rows of sigcheck's report by their columns. Raises errors.Invalid: it is none."""
    rows = _rows(texts.decode(content))
    try:
        header = [each.strip() for each in next((row for row in rows if row and row[0].strip() == _COLUMNS[0]), [])]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise errors.Invalid(f"not a sigcheck report: no column {', '.join(missing)}", fix=_SIGCHECK)
        for row in rows:
            if row and len(row) != len(header):
                message = f"not a sigcheck report: a row has {len(row)} fields and the header {len(header)}"
                raise errors.Invalid(message, fix=_SIGCHECK)
            if row:
                yield dict(zip(header, row, strict=True))
    except csv.Error as exc:
        raise errors.Invalid(f"not a sigcheck report: {exc}", fix=_SIGCHECK) from exc


def _rows(text: str) -> Iterator[list[str]]:
    first = next((line for line in texts.lines(text) if line.lstrip('"').startswith(_COLUMNS[0])), "")
    return csv.reader(texts.lines(text), delimiter="\t" if "\t" in first else ",")


def accesschk(content: bytes) -> document.Document:
    """The banner, or a line of access below its object, or a security descriptor. The version is the banner's."""
    version = ""
    known = below = False
    for line in texts.lines(texts.decode(content)):
        banner = _BANNER.match(line)
        version = version or (banner[1].rstrip(".") if banner else "")
        known = known or bool(banner or (below and _ENTRY.match(line)) or _DESCRIPTOR.match(line))
        below = below or bool(line[:1].strip())
    if not known:
        raise errors.Invalid("not an accesschk report: no banner, no access, no descriptor", fix=_ACCESSCHK)
    return document.understood(tools.one("AccessChk", version))
