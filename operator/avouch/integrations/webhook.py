"""The webhook: one POST of the verdict's JSON, signed as Standard Webhooks says, to an address that may be spoken to.

Headers: `webhook-id: <uuid>` (the same over all tries), `webhook-timestamp: <unix seconds>`, `Avouch-Event: verdict`,
and, where the Integration names a secret, `webhook-signature: v1,<base64>` of HMAC-SHA256(secret,
`<id>.<timestamp>.<body>`). A receiver computes the same, compares in constant time, refuses a timestamp older than five
minutes, and ignores an id that it has seen. A secret may be written `whsec_<base64>`, which stands for those bytes.

Until the release after next also `Avouch-Delivery` (the id) and `Avouch-Signature: t=<seconds>,v1=<hex>`, over
`<t>.<body>` with the secret as it is written: whoever captured one could send it again under another id.

An answer reaches a status as one of few words (`_REFUSALS`), never as it is: see `destinations`.
"""

import asyncio
import base64
import binascii
import hmac
import importlib.util
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore

from avouch import destinations, errors, pinned
from avouch.controlplane.model import deliveries

TIMEOUT = 10.0  # seconds, all in all, unless the Integration says otherwise
LONGEST = 60  # seconds that an Integration may ask for
MAX_ANSWER = 64 * 1024  # bytes read of an answer
_KEPT = 64  # connections kept open between deliveries
_KEPT_SECONDS = 15.0  # of silence
_AGAIN = frozenset({408, 425, 429})
_PREFIX = b"whsec_"
_REFUSALS = {
    401: "it answered that the delivery is not authorized",
    403: "it answered that the delivery is not authorized",
    404: "it answered that there is nothing at this address",
    410: "it answered that there is nothing at this address",
    413: "it answered that the delivery is too large",
}


if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it for each lock of each request. A search in vain took 125 us, and all of them a quarter
    # of a delivery's CPU; None ends each in 7 us, and httpcore takes asyncio, which is what we run on.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


class Webhook:
    """Delivers by POST. Redirects are never followed, proxies never used. Close it before its loop ends.

    A connection is kept for a while after a delivery. It leads to the address that was checked when it was made; a name
    that resolves otherwise since then is looked up and checked with the next connection.
    """

    def __init__(
        self,
        allowed: destinations.Destinations = destinations.PUBLIC,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """A webhook.

        Args:
            allowed: what the operator lists; an Integration has to ask for what is not public among it.
            clock: unix seconds.
            tls: the trusted authorities; None: those of this machine.
        """
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        # What may be spoken to differs, so connections are not shared.
        self._public, self._private = self._pool(destinations.PUBLIC), self._pool(allowed)
        self._plain = self._pool(allowed.listed())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in (self._public, self._private, self._plain):
            await pool.aclose()

    async def deliver(self, delivery: deliveries.Delivery) -> None:
        """Send it.

        Raises:
            Unavailable: no answer in time, or one that asks for another try.
            Denied, Invalid: trying again is pointless.
        """
        allow_private = delivery.config.get("allowPrivateAddresses") is True
        url = _allowed(str(delivery.config.get("url", "")), allow_private=allow_private)
        encrypted = self._private if allow_private else self._public
        pool = encrypted if urlsplit(url).scheme == "https" else self._plain
        patience = _patience(delivery.config.get("timeoutSeconds"))
        try:
            async with asyncio.timeout(patience):
                status, wait = await self._post(url, delivery, pool)
        except TimeoutError as exc:
            raise errors.Unavailable(f"no answer in {patience:g} s") from exc
        except pinned.Broken as exc:
            raise errors.Unavailable(f"not reached: {pinned.reason(exc)}") from exc
        _judge(status, wait)

    def _pool(self, allowed: destinations.Destinations) -> httpcore.AsyncConnectionPool:
        """Not bounded here: who delivers bounds what is in flight, receiver by receiver."""
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls,
            network_backend=pinned.Backend(allowed),
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
        at = int(self._clock())
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "avouch",
            "Avouch-Event": "verdict",
            "Avouch-Delivery": str(delivery.id),
            "webhook-id": str(delivery.id),
            "webhook-timestamp": str(at),
        }
        if delivery.secret:
            headers["webhook-signature"] = signature(delivery.secret, str(delivery.id), at, delivery.payload)
            headers["Avouch-Signature"] = _old_signature(delivery.secret, delivery.payload, at)
        return headers


def signature(secret: bytes, id_: str, at: int, body: bytes) -> str:
    """The value of `webhook-signature`.

    Raises:
        Invalid: a secret that begins with whsec_ and is not base64 behind it.
    """
    signed = hmac.new(_key(secret), b"%b.%d.%b" % (id_.encode("ascii"), at, body), "sha256").digest()
    return f"v1,{base64.b64encode(signed).decode('ascii')}"


def _old_signature(secret: bytes, body: bytes, at: int) -> str:
    return f"t={at},v1={hmac.new(secret, b'%d.%b' % (at, body), 'sha256').hexdigest()}"


def _key(secret: bytes) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX).strip(), validate=True)
    except binascii.Error as exc:
        fix = "write whsec_ and base64 behind it, or a secret that does not begin with whsec_"
        raise errors.Invalid("the secret is not base64 behind whsec_", field="spec.secretRef", fix=fix) from exc


def _patience(asked: object) -> float:
    """Seconds for the whole delivery: what the Integration says, within what its CRD allows."""
    return float(min(max(asked, 1), LONGEST)) if isinstance(asked, int) else TIMEOUT


def _allowed(url: str, *, allow_private: bool) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise errors.Invalid("not an http(s) URL", field="spec.webhook.url")
    if parts.scheme == "http" and not allow_private:
        fix = "use https, or set allowPrivateAddresses and let the operator list the host in destinations"
        raise errors.Invalid("plain http", field="spec.webhook.url", fix=fix)
    if parts.username or parts.password:
        raise errors.Invalid("credentials in the URL", field="spec.webhook.url", fix="use secretRef")
    return url


def _judge(status: int, wait: str) -> None:
    """`wait`: what the answer says of Retry-After, in ASCII; dates are not read."""
    if 200 <= status < 300:
        return
    if status in (429, 503) and wait.isdigit():
        raise errors.Overloaded("it asked to be left alone for a while", retry_after=int(wait[:9]))
    if status in _AGAIN:
        raise errors.Unavailable("it asked for another try")
    if status >= 500:
        raise errors.Unavailable("it answered that it failed")
    if 300 <= status < 400:
        raise errors.Denied("it redirected, and redirects are not followed")
    raise errors.Denied(f"{_REFUSALS.get(status, 'it refused the delivery')}: given up")
