"""Looking an image up: what its reference stands for now.

Every answer is checked against the digest it claims to have. Signatures and the tag `latest` are asked for at the same
time; where those questions fail, the image stands all the same, and a note says what is not known.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from avouch import digests, errors
from avouch.materials import images
from avouch.oci import client, credentials, references
from avouch.registry import layouts, manifests, signatures

CHART = "oci://"
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials that somebody gave for one registry, and that no other registry gets to see."""

    server: str
    credential: credentials.Credential


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach registries.

    Attributes:
        environment: variables that say where credentials lie (DOCKER_CONFIG, HOME and podman's), and proxies.
        login: what was given explicitly; it comes first.
        options: how to speak with them, but for the environment.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None
    options: client.Options = field(default_factory=client.Options)

    def credential(self, registry: str, repository: str = "") -> credentials.Credential | None:
        """The credential for a registry, or for a repository in it; None for anonymous.

        Raises:
            Invalid: as `credentials.find`.
        """
        if self.login and _same(self.login.server, registry):
            return self.login.credential
        return credentials.find(f"{registry}/{repository}", self.environment)


async def image(value: str, access: Access) -> images.Image:
    """The image that a value names: a directory with an OCI layout, or a reference.

    Raises:
        Invalid: neither.
        NotFound: the registry has no such image.
        Denied, Unavailable, TooLarge, Corrupt: as the registry, or the layout, answers.
    """
    if layouts.is_layout(value):
        return layouts.image(value)
    return await _looked_up(references.parse(value), access, "")


async def chart(value: str, access: Access) -> images.Image:
    """The Helm chart behind `oci://`. As in Helm, `+` in its version is `_` in the registry: no tag has a `+`.

    Raises:
        Invalid: no such reference, or what lies there is no chart.
        NotFound, Denied, Unavailable, TooLarge, Corrupt: as `image`.
    """
    if not value.startswith(CHART):
        raise errors.Invalid(
            f"{value[:200]!r} is not a chart in a registry", fix=f"write {CHART}<repository>:<version>"
        )
    return await _looked_up(references.parse(_tagged(value.removeprefix(CHART))), access, images.HELM)


def _tagged(chart: str) -> str:
    """The reference that Helm makes of a chart and its version.

    >>> _tagged("registry:5000/charts/app:1.2.3+build5")
    'registry:5000/charts/app:1.2.3_build5'
    """
    place, colon, version = chart.rpartition(":")
    return chart if "/" in version else f"{place}{colon}{version.replace('+', '_')}"


async def _looked_up(reference: references.Reference, access: Access, artifact_type: str) -> images.Image:
    credential = await _credential(reference, access)
    options = replace(access.options, environment=access.environment)
    async with client.Client(reference.registry, credential, options) as session:
        found = await manifests.get(session, reference)
        if artifact_type and found.artifact_type != artifact_type:
            message = f"artifact type {found.artifact_type!r} does not match expected type {artifact_type!r}"
            raise errors.Invalid(f"{reference}: {message}", fix="name a chart, or give the material its own type")
        signature, latest = await asyncio.gather(
            _within(access.options.seconds, signatures.find(session, reference.pinned(found.digest))),
            _within(access.options.seconds, _is_latest(session, reference, found.digest)),
            return_exceptions=True,
        )
    notes = [
        f"{what}: {failed}"
        for what, failed in (("signatures are not known", signature), ("latest is not known", latest))
        if isinstance(failed, BaseException) and _bearable(failed)
    ]
    return images.Image(
        name=reference.name,
        digest=found.digest,
        tag=reference.tag,
        latest=latest is True,
        signature=signature if isinstance(signature, images.Signature) else None,
        notes=tuple(notes),
    )


async def _credential(reference: references.Reference, access: Access) -> credentials.Credential | None:
    try:  # a helper may take its time
        return await asyncio.to_thread(access.credential, reference.registry, reference.repository)
    except errors.Invalid as exc:  # not the reference is wrong, but this machine
        raise errors.Unavailable(f"no credentials for {reference.registry}: {exc}") from exc


async def _within(seconds: float, asked: Awaitable[_Found]) -> _Found:
    """Bound a question in time as a whole, however many requests it takes."""
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError as exc:
        raise errors.Unavailable(f"no answer in {seconds:g} s") from exc


async def _is_latest(session: client.Client, reference: references.Reference, digest: digests.Digest) -> bool:
    if reference.tag == references.LATEST:
        return True
    return await manifests.digest_of(session, reference.tagged(references.LATEST)) == digest


def _bearable(failed: BaseException) -> bool:
    """A failure that we name ourselves; any other, a cancellation among them, is not ours to swallow."""
    if not isinstance(failed, errors.AvouchError):
        raise failed
    return True


def _same(server: str, registry: str) -> bool:
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bool(bare) and references.parse(f"{bare}/x").registry == registry
