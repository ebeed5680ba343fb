"""Kubernetes through the user's own kubectl: contexts, proxies and login plugins work as they do for the user.

A subprocess of kubectl costs less than importing a client, and what it complains about is passed on word by word.
"""

import json
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from avouch import errors

_FAMILIES: tuple[tuple[re.Pattern[str], type[errors.AvouchError]], ...] = (
    (re.compile(r"^Error from server \(NotFound\)", re.M), errors.NotFound),
    (re.compile(r"^Error from server \((?:AlreadyExists|Conflict)\)", re.M), errors.Conflict),
    (re.compile(r"^Error from server \(Forbidden\)", re.M), errors.Denied),
    (re.compile(r"\(Unauthorized\)|must be logged in to the server", re.M), errors.Unauthenticated),
    (re.compile(r"^Error from server \((?:Timeout|ServerTimeout|ServiceUnavailable|TooManyRequests)\)", re.M),
     errors.Unavailable),
    (re.compile(r"^(?:Unable to connect to the server|The connection to the server)", re.M), errors.Unavailable),
    (re.compile(r"\bis invalid: |\(BadRequest\)|\(Invalid\)", re.M), errors.Invalid),
)  # fmt: skip
_INSTALL = "install kubectl (https://kubernetes.io/docs/tasks/tools/), or put it on PATH"
_OWN_WORDS = re.compile(r"^error: ", re.M)
_PATIENCE = 1.0  # seconds without an end, after which is shown what was said so far
_LOG = re.compile(
    r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*\n?", re.M
)  # of its libraries: the same failure, five times over


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What kubectl printed: what went well, and what did not."""

    output: str
    complaint: str = ""


class Kubectl:
    """One kubeconfig, context and namespace; empty where kubectl's own choice is meant.

    `notice` is told what the API server warns of where all went well.
    """

    def __init__(
        self, notice: Callable[[str], None], *, kubeconfig: str = "", context: str = "", namespace: str = ""
    ) -> None:
        self._notice = notice
        said = (("kubeconfig", kubeconfig), ("context", context), ("namespace", namespace))
        self._flags = [f"--{name}={value}" for name, value in said if value]
        self._namespace = namespace

    def namespace(self) -> str:
        """The namespace that commands are about."""
        if not self._namespace:
            path = "jsonpath={.contexts[0].context.namespace}"
            self._namespace = self._run("config", "view", "--minify", "-o", path).strip() or "default"
        return self._namespace

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object; NotFound where there is none."""
        return _object(self._run("get", kind, "-o", "json", "--", name))

    def list(self, kind: str, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """All objects of a kind, in this namespace or in all."""
        found = _object(self._run("get", kind, "-o", "json", *(["--all-namespaces"] if everywhere else [])))
        return list(found["items"])

    def create(self, manifest: Mapping[str, Any], *flags: str) -> dict[str, Any]:
        """Create one object; Conflict where there is one."""
        return _object(self._run("create", *flags, "-o", "json", "-f", "-", given=manifest))

    def raw(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> str:
        """What a path of the Kubernetes API answers."""
        return self._run("get", "--raw", _address(path, query))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post to a path of the Kubernetes API itself; what it answers."""
        return _object(self._run("create", "--raw", path, "-f", "-", given=body))

    def patch(self, kind: str, name: str, change: Mapping[str, Any], *flags: str) -> dict[str, Any]:
        """Merge a change into one object."""
        said = json.dumps(change)
        return _object(self._run("patch", kind, "--type=merge", *flags, "-o", "json", "--patch", said, "--", name))

    def apply(self, manifests: Sequence[Mapping[str, Any]], *flags: str) -> CommandOutput:
        """Apply objects, each on its own: one that fails does not keep others from being applied."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        done = self._done(["apply", *flags, "-f", "-"], listed)
        if done.returncode and not done.stdout:
            raise _failure(done.stderr)
        return CommandOutput(done.stdout, _said(done.stderr) if done.returncode else "")

    def _run(self, *arguments: str, given: Mapping[str, Any] | None = None) -> str:
        done = self._done(arguments, given)
        if done.returncode:
            raise _failure(done.stderr)
        return done.stdout

    def _done(self, arguments: Iterable[str], given: Mapping[str, Any] | None) -> "subprocess.CompletedProcess[str]":
        program = shutil.which("kubectl")
        if program is None:
            raise errors.NotInstalled("kubectl is not on PATH; avouch reaches the cluster through it", fix=_INSTALL)
        said = None if given is None else json.dumps(given)
        done = _ran([program, *self._flags, *arguments], None if said is None else said.encode(), self._notice)
        if not done.returncode and done.stderr.strip():
            self._notice(done.stderr.strip())
        return done


def _address(path: str, query: Mapping[str, str]) -> str:
    asked = urllib.parse.urlencode(query)
    return urllib.parse.quote(path, safe="/:") + (f"?{asked}" if asked else "")


def _ran(command: list[str], given: bytes | None, notice: Callable[[str], None]) -> "subprocess.CompletedProcess[str]":
    """Run kubectl to its end. Its stderr is shown meanwhile: a login plugin may ask for input."""
    stdin = None if given is None else subprocess.PIPE
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            return _until_done(process, given, notice)
        except BaseException:
            process.kill()
            raise


def _until_done(
    process: "subprocess.Popen[bytes]", given: bytes | None, notice: Callable[[str], None]
) -> "subprocess.CompletedProcess[str]":
    shown = 0
    while True:
        try:
            out, err = process.communicate(given, timeout=_PATIENCE)
        except subprocess.TimeoutExpired as exc:
            given, said = None, exc.stderr or b""
            heard = _LOG.sub("", _text(said[shown:])).strip()
            if heard:
                notice(heard)
            shown = len(said)
        else:
            rest = err[shown:] if not process.returncode else err[shown:] or err
            return subprocess.CompletedProcess(process.args, process.returncode, _text(out), _text(rest))


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace")


def _failure(stderr: str) -> errors.AvouchError:
    family = next((family for pattern, family in _FAMILIES if pattern.search(stderr)), errors.AvouchError)
    return family(_said(stderr) or "kubectl failed and said nothing")


def _said(stderr: str) -> str:
    return _OWN_WORDS.sub("", (_LOG.sub("", stderr) or stderr).strip())


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise errors.AvouchError(f"kubectl did not answer in JSON: {text[:200]!r}") from exc
    if not isinstance(found, dict):
        raise errors.AvouchError(f"kubectl did not answer with an object: {text[:200]!r}")
    return found
