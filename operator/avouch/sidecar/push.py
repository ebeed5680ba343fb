"""The client of the server's API: HTTPS that trusts avouch's CA alone, bounded retries, one deadline for all requests.

Tries again after a broken connection, 408, 429 and 5xx, with jittered back-off, or as late as Retry-After says. An
injected sidecar does so until its deadline, for nobody waits for it; a step, which holds up its build, a few times.
Each request is safe to repeat: runs are opened idempotently, bytes and bundles are named by their digest.
"""

import itertools
import json
import socket
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from avouch import clocks, errors, https, plan
from avouch.sidecar import claim, collect, files, settings

TRIES = 5  # of a request of an explicit step
FIRST_WAIT = 0.2  # seconds; doubles each time
LONGEST_WAIT = 3.0
CLIENT = "Avouch-Client"  # tells an explicit step from the injected sidecar, for people: the server looks itself
MAX_ANSWER = 4 * 1024 * 1024  # bytes
_RETRY = frozenset({408, 429, 500, 502, 503, 504})


class Client:
    """The ingest API, as one pod sees it, over one connection for the whole exchange."""

    def __init__(
        self, options: settings.Settings, deadline: float, *, explicit: bool = False, clock: clocks.Clock | None = None
    ) -> None:
        """A client.

        Args:
            options: where the server is, and who we are.
            deadline: on the clock's monotonic scale.
            explicit: a step of the user's, not our injected container.
            clock: time and waiting.
        """
        self._options = options
        self._deadline = deadline
        self._explicit = explicit
        self._clock = clock or clocks.Clock()
        address = urllib.parse.urlsplit(options.server)
        host, port = address.hostname or "", address.port or 443
        peer = https.Peer(host, port, options.trusted_ca(), dialled=options.dialled)
        self._link = https.Connection(peer, self._clock)

    def open(self) -> tuple[claim.Opened, ...]:
        """Open the runs that this pod owes to.

        Raises:
            Unavailable: the server cannot be reached in time.
            Denied: it refuses; the message is its own.
        """
        answer = self._json("POST", "/v1/runs", b"{}", "application/json")
        runs = answer.get("runs") or []
        if not isinstance(runs, list):
            raise errors.Invalid("the server's answer is not a list of runs")
        return tuple(map(_opened, runs))

    def upload(self, run: claim.Opened, file: collect.Located, limit: int) -> None:
        """Stream a file. Raises as `open`, and errors.Invalid where it is no longer what was hashed."""
        path = f"/v1/runs/{run.id}/materials/{file.hashed.digest}"

        def stream() -> Iterator[bytes]:
            with files.opened(file.root, file.path, limit) as descriptor:
                if files.stamp(descriptor) != file.hashed.stamp:
                    raise errors.Refused(f"{file.path} changed after it was read", "Changed")
                yield from files.pieces(descriptor, limit, file.path)
                if files.stamp(descriptor) != file.hashed.stamp:
                    raise errors.Refused(f"{file.path} changed while it was sent", "Changed")

        self._json("PUT", path, stream, "application/octet-stream", file.hashed.size)

    def certificate(self, run: claim.Opened, csr: bytes) -> str:
        """A certificate for our key, PEM. Raises as `open`."""
        body = json.dumps({"csr": csr.decode("ascii")}).encode()
        found = self._json("POST", f"/v1/runs/{run.id}/certificate", body, "application/json").get("certificate")
        if not isinstance(found, str):
            raise errors.Invalid("the server's answer has no certificate")
        return found

    def push(self, run: claim.Opened, bundle: bytes) -> Mapping[str, Any]:
        """Push the claim: an answer means it is durable. Raises as `open`."""
        media = "application/vnd.dev.sigstore.bundle.v0.3+json"
        return self._json("POST", f"/v1/runs/{run.id}/bundles", bundle, media)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _json(self, method: str, path: str, body: https.Body, media: str, size: int | None = None) -> Mapping[str, Any]:
        headers = {"Content-Type": media, "Accept": "application/json"}
        if size is not None:
            headers["Content-Length"] = str(size)
        failures: dict[str, None] = {}  # each once, in order: there may be hundreds of one sort
        for attempt in itertools.count():
            wait = backoff(attempt)
            try:
                request = https.Request(method, path, {**headers, **self._identity()}, body)
                answer = self._link.fetch(request, self._deadline, MAX_ANSWER)
            except https.Broken as exc:
                failures[_broken(exc)] = None
            else:
                if answer.status < 300:
                    return _object(answer.body)
                said = f"{answer.status}: {_problem(answer.body)}"
                failures[said] = None
                if answer.status not in _RETRY:
                    raise errors.Denied(f"the server answered {said}")  # in a finding, where no path helps
                wait = max(wait, retry_after(answer.headers.get("retry-after")) or 0)
            last = self._explicit and attempt == TRIES - 1
            if last or self._clock.monotonic() + wait >= self._deadline:
                break
            self._clock.sleep(wait)
        raise errors.Unavailable(f"{method} {path}: {', then '.join(failures)}")

    def _identity(self) -> dict[str, str]:
        """Read the token for every request: the kubelet renews it."""
        try:
            token = self._options.token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as exc:
            raise errors.Invalid(f"no token in {self._options.token_file}") from exc
        return {"Authorization": f"Bearer {token}", CLIENT: "step" if self._explicit else "sidecar"}


def backoff(attempt: int) -> float:
    """Seconds before the next try."""
    return clocks.backoff(attempt, FIRST_WAIT, LONGEST_WAIT)


def _broken(exc: Exception) -> str:
    """What broke a connection, and what can be done about it where that is known."""
    told = f"{type(exc).__name__}: {exc}"
    if isinstance(exc, socket.gaierror):
        return errors.with_fix(
            told, "give the pod the cluster's DNS: dnsPolicy ClusterFirst or ClusterFirstWithHostNet"
        )
    return told


def retry_after(header: str | None) -> float | None:
    """Seconds that the server asks for; dates and nonsense count as not said.

    >>> retry_after("7"), retry_after("soon")
    (7.0, None)
    """
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _opened(run: Mapping[str, Any]) -> claim.Opened:
    try:
        owed = plan.Plan.from_json(json.dumps(run["plan"]))
        return claim.Opened(str(run["id"]), str(run["name"]), str(run["workflow"]), owed)
    except (KeyError, TypeError) as exc:
        raise errors.Invalid(f"the server's answer is not a run: {exc}") from exc


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as exc:
        raise errors.Invalid("the server's answer is not JSON") from exc
    if not isinstance(found, dict):
        raise errors.Invalid("the server's answer is not an object")
    return found


def _problem(content: bytes) -> str:
    """What an RFC 9457 answer says."""
    try:
        found = json.loads(content)
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        found = {}
    said = "; ".join(str(found[key]) for key in ("title", "detail", "field") if found.get(key)) or "no explanation"
    return errors.with_fix(said, str(found.get("fix") or ""))
