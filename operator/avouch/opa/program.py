"""One `opa` on this machine: which one, which version, and one run of it after another.

Each run has an empty environment, a time limit after which it is killed, and a bound on what it may print. Scripts may
call no function that reads the environment, parses other scripts, or reaches a host that was not allowed: a file of
capabilities, made of the program's own, leaves those out.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from avouch import errors
from avouch.policy.rego import Flaw
from avouch.values import dataclass

WANTED = "1.22"
"""The release that the server runs; another 1.x does as well for a look on one's own machine."""
SECONDS = 60.0  # for one run, as Chainloop gives
MIB = 1024 * 1024
OUTPUT = 64 * MIB  # that one run may print
MEMORY = 2048 * MIB  # that one run may take
FORBIDDEN = ("opa.runtime", "rego.parse_module", "trace")
_INSTALL = f"install OPA {WANTED} or a later 1.x, and put it on PATH or name it in AVOUCH_OPA"
_VERSION = re.compile(r"^Version: v?(\d+\.\d+\.\d+\S*)", re.M)
_TOLD = 10  # flaws of one script
_WORDS = 500  # characters of what OPA says
_HELD = 5.0  # seconds from the end of the program's time to the end of its process group


@dataclass(frozen=True, slots=True)
class Program:
    """An `opa` that answered which version it is. `hosts` are those that `http.send` may reach."""

    path: str
    version: str
    hosts: tuple[str, ...] = ()

    def parsed(self, source: str) -> Mapping[str, Any] | Sequence[Flaw]:
        """The syntax tree of a script, or what is wrong with it."""
        with _Files(source) as files:
            done = self._run("parse", "--format", "json", str(files.script))
        if done.returncode == 0:
            return dict(_json(done.stdout))
        return _flaws(done)

    def checked(self, source: str) -> Sequence[Flaw]:
        """What keeps a script from being compiled: unknown functions, forbidden ones, names without a value."""
        with _Files(source, self._capabilities()) as files:
            arguments = ("--format", "json", "--capabilities", str(files.capabilities), str(files.script))
            done = self._run("check", *arguments)
        return () if done.returncode == 0 else _flaws(done)

    def evaluated(self, source: str, path: Sequence[str], document: str) -> Any:
        """The value below `data` at a path, for one input as JSON.

        Raises:
            errors.Invalid: the script does not compile, or fails on this input.
            errors.NotFound: it has no value there.
            errors.TooLarge: it takes longer than it may, or says more.
        """
        with _Files(source, self._capabilities()) as files:
            query = "data" + "".join(f"[{json.dumps(part)}]" for part in path)
            flags = ("--format", "json", "--strict-builtin-errors", "--stdin-input")
            files_of = ("--capabilities", str(files.capabilities), "--data", str(files.script))
            done = self._run("eval", *flags, *files_of, query, given=document)
        if done.returncode != 0:
            raise errors.Invalid("; ".join(map(str, _flaws(done))))
        found = _json(done.stdout).get("result") or ()
        if not found:
            raise errors.NotFound(f"data.{'.'.join(path)} has no value for this input")
        return found[0]["expressions"][0]["value"]

    def _capabilities(self) -> str:
        done = self._run("capabilities", "--current")
        if done.returncode != 0:
            raise errors.Unavailable(f"{self.path} does not tell its capabilities: {_words(done)}")
        known = dict(_json(done.stdout))
        allowed = [one for one in known.get("builtins") or () if one.get("name") not in FORBIDDEN]
        return json.dumps({**known, "builtins": allowed, "allow_net": list(self.hosts)})

    def _run(self, command: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
        return _run((self.path, command, *arguments), given)


def find(environment: Mapping[str, str], hosts: Sequence[str] = ()) -> Program:
    """The program that AVOUCH_OPA names, or the `opa` on PATH.

    Raises:
        errors.NotInstalled: there is none, or it is not one of 1.x.
    """
    named = environment.get("AVOUCH_OPA", "")
    path = shutil.which(named or "opa", path=environment.get("PATH"))
    if path is None:
        raise errors.NotInstalled(f"{named or 'opa'} is not there, and policies are evaluated by it", fix=_INSTALL)
    done = _run((path, "version"), "")
    said = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0 or said is None:
        raise errors.NotInstalled(f"{path} does not tell which version of OPA it is", fix=_INSTALL)
    if not said[1].startswith("1."):
        raise errors.NotInstalled(f"{path} is OPA {said[1]}", fix=_INSTALL)
    return Program(path, said[1], tuple(hosts))


def _run(command: Sequence[str], given: str) -> subprocess.CompletedProcess[bytes]:
    """Run to the end. What it reads and prints is in files: one that prints without end fills no memory of ours."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint, tempfile.TemporaryFile() as stdin:
        stdin.write(given.encode())
        stdin.seek(0)
        process = subprocess.Popen(
            command, stdin=stdin, stdout=output, stderr=complaint, env={}, start_new_session=True
        )
        try:
            _bound(process.pid)
            process.wait(SECONDS)
        except subprocess.TimeoutExpired as exc:
            raise errors.TooLarge(f"takes longer than {SECONDS:.0f} seconds", fix="make the script cheaper") from exc
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(_HELD)
        if max(os.fstat(each.fileno()).st_size for each in (output, complaint)) >= OUTPUT:
            raise errors.TooLarge(f"says more than {OUTPUT // MIB} MiB", fix="make the script say less")
        return subprocess.CompletedProcess(command, process.returncode, _all(output), _all(complaint))


def _bound(pid: int) -> None:
    """Bound memory and output, where the system can: elsewhere time alone is bounded."""
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError):  # it ended already
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
            resource.prlimit(pid, resource.RLIMIT_DATA, (MEMORY, MEMORY))


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _json(printed: bytes) -> Any:
    try:
        return json.loads(printed)
    except (ValueError, RecursionError) as exc:
        raise errors.Unavailable(f"OPA printed what is no JSON: {exc}"[:200]) from exc


def _flaws(done: subprocess.CompletedProcess[bytes]) -> Sequence[Flaw]:
    """What OPA says is wrong: JSON on either stream, or words."""
    for printed in (done.stdout, done.stderr):
        try:
            found = json.loads(printed)
        except ValueError:
            continue
        listed = found.get("errors") if isinstance(found, Mapping) else found
        if isinstance(listed, list) and listed:
            return [_flaw(one) for one in listed[:_TOLD]]
    return [Flaw(_words(done))]


def _flaw(said: Mapping[str, Any]) -> Flaw:
    place = said.get("location") or {}
    details = (said.get("details") or {}).get("line")
    message = str(said.get("message") or said)[:_WORDS]
    return Flaw(message, int(place.get("row") or 0), int(place.get("col") or 0), str(details or ""))


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    return said[-_WORDS:] or f"it ended with {done.returncode} and said nothing"


class _Files:
    """A script, and what it may do, as files of a folder of their own."""

    def __init__(self, source: str, capabilities: str = "") -> None:
        self._texts = {"policy.rego": source, "capabilities.json": capabilities}
        self._folder = tempfile.TemporaryDirectory(prefix="avouch-policy-")
        self.script, self.capabilities = (Path(self._folder.name) / name for name in self._texts)

    def __enter__(self) -> "_Files":
        for name, text in self._texts.items():
            (Path(self._folder.name) / name).write_text(text, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
