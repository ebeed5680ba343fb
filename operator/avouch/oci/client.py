"""One registry over HTTP: authenticated, bounded in time and size, never followed with credentials to another host.

The caller reads statuses; `expect` is the one table that turns them into errors.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from avouch import errors
from avouch.oci import challenges, credentials, references, transport

MANIFEST_LIMIT = 4 * 1024 * 1024  # bytes; the distribution spec's own advice to registries
_TOKEN_LIMIT = 64 * 1024  # bytes of a realm's answer
_REDIRECTS = 5
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_READING = frozenset({"GET", "HEAD"})
_MOST_SCOPES = 256  # tokens kept by one client
_WORDS = {401: "not authorized", 403: "not authorized", 404: "not found", 429: "too many requests"}
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)  # between two pieces; the whole is bounded by `Options.seconds`


@dataclass(frozen=True, slots=True)
class Options:
    """How to connect to a registry.

    Attributes:
        plain: http instead of https; None: only for a registry on this machine.
        tls: the trusted authorities; None: those of this machine.
        seconds: for a request and its answer, all redirects and tokens included; streams are bounded by stalling alone.
        environment: where HTTPS_PROXY and similar variables are looked up.
        transport: another way to hosts, which needs neither `tls` nor `environment`; redirects and realms go it, too.
    """

    plain: bool | None = None
    tls: ssl.SSLContext | None = None
    seconds: float = 30.0
    environment: Mapping[str, str] = field(default_factory=dict)
    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `target` is a path below /v2/, or the address that a `Location` header of this registry gave."""

    method: str
    target: str
    repository: str
    actions: str = "pull"  # what a token must allow: pull, or pull,push, or delete
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | AsyncIterator[bytes] = (
        b""  # an iterator is sent once: ask for something small of this scope before
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Client of one registry. Tokens are cached by scope until they are refused."""

    def __init__(
        self, registry: str, credential: credentials.Credential | None = None, options: Options | None = None
    ) -> None:
        given = options or Options()
        self.registry = registry
        self._plain = references.is_loopback(registry) if given.plain is None else given.plain
        self._base = httpx.URL(f"{'http' if self._plain else 'https'}://{registry}/v2/")
        self._credential = credential
        self._seconds = given.seconds
        self._kept: dict[str, str] = {}  # scope -> Authorization
        self._http = httpx.AsyncClient(
            transport=given.transport
            or transport.Proxied(given.tls or ssl.create_default_context(), given.environment),
            timeout=_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "avouch", "Accept-Encoding": "identity"},  # digests are of bytes as they are kept
        )

    async def __aenter__(self) -> Self:
        """Open for use."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call, limit: int = MANIFEST_LIMIT) -> Answer:
        """Send a request and read all of the answer.

        Raises:
            Unavailable: not reached, hung, or cut off.
            TooLarge: more bytes than `limit`.
            Denied: a redirect or a realm that is not followed.
        """
        try:
            async with asyncio.timeout(self._seconds), self.stream(call) as response:
                return Answer(response.status_code, _headers(response), await _read(response, limit, self.registry))
        except TimeoutError as exc:
            raise errors.Unavailable(f"registry {self.registry} did not answer in {self._seconds:g} s") from exc

    def stream(self, call: Call) -> AbstractAsyncContextManager[httpx.Response]:
        """Send a request; the caller reads the body of the answer in pieces.

        Raises:
            Unavailable: not reached, hung, or cut off.
            Denied: a redirect or a realm that is not followed.
        """
        return self._stream(call)

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        response: httpx.Response | None = None
        try:
            response = await self._authenticated(call)
            yield response
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as exc:
            raise errors.Unavailable(f"registry {self.registry} cannot be reached: {_reason(exc)}") from exc
        finally:
            if response is not None:
                await response.aclose()

    async def _authenticated(self, call: Call) -> httpx.Response:
        """Send a request; answer one challenge."""
        scope = f"repository:{call.repository}:{call.actions}"
        response = await self._redirected(call, self._kept.get(scope, ""))
        again = response.status_code == 401 and self._is_ours(response.url) and isinstance(call.content, bytes)
        if not again:
            return response
        challenge = challenges.chosen(response.headers.get_list("www-authenticate"), self._credential)
        await response.aclose()
        authorization = await self._authorization(challenge, scope)
        return await self._redirected(call, authorization)

    async def _authorization(self, challenge: challenges.Challenge | None, scope: str) -> str:
        if self._credential and self._credential.registry_token:
            found = f"Bearer {self._credential.registry_token}"
        elif challenge is None:
            return ""
        elif challenge.scheme == "basic":
            found = self._credential.basic if self._credential else ""
        else:
            plain = self.registry if self._plain else ""
            found = await self._token(challenges.token_request(challenge, self._credential, scope, plain))
        if len(self._kept) >= _MOST_SCOPES:
            self._kept.clear()
        self._kept[scope] = found
        return found

    async def _token(self, wanted: challenges.TokenRequest) -> str:
        """Redirects are not followed here: the request contains the password."""
        headers = {"Authorization": wanted.authorization} if wanted.authorization else {}
        method = "POST" if wanted.form else "GET"
        asked = self._http.build_request(method, wanted.url, headers=headers, data=dict(wanted.form) or None)
        response = await self._http.send(asked, stream=True)
        try:
            body = await _read(response, _TOKEN_LIMIT, self.registry)
        finally:
            await response.aclose()
        return f"Bearer {_token_of(response.status_code, body, self.registry)}"

    async def _redirected(self, call: Call, authorization: str) -> httpx.Response:
        url = self._base.join(call.target)
        if not self._is_ours(url):
            raise errors.Denied(f"registry {self.registry} sends the rest of a request to another host, {url.host}")
        for _ in range(_REDIRECTS + 1):
            response = await self._http.send(self._request(call, url, authorization), stream=True)
            target = response.headers.get("location", "")
            if response.status_code not in _REDIRECTED or call.method not in _READING or not target:
                return response
            await response.aclose()
            url = self._next(url, target)
        raise errors.Unavailable(f"registry {self.registry} redirects more than {_REDIRECTS} times")

    def _request(self, call: Call, url: httpx.URL, authorization: str) -> httpx.Request:
        headers = dict(call.headers)
        if authorization and self._is_ours(url):
            headers["Authorization"] = authorization
        return self._http.build_request(call.method, url, headers=headers, content=call.content or None)

    def _next(self, url: httpx.URL, target: str) -> httpx.URL:
        found = url.join(target)
        if found.scheme != "https" and not (self._plain and found.scheme == "http"):
            raise errors.Denied(f"registry {self.registry} redirects from https to {found.scheme}")
        if found.userinfo:
            raise errors.Denied(f"registry {self.registry} redirects to an address with a password")
        return found

    def _is_ours(self, url: httpx.URL) -> bool:
        ours = self._base
        return (url.scheme, url.host, url.port) == (ours.scheme, ours.host, ours.port)


def expect(answer: Answer, *statuses: int, what: str) -> Answer:
    """The answer, if its status is one of these.

    Args:
        answer: the answer.
        statuses: the expected ones.
        what: the requested object, for messages: `image registry.example/app:1`.

    Raises:
        NotFound: it does not exist, or is not visible with these credentials.
        Denied: 401 or 403: the credentials, or none, are not accepted.
        Overloaded: 429: too many requests.
        Unavailable: anything else.
    """
    if answer.status in statuses:
        return answer
    if answer.status == 404:
        raise errors.NotFound(f"{what} is not in its registry")
    if answer.status in (401, 403):
        fix = "log in with docker login, or give server, user and password"
        raise errors.Denied(f"{what}: the registry answered: {in_words(answer.status)}", fix=fix)
    if answer.status == 429:
        wait = answer.headers.get("retry-after", "")
        seconds = int(wait[:5]) if wait.isascii() and wait.isdigit() else 1
        raise errors.Overloaded(f"{what}: too many requests to the registry", retry_after=seconds)
    raise errors.Unavailable(f"{what}: the registry answered: {in_words(answer.status)}")


def in_words(status: int) -> str:
    """An answer as one of few words: it may end in the status of a CASBackend, whose author chose whom we ask."""
    if status >= 500:
        return "it failed"
    if 300 <= status < 400:
        return "a redirect that is not followed"
    return _WORDS.get(status, "it refused the request")


async def _read(response: httpx.Response, limit: int, registry: str) -> bytes:
    found = bytearray()
    async for piece in response.aiter_raw():
        found += piece
        if len(found) > limit:
            raise errors.TooLarge(f"registry {registry} answered with more than {limit} bytes")
    return bytes(found)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _token_of(status: int, body: bytes, registry: str) -> str:
    if status in (400, 401, 403):
        fix = "log in with docker login, or give server, user and password"
        raise errors.Denied(f"registry {registry}: no token, its realm answered: {in_words(status)}", fix=fix)
    if status != 200:
        raise errors.Unavailable(f"registry {registry}: its realm answered: {in_words(status)}")
    token = challenges.token_in(body)
    if not token:
        raise errors.Unavailable(f"registry {registry}: the answer of its realm has no token")
    return token


def _reason(exc: Exception) -> str:
    """The reason without the address, which may contain a signature."""
    inner = exc.__cause__ or exc
    return type(inner).__name__ if isinstance(exc, httpx.InvalidURL) else str(inner)[:200] or type(inner).__name__
