"""The `opa` of this machine: which one, which version, and what it says of a script before it is evaluated.

Scripts may call no function that reads the environment, parses other scripts, or looks up a host: a file of
capabilities, made of the program's own, leaves those out, and declares the functions that Chainloop adds. `http.send`
is one of the library's: what was made of a script calls OPA's own as little as any of those.
"""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.opa import child, launching, library
from avouch.policy import rego
from avouch.values import dataclass

WANTED = "1.22"
"""The release that the server runs; another 1.x does as well for a look on one's own machine."""
FORBIDDEN = ("opa.runtime", "rego.parse_module", "trace", "net.lookup_ip_addr")
_INSTALL = f"install OPA {WANTED} or a later 1.x, and put it on PATH or name it in AVOUCH_OPA"
_VERSION = re.compile(r"^Version: v?(\d+\.\d+\.\d+\S*)", re.M)
COMPILING = launching.Limits(seconds=20.0, memory=256 * launching.MIB, answer=4 * launching.MIB, behind=10)
"""What looking at one script may take: the answer holds what a script of some 200 KiB is parsed to."""
_BROKEN = 2  # the exit code of a program in Go that panics
_TOLD = 10  # flaws of one script
_V0 = "keyword is required"
_REWRITE = "rewrite it: opa fmt --v0-v1 -w FILE.rego"
_WORDS = 500  # characters of what OPA says


@dataclass(frozen=True, slots=True)
class Done:
    """How one run ended, and what it printed."""

    code: int
    output: bytes
    complaint: bytes


@dataclass(frozen=True, slots=True)
class Program:
    """An `opa` that answered which version it is.

    Attributes:
        path: where it is.
        version: its release.
        capabilities: what its scripts may call, as JSON.
        engines: what they may call as they are held by an engine: all but `http.send`.
        limits: what it may take.
        regal: the linter of that name, where this machine has it.
    """

    path: str
    version: str
    capabilities: str
    engines: str
    limits: launching.Limits
    regal: str = ""

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """The script as an engine holds it, or what is wrong with it, with lines of the script as it was written.

        Raises:
            errors.TooLarge: that takes more than it may.
            errors.Unavailable: somebody else ended it, which says nothing of the script.
        """
        with tempfile.TemporaryDirectory(prefix="avouch-policy-") as folder:
            script = Path(folder) / "policy.rego"
            script.write_text(source, encoding="utf-8")
            parsed = await _compiling(
                self.path, folder, "parse", "--format", "json", "--json-include", "locations", script
            )
            if parsed.code != 0:
                return _flaws(parsed, source)
            try:
                module = await asyncio.to_thread(_module, parsed.output)  # 0.6 s for the largest
                made = rego.compiled(source, module)
            except errors.Invalid as exc:
                return (rego.Flaw(errors.with_fix(exc.args[0], exc.fix)),)
            # What people wrote is checked, not what was made of it: messages name what they know.
            flaws = await self._checked(folder, {"policy.rego": rego.completed(source, module)}, self.capabilities)
            if not flaws and made.sends:
                flaws = await self._checked(folder, {"policy.rego": made.source, **library.DECLARED}, self.engines)
            return flaws or made

    async def _checked(self, folder: str, sources: Mapping[str, str], capabilities: str) -> Sequence[rego.Flaw]:
        """What is wrong with the first of some sources."""
        allowed = Path(folder) / "capabilities.json"
        allowed.write_text(capabilities, encoding="utf-8")
        files = [Path(folder) / name for name in sources]
        for file, source in zip(files, sources.values(), strict=True):
            file.write_text(source, encoding="utf-8")
        done = await _compiling(self.path, folder, "check", "--format", "json", "--capabilities", allowed, *files)
        return () if done.code == 0 else _flaws(done, files[0].read_text("utf-8"))


async def found(environment: Mapping[str, str], limits: launching.Limits | None = None) -> Program:
    """The program that AVOUCH_OPA names, or the `opa` on PATH.

    Raises:
        errors.NotInstalled: there is none, or it is not one of 1.x.
    """
    named = environment.get("AVOUCH_OPA", "")
    path = shutil.which(named or "opa", path=environment.get("PATH"))
    if path is None:
        raise errors.NotInstalled(f"{named or 'opa'} is not there, and policies are evaluated by it", fix=_INSTALL)
    said = await run(path, "version")
    version = _VERSION.search(said.output.decode("utf-8", "replace"))
    if said.code != 0 or version is None:
        raise errors.NotInstalled(f"{path} does not tell which version of OPA it is", fix=_INSTALL)
    if not version[1].startswith("1."):
        raise errors.NotInstalled(f"{path} is OPA {version[1]}", fix=_INSTALL)
    capabilities = await run(path, "capabilities", "--current")
    if capabilities.code != 0:
        raise errors.NotInstalled(f"{path} does not tell its capabilities: {_words(capabilities)}", fix=_INSTALL)
    known, regal = _json(capabilities.output), shutil.which("regal", path=environment.get("PATH"))
    allowed, engines = _without(known, *FORBIDDEN), _without(known, *FORBIDDEN, rego.SENDING)
    return Program(path, version[1], allowed, engines, limits or launching.Limits(), regal or "")


def _without(known: Mapping[str, Any], *forbidden: str) -> str:
    builtins = [one for one in known.get("builtins") or () if one.get("name") not in forbidden]
    return json.dumps({**known, "builtins": [*builtins, *library.DECLARATIONS], "allow_net": []})


async def _compiling(path: str, folder: str, *arguments: str | Path) -> Done:
    """Run on a script in a folder, within bounds.

    Raises:
        errors.TooLarge: it takes more than it may.
        errors.Unavailable: somebody else ended it, which says nothing of the script.
    """
    done = await run(path, *map(str, arguments), limits=COMPILING, folder=folder)
    if len(done.output) >= COMPILING.most_printed:  # it ends well although not all was written
        raise errors.TooLarge("is too long to be compiled", fix="write several scripts instead of one")
    if done.code != 0 and any(word in done.complaint for word in launching.OUT_OF_MEMORY):
        most = COMPILING.memory // launching.MIB
        raise errors.TooLarge(f"takes more than {most} MiB of memory to be compiled", fix="make it simpler")
    if done.code < 0:
        raise errors.Unavailable(f"OPA was ended by signal {-done.code} while it compiled")
    return done


def _module(printed: bytes) -> rego.Module:
    return rego.module_of(_json(printed))


_USUAL = launching.Limits()


async def run(path: str, *arguments: str, limits: launching.Limits = _USUAL, folder: str = "") -> Done:
    """Run to the end, with files of a folder alone, where one is named.

    What it prints is in files: one that prints without end fills no memory of ours.

    Raises:
        errors.TooLarge: it takes longer than it may, or says more.
        errors.Unavailable: it does not start.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        process = await launching.launched(
            path, *arguments, limits=limits, folder=folder, output=output, complaint=complaint
        )
        try:
            async with asyncio.timeout(limits.seconds):
                code = await process.wait()
        except TimeoutError as exc:
            raise errors.TooLarge(f"takes longer than {limits.seconds:.0f} seconds", fix="make it cheaper") from exc
        finally:
            await launching.ended(process)
        said = []
        for file in (output, complaint):
            file.seek(0)
            said.append(file.read())
        if code == child.NOT_STARTED:
            raise errors.Unavailable(f"{path} does not start: {said[1].decode('utf-8', 'replace')[-_WORDS:].strip()}")
        return Done(code, said[0], said[1])


def _json(printed: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(printed))
    except (ValueError, TypeError, RecursionError) as exc:
        raise errors.Invalid(f"OPA printed what is no JSON: {exc}"[:200]) from exc


def _flaws(done: Done, source: str) -> Sequence[rego.Flaw]:
    """What OPA says is wrong: JSON on either stream, or words; of a panic the first line."""
    if done.code == _BROKEN:
        said = done.complaint.decode("utf-8", "replace").lstrip()
        return [rego.Flaw(f"OPA broke down over it: {said.partition(chr(10))[0][:_WORDS]}")]
    for printed in (done.output, done.complaint):
        try:
            found = json.loads(printed)
        except ValueError:
            continue
        listed = found.get("errors") if isinstance(found, Mapping) else found
        if isinstance(listed, list) and listed:
            return _dated([flaw_of(one, source) for one in listed[:_TOLD]])
    return [rego.Flaw(_words(done))]


def _dated(flaws: Sequence[rego.Flaw]) -> Sequence[rego.Flaw]:
    """With what helps where a script is written in the Rego before 1.0, as many of Chainloop's older ones are."""
    if not any(_V0 in flaw.message for flaw in flaws):
        return flaws
    first, *others = flaws
    return [replace(first, message=errors.with_fix(f"{first.message}; this is Rego v0", _REWRITE)), *others]


def flaw_of(said: Mapping[str, Any], source: str = "") -> rego.Flaw:
    """One error of OPA's."""
    place = said.get("location") or {}
    line, column = int(place.get("row") or 0), int(place.get("col") or 0)
    lines = source.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) and source else ""
    message = str(said.get("message") or said)[:_WORDS]
    function = message.removeprefix("undefined function ")
    if function in FORBIDDEN:
        message = f"{function} is not allowed in policies"
    return rego.Flaw(message, line, column, text)


def _words(done: Done) -> str:
    said = (done.complaint or done.output).decode("utf-8", "replace").strip()
    return said[-_WORDS:] or f"it ended with {done.code} and said nothing"
