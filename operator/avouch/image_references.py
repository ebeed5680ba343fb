"""References to images, the one grammar for all of avouch: `[<registry>/]<repository>[:<tag>][@<digest>]`.

Grammar: github.com/distribution/reference (reference.go). `pinned` reads what a task says of its image, in the pod and
in the cluster's record alike; `parse` checks a reference; `split` only cuts. Nothing here asks a registry.

>>> split("registry:5000/app:1.2@sha256:00")
ImageReference(name='registry:5000/app', tag='1.2', digest='sha256:00')
"""

import re
from dataclasses import replace
from enum import Enum, auto
from typing import TypeAlias

from avouch import digests, errors
from avouch.values import dataclass

DOCKER_HUB = "index.docker.io"
LATEST = "latest"
LONGEST = 1024  # characters
FIX = "write [<registry>/]<repository>[:<tag>][@sha256:<64 hexadecimal characters>]"
PINNED = "write <repository>[:<tag>]@sha256:<64 lower-case hexadecimal characters>"

_HUBS = frozenset({"docker.io", DOCKER_HUB, "registry-1.docker.io"})
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?", re.ASCII)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The parts of a reference, as they are written; a part that is not there is empty."""

    name: str  # the repository, with its registry where that is written
    tag: str = ""
    digest: str = ""

    @property
    def tagged(self) -> str:
        """Name and tag, without the digest."""
        return f"{self.name}:{self.tag}" if self.tag else self.name

    @property
    def pinned(self) -> bool:
        """Whether it names content: a repository and a well-formed sha256 digest."""
        return bool(self.name) and digests.well_formed(self.digest)

    @property
    def content(self) -> tuple[str, str]:
        """What every name of one image has in common: the complete repository, host in lower case, and the digest."""
        registry, repository = complete(self.name)
        return f"{registry.lower()}/{repository}", self.digest

    def at(self, digest: str) -> "ImageReference":
        """The same name and tag at another digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.tagged}@{self.digest}" if self.digest else self.tagged


class Flaw(Enum):
    """Why a text names no image."""

    REFERENCE_MISSING = auto()
    REFERENCE_INVALID = auto()  # or several, where one is meant
    DIGEST_MISSING = auto()  # or malformed
    DIGEST_AMBIGUOUS = auto()


@dataclass(frozen=True, slots=True)
class Unusable:
    """What was said of an image, why it names none, and what to write instead."""

    said: str
    flaw: Flaw
    message: str
    fix: str

    def __str__(self) -> str:
        return self.said


Reading: TypeAlias = ImageReference | Unusable


def pinned(text: str, digest: str = "") -> Reading:
    r"""Read a reference that must name content, by its own digest or by one that was said beside it.

    >>> str(pinned("registry:5000/app:1.2\n", "sha256:" + "0" * 64))[:29]
    'registry:5000/app:1.2@sha256:'
    >>> pinned("docker://app").flaw.name
    'REFERENCE_INVALID'
    """
    said, beside = text.strip(), digest.strip()
    if beside and not said:
        message, fix = "there is a digest, but no reference", "write the repository of the image, too"
        return Unusable(beside, Flaw.REFERENCE_MISSING, message, fix)
    bare = split(said)
    if str(bare) != said or not is_reference(bare.tagged) or re.search(r"[\s,@]", bare.digest):
        return Unusable(said, Flaw.REFERENCE_INVALID, f"{said[:200]!r} is not an image reference", _help(said))
    for each in filter(None, (bare.digest, beside)):
        if not digests.well_formed(each):
            return Unusable(said, Flaw.DIGEST_MISSING, f"{each[:80]!r} is not a sha256 digest", PINNED)
    if bare.digest and beside and bare.digest != beside:
        message = f"{said[:200]!r} is pinned to another digest than {beside}, which was said of it"
        fix = "write one digest: leave it out of the reference, or write the same one"
        return Unusable(said, Flaw.DIGEST_AMBIGUOUS, message, fix)
    if not (bare.digest or beside):
        return Unusable(said, Flaw.DIGEST_MISSING, f"{said[:200]!r} is not pinned to a digest", PINNED)
    return bare.at(bare.digest or beside)


def _help(said: str) -> str:
    """The smallest change that makes a reference of a text."""
    scheme = _SCHEME.match(said)
    if scheme:
        return f"leave out {scheme[0]}"
    return f"name one image, without blanks or commas: {PINNED}" if re.search(r"[\s,]", said) else PINNED


def split(text: str) -> ImageReference:
    """Cut a text at its first `@` and at the last `:` before it that is no registry's port. Checks nothing."""
    named, _, digest = text.strip().partition("@")
    head, colon, tag = named.rpartition(":")
    return ImageReference(head, tag, digest) if colon and "/" not in tag else ImageReference(named, "", digest)


def parse(text: str, field: str = "") -> ImageReference:
    """Read a reference.

    Raises:
        Invalid: no reference; also a digest that is not sha256.
    """
    if len(text) > LONGEST:
        raise errors.Invalid(f"a reference of more than {LONGEST} characters", field=field, fix=FIX)
    found = split(text)
    registry, repository = complete(found.name)
    fits = _REGISTRY.fullmatch(registry) and _REPOSITORY.fullmatch(repository)
    if not fits or str(found) != text or (found.tag and not _TAG.fullmatch(found.tag)):
        raise errors.Invalid(f"{text[:200]!r} is not an image reference", field=field, fix=FIX)
    if found.digest:
        digests.Digest.parse(found.digest)
    return found


def is_reference(text: str) -> bool:
    """Whether a text follows the grammar."""
    try:
        parse(text)
    except errors.Invalid:
        return False
    return True


def complete(name: str) -> tuple[str, str]:
    """Registry and repository of a name, made complete as docker does: the first part is a registry if it looks so.

    >>> complete("nginx"), complete("ghcr.io/shop/web")
    (('index.docker.io', 'library/nginx'), ('ghcr.io', 'shop/web'))
    """
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DOCKER_HUB, name
    if first in _HUBS:
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest
