"""What `http.send` of a script does: the request is made by us, never by OPA.

Asked are hosts that are allowed, by HTTPS, at addresses that were checked and are connected to as they were, on each
hop of a redirect. What reads files or variables of a process, or trusts anybody, is refused.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from avouch import destinations, errors, pem, pinned
from avouch.policy import evaluation
from avouch.values import dataclass

MIB = 1024 * 1024
BODY = 8 * MIB  # bytes of an answer: the catalog of known exploited vulnerabilities has 2 MiB
REDIRECTS = 10  # as many as Go follows
PATIENCE = 5.0  # seconds for one request that says nothing else, as OPA gives
_URL = 8192  # characters
_DECIDE = {
    "method", "url", "headers", "body", "raw_body", "timeout", "enable_redirect", "raise_error", "force_json_decode",
    "force_yaml_decode", "tls_ca_cert", "tls_use_system_certs",
}  # fmt: skip
# Nothing outlives an evaluation, and a request is made once.
_NO_EFFECT = {
    "cache", "caching_mode", "cache_ignored_headers", "force_cache", "force_cache_duration_seconds",
    "max_retry_attempts",
}  # fmt: skip
_OURS = {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e]{0,8192}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m)", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Reach:
    """Which hosts a script may ask. `hosts`: their names; `allowed`: the addresses that they may have."""

    hosts: frozenset[str] = frozenset()
    allowed: destinations.Destinations = destinations.PUBLIC


@dataclass(frozen=True, slots=True)
class Request:
    """What a script asks for.

    Attributes:
        method: in capitals.
        url: one that may be asked.
        headers: its own.
        body: its content.
        patience: seconds that it waits.
        redirects: whether they are followed.
        raises: whether a host that does not answer fails the evaluation.
        decode: how the body of the answer is read, whatever it says of itself: json, yaml, or "".
        ca: PEM of authorities to trust; "" for those of this machine.
        system: whether those of this machine are trusted beside `ca`.
    """

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes
    patience: float
    redirects: bool
    raises: bool
    decode: str
    ca: str
    system: bool


def within(request: Request, seconds: float) -> Request:
    """The request, with no more patience than is left."""
    return replace(request, patience=min(request.patience, seconds))


def read(said: Any, reach: Reach) -> Request:
    """Read the argument of `http.send`.

    Raises:
        errors.Invalid: it is none, or asks for what is not to be had; errors.Denied: the host may not be asked.
    """
    if not isinstance(said, Mapping):
        raise _invalid("takes an object")
    for name in sorted(said.keys() - _DECIDE - _NO_EFFECT):
        if name != "tls_insecure_skip_verify" or said[name] is not False:
            raise _invalid(f"{name} has no place in policies", "leave it out")
    method = _text(said, "method").upper()
    if not _METHOD.fullmatch(method):
        raise _invalid("method is no method of HTTP")
    json_, yaml = _flag(said, "force_json_decode"), _flag(said, "force_yaml_decode")
    return Request(
        method,
        _url(_text(said, "url"), reach),
        _headers(said.get("headers")),
        _body(said),
        _patience(said.get("timeout")),
        _flag(said, "enable_redirect"),
        _flag(said, "raise_error", otherwise=True),
        "json" if json_ else "yaml" if yaml else "",
        _text(said, "tls_ca_cert").replace("\\n", "\n"),
        _flag(said, "tls_use_system_certs"),
    )


async def send(request: Request, reach: Reach, tls: Callable[[], ssl.SSLContext]) -> dict[str, Any]:
    """Make the request: the answer as a script sees it, except for its body, and how that is to be read.

    Args:
        request: what was read.
        reach: what may be asked.
        tls: authorities of this machine.

    Raises:
        errors.Denied: what it is led to may not be asked; errors.TooLarge: the answer is.
        errors.Invalid: `tls_ca_cert` holds no certificate.
        errors.Unavailable: no answer.
    """
    trusted = _trusted(request, tls)
    host = request.url.host
    try:
        async with asyncio.timeout(request.patience):
            transport = pinned.Transport(trusted, reach.allowed)
            async with httpx.AsyncClient(transport=transport, timeout=request.patience, trust_env=False) as client:
                return await _followed(client, request, reach)
    except TimeoutError as exc:
        raise errors.Unavailable(f"{host}: no answer in {request.patience:g} s") from exc
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        raise errors.Unavailable(f"{host} was not reached: {pinned.reason(exc)}") from exc


async def _followed(client: httpx.AsyncClient, request: Request, reach: Reach) -> dict[str, Any]:
    headers = {"User-Agent": "avouch", "Accept": "*/*", **request.headers, "Accept-Encoding": "identity"}
    asked = client.build_request(request.method, request.url, headers=headers, content=request.body or None)
    for _ in range(REDIRECTS + 1):
        answer = await client.send(asked, stream=True)
        try:
            if not request.redirects or answer.next_request is None:
                return await _answer(answer, request.decode)
            asked = answer.next_request
            _url(str(asked.url), reach)
        finally:
            await answer.aclose()
    raise errors.Unavailable(f"{request.url.host} redirects more than {REDIRECTS} times")


async def _answer(answer: httpx.Response, decode: str) -> dict[str, Any]:
    content = bytearray()
    async for piece in answer.aiter_raw():  # what is compressed nobody asked for, and would grow
        content += piece
        if len(content) > BODY:
            raise errors.TooLarge(f"{answer.url.host} answers with more than {BODY // MIB} MiB")
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers.multi_items():
        headers.setdefault(name.lower(), []).append(value)
    return {
        "answer": {
            "status": f"{answer.status_code} {answer.reason_phrase}".rstrip(),
            "status_code": answer.status_code,
            "headers": headers,
            "raw_body": content.decode("utf-8", "replace"),
        },
        "decode": decode or _decoding(answer.headers.get("content-type", "")),
    }


def _decoding(content_type: str) -> str:
    """How OPA reads a body of this type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return "json"
    return "yaml" if kind in ("application/yaml", "application/x-yaml") else ""


def _url(text: str, reach: Reach) -> httpx.URL:
    """Raises errors.Invalid, errors.Denied."""
    try:
        url = httpx.URL(text) if len(text) <= _URL else None
        host = url.raw_host.decode("ascii") if url else ""
    except (httpx.InvalidURL, UnicodeError, ValueError):
        url, host = None, ""
    if url is None or not host or not text.isprintable():
        raise _invalid("url is no URL")
    if url.scheme != "https" or url.userinfo:
        raise _invalid(f"asks {host[:100]} by {url.scheme[:20]}", "write https://, the host and the path")
    if host not in reach.hosts:
        known = ", ".join(sorted(reach.hosts))
        raise errors.Denied(f"http.send may not ask {host[:100]}, but {known} (fix: {evaluation.NAME_HOSTS})")
    return url


def _headers(said: Any) -> Mapping[str, str]:
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise _invalid("headers is no object")
    for name, value in said.items():
        if not isinstance(value, str) or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _invalid(f"headers: {name[:100]} is no header")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise _invalid(f"headers: {name} cannot be chosen", "leave it out")
    return dict(said)


def _body(said: Mapping[str, Any]) -> bytes:
    if "raw_body" in said:
        return _text(said, "raw_body").encode()
    return json.dumps(said["body"]).encode() if "body" in said else b""


def _patience(said: Any) -> float:
    """Nanoseconds, or a text such as 500ms."""
    if said is None:
        return PATIENCE
    if isinstance(said, (int, float)) and not isinstance(said, bool) and said > 0:
        return said / _NANOSECONDS
    found = _DURATION.fullmatch(said) if isinstance(said, str) else None
    if found is None or not float(found[1]):
        raise _invalid("timeout is no duration", "write it like 500ms or 5s")
    return float(found[1]) * _SECONDS[found[2]]


def _trusted(request: Request, tls: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    if not request.ca:
        return tls()
    authorities = pem.certificates(request.ca, "tls_ca_cert")
    context = ssl.create_default_context(cadata=authorities)
    if request.system:
        context.load_default_certs()
    return context


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise _invalid(f"{name} is no text")
    return value


def _flag(said: Mapping[str, Any], name: str, *, otherwise: bool = False) -> bool:
    value = said.get(name, otherwise)
    if not isinstance(value, bool):
        raise _invalid(f"{name} is neither true nor false")
    return value


def _invalid(what: str, fix: str = "") -> errors.Invalid:
    return errors.Invalid(f"http.send: {what}", fix=fix)
