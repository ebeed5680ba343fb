"""The commit that is checked out, by the machine's own git.

Git is run to read and for nothing else: no configuration but the repository's own, no replaced objects, no fetching of
what a partial clone lacks, no prompt, bounded in time and bytes. It reads whoever owns the folder: containers often run
as another user than the one that cloned, and none of the commands here runs anything that a repository names.
Why not a library: dulwich takes 80 ms to import, the two commands here take 5 ms each, and git knows its own formats.
"""

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, NamedTuple, cast

from avouch.runners import commits, remotes

_SECONDS = 10.0
_LARGEST = 1024 * 1024  # bytes of a commit
_LONGEST = 64 * 1024  # characters of a message that are kept
_MOST_REMOTES = 100
_OPTIONS = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "--no-pager")
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # overrides whatever the repository allows itself
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_KEPT = ("PATH", "HOME", "TMPDIR", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
_FOUND = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ([a-z]+) ([0-9]{1,12})")
_PERSON = re.compile(r"(?P<name>[^<]*)<(?P<email>[^>]*)>(?: (?P<at>[0-9]{1,12}) (?P<zone>[+-][0-9]{4}))?.*", re.DOTALL)


class Reading(NamedTuple):
    """The commit, or why there is none."""

    commit: commits.Commit | None = None
    note: str = ""


class _Output(NamedTuple):
    content: bytes
    complaint: str  # what git said on its error stream
    whole: bool  # not cut off by time or size


def read(directory: Path, environment: Mapping[str, str], pull_request: str = "") -> Reading:
    """The head commit of the repository around a directory.

    Args:
        directory: anywhere in the working tree, or in a bare repository.
        environment: all variables of the process; those that would point git elsewhere are left out.
        pull_request: hash of a pull request's head, which is meant instead of the merge that CI has checked out.
    """
    git = _program(environment.get("PATH", os.defpath))
    if not git:
        return Reading(note="git is not in PATH, so the commit is unknown")
    command = [git, "-C", str(directory), *_OPTIONS]
    asked = "".join(f"{name}\n" for name in ("HEAD", pull_request) if name)
    said = _run([*command, "cat-file", "--batch"], environment, asked.encode())
    if not said.whole:
        return Reading(note=f"git gave no commit of at most {_LARGEST} bytes in {_SECONDS:g} s")
    found = dict(zip(("HEAD", pull_request), _objects(said.content), strict=False))
    head = found.get("HEAD")
    if head is None:
        born = bool(_run([*command, "rev-parse", "--verify", "--quiet", "HEAD"], environment).content)
        return Reading(note=_why(said, born))
    known = tuple(
        _remotes(_run([*command, "config", "--local", "--null", "--get-regexp", r"^remote\..*\.url$"], environment))
    )
    checked_out = _commit(*head, known)
    if not pull_request:
        return Reading(checked_out)
    other = found.get(pull_request)
    return Reading(commits.of_pull_request(pull_request, checked_out, _commit(*other, known) if other else None))


def _program(path: str) -> str:
    """Git, as a shell finds it; empty where there is none. shutil.which loads three compressors for 4 ms."""
    found = (os.path.join(folder, "git") for folder in path.split(os.pathsep) if folder)
    return next((each for each in found if os.path.isfile(each) and os.access(each, os.X_OK)), "")


def _run(command: list[str], environment: Mapping[str, str], given: bytes = b"") -> _Output:
    kept = {name: environment[name] for name in _KEPT if name in environment}
    with subprocess.Popen(  # noqa: S603  fixed words, and a directory after -C
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**kept, **_ENVIRONMENT}
    ) as process:
        timer = threading.Timer(_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        try:
            content, complaint = _exchange(process, given)
            in_time = timer.is_alive()
        finally:
            timer.cancel()
            process.kill()  # it may have more to say than we read
    return _Output(content, complaint, in_time and len(content) <= 2 * _LARGEST)


def _exchange(process: "subprocess.Popen[bytes]", given: bytes) -> tuple[bytes, str]:
    """What git writes. If it ended before reading its input, the reason is on its error stream."""
    given_to, says, complains = (cast(IO[bytes], pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    with contextlib.suppress(BrokenPipeError):
        given_to.write(given)
        given_to.close()
    content = says.read(2 * _LARGEST + 1)
    return content, complains.read(4096).decode("utf-8", "replace") if len(content) <= 2 * _LARGEST else ""


def _objects(output: bytes) -> Iterator[tuple[str, bytes] | None]:
    """Answers of `cat-file --batch`, in the order of the questions; None for what is no commit here."""
    position = 0
    while position < len(output):
        end = output.find(b"\n", position)
        line, position = output[position : end if end >= 0 else None], (end + 1 if end >= 0 else len(output))
        match = _FOUND.fullmatch(line)
        if match is None:
            yield None
            continue
        size = int(match[3])
        content, position = output[position : position + size], position + size + 1
        whole = match[2] == b"commit" and len(content) == size <= _LARGEST
        yield (match[1].decode(), content) if whole else None


def _why(said: _Output, born: bool) -> str:
    """Why there is no commit. `born`: HEAD names one, so its object is lost, or lies where we cannot see it."""
    if "not a git repository" in said.complaint:
        return "no git repository here, so no commit is recorded"
    if said.content.startswith(b"HEAD missing") and not born:
        return "the repository has no commit yet"
    lines = [line.removeprefix("error: ").strip() for line in said.complaint.splitlines() if line.strip()]
    reason = f": {lines[0][:200]}" if lines else ""
    if born and "alternate" in said.complaint:
        return f"the commit lies in another repository that is not here{reason} (fix: mount it, or clone without it)"
    return f"git could not read the commit{reason or ': HEAD names one whose object is not here' * born}"


def _commit(head: str, content: bytes, known: tuple[commits.Remote, ...]) -> commits.Commit:
    headers, _, message = content.partition(b"\n\n")
    fields = _fields(headers)
    encoding = fields.get("encoding", "utf-8")
    author = _PERSON.fullmatch(_decoded(_raw(headers, b"author "), encoding))
    return commits.Commit(
        head=head,
        author_name=author["name"].strip() if author else "",
        author_email=author["email"].strip() if author else "",
        date=_date(author["at"], author["zone"]) if author and author["at"] else "",
        message=_decoded(message, encoding)[:_LONGEST],
        signature=fields.get("gpgsig") or fields.get("gpgsig-sha256", ""),
        remotes=known,
    )


def _fields(headers: bytes) -> dict[str, str]:
    """Headers of a commit; a line that begins with a space continues the one before."""
    found: dict[str, str] = {}
    name = ""
    for line in headers.decode("utf-8", "replace").split("\n"):
        if line.startswith(" ") and name:
            found[name] += f"{line[1:]}\n"
            continue
        name, _, value = line.partition(" ")
        if name in found:  # parents, and what a forger would add: the first holds, as in git
            name = ""
            continue
        found[name] = f"{value}\n" if name.startswith("gpgsig") else value
    return found


def _raw(headers: bytes, prefix: bytes) -> bytes:
    return next((line[len(prefix) :] for line in headers.split(b"\n") if line.startswith(prefix)), b"")


def _decoded(text: bytes, encoding: str) -> str:
    try:
        return text.decode(encoding)
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def _date(seconds: str, zone: str) -> str:
    """RFC 3339, in the author's own time zone."""
    sign, hours, minutes = (-1 if zone[0] == "-" else 1), int(zone[1:3]), int(zone[3:])
    offset = timedelta(hours=hours, minutes=minutes)
    where = timezone(sign * offset) if minutes < 60 and offset < timedelta(hours=24) else UTC
    try:
        return datetime.fromtimestamp(int(seconds), where).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


def _remotes(said: _Output) -> Iterator[commits.Remote]:
    """The first address of each remote; what cannot be shown without doubt is left out."""
    first: dict[str, str] = {}
    for entry in said.content.decode("utf-8", "replace").split("\0") if said.whole else ():
        key, newline, url = entry.partition("\n")
        if newline and len(first) < _MOST_REMOTES:
            first.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    for name, url in sorted(first.items()):
        cleaned = remotes.clean_remote(url)
        if cleaned:
            yield commits.Remote(name, cleaned)
