"""A small real HTTPS server that speaks the ingest API, to push to."""

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from avouch import digests, plan

RUN = "2f1f37c4-8c0f-5c2b-9a1b-000000000001"


FULL = {
    "title": "Not allowed",
    "detail": "the quota of artifacts of this namespace has no room for this one",
    "field": "quotas.artifactBytes",
    "fix": "keep runs for a shorter time",
}


@dataclass
class Script:
    """What the server knows and does, and what it was sent."""

    plan: plan.Plan
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    ca: str = ""
    connections: int = 0
    refuses: dict[str, Any] = field(default_factory=dict)  # the answer to each file: a problem of status 403
    forbids: str = "nothing"  # what the path of a request ends with that is refused
    hangs_up: bool = False  # closes each connection after an answer that does not say so

    def bodies(self, suffix: str) -> list[bytes]:
        return [body for _, path, _, body in self.requests if path.endswith(suffix)]

    def statement(self) -> dict[str, Any]:
        (pushed,) = self.bodies("/bundles")
        found: dict[str, Any] = json.loads(base64.b64decode(json.loads(pushed)["dsseEnvelope"]["payload"]))
        return found


def certificate(directory: Path) -> str:
    """A certificate for the loopback address that is its own authority. Returns it as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(private + pem)
    return pem.decode()


@contextmanager
def serving(script: Script, directory: Path) -> Iterator[Script]:  # noqa: C901 - one handler, inside
    script.ca = certificate(directory)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer of two writes waits 40 ms otherwise

        def setup(self) -> None:
            super().setup()
            script.connections += 1

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.requests.append((self.command, self.path, dict(self.headers), body))
            if script.failures:
                status, headers = script.failures.pop(0)
                return self._send(status, {"title": "scripted"}, headers)
            if script.refuses and "/materials/" in self.path:
                return self._send(403, script.refuses, {})
            if self.path.endswith(script.forbids):
                return self._send(403, {"title": "refused"}, {})
            return self._send(200, self._answer(body), {})

        do_POST = do_PUT = _any  # noqa: N815

        def _answer(self, body: bytes) -> dict[str, Any]:
            if self.path == "/v1/runs":
                run = {"id": RUN, "name": "w-1", "workflow": "w", "plan": json.loads(script.plan.to_json())}
                return {"runs": [run]}
            if self.path.endswith("/certificate"):
                assert b"CERTIFICATE REQUEST" in body
                return {"certificate": script.ca, "chain": []}
            return {"id": "x", "digest": str(digests.of_bytes(body)), "size": len(body), "created": True}

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = self.close_connection or script.hangs_up

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    script.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
