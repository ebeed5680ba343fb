"""HTTPS_PROXY, ALL_PROXY and NO_PROXY, read in one way by every client of ours: as Go and curl read them.

Lower case comes before upper case, as for curl. A proxy without a port is asked at port 80, as Go does (curl: 1080).
Plain HTTP is spoken with this machine and with networks that somebody named, so HTTP_PROXY means nothing here.

NO_PROXY is a list, separated by commas or blanks: `*` for all; a name, which stands for its subdomains, too, with or
without `.` or `*.` before it; an address; a network such as 10.0.0.0/8 or fd00::/8. All but `*` and networks may end
in `:port`; an IPv6 address then stands in brackets. What is none of this excepts nothing.
"""

import base64
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

from avouch import errors

_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PORT = 80
_WRITE = "write http://[user:password@]host[:port]"
_ENCODE = "percent-encode the user and the password: # is %23, / is %2F, ? is %3F, @ is %40"


class Proxy(NamedTuple):
    """An HTTP proxy that tunnels with CONNECT. `authorization` is the header for it, empty without a user."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Proxy({self.host!r}, {self.port})"


def of(environment: Mapping[str, str], host: str, port: int) -> Proxy | None:
    """The proxy for an HTTPS server; None: it is reached directly.

    Raises:
        Invalid: the variable holds no address of an HTTP proxy; `field` names it.
    """
    name = next((each for each in _NAMES if environment.get(each, "").strip()), "")
    if not name or excepted(environment.get("no_proxy") or environment.get("NO_PROXY") or "", host, port):
        return None
    return _proxy(name, environment[name].strip())


def excepted(exceptions: str, host: str, port: int) -> bool:
    """Whether a value of NO_PROXY names this server.

    >>> excepted("localhost,.example", "avouch.example", 443), excepted("fd00::/8", "fd00::1", 443)
    (True, True)
    """
    wanted = host.lower().strip("[]").rstrip(".")
    return any(_covers(each.lower(), wanted, port) for each in re.split(r"[\s,]+", exceptions) if each)


def _covers(pattern: str, host: str, port: int) -> bool:
    if pattern == "*":
        return True
    if "/" in pattern:
        return _in_network(pattern, host)
    name, number = _split(pattern)
    if number and number != str(port):
        return False
    if _is_address(name) or _is_address(host):
        return _is_address(name) and _is_address(host) and ipaddress.ip_address(name) == ipaddress.ip_address(host)
    domain = name.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _split(pattern: str) -> tuple[str, str]:
    """Name and port. Colons without brackets are those of an IPv6 address, unless there is but one."""
    if pattern.startswith("["):
        name, _, rest = pattern[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, number = pattern.rpartition(":")
    return (name, number) if colon and ":" not in name else (pattern, "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _in_network(pattern: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def _proxy(name: str, text: str) -> Proxy:
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname or "", _PORT if parts.port is None else parts.port
        host.encode("idna")  # what the resolver does, and refuses with an error of its own
    except ValueError as exc:
        raise errors.Invalid("not the address of a proxy", field=name, fix=_fix(address)) from exc
    if parts.scheme != "http":
        raise errors.Invalid("only HTTP proxies are supported", field=name, fix="write http://host:port")
    if (
        not host
        or not port
        or not host.isprintable()
        or " " in host
        or parts.query
        or parts.fragment
        or parts.path not in ("", "/")
    ):
        raise errors.Invalid("not the address of a proxy", field=name, fix=_fix(address))
    if parts.username is None:
        return Proxy(host, port)
    secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return Proxy(host, port, f"Basic {base64.b64encode(secret.encode()).decode('ascii')}")


def _fix(address: str) -> str:
    """An @ behind the end of the authority belongs to a user whose password ended it. Nothing of it is shown."""
    _, _, behind = address.partition("://")
    ended = re.search(r"[/?#]", behind)
    return _ENCODE if ended and "@" in behind[ended.start() :] else _WRITE
