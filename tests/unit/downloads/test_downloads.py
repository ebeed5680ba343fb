import gc
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from avouch import downloads, errors


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code, body, where = {
            "/file": (200, b"x" * 1000, ""),
            "/moved": (302, b"", "/file"),
            "/loop": (302, b"", "/loop"),
            "/down": (302, b"", "http://example.com/"),
            "/local": (302, b"", "file:///etc/passwd"),
            "/broken": (500, b"", ""),
        }.get(self.path, (404, b"", ""))
        self.send_response(code)
        if where:
            self.send_header("Location", where)
        if self.path != "/file":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_and_a_redirect_followed(site):
    assert downloads.download(f"{site}/file", 1000) == b"x" * 1000
    assert downloads.download(f"{site}/moved", 1000) == b"x" * 1000


@pytest.mark.parametrize(
    ("path", "limit", "family"),
    [
        ("/file", 999, errors.TooLarge),
        ("/none", 10, errors.NotFound),
        ("/broken", 10, errors.Unavailable),
        ("/loop", 10, errors.Unavailable),
        ("/down", 10, errors.Invalid),
        ("/local", 10, errors.Invalid),
    ],
)
def test_what_goes_wrong_on_the_way_has_its_family(site, path, limit, family):
    with pytest.raises(errors.AvouchError) as caught:
        downloads.download(f"{site}{path}", limit)
    assert type(caught.value) is family
    del caught
    gc.collect()  # a connection that was left open is a warning, and so an error, here


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://x/y", "http://example.com/x", "https://", "data:text/plain,x", "http://[::1", "x",
     "http://127.0.0.1.example.com/"],
)  # fmt: skip
def test_what_is_not_encrypted_or_no_url_is_never_asked(url):
    with pytest.raises(errors.Invalid):
        downloads.download(url, 10)


def test_where_nobody_answers_it_says_so():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(errors.Unavailable, match="refused"):
            downloads.download(url, 10)


def test_an_answer_that_never_ends_is_ended(site, monkeypatch):
    monkeypatch.setattr(downloads, "_SECONDS", -1.0)
    with pytest.raises(errors.Unavailable, match="not complete"):
        downloads.download(f"{site}/file", 1000)
