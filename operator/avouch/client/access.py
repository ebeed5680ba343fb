"""Which server, with whose token, trusting which CA: flags before variables, variables before the file of `login`."""

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from avouch import errors, pem, proxies

SERVER = "AVOUCH_SERVER"
TOKEN = "AVOUCH_TOKEN"  # noqa: S105  # the variable's name
CA = "AVOUCH_CA"
CONFIG = "AVOUCH_CONFIG"  # the file of `login`
_MAX_CA = 256 * 1024  # bytes of PEM


class Login(NamedTuple):
    """What `login` stored, or what somebody typed; empty where nothing was said."""

    server: str = ""
    token: str = ""
    ca: str = ""  # PEM, or the name of a file

    def __repr__(self) -> str:
        """Without the token."""
        return f"Login({self.server!r})"


class Stored(NamedTuple):
    """What the file of `login` keeps."""

    login: Login = Login()
    namespace: str = ""


class Access(NamedTuple):
    """A server that can be talked to. Without `ca` the machine's own authorities are trusted."""

    host: str
    port: int
    path: str
    token: str
    ca: str = ""
    proxy: proxies.Proxy | None = None

    @property
    def server(self) -> str:
        """The address, as it is written into a state."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{shown}{'' if self.port == 443 else f':{self.port}'}{self.path}"

    def __repr__(self) -> str:
        """Without the token."""
        return f"Access({self.server!r}, {self.proxy!r})"


def file_of(environment: Mapping[str, str]) -> Path:
    """The file of `login`: AVOUCH_CONFIG, else avouch/config.yaml in XDG_CONFIG_HOME or ~/.config."""
    if environment.get(CONFIG):
        return Path(environment[CONFIG])
    base = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or ''}/.config"
    return Path(base) / "avouch" / "config.yaml"


def resolve(given: Login, environment: Mapping[str, str], stored: Login) -> Access:
    """Where to go and as whom. A stored token is only ever sent to the server that it was stored for.

    Raises:
        Invalid: no server, no token, an address that is not https, or a CA that is none.
    """
    server = given.server or environment.get(SERVER, "") or stored.server
    if not server:
        fix = f"set {SERVER}, give --server URL, or run avouch login"
        raise errors.Invalid("no server is known", field="--server", fix=fix)
    host, port, path = address(server)
    same = bool(stored.server) and address(stored.server) == (host, port, path)
    token = (given.token or environment.get(TOKEN, "") or (stored.token if same else "")).strip()
    if not token.isascii() or any(character.isspace() for character in token):
        raise errors.Invalid("not a token", field=TOKEN, fix="give the token alone, in one line")
    said = given.ca or environment.get(CA, "") or (stored.ca if same else "")
    return Access(host, port, path, token, trusted(said), proxies.of(environment, host, port))


def address(server: str) -> tuple[str, int, str]:
    """Host, port and path of a server.

    Raises:
        Invalid: not an https address, or one with a user, a query or a fragment.

    >>> address("https://avouch.example/base/")
    ('avouch.example', 443, '/base')
    """
    fix = "write https://HOST[:PORT]"
    try:
        parts = urllib.parse.urlsplit(server.strip())
        host, port = parts.hostname, parts.port or 443
    except ValueError as exc:
        raise errors.Invalid(f"{server[:200]!r} is not an address", field="--server", fix=fix) from exc
    if parts.scheme != "https" or not host:
        message = "must be an https:// address: a token travels there"
        raise errors.Invalid(message, field="--server", fix=fix)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise errors.Invalid("must have no user, query or fragment", field="--server", fix=fix)
    return host, port, parts.path.rstrip("/")


def trusted(said: str) -> str:
    """The CA as PEM: from the text itself, or from the file that it names; empty for the machine's own authorities.

    Raises:
        Invalid: neither PEM nor a readable file of PEM.
    """
    if not said:
        return ""
    if pem.is_text(said):
        return pem.certificates(said, CA)
    try:
        with Path(said).open("rb") as file:
            found = file.read(_MAX_CA)
    except (OSError, ValueError) as exc:
        raise errors.Invalid(f"neither PEM nor a readable file: {said[:200]!r}", field=CA, fix="name a file") from exc
    return pem.certificates(found, f"{CA} ({said[:200]})")
