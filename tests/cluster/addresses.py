"""The addresses of one cluster, derived from its name alone, so that it is found again and never meets another one.

All lie in 198.18.0.0/15, which RFC 2544 sets aside for test networks: no office, home or cloud network uses it.
"""

import ipaddress
import re
import zlib
from dataclasses import dataclass

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_SLOTS = 256


@dataclass(frozen=True)
class Addresses:
    """The names and addresses of one cluster on this machine."""

    name: str
    slot: int
    """Which of the 256 pairs of /24 networks is this cluster's."""

    @classmethod
    def of(cls, name: str) -> "Addresses":
        """Derive everything from the name; it must be a short DNS label."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"a cluster's name is a DNS label of at most 20 characters, not {name!r}")
        return cls(name, zlib.crc32(name.encode()) % _SLOTS)

    @property
    def pods(self) -> str:
        """Network of the pods."""
        return f"198.18.{self.slot}.0/24"

    @property
    def services(self) -> str:
        """Network of the cluster-internal Service addresses."""
        return f"198.19.{self.slot}.0/25"

    @property
    def link(self) -> str:
        """Network between the machine and the cluster's network namespace: one address each."""
        return f"198.19.{self.slot}.252/30"

    @property
    def host(self) -> str:
        """The machine, as pods and the API server see it: a process here that listens on it can be called back."""
        return _nth(self.link, 1)

    @property
    def node(self) -> str:
        """The node and the API server, as the machine and pods see them."""
        return _nth(self.link, 2)

    @property
    def kubernetes(self) -> str:
        """Service address of the API server."""
        return _nth(self.services, 1)

    @property
    def dns(self) -> str:
        """Service address of the cluster's name server."""
        return _nth(self.services, 10)

    @property
    def namespace(self) -> str:
        """The network namespace in which all of the cluster's processes run."""
        return f"avouch-{self.name}"

    @property
    def cgroup(self) -> str:
        """The control group above all of the cluster's pods."""
        return f"avouch-{self.name}"

    @property
    def host_link(self) -> str:
        """Network interface on the machine's side; Linux allows 15 characters, so the slot stands for the name."""
        return f"avouch{self.slot}h"

    @property
    def node_link(self) -> str:
        """Network interface on the cluster's side."""
        return f"avouch{self.slot}n"


def _nth(network: str, index: int) -> str:
    return str(ipaddress.ip_network(network)[index])
