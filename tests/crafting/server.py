"""A small real HTTPS server on the loopback with the ingest API of external runs, all of it in memory.

It refuses what the real one refuses as far as commands can tell the difference: unknown fields, bytes that do not hash
to their name, states that changed meanwhile, bundles whose signature, certificate or run is not right. Its verdict is
the completeness of what the bundle holds.
"""

import hmac
import http.server
import json
import re
import socketserver
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from avouch import digests, errors, plan
from avouch.attestation import authority, identity, predicate, trust, verification
from avouch.contract import completeness
from tests.crafting import builders

TOKEN = "avouch_test"  # noqa: S105  # of this server alone
_OPENING = {"id", "contractRevision", "runner", "version", "release", "dryRun"}
_RUNNER = {"type", "url", "identityToken"}
_VERSION = {"name", "existing", "latest", "markLatest"}
MAX_STATE = 6 * 1024 * 1024


@dataclass
class Failure:
    """What the server does instead of answering: a status, or hanging up (0), before or in the middle of a body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    matching: str = ""  # of "METHOD path"; empty matches all
    after: int = -1  # bytes of the answer's body that still arrive; -1: nothing of the answer does
    body: dict[str, Any] = field(default_factory=lambda: {"title": "scripted"})


@dataclass
class Memory:
    """All that the server knows, does and was sent."""

    plan: plan.Plan
    backend: dict[str, Any] = field(
        default_factory=lambda: {"id": "b-1", "name": "default-inline", "inline": True, "maxBytes": 500 * 1024}
    )
    gate: bool = False
    enforcement: str = ""
    verdict: str = ""  # empty: by completeness
    skip_runner_variables: bool = False
    released: tuple[str, ...] = ()
    judged_after: int = 0  # how many times a run is still Pending when it is asked for
    url: str = ""
    ca: str = ""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    payloads: dict[str, Any] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    connections: int = 0
    happens: Callable[[str], None] = lambda line: None  # while a request is under way
    lock: threading.RLock = field(default_factory=threading.RLock)
    issuer: authority.Authority = field(
        default_factory=lambda: authority.new_authority("avouch", datetime.now(UTC), timedelta(hours=1))
    )

    def asked(self, form: str) -> list[str]:
        return [line for line, _, _ in self.requests if re.search(form, line)]

    def environment(self) -> dict[str, str]:
        return {"AVOUCH_SERVER": self.url, "AVOUCH_TOKEN": TOKEN, "AVOUCH_CA": self.ca}


@dataclass
class Request:
    """One request, read whole."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Answered with a problem."""

    def __init__(self, status: int, title: str, **said: str) -> None:
        super().__init__(title)
        self.status, self.said = status, {"title": title, "status": status, **said}


def said(status: int, value: Any) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def strict(body: bytes, known: set[str]) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict) or set(found) - known:
        raise Refused(422, "unknown field", field=",".join(sorted(set(found) - known)))
    return found


def open_run(memory: Memory, request: Request, namespace: str, workflow: str) -> Reply:
    asked = strict(request.body, _OPENING)
    strict(json.dumps(asked["runner"]).encode(), _RUNNER)
    version = strict(json.dumps(asked["version"]).encode(), _VERSION)
    if workflow != memory.plan.workflow or namespace != memory.plan.namespace:
        raise Refused(404, f"no Workflow {workflow}", fix="kubectl get workflows")
    name = version["name"] or "v0"
    if name in memory.released:
        raise Refused(409, f'version "{name}" is released and immutable: attestations cannot be added')
    known = asked["id"] in memory.runs
    claims = asked["runner"]["identityToken"]
    run = memory.runs.get(asked["id"]) or {
        "id": asked["id"],
        "name": f"{workflow}-0123456789",
        "namespace": namespace,
        "workflow": workflow,
        "workflowUid": memory.plan.workflow_uid,
        "team": memory.plan.team,
        "project": memory.plan.project,
        "organization": "acme",
        "verdict": "Pending",
        "createdAt": "2026-11-21T11:07:17Z",
        "expiresAt": "2026-11-22T11:07:17Z",
        "contract": {
            "name": memory.plan.contract,
            "revision": asked["contractRevision"] or memory.plan.revision,
            "latest": memory.plan.revision,
            "digest": memory.plan.contract_digest,
        },
        "plan": json.loads(memory.plan.to_json()),
        "version": {"name": name, "prerelease": not asked["release"]},
        "runner": {
            "type": asked["runner"]["type"],
            "environment": "managed" if claims else "unknown",
            "authenticated": bool(claims),
            "workflowFilePath": "",
        },
        "attester": {"type": "AUTH_TYPE_API_TOKEN", "id": "fdf5c39e-f626-4da1-8988-94c354880a28"},
        "backend": {"fallback": False, **memory.backend},
        "skipRunnerVariables": memory.skip_runner_variables,
        "gate": memory.gate,
        "enforcement": memory.enforcement,
        "findings": [],
        "novelty": "ignored",
    }
    if not asked["dryRun"]:
        memory.runs[asked["id"]] = run
    return said(200 if known else 201, run)


def run_of(memory: Memory, run: str) -> dict[str, Any]:
    if run not in memory.runs:
        raise Refused(404, "no such run")
    return memory.runs[run]


def get_run(memory: Memory, request: Request, run: str) -> Reply:
    found = run_of(memory, run)
    if run in memory.bundles and found["verdict"] == "Pending":
        if memory.judged_after > 0:
            memory.judged_after -= 1
        else:
            judge(memory, run)
    return said(200, found)


def judge(memory: Memory, run: str) -> None:
    facts = predicate.read(memory.payloads[run])
    evidence = completeness.Evidence(facts.materials, facts.annotations, facts.env)
    owed = completeness.owed(memory.plan, evidence)
    memory.runs[run]["verdict"] = memory.verdict or ("Failed" if owed else "Passed")
    memory.runs[run]["findings"] = [
        {"code": each.code, "message": each.message, "line": each.line, "fix": each.fix, "material": each.material}
        for each in owed
    ]


def material(memory: Memory, request: Request, run: str, digest: str) -> Reply:
    if run_of(memory, run)["verdict"] != "Pending":
        raise Refused(409, "the run is over")
    return content(memory, request, digest)


def artifact(memory: Memory, request: Request, namespace: str, digest: str) -> Reply:
    return content(memory, request, digest)


def content(memory: Memory, request: Request, digest: str) -> Reply:
    if request.method == "HEAD":
        return Reply(200 if digest in memory.stored else 404)
    if str(digests.of_bytes(request.body)) != digest:
        raise Refused(422, "the content is another", fix="send the content of this digest")
    memory.stored[digest] = request.body
    return said(201, {"digest": digest, "size": len(request.body)})


def join(memory: Memory, request: Request, run: str, digest: str) -> Reply:
    run_of(memory, run)
    parts = strict(request.body, {"parts"})["parts"]
    if any(part not in memory.stored for part in parts):
        raise Refused(409, "a part is missing")
    whole = b"".join(memory.stored[part] for part in parts)
    if str(digests.of_bytes(whole)) != digest:
        raise Refused(400, "another digest")
    memory.stored[digest] = whole
    return said(201, {"digest": digest, "size": len(whole)})


def download(memory: Memory, request: Request, digest: str) -> Reply:
    if digest not in memory.stored:
        raise Refused(404, "no such artifact")
    whole = memory.stored[digest]
    start = int((request.headers.get("range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
    if not request.headers.get("range"):
        return Reply(200, whole)
    if start >= len(whole):
        raise Refused(416, "nothing lies there")
    return Reply(206, whole[start:], {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"})


def certificate(memory: Memory, request: Request, run: str) -> Reply:
    found = run_of(memory, run)
    asked = strict(request.body, {"csr"})
    who = identity.TokenIdentity(found["namespace"], "ci", found["attester"]["id"])
    leaf = authority.issue(memory.issuer, asked["csr"].encode(), who, datetime.now(UTC))
    return said(200, {"certificate": leaf.decode(), "chain": [memory.issuer.certificate_pem.decode()]})


def bundle(memory: Memory, request: Request, run: str) -> Reply:
    found, digest = run_of(memory, run), str(digests.of_bytes(request.body))
    there = memory.bundles.get(run)
    if there is not None and there != request.body:
        raise Refused(409, "the run has another bundle")
    who = identity.TokenIdentity(found["namespace"], "ci", found["attester"]["id"])
    root = trust.TrustRoot.from_pems([memory.issuer.certificate_pem])
    try:
        verified = verification.verify(request.body, root, who, datetime.now(UTC))
    except errors.NotVerified as exc:
        raise Refused(422, "not verified", step=exc.step, detail=exc.reason) from exc
    if predicate.read(verified.statement).metadata.workflow_run_id != run:
        raise Refused(422, "the statement is of another run")
    memory.bundles[run], memory.payloads[run] = request.body, verified.statement
    return said(200 if there else 201, {"id": run, "digest": digest, "created": there is None})


def reset(memory: Memory, request: Request, run: str) -> Reply:
    found, asked = run_of(memory, run), strict(request.body, {"trigger", "reason"})
    found["verdict"] = {"failure": "Error", "cancellation": "Canceled"}[asked["trigger"]]
    memory.states.pop(run, None)
    return said(200, found)


def state(memory: Memory, request: Request, run: str) -> Reply:
    run_of(memory, run)
    there = memory.states.get(run)
    etag = "" if there is None else f'"{digests.of_bytes(there)}"'
    if request.method == "DELETE":
        memory.states.pop(run, None)
        return Reply(204)
    if request.method == "GET":
        if there is None:
            raise Refused(404, "no state")
        return Reply(200, there, {"ETag": etag})
    if len(request.body) > MAX_STATE:
        raise Refused(413, "the state is too large")
    wanted, absent = request.headers.get("if-match"), request.headers.get("if-none-match")
    if (there is None) != (absent == "*") or (there is not None and wanted != etag):
        raise Refused(409, "the state was changed meanwhile")
    memory.states[run] = request.body
    return Reply(200, b"", {"ETag": f'"{digests.of_bytes(request.body)}"'})


def trusted(memory: Memory, request: Request) -> Reply:
    return said(200, {"authorities": [memory.issuer.certificate_pem.decode()]})


ROUTES: tuple[tuple[str, Callable[..., Reply]], ...] = (
    (r"POST /v1/namespaces/([^/]+)/workflows/([^/]+)/runs", open_run),
    (r"GET /v1/runs/([^/]+)", get_run),
    (r"(?:HEAD|PUT) /v1/runs/([^/]+)/materials/([^/]+)", material),
    (r"POST /v1/runs/([^/]+)/certificate", certificate),
    (r"POST /v1/runs/([^/]+)/bundles", bundle),
    (r"POST /v1/runs/([^/]+)/reset", reset),
    (r"(?:GET|PUT|DELETE) /v1/runs/([^/]+)/state", state),
    (r"(?:HEAD|PUT) /v1/runs/([^/]+)/parts/([^/]+)", material),
    (r"POST /v1/runs/([^/]+)/materials/([^/]+)", join),
    (r"(?:HEAD|PUT) /v1/namespaces/([^/]+)/artifacts/([^/]+)", artifact),
    (r"(?:GET|HEAD) /v1/artifacts/([^/]+)", download),
    (r"GET /v1/trust", trusted),
)


def answer(memory: Memory, request: Request) -> Reply:
    line = f"{request.method} {request.path}"
    try:
        if request.path != "/v1/trust":
            held = request.headers.get("authorization", "")
            if not hmac.compare_digest(held, f"Bearer {TOKEN}"):
                raise Refused(401, "nobody we know")
        for form, handle in ROUTES:
            found = re.fullmatch(form, line)
            if found:
                return handle(memory, request, *found.groups())
        raise Refused(404, "no such page")
    except Refused as exc:
        return said(exc.status, exc.said)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as asyncio does: otherwise each answer waits 40 ms for the client's ACK
    memory: Memory

    def setup(self) -> None:
        super().setup()
        with self.memory.lock:
            self.memory.connections += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding"):
            raise AssertionError("the length of a body is known")
        path, _, query = self.path.partition("?")
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, path, query, headers, body)
        with self.memory.lock:
            self.memory.requests.append((f"{self.command} {self.path}", headers, len(body)))
            failure = self._failure(f"{self.command} {path}")
            reply = None if failure is not None and failure.after < 0 else answer(self.memory, request)
        self.memory.happens(f"{self.command} {path}")
        self._send(reply, failure)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

    def _failure(self, line: str) -> Failure | None:
        for failure in self.memory.failures:
            if re.search(failure.matching, line):
                self.memory.failures.remove(failure)
                return failure
        return None

    def _send(self, reply: Reply | None, failure: Failure | None) -> None:
        if failure is not None and failure.status:
            reply = Reply(failure.status, json.dumps(failure.body).encode(), failure.headers)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if failure is not None and not failure.status:
            self.wfile.write(reply.body[: failure.after])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(reply.body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread for each connection, and the handshake inside it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[Handler], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.context = context

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return request.close()
        return super().process_request_thread(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed on purpose."""


@contextmanager
def serving(memory: Memory, directory: Path) -> Iterator[Memory]:
    now = datetime.now(UTC)
    leaf, key = authority.serving_certificate(
        memory.issuer, ["localhost"], [ip_address("127.0.0.1")], now, timedelta(hours=1)
    )
    (directory / "server.pem").write_bytes(key + leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    server = Server(type("Bound", (Handler,), {"memory": memory}), context)
    memory.url = f"https://127.0.0.1:{server.server_address[1]}"
    memory.ca = memory.issuer.certificate_pem.decode()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield memory
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve the real run's contract until the end of input: what the bench measures against."""
    memory = Memory(builders.plan_of(builders.real_contract()))
    with tempfile.TemporaryDirectory() as directory, serving(memory, Path(directory)):
        print(json.dumps(memory.environment()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
