"""Where namespaces may send requests with what they declare: Integrations, CASBackends, scripts of policies.

Who may write one of them could otherwise let our processes ask any address inside the cluster's network, and read the
answers in a status. So public addresses are open to all, and anything else is what the operator lists: hosts, networks.
"""

import ipaddress
from dataclasses import dataclass, replace
from typing import Self

from avouch import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all else is of a link, a site, or translates
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # Linux takes its first address for the machine itself
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052; 64:ff9b:1::/48 is for private networks (RFC 8215)
_MORE_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # RFC 6598; cloud metadata of some providers lies here
        "192.0.0.0/24",  # RFC 6890; Python calls some of it global
        "192.88.99.0/24",  # RFC 7526: relays of 6to4
        "3fff::/20",  # RFC 9637: documentation
    )
)
_FIX = "(fix: ask who runs avouch to list it under destinations in the chart's values)"


@dataclass(frozen=True, slots=True)
class Destinations:
    """What may be connected to.

    Attributes:
        hosts: names, and `*.suffix` for all below one. They may lie at any private address, but neither on the machine
            itself nor on its link, where cloud metadata is: those take a network.
        networks: addresses that may be connected to under any name.
        public: all public addresses, too.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    public: bool = True

    @classmethod
    def parse(cls, text: str, field: str) -> Self:
        """Hosts and networks, separated by commas or blanks.

        Raises:
            Invalid: one is neither; `field` is what the error names.
        """
        hosts, networks = [], []
        for each in text.replace(",", " ").split():
            network = _network(each)
            if network is not None:
                networks.append(network)
            elif _is_host(each):
                hosts.append(each.lower())
            else:
                fix = "list hosts (minio.storage.svc, *.corp.example) and networks (10.20.0.0/16)"
                raise errors.Invalid(f"{each[:80]!r} is neither a host nor a network", field=field, fix=fix)
        return cls(tuple(hosts), tuple(networks))

    def listed(self) -> Self:
        """Without public addresses: for what is not encrypted."""
        return replace(self, public=False)

    def check(self, host: str, address: Address) -> None:
        """Refuse an address of a host. The error does not tell the address: names of a cluster would become a map.

        Raises:
            Denied: it may not be connected to.
        """
        if not self._allow(host, address):
            what = "is not at a public address" if self.public else "is not encrypted, and not listed by the operator"
            raise errors.Denied(f"{host[:100]} {what} {_FIX}")

    def _allow(self, host: str, address: Address) -> bool:
        meant = _meant(address)
        if any(each in network for network in self.networks for each in (address, meant)):
            return True
        if self._names(host) and not _is_own(meant) and not address.is_unspecified:
            return True
        return self.public and is_public(address)

    def _names(self, host: str) -> bool:
        wanted = host.lower().rstrip(".")
        return any(
            wanted.endswith(each[1:]) if each.startswith("*.") else wanted == each.rstrip(".") for each in self.hosts
        )


PUBLIC = Destinations()
ANYWHERE = Destinations(networks=(ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")))
"""For hosts that the user of this machine named."""


def is_public(address: Address) -> bool:
    """Whether this is an address of the open Internet: no loopback, private, link-local, ULA, multicast or metadata.

    An IPv6 address that stands for an IPv4 address is what that one is.
    """
    meant = _meant(address)
    if isinstance(meant, ipaddress.IPv6Address) and meant not in _GLOBAL_UNICAST:
        return False
    special = meant.is_multicast or any(meant in network for network in _MORE_SPECIAL)
    return meant.is_global and not special


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, Teredo, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


def _is_own(address: Address) -> bool:
    """Of the machine, of its link, or of many: no host that somebody means by its name."""
    return address.is_loopback or address.is_link_local or address.is_multicast or address in _THIS_NETWORK


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _is_host(text: str) -> bool:
    bare = text.removeprefix("*.").rstrip(".")
    return bool(bare) and bare.isascii() and all(part.replace("-", "a").isalnum() for part in bare.split("."))
