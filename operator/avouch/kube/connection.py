"""HTTP to the API server: aiohttp, without the official client's 60 MiB. The only module that imports it.

Inside a pod the ServiceAccount's files configure it; outside (`make dev`, tests) a kubeconfig does. The
token file is read again for each request, because the kubelet replaces it every hour.
"""

import base64
import binascii
import email.utils
import io
import ssl
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import yarl

from avouch import errors, pem
from avouch.materials.readers import yamls

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT = 5.0  # seconds to reach the API server
PATIENCE = 5.0  # seconds for a read; a push waits for up to four of these
JSON = "application/json"
IDLE = 15.0  # seconds an unused connection is kept: after a watch fell silent, none of its age may be used again
_CONNECTIONS = 64

Token = Callable[[], str]
"""The current bearer token; "" with a client certificate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API server."""

    status: int
    content: bytes

    @property
    def failed(self) -> bool:
        """Whether it failed; a redirect counts as failed, because it is not followed."""
        return _failed(self.status)


@dataclass(slots=True)
class Connection:
    """A pool of connections to one API server. Close it with `close`."""

    url: str
    context: ssl.SSLContext
    token: Token
    ahead: timedelta = timedelta()  # of our clock is the API server's, as far as its last answer tells
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """One object or list as plain JSON; None if it does not exist.

        Raises:
            Unavailable: no answer, or an unexpected status.
        """
        return await self._json("GET", path, None, params)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, e.g. a review.

        Raises:
            Unavailable: as for `get`, and if the resource does not exist.
        """
        answer = await self._json("POST", path, body, None)
        if answer is None:
            raise errors.Unavailable(f"the API server does not know {path}")
        return answer

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: tuple[str, bytes] | None = None,
        patience: float = PATIENCE,
    ) -> Answer:
        """One request and its whole answer, whatever its status; `body` is a media type and the bytes.

        Raises:
            Unavailable: no answer within `patience` seconds.
        """
        timeout = aiohttp.ClientTimeout(total=patience, sock_connect=CONNECT)
        media_type, content = body or ("", b"")
        more = {"Content-Type": media_type, "Content-Length": str(len(content))} if body else {}
        headers, data = self._headers(more), io.BytesIO(content) if body else None
        try:
            async with self._opened().request(
                method, self._at(path, query), data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                self.ahead = ahead(response.headers.get("Date", ""), datetime.now(UTC))
                return Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _no_answer(method, path, exc) from exc

    async def lines(
        self, path: str, query: Mapping[str, str], *, inactivity: float
    ) -> AsyncGenerator[bytes | Answer, None]:
        """The lines of a stream as they come, however long; or one `Answer` if the API server refused the request.

        Raises:
            Unavailable: nothing came for `inactivity` seconds, or the connection broke.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=inactivity)
        try:
            async with self._opened().get(
                self._at(path, query), headers=self._headers({}), timeout=timeout, allow_redirects=False
            ) as response:
                if _failed(response.status):
                    yield Answer(response.status, await response.read())
                    return
                async for line in _lines(response):
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _no_answer("watch", path, exc) from exc

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made in the loop that uses it. No proxy from the environment, no .netrc, no cookies."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self.context, limit=_CONNECTIONS, keepalive_timeout=IDLE),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "avouch", "Accept": JSON},
            )
        return self._session

    def _at(self, path: str, query: Mapping[str, str] | None) -> yarl.URL:
        """`encoded`: the caller has quoted the path; it must not be normalized again, such as `..`."""
        return yarl.URL(f"{self.url}{path}{'?' if query else ''}{urlencode(query or {})}", encoded=True)

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        token = self.token()
        return {**more, **({"Authorization": f"Bearer {token}"} if token else {})}

    async def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str] | None
    ) -> dict[str, Any] | None:
        content = None if body is None else (JSON, msgspec.json.encode(body))
        answer = await self.request(method, path, query=params, body=content)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.failed:
            raise errors.Unavailable(f"the API server answered {answer.status} to {method} {path}")
        try:
            found = msgspec.json.decode(answer.content)
        except ValueError as exc:
            raise errors.Unavailable(
                f"the API server answered {method} {path} with something that is not JSON"
            ) from exc
        if not isinstance(found, dict):
            raise errors.Unavailable(f"the API server answered {method} {path} with something that is not an object")
        return found


def ahead(said: str, now: datetime) -> timedelta:
    """By how much the clock that wrote this `Date` is ahead of ours; what a whole second cannot tell is none.

    >>> ahead("Thu, 01 Jan 2026 00:00:05 GMT", datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC))
    datetime.timedelta(seconds=2)
    >>> ahead("Thu, 01 Jan 2026 00:00:05 GMT", datetime(2026, 1, 1, 0, 0, 5, 999999, tzinfo=UTC))
    datetime.timedelta(0)
    """
    try:
        at = email.utils.parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return timedelta()
    if at.tzinfo is None:
        return timedelta()
    return max(at - now, min(at + timedelta(seconds=1) - now, timedelta()))


def _failed(status: int) -> bool:
    return not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    rest: list[bytes] = []
    try:
        async for piece in response.content.iter_any():
            *whole, last = piece.split(b"\n")
            for line in whole:
                yield b"".join((*rest, line))
                rest = []
            if last:
                rest.append(last)
    except TimeoutError:
        if response.connection is not None and response.connection.transport is not None:
            response.connection.transport.abort()  # a peer that is silent would not answer a goodbye either
        raise


def _no_answer(what: str, path: str, exc: BaseException) -> errors.Unavailable:
    return errors.Unavailable(f"no answer from the API server to {what} {path}: {str(exc) or type(exc).__name__}")


def in_cluster(host: str, port: str) -> Connection:
    """The API server of the cluster this pod runs in.

    Raises:
        Unavailable: the pod has no ServiceAccount files.
    """
    authority, token = SERVICE_ACCOUNT / "ca.crt", SERVICE_ACCOUNT / "token"
    try:
        trusted = authority.read_bytes()
    except OSError as exc:
        raise errors.Unavailable(
            f"no ServiceAccount in {SERVICE_ACCOUNT}: is automountServiceAccountToken off?"
        ) from exc
    context = ssl.create_default_context(cadata=pem.certificates(trusted, str(authority)))
    name = f"[{host}]" if ":" in host else host
    return Connection(f"https://{name}:{port}", context, lambda: token.read_text(encoding="ascii").strip())


def of_environment(kubeconfig: Path | None, environment: Mapping[str, str]) -> Connection:
    """Inside a pod by its ServiceAccount, elsewhere by the named kubeconfig.

    Raises:
        Invalid: neither exists.
    """
    if kubeconfig is not None:
        return from_kubeconfig(kubeconfig)
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise errors.Invalid("not in a cluster", field="AVOUCH_KUBECONFIG", fix="name a kubeconfig file")
    return in_cluster(host, port)


def from_kubeconfig(path: Path) -> Connection:
    """The API server that the current context of a kubeconfig names; client certificates and tokens only.

    Raises:
        Invalid: the file names no server, or logs in by a plugin.
    """
    try:
        config = yamls.load(path.read_bytes())
    except OSError as exc:
        raise errors.Invalid(f"{path} cannot be read: {exc.strerror}", fix="name a kubeconfig file") from exc
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = str(cluster["server"])
    except (KeyError, TypeError, StopIteration) as exc:
        raise errors.Invalid(f"{path} names no server", fix="kubectl config use-context NAME") from exc
    authority = _data(cluster, "certificate-authority", path)
    trusted = pem.certificates(authority, f"{path}: certificate-authority") if authority else None
    tls = ssl.create_default_context(cadata=trusted)
    certificate, key = _data(user, "client-certificate", path), _data(user, "client-key", path)
    if certificate and key:
        _load(tls, certificate, key)
    token = str(user.get("token") or "")
    return Connection(server.rstrip("/"), tls, lambda: token)


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _data(holder: Mapping[str, Any], key: str, config: Path) -> bytes | None:
    try:
        if holder.get(f"{key}-data"):
            return base64.b64decode(holder[f"{key}-data"], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise errors.Invalid("not base64", field=f"{config}: {key}-data") from exc
    return (config.parent / holder[key]).read_bytes() if holder.get(key) else None


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """`load_cert_chain` takes files only."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # mode 0600
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)
