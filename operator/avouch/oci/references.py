"""References to images and artifacts, completed as docker does.

>>> str(parse("nginx"))
'index.docker.io/library/nginx:latest'
>>> parse("bitnami/nginx:1.2").name
'index.docker.io/bitnami/nginx'
"""

import ipaddress
import re
from dataclasses import dataclass, replace

from avouch import digests, image_references

DOCKER_HUB = image_references.DOCKER_HUB
LATEST = image_references.LATEST


@dataclass(frozen=True, slots=True)
class Reference:
    """An image or artifact in a registry, by its digest or else by its tag."""

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
        """The identifier to request: a digest or a tag."""
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
    """Read a reference. Without a tag it means `latest`; if it has a digest, the tag is ignored.

    Raises:
        Invalid: not a reference, or a digest that is not sha256.
    """
    found = image_references.parse(text, field)
    registry, repository = image_references.complete(found.name)
    if found.digest:
        return Reference(registry, repository, digest=digests.Digest.parse(found.digest))
    return Reference(registry, repository, found.tag or LATEST)


def is_loopback(registry: str) -> bool:
    """Whether a registry is on this machine, so that http cannot be intercepted.

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
