"""The way to a host: through the proxy that the environment names for it."""

import ssl
from collections.abc import Mapping

import httpx

from avouch import proxies


class Proxied(httpx.AsyncBaseTransport):
    """Asks for each host which proxy it takes: httpx itself reads the variables in another way than all our clients."""

    def __init__(self, tls: ssl.SSLContext, environment: Mapping[str, str]) -> None:
        self._tls, self._environment = tls, environment
        self._ways: dict[proxies.Proxy | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. Raises errors.Invalid where a variable holds no proxy."""
        url = request.url
        proxy = proxies.of(self._environment, url.host, url.port or 443) if url.scheme == "https" else None
        if proxy not in self._ways:
            self._ways[proxy] = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, proxy=_as_httpx(proxy))
        return await self._ways[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.aclose()


def _as_httpx(proxy: proxies.Proxy | None) -> httpx.Proxy | None:
    if proxy is None:
        return None
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    return httpx.Proxy(f"http://{host}:{proxy.port}", headers=headers)
