"""The ingest API as external runs use it, a method for each request."""

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from avouch import digests, errors
from avouch.attestation import bundle, shape
from avouch.client import connection, transfers
from avouch.crafting import run as crafting_run
from avouch.crafting import uploads

MAX_WAIT = 30  # seconds that the server holds a request for a verdict
_SLOWEST = 64 * 1024  # bytes a second that an upload may take
_JSON: Mapping[str, str] = {"Content-Type": "application/json"}
_BYTES: Mapping[str, str] = {"Content-Type": "application/octet-stream"}
_BUNDLE: Mapping[str, str] = {"Content-Type": bundle.MEDIA_TYPE}


class Ingest(NamedTuple):
    """The server's API for attesters. Every method raises `errors.AvouchError` only, as `connection` does."""

    link: connection.Connection

    @property
    def address(self) -> str:
        """Where the server is."""
        return self.link.to.server

    def open(self, namespace: str, workflow: str, request: crafting_run.RunRequest) -> crafting_run.Run:
        """Open a run, or find the one that was opened with this id."""
        path = f"/v1/namespaces/{_quoted(namespace)}/workflows/{_quoted(workflow)}/runs"
        return crafting_run.read(self._json("POST", path, crafting_run.write_request(request)))

    def run(self, run: str, wait: int = 0) -> crafting_run.Run:
        """A run; with `wait`, as soon as it is judged, or after that many seconds."""
        held = min(wait, MAX_WAIT)
        path = f"/v1/runs/{_quoted(run)}{f'?wait={held}' if held else ''}"
        return crafting_run.read(_object(self.link.send(_patient(connection.Request("GET", path))).body))

    def upload(self, run: str, source: uploads.Source, progress: uploads.Progress) -> bool:
        """Store the bytes of a material; False where they were there already."""
        path = f"/v1/runs/{_quoted(run)}/materials/{source.digest}"
        return self._store(path, f"/v1/runs/{_quoted(run)}/parts/", source, progress)

    def upload_artifact(self, namespace: str, source: uploads.Source, progress: uploads.Progress) -> bool:
        """Store bytes without a run; False where they were there already."""
        below = f"/v1/namespaces/{_quoted(namespace)}/artifacts/"
        return self._store(f"{below}{source.digest}", below, source, progress)

    def download_artifact(self, digest: digests.Digest, target: Path, progress: uploads.Progress) -> int:
        """Fetch bytes into a file that gets its name when they are complete and right; its size."""
        return transfers.fetch(self.link, f"/v1/artifacts/{digest}", digest, target, progress)

    def certificate(self, run: str, request: bytes) -> str:
        """A certificate for our key, PEM."""
        wanted = json.dumps({"csr": request.decode("ascii")}).encode()
        path = f"/v1/runs/{_quoted(run)}/certificate"
        answer = _object(self.link.send(_patient(connection.Request("POST", path, wanted, _JSON))).body)
        return shape.text(answer.get("certificate"), "certificate")

    def push(self, run: str, content: bytes) -> str:
        """Push the bundle, which is durable when this returns; the digest that the server stored it under."""
        sent = connection.Request("POST", f"/v1/runs/{_quoted(run)}/bundles", content, _BUNDLE)
        answer = self.link.send(_patient(sent))
        return shape.text(_object(answer.body).get("digest"), "digest")

    def reset(self, run: str, trigger: str, reason: str) -> crafting_run.Run:
        """End a run without an attestation."""
        return crafting_run.read(
            self._json("POST", f"/v1/runs/{_quoted(run)}/reset", {"trigger": trigger, "reason": reason})
        )

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server believes, PEM."""
        found = shape.sequence(self._json("GET", "/v1/trust").get("authorities"), "authorities")
        return tuple(shape.text(each, "authorities").encode() for each in found)

    def trust_root(self) -> dict[str, object]:
        """The trust root that the server shows; empty where it is older than that."""
        found = self._json("GET", "/v1/trust").get("root")
        return {} if found is None else shape.mapping(found, "root")

    def _store(self, path: str, parts: str, source: uploads.Source, progress: uploads.Progress) -> bool:
        """Send what is not there: a small one as a whole, a large one in parts, so that a break costs one of them."""
        if self._known(path):
            return False
        if source.size <= transfers.PART:
            self._put(path, source, progress)
            return True
        digests_of_parts = []
        for part, begins in transfers.parts(source):
            if not self._known(f"{parts}{part.digest}"):
                self._put(f"{parts}{part.digest}", part, uploads.after(begins, progress))
            digests_of_parts.append(str(part.digest))
            progress(begins + part.size)
        body = json.dumps({"parts": digests_of_parts}).encode()
        total = connection.TOTAL + source.size / _SLOWEST
        self.link.send(_patient(connection.Request("POST", path, body, _JSON, total=total)))
        return True

    def _put(self, path: str, source: uploads.Source, progress: uploads.Progress) -> None:
        def pieces() -> Iterator[bytes]:
            return transfers.pieces(source, progress)

        total = connection.TOTAL + source.size / _SLOWEST
        self.link.send(_patient(connection.Request("PUT", path, pieces, _BYTES, source.size, total)))

    def _known(self, path: str) -> bool:
        try:
            self.link.send(_patient(connection.Request("HEAD", path)))
        except (errors.NotFound, errors.Denied, errors.Unauthenticated):
            return False  # not there, or not for us to know: then it is sent
        return True

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, object]:
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.link.send(connection.Request(method, path, content, _JSON if content else {}))
        return _object(answer.body)


def _patient(request: connection.Request) -> connection.Request:
    """A request of a build that has gathered something already."""
    return request._replace(tries=connection.PATIENT)


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def _object(content: bytes) -> dict[str, object]:
    try:
        return shape.mapping(json.loads(content), "answer")
    except ValueError as exc:
        raise errors.Invalid("the server's answer is not JSON", fix="is this an avouch server?") from exc
