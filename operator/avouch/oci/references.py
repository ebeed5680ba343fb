"""References to images and artifacts, made complete as docker makes them complete.

>>> str(parse("nginx"))
'index.docker.io/library/nginx:latest'
>>> parse("bitnami/nginx:1.2").name
'index.docker.io/bitnami/nginx'
"""

import ipaddress
import re
from dataclasses import dataclass, replace

from avouch import digests, errors

DOCKER_HUB = "index.docker.io"
LATEST = "latest"
_HUBS = frozenset({"docker.io", DOCKER_HUB, "registry-1.docker.io"})
_LONGEST = 1024  # characters
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?", re.ASCII)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_FIX = "write [<registry>/]<repository>[:<tag>][@sha256:<64 hexadecimal characters>]"


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing in a registry: by its digest, or else by its tag."""

    registry: str  # host[:port]
    repository: str
    tag: str = ""  # empty where there is a digest
    digest: digests.Digest | None = None

    @property
    def name(self) -> str:
        """The repository with its registry."""
        return f"{self.registry}/{self.repository}"

    @property
    def identifier(self) -> str:
        """What the registry is asked for: a digest or a tag."""
        return str(self.digest) if self.digest else self.tag

    def tagged(self, tag: str) -> "Reference":
        """Another tag of the same repository."""
        return replace(self, tag=tag, digest=None)

    def pinned(self, digest: digests.Digest) -> "Reference":
        """A digest in the same repository."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str, field: str = "") -> Reference:
    """Read a reference. Without a tag it means `latest`; where it has a digest, that alone counts.

    Raises:
        Invalid: no reference; also a digest that is not sha256.
    """
    if len(text) > _LONGEST:
        raise errors.Invalid(f"a reference of more than {_LONGEST} characters", field=field, fix=_FIX)
    rest, at, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # that colon belongs to a port
        head, tag = rest, ""
    registry, repository = _complete(head)
    fits = _REGISTRY.fullmatch(registry) and _REPOSITORY.fullmatch(repository)
    if not fits or ((tag or rest.endswith(":")) and not _TAG.fullmatch(tag)):
        raise errors.Invalid(f"{text[:200]!r} is no image reference", field=field, fix=_FIX)
    if at:
        return Reference(registry, repository, digest=digests.Digest.parse(digest))
    return Reference(registry, repository, tag or LATEST)


def is_loopback(registry: str) -> bool:
    """Whether a registry is on this machine, so that nobody listens on the way.

    >>> is_loopback("127.0.0.1:5000"), is_loopback("127.0.0.1.example")
    (True, False)
    """
    host = registry.rpartition(":")[0] if re.search(r":[0-9]+$", registry) else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _complete(head: str) -> tuple[str, str]:
    """Registry and repository: the first part is a registry if it looks like a host (docker's own rule)."""
    first, slash, rest = head.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DOCKER_HUB, head
    if first in _HUBS:
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest
