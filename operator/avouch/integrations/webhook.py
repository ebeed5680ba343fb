"""The webhook: one POST of the verdict's JSON, signed, to an address that may be spoken to.

Headers: `Avouch-Delivery: <uuid>` (the same over all tries), `Avouch-Event: verdict`, and, where the Integration names
a secret, `Avouch-Signature: t=<unix seconds>,v1=<hex>` with v1 = HMAC-SHA256(secret, `<t>.<body>`). A receiver computes
the same, compares in constant time, refuses a `t` older than five minutes, and ignores a delivery id that it has seen.
"""

import asyncio
import hmac
import importlib.util
import os
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore

from avouch import errors
from avouch.controlplane.model import deliveries
from avouch.integrations import addresses

TIMEOUT = 10.0  # seconds, all in all, unless the Integration says otherwise
LONGEST = 60  # seconds that an Integration may ask for
MAX_ANSWER = 64 * 1024  # bytes read of an answer
_KEPT = 64  # connections kept open between deliveries
_KEPT_SECONDS = 15.0  # of silence
_AGAIN = frozenset({408, 425, 429})


if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it for each lock of each request. A search in vain took 125 us, and all of them a quarter
    # of a delivery's CPU; None ends each in 7 us, and httpcore takes asyncio, which is what we run on.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


class Webhook:
    """Delivers by POST. Redirects are never followed, proxies never used. Close it before its loop ends.

    A connection is kept for a while after a delivery. It leads to the address that was checked when it was made; a name
    that resolves otherwise since then is looked up and checked with the next connection.
    """

    def __init__(self, clock: Callable[[], float] = time.time, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        # What may be spoken to differs, so connections are not shared between the two.
        self._pools = {allowed: self._pool(allow_private=allowed) for allowed in (False, True)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def deliver(self, delivery: deliveries.Delivery) -> None:
        """Send it.

        Raises:
            Unavailable: no answer in time, or one that asks for another try.
            Denied, Invalid: trying again is pointless.
        """
        allow_private = delivery.config.get("allowPrivateAddresses") is True
        url = _allowed(str(delivery.config.get("url", "")), allow_private=allow_private)
        patience = _patience(delivery.config.get("timeoutSeconds"))
        try:
            async with asyncio.timeout(patience):
                status, wait = await self._post(url, delivery, self._pools[allow_private])
        except TimeoutError as exc:
            raise errors.Unavailable(f"no answer in {patience:g} s") from exc
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as exc:
            raise errors.Unavailable(f"not reached: {_why(exc)}") from exc
        _judge(status, wait)

    def _pool(self, *, allow_private: bool) -> httpcore.AsyncConnectionPool:
        """Not bounded here: who delivers bounds what is in flight, receiver by receiver."""
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls,
            network_backend=addresses.PinnedBackend(allow_private=allow_private),
            max_connections=None,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_KEPT_SECONDS,
            retries=0,
        )

    async def _post(
        self, url: str, delivery: deliveries.Delivery, pool: httpcore.AsyncConnectionPool
    ) -> tuple[int, str]:
        """One POST; a second one where a kept connection turns out to be closed by the receiver."""
        made: list[str] = []

        async def note(event: str, _: object) -> None:
            made.append(event)

        try:
            return await self._sent(url, delivery, pool, {"trace": note})
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            answering = "http11.receive_response_headers.complete" in made
            if answering or any(event.startswith("connection.connect_tcp") for event in made):
                raise
        return await self._sent(url, delivery, pool, {})

    async def _sent(
        self, url: str, delivery: deliveries.Delivery, pool: httpcore.AsyncConnectionPool, extensions: dict[str, Any]
    ) -> tuple[int, str]:
        headers = self._headers(delivery)
        async with pool.stream(
            "POST", url, headers=headers, content=delivery.payload, extensions=extensions
        ) as response:
            found = {name.lower(): value for name, value in response.headers}
            read = 0
            async for piece in response.aiter_stream():
                read += len(piece)
                if read > MAX_ANSWER:
                    break
            return response.status, found.get(b"retry-after", b"").decode("ascii", "replace")

    def _headers(self, delivery: deliveries.Delivery) -> dict[bytes | str, bytes | str]:
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "avouch",
            "Avouch-Delivery": str(delivery.id),
            "Avouch-Event": "verdict",
        }
        if delivery.secret:
            headers["Avouch-Signature"] = signature(delivery.secret, delivery.payload, int(self._clock()))
        return headers


def signature(secret: bytes, body: bytes, at: int) -> str:
    """The value of `Avouch-Signature`."""
    return f"t={at},v1={hmac.new(secret, b'%d.%b' % (at, body), 'sha256').hexdigest()}"


def _why(exc: BaseException) -> str:
    """The system's words for a connection that failed; the texts of libraries may hold addresses, so none is shown."""
    found: BaseException | None = exc
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({found.verify_message})"
        if isinstance(found, OSError) and found.errno:
            return os.strerror(found.errno).lower()
        found = found.__cause__ or found.__context__
    return type(exc).__name__


def _patience(asked: object) -> float:
    """Seconds for the whole delivery: what the Integration says, within what its CRD allows."""
    return float(min(max(asked, 1), LONGEST)) if isinstance(asked, int) else TIMEOUT


def _allowed(url: str, *, allow_private: bool) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise errors.Invalid("not an http(s) URL", field="spec.webhook.url")
    if parts.scheme == "http" and not allow_private:
        raise errors.Invalid("plain http", field="spec.webhook.url", fix="use https, or set allowPrivateAddresses")
    if parts.username or parts.password:
        raise errors.Invalid("credentials in the URL", field="spec.webhook.url", fix="use secretRef")
    return url


def _judge(status: int, wait: str) -> None:
    if 200 <= status < 300:
        return
    if status in (429, 503) and wait.isascii() and wait.isdigit():
        raise errors.Overloaded(f"answered {status}", retry_after=int(wait[:9]))
    if status in _AGAIN or status >= 500:
        raise errors.Unavailable(f"answered {status}")
    if 300 <= status < 400:
        raise errors.Denied(f"answered {status}: redirects are not followed")
    raise errors.Denied(f"answered {status}: given up")
