"""Credentials for registries, from the files of docker and podman.

Order: the file of DOCKER_CONFIG or ~/.docker/config.json, then podman's REGISTRY_AUTH_FILE and its file in
XDG_RUNTIME_DIR. Within a file: the registry's own helper (`credHelpers`), the entry in `auths`, the common helper
(`credsStore`). Helpers are programs named `docker-credential-<name>`, found in PATH, bounded in time and answer.
"""

import base64
import binascii
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.oci import references

_LARGEST = 4 * 1024 * 1024  # bytes of a configuration file
_SECONDS = 10.0  # for a helper: some ask a cloud
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TOKEN = "<token>"  # noqa: S105  what helpers give as the user's name beside an identity token
_LEGACY_HUB = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential for a registry: user and password, or one of the two tokens that docker login may get."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)  # exchanged for access tokens at the registry's realm
    registry_token: str = field(default="", repr=False)  # sent as it is

    @property
    def basic(self) -> str:
        """Value of an `Authorization` header, empty without a password."""
        if not self.password:
            return ""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode('ascii')}"


Ask = Callable[[str, str], Credential | None]  # helper, server


def find(name: str, environment: Mapping[str, str]) -> Credential | None:
    """The credential for a registry, or for a repository in it, in the files of this machine; None for anonymous.

    Raises:
        Invalid: a file that is not such a configuration, or a helper that failed.
    """
    for path in files(environment):
        text = _read(path)
        found = of_config(text, name, ask_helper, str(path)) if text else None
        if found:
            return found
    return None


def files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Files with credentials, in order."""
    home = environment.get("HOME", "")
    if environment.get("DOCKER_CONFIG"):
        yield Path(environment["DOCKER_CONFIG"]) / "config.json"
    elif home:
        yield Path(home) / ".docker" / "config.json"
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"


def of_config(text: str, name: str, ask: Ask | None = None, where: str = "docker config") -> Credential | None:
    """The credential for a registry or repository in a docker configuration (also `.dockerconfigjson` of a Secret).

    Of several entries the most specific one holds, as for podman and the kubelet: `registry/namespace/repository`,
    `registry/namespace`, `registry`.

    Args:
        text: the configuration.
        name: host[:port], with or without the path of a repository.
        ask: asks a credential helper; without one, helpers are not used.
        where: name of the text in errors.

    Raises:
        Invalid: not such a configuration.
    """
    registry, _, repository = name.partition("/")
    config = _config(text, where)
    helpers = config.get("credHelpers")
    for server in _servers(registry):
        own = helpers.get(server) if isinstance(helpers, dict) else None
        if ask and isinstance(own, str) and own:
            return ask(own, server)
    entry = _entry(config.get("auths"), registry, repository)
    found = _of_entry(entry, where) if entry else None
    store = config.get("credsStore")
    if found or not (ask and isinstance(store, str) and store):
        return found
    return next((given for given in (ask(store, server) for server in _servers(registry)) if given), None)


def ask_helper(helper: str, server: str) -> Credential | None:
    """The credential from a helper; None if it has none for the server.

    Raises:
        Invalid: no such program, it failed, hung, or gave an unknown answer.
    """
    program = shutil.which(f"docker-credential-{helper}") if _HELPER.fullmatch(helper) else None
    if program is None:
        fix = "install it, or remove it from docker's config.json"
        raise errors.Invalid(f"no program docker-credential-{helper[:64]} in PATH", fix=fix)
    try:
        done = subprocess.run(  # noqa: S603  a fixed program, the server as its input
            [program, "get"], input=server.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise errors.Invalid(f"docker-credential-{helper} did not answer in {_SECONDS:g} s") from exc
    if done.returncode:
        if b"credentials not found" in done.stdout + done.stderr:
            return None
        raise errors.Invalid(f"docker-credential-{helper} failed with exit code {done.returncode}")
    said = _config(done.stdout[:_LARGEST].decode("utf-8", "replace"), f"answer of docker-credential-{helper}")
    username, secret = _text(said, "Username"), _text(said, "Secret")
    if username == _TOKEN:
        return Credential(identity_token=secret) if secret else None
    return Credential(username, secret) if secret else None


def _servers(registry: str) -> tuple[str, ...]:
    """Names under which a registry's credential may be stored."""
    if registry == references.DOCKER_HUB:
        return (_LEGACY_HUB, "index.docker.io", "docker.io", "registry-1.docker.io")
    return (registry, f"https://{registry}")


def _entry(auths: object, registry: str, repository: str) -> Mapping[str, Any] | None:
    if not isinstance(auths, dict):
        return None
    known = [(_bare(str(server)), entry) for server, entry in auths.items() if isinstance(entry, dict) and entry]
    exact = [(server, auths[server]) for server in _servers(registry) if isinstance(auths.get(server), dict)]
    for path in _prefixes(repository):
        wanted = {f"{_bare(server)}{path}" for server in _servers(registry)}
        spelt = [entry for server, entry in exact if entry and not path]
        alike = [entry for server, entry in known if server in wanted]
        if spelt or alike:
            return (spelt or alike)[0]
    return None


def _prefixes(repository: str) -> Iterator[str]:
    """`/team/app`, `/team`, and nothing: the registry itself."""
    parts = [part for part in repository.split("/") if part]
    for count in range(len(parts), -1, -1):
        yield "".join(f"/{part}" for part in parts[:count])


def _bare(server: str) -> str:
    """`https://registry.example/v2/` and `registry.example` are one."""
    bare = re.sub(r"^https?://", "", server)
    return re.sub(r"/v[12]/?$", "", bare).rstrip("/")


def _of_entry(entry: Mapping[str, Any], where: str) -> Credential | None:
    username, password = _text(entry, "username"), _text(entry, "password")
    if _text(entry, "auth"):
        username, password = _decoded(_text(entry, "auth"), where)
    found = Credential(username, password, _text(entry, "identitytoken"), _text(entry, "registrytoken"))
    return found if found.password or found.identity_token or found.registry_token else None


def _decoded(text: str, where: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        username, colon, password = "", "", ""
    if not colon:
        raise errors.Invalid(
            "an entry of auths is not base64 of user:password", field=where, fix="run docker login again"
        )
    return username, password.rstrip("\0")


def _config(text: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.Invalid(
            "not a JSON object", field=where, fix="run docker login again"
        )  # its text may hold a secret
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        raise errors.Invalid(
            f"cannot be read: {exc.strerror}", field=str(path), fix="give this user read permission"
        ) from exc
    if len(content) > _LARGEST:
        raise errors.TooLarge(f"more than {_LARGEST} bytes", field=str(path))
    return content.decode("utf-8", "replace")


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""
