"""The bytes at a URL: over HTTPS, bounded in bytes and time, through the proxies of the environment.

Never here: files of this machine, other schemes, a redirect from HTTPS down to HTTP. Redirects are followed, each under
the same rules as the first address; plain HTTP is for servers of this machine.
"""

import os
import time
import urllib.parse
from http.client import responses

from avouch import errors, https, proxies

_SECONDS = 60.0  # in all
_HOPS = 5  # redirects
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOCAL = ("localhost", "127.0.0.1", "::1")
_FIX = "write https://host/path"


def download(url: str, limit: int) -> bytes:
    """The bytes at a URL.

    Raises:
        Invalid: no URL that may be asked.
        TooLarge: more bytes than the limit.
        NotFound: there is nothing.
        Unavailable: no answer, or not in time.
    """
    deadline, at = time.monotonic() + _SECONDS, url
    for _ in range(_HOPS + 1):
        answer = _get(url, _checked(at), limit, deadline)
        if answer.status not in _REDIRECTS:
            break
        at = urllib.parse.urljoin(at, answer.headers.get("location", ""))
    else:
        raise errors.Unavailable(f"{url}: more than {_HOPS} redirects")
    if answer.status != 200:
        family = errors.NotFound if answer.status in (404, 410) else errors.Unavailable
        raise family(f"{url}: the server answered {answer.status} {responses.get(answer.status, '')}".rstrip())
    return answer.body


def _get(url: str, at: urllib.parse.SplitResult, limit: int, deadline: float) -> https.Answer:
    host, plain = at.hostname or "", at.scheme == "http"
    port = at.port or (80 if plain else 443)
    proxy = None if plain else proxies.of(os.environ, host, port)
    link = https.Connection(https.Peer(host, port, proxy=proxy, plain=plain))
    target = f"{at.path or '/'}{'?' + at.query if at.query else ''}"
    headers = {"User-Agent": "avouch", "Accept-Encoding": "identity"}
    try:
        return link.fetch(https.Request("GET", target, headers), deadline, limit)
    except errors.TooLarge as exc:
        raise errors.TooLarge(
            f"{url}: more than {limit} bytes", fix="download it yourself, and give a smaller file"
        ) from exc
    except TimeoutError as exc:
        raise errors.Unavailable(f"{url}: not complete after {_SECONDS:.0f} seconds") from exc
    except https.Broken as exc:
        raise errors.Unavailable(f"{url}: {https.reason(exc)}") from exc
    finally:
        link.close()


def _checked(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise errors.Invalid(f"{url[:200]!r} is not a URL: {exc}", fix=_FIX) from exc
    if not host or parts.scheme not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
        raise errors.Invalid(f"{url[:200]!r} cannot be downloaded", fix=_FIX)
    if parts.scheme == "http" and host not in _LOCAL:
        raise errors.Invalid(f"{url[:200]} is not encrypted", fix="use https://, or download it yourself")
    return parts
