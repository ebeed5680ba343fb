"""Which proxy leads to a server: HTTPS_PROXY, ALL_PROXY and NO_PROXY as curl and Go read them."""

import base64
import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from avouch import errors


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that tunnels with CONNECT. `authorization` is the header for it, empty without a user."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)


def proxy_for(environment: Mapping[str, str], host: str, port: int) -> Proxy | None:
    """The proxy for this server, or None where it is reached directly.

    Raises:
        Invalid: the variable holds no address of an HTTP proxy.
    """
    name = next(
        (each for each in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if environment.get(each)), ""
    )
    if not name or excepted(environment.get("no_proxy") or environment.get("NO_PROXY") or "", host, port):
        return None
    return _parsed(name, environment[name])


def excepted(exceptions: str, host: str, port: int) -> bool:
    """Whether NO_PROXY names this server: `*`, a name, a domain (`.example`), `host:port`, an address or a network.

    >>> excepted("localhost,.example", "avouch.example", 443)
    True
    """
    return any(_covers(each.strip().lower(), host.lower(), port) for each in exceptions.split(","))


def _covers(pattern: str, host: str, port: int) -> bool:
    if pattern == "*":
        return True
    name, colon, number = pattern.rpartition(":")
    if colon and number.isdigit() and ":" not in name:
        if int(number) != port:
            return False
        pattern = name
    if not pattern:
        return False
    if "/" in pattern:
        return _in_network(pattern, host)
    domain = pattern.removeprefix("*").removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


def _in_network(pattern: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def _parsed(name: str, text: str) -> Proxy:
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 8080)
    except ValueError as exc:
        raise errors.Invalid("not the address of a proxy", field=name, fix="write http://host:port") from exc
    if parts.scheme != "http" or not host:
        raise errors.Invalid("only HTTP proxies are spoken to", field=name, fix="write http://host:port")
    if parts.username is None:
        return Proxy(host, port)
    secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return Proxy(host, port, f"Basic {base64.b64encode(secret.encode()).decode('ascii')}")
