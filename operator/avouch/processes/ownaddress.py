"""The addresses of the server's own Service, as the cluster's DNS tells them to the server.

Pods without the cluster's DNS are given them. No address is trusted: TLS checks the name, whatever answers.
"""

import asyncio
import logging
import socket
import urllib.parse
from collections.abc import Sequence

_log = logging.getLogger(__name__)
SECONDS = 60.0  # between two looks: a Service keeps its address until it is made anew
RETRY = 5.0  # seconds between two looks while none is known


class OwnAddress:
    """What the host of a URL resolved to last, IPv4 and IPv6. Owned by one event loop."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self.known: tuple[str, ...] = ()
        self._told = False  # that the name does not resolve

    async def look(self) -> None:
        """Look the name up. What was known stays known where it does not resolve now."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            if not self._told:
                _log.warning("%s does not resolve: pods without the cluster's DNS may not attest: %s", self._host, exc)
            self._told = True
        else:
            self.known, self._told = addresses([str(item[4][0]) for item in found]), False

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SECONDS if self.known else RETRY)


def addresses(found: Sequence[str]) -> tuple[str, ...]:
    """Once each; without zones, which mean something on one machine only."""
    return tuple(dict.fromkeys(address for address in found if "%" not in address))
