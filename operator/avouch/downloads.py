"""What lies at a URL: over HTTPS, bounded in bytes and time, through the proxies of the environment.

Never here: files of this machine, other schemes, a redirect from HTTPS down to HTTP.
"""

import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO

from avouch import errors

_SECONDS = 60.0  # in all
_STEP = 10.0  # for each answer of the network
_CHUNK = 64 * 1024
_LOCAL = ("localhost", "127.0.0.1", "::1")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects to other addresses, under the same rules as the first."""

    def redirect_request(  # noqa: PLR0913  # urllib's
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse a redirect to what nobody could ask for."""
        try:
            _check(newurl)
        except errors.Invalid:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, limit: int) -> bytes:
    """The bytes at a URL.

    Raises:
        Invalid: no URL that may be asked.
        TooLarge: more bytes than the limit.
        NotFound: there is nothing.
        Unavailable: no answer, or not in time.
    """
    _check(url)
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    try:
        with opener.open(urllib.request.Request(url, headers={"User-Agent": "avouch"}), timeout=_STEP) as answer:  # noqa: S310  # schemes are checked above
            return _read(url, answer, limit)
    except urllib.error.HTTPError as exc:
        exc.close()
        family = errors.NotFound if exc.code in (404, 410) else errors.Unavailable
        raise family(f"{url}: the server answered {exc.code} {exc.reason}") from exc
    except (OSError, HTTPException) as exc:
        raise errors.Unavailable(f"{url}: {getattr(exc, 'reason', exc)}") from exc


def _read(url: str, answer: IO[bytes], limit: int) -> bytes:
    found = bytearray()
    end = time.monotonic() + _SECONDS
    while chunk := answer.read(_CHUNK):
        found += chunk
        if len(found) > limit:
            raise errors.TooLarge(f"{url}: more than {limit} bytes", fix="fetch it yourself and give a smaller file")
        if time.monotonic() > end:
            raise errors.Unavailable(f"{url}: not complete after {_SECONDS:.0f} seconds")
    return bytes(found)


def _check(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
    except ValueError as exc:
        raise errors.Invalid(f"{url[:200]!r} is no URL: {exc}", fix="write https://host/path") from exc
    if not host or parts.scheme not in ("http", "https"):
        raise errors.Invalid(f"{url[:200]!r} cannot be downloaded", fix="write https://host/path")
    if parts.scheme == "http" and host not in _LOCAL:
        raise errors.Invalid(f"{url[:200]} is not encrypted", fix="use https://, or download it yourself")
