"""The way of httpx to a host that somebody named: to an address that was checked, and through no proxy."""

import ssl

import httpcore
import httpx

from avouch import pinned
from avouch.destinations import Destinations


class Pinned(httpx.AsyncHTTPTransport):
    """Connects to checked addresses alone."""

    def __init__(self, tls: ssl.SSLContext, allowed: Destinations) -> None:
        super().__init__(verify=tls, trust_env=False)
        # httpx has no parameter for this; a test holds that it takes effect.
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=pinned.Backend(allowed))
