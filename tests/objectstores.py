"""Real servers that keep artifacts, on loopback, each with an empty bucket: S3, GCS, Azure Blob Storage and OCI.

Compiled from Go modules, or installed from a package; each is stopped by whoever started it.
"""

import base64
import contextlib
import datetime
import fcntl
import hashlib
import hmac
import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import httpx

from avouch.cas import backends, forwarding
from avouch.destinations import Destinations
from tests.cluster import binaries, places
from tests.cluster.errors import ClusterError, Impossible
from tests.cluster.progress import stage

START_SECONDS = 60
BUCKET = "artifacts"
ACCOUNT = "devstoreaccount1"  # what azurite is delivered with; no secret
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

ACCESS, SECRET = "tester", "tester-secret"
LOCAL = Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


@dataclass(frozen=True, slots=True)
class Served:
    """One that runs: a CASBackend's spec for it, the values of its Secret, and where its files lie."""

    spec: Mapping[str, object]
    secret: Mapping[str, bytes]
    folder: Path
    url: str
    pid: int = field(default=0)


@contextlib.asynccontextmanager
async def installed(allowed: Destinations = LOCAL) -> AsyncIterator[backends.Install]:
    """What an install offers to backends of these servers, or of others."""
    async with forwarding.Forwarder(allowed) as forwarder:
        yield backends.Install(None, allowed, forwarder)


@contextlib.contextmanager
def s3() -> Iterator[Served]:
    """versitygw over a folder."""
    with _versitygw() as (folder, url, pid):
        secret = {"accessKeyId": ACCESS.encode(), "secretAccessKey": SECRET.encode()}
        spec = {"s3": {"bucket": BUCKET, "region": "us-east-1", "endpoint": url, "prefix": "team/a"}}
        yield Served(spec, secret, folder / "root", url, pid)


@contextlib.contextmanager
def gcs() -> Iterator[Served]:
    """versitygw again: obstore speaks the XML API to GCS, which is S3's own protocol with another Authorization.

    fake-gcs-server cannot stand here: it has no writes and no multipart uploads of the XML API (its issues 331, 852).
    What this does not show is Google's OAuth: a forwarder puts a signature of S3's in the place of the token.
    """
    with _versitygw() as (folder, behind, pid), _signed(behind) as url:
        key = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        spec = {"gcs": {"bucket": BUCKET, "prefix": "team/a"}}
        yield Served(spec, {"credentials.json": json.dumps(key).encode()}, folder / "root", url, pid)


def _signature(method: str, host: str, path: str, query: str) -> dict[str, str]:
    """Headers of AWS Signature Version 4 for a request whose payload is not signed."""
    now = datetime.datetime.now(datetime.UTC)
    day, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    names = ";".join(signed)
    canonical = "\n".join((
        method, path, "&".join(sorted(query.split("&"))), *(f"{k}:{v}" for k, v in signed.items()), "", names,
        "UNSIGNED-PAYLOAD",
    ))  # fmt: skip
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    told = f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**signed, "Authorization": told}


@contextlib.contextmanager
def _signed(behind: str) -> Iterator[str]:
    """A forwarder that signs for S3 what comes with a token for Google."""
    host = behind.removeprefix("http://")

    class Forward(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer of two writes waits 40 ms otherwise

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            path = urllib.parse.quote(urllib.parse.unquote(path), safe="/-._~")  # as what is signed has it
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("authorization", "host")}
            connection = http.client.HTTPConnection(host)
            headers = {**kept, **_signature(self.command, host, path, query)}
            connection.request(self.command, f"{path}?{query}" if query else path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                    self.send_header(key, value)
            size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            if answer.status != 204:
                self.send_header("Content-Length", size or "0")
            with contextlib.suppress(BrokenPipeError):  # who aborts an upload does not wait for answers
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@contextlib.contextmanager
def _versitygw() -> Iterator[tuple[Path, str, int]]:
    with _folder() as folder:
        (folder / "root" / BUCKET).mkdir(parents=True)
        (folder / "meta").mkdir()
        port = _free_port()
        command = [
            str(binaries.binary("versitygw")), "--port", f"127.0.0.1:{port}", "--quiet",
            "posix", "--sidecar", str(folder / "meta"), str(folder / "root"),
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        environment = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
        with _running(command, folder, url, environment) as pid:
            yield folder, url, pid


@contextlib.contextmanager
def azure() -> Iterator[Served]:
    """Azurite's blob service."""
    with _folder() as folder:
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        command = [
            _node(), str(_azurite()), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder),
            "--silent", "--disableTelemetry", "--skipApiVersionCheck",
        ]  # fmt: skip
        with _running(command, folder, f"{url}/{ACCOUNT}?comp=list", {}) as pid:
            endpoint = f"{url}/{ACCOUNT}"
            _make_container(endpoint)
            spec = {"azure": {"account": ACCOUNT, "container": BUCKET, "endpoint": endpoint, "prefix": "team/a"}}
            secret = {"accountKey": ACCOUNT_KEY.encode(), "host": f"127.0.0.1:{port}".encode()}
            yield Served(spec, secret, folder, endpoint, pid)


@contextlib.contextmanager
def oci() -> Iterator[Served]:
    """The registry of go-containerregistry; its layers lie in the folder."""
    with _folder() as folder:
        port = _free_port()
        (folder / "layers").mkdir()
        disk = str(folder / "layers")
        command = [
            str(binaries.binary("crane")), "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", disk
        ]  # fmt: skip
        with _running(command, folder, f"http://127.0.0.1:{port}/v2/", {}) as pid:
            spec = {"oci": {"repository": f"127.0.0.1:{port}/team/artifacts", "insecure": True}}
            yield Served(spec, {}, folder, f"http://127.0.0.1:{port}", pid)


SERVERS = {"s3": s3, "gcs": gcs, "azure": azure, "oci": oci}


def missing(name: str) -> str:
    """What this machine lacks to run a server, "" if nothing."""
    if name == "azure":
        return "" if shutil.which("npm") and shutil.which("node") else "Node.js with npm (azurite is an npm package)"
    return "" if shutil.which("go") else "the Go toolchain (the server is a Go module)"


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="avouch-objects-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _running(command: Sequence[str], folder: Path, probe: str, environment: Mapping[str, str]) -> Iterator[int]:
    """Start, wait until it answers anything at all, stop by its own process id."""
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out, cwd=folder)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(probe):
            said = log.read_text(errors="replace")
            assert process.poll() is None, f"{command[0]} did not start:\n{said}"
            assert time.monotonic() < deadline, f"{command[0]} does not answer:\n{said}"
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=2.0)
    except httpx.HTTPError:
        return False
    return True


def _azurite() -> Path:
    """Azurite as `tools/azurite/package-lock.json` pins it, installed once. No install script of a package runs."""
    pinned = places.HERE / "tools" / "azurite"
    lock_file = (pinned / "package-lock.json").read_bytes()
    target = places.cache() / "npm" / f"azurite-{base64.b16encode(lock_file[-64:]).decode()[:8]}-{len(lock_file)}"
    main = target / "node_modules/azurite/dist/src/blob/main.js"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not main.exists():
            with stage("install azurite from its npm package"):
                for name in ("package.json", "package-lock.json"):
                    shutil.copy(pinned / name, target / name)
                _npm(target, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return main


def _npm(folder: Path, *arguments: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Impossible("npm is missing: azurite is an npm package")
    done = subprocess.run([npm, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"npm {arguments[0]} failed:\n{done.stderr[-3000:]}")


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise Impossible("node is missing: azurite runs on Node.js")
    return found


def _make_container(endpoint: str) -> None:
    """By a signed request: obstore makes no containers."""

    date = formatdate(usegmt=True)
    canonical = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    text = "PUT\n" + "\n" * 11 + canonical
    signature = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2021-12-02",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
    }
    answer = httpx.put(f"{endpoint}/{BUCKET}?restype=container", headers=headers)
    assert answer.status_code == 201, answer.text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
