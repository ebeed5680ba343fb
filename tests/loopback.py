"""A web server on loopback that answers as a test says: for what no real server can be made to do."""

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import pki


@dataclass(frozen=True)
class Request:
    """What a client sent. Names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What it gets.

    `drips`: the body comes a byte at a time, and never ends until the server is closed. `hangs_up`: the connection is
    closed after it, which the answer does not say. Status 0: it is closed without an answer.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drips: bool = False
    hangs_up: bool = False


Answers = Callable[[Request], Reply]


@dataclass
class Server:
    """The running server: `address` is host and port, `url` has the scheme; `seen` is what came in."""

    address: str
    url: str
    seen: list[Request] = field(default_factory=list)
    answers: Answers = lambda _: Reply(404)
    connections: int = 0


@dataclass(frozen=True)
class Tls:
    """An authority of a test's own, for `localhost`."""

    pair: pki.Pair
    authority: Path

    def trusting(self) -> ssl.SSLContext:
        """A client that trusts it."""
        return ssl.create_default_context(cafile=str(self.authority))


def tls(folder: Path) -> Tls:
    """Make one."""
    authority = pki.Authority(folder, "ca")
    return Tls(authority.issue("server", "server", names=("localhost", "127.0.0.1")), authority.pair.cert)


class _Listener(http.server.ThreadingHTTPServer):
    """Tells its handlers who answers, and says nothing of clients that hang up."""

    daemon_threads = True

    def __init__(self, secure: Tls | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        host, scheme = ("localhost", "https") if secure else ("127.0.0.1", "http")
        address = f"{host}:{self.server_address[1]}"
        self.told = Server(address, f"{scheme}://{address}")
        self.over = threading.Event()
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(secure.pair.cert, secure.pair.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer of two writes waits 40 ms otherwise
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.server.told.connections += 1

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.told.seen.append(request)
        self._send(self.server.told.answers(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _answer  # noqa: N815  http.server's names

    def _send(self, reply: Reply) -> None:
        self.close_connection = reply.hangs_up or reply.drips or not reply.status
        if not reply.status:
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(10**6 if reply.drips else len(reply.body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            while reply.drips and not self.server.over.wait(0.05):
                self.wfile.write(b" ")
            if self.command != "HEAD":
                self.wfile.write(reply.body)

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(answers: Answers | None = None, secure: Tls | None = None) -> Iterator[Server]:
    """Serve until the block ends."""
    with _Listener(secure) as listener:
        listener.told.answers = answers or listener.told.answers
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield listener.told
        finally:
            listener.over.set()
            listener.shutdown()
            thread.join()
