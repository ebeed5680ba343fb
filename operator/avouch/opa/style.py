"""How a script is written: OPA's own formatter, and Regal, the linter of Rego, where this machine has it.

Neither keeps a script from being evaluated.
"""

import difflib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.opa import program
from avouch.policy import rego

_TOLD = 10  # findings of one script
# What is said of files in a project of Rego, which an embedded script is not; opa-fmt we say ourselves.
_NOT_HERE = ("directory-package-mismatch", "file-missing-test-suffix", "no-defined-entrypoint", "opa-fmt")
_FOUND = 3  # Regal's exit code where it found something


async def of(opa: program.Program, source: str) -> Sequence[rego.Flaw]:
    """What both say of a script that can be compiled."""
    with tempfile.TemporaryDirectory(prefix="avouch-policy-") as folder:
        script = Path(folder) / "policy.rego"
        script.write_text(source, encoding="utf-8")
        formatted = await program.run(opa.path, "fmt", str(script))
        if formatted.code != 0:
            raise errors.Unavailable(f"opa fmt fails: {formatted.complaint.decode('utf-8', 'replace').strip()[:300]}")
        found = [*_unformatted(source, formatted.output.decode())]
        if opa.regal:
            disabled = [part for rule in _NOT_HERE for part in ("--disable", rule)]
            said = await program.run(opa.regal, "lint", "--format", "json", *disabled, str(script))
            found += of_regal(said.code, said.output, said.complaint, source)
    return found[:_TOLD]


def _unformatted(source: str, formatted: str) -> Iterator[rego.Flaw]:
    """The first line that the formatter would write otherwise; lines at the end that are blank are YAML's business."""
    written, wanted = source.rstrip("\n").split("\n"), formatted.rstrip("\n").split("\n")
    for change, first, last, begin, end in difflib.SequenceMatcher(a=written, b=wanted, autojunk=False).get_opcodes():
        if change != "equal":
            shown = " / ".join(
                line.replace("\t", "<tab>") or "a blank line" for line in wanted[begin : min(end, begin + 3)]
            )
            there = written[min(first, len(written) - 1)]
            before = " before this" if last == first else ""
            told = f"opa fmt writes{before}: {shown}" if end > begin else f"opa fmt leaves out {last - first} line(s)"
            column = 1 + len(there) - len(there.lstrip()) if last > first else 1
            yield rego.Flaw(told, first + 1, column, there)
            return


def of_regal(code: int, output: bytes, complaint: bytes, source: str) -> Sequence[rego.Flaw]:
    """The report of `regal lint --format json`."""
    try:
        found = json.loads(output).get("violations") if code in (0, _FOUND) else None
    except (ValueError, AttributeError):
        found = None
    if not isinstance(found, list):
        said = (complaint or output).decode("utf-8", "replace").strip()
        return [rego.Flaw(f"regal ended with {code} and no report: {said[:300]}")]
    return [_of_regal(each, source.split("\n")) for each in found if isinstance(each, Mapping)]


def _of_regal(said: Mapping[str, Any], lines: Sequence[str]) -> rego.Flaw:
    place = said.get("location") or {}
    line, column = int(place.get("row") or 0), int(place.get("col") or 0)
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    message = f"regal {said.get('category')}/{said.get('title')}: {said.get('description')}"
    return rego.Flaw(message, line, column, text)
