"""Looking images up in real registries: one that has the referrers API, and one that has not."""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from avouch import digests, errors
from avouch.materials import images
from avouch.oci import client
from avouch.registry import lookup
from tests import registries
from tests.cluster import binaries
from tests.cluster.errors import Impossible

pytestmark = pytest.mark.registry
NOTARY = "application/vnd.cncf.notary.signature"
COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ACCESS = lookup.Access(options=client.Options())


@pytest.fixture(scope="module", params=registries.SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    try:
        with registries.running(request.param) as found:
            yield found
    except Impossible as exc:
        pytest.skip(str(exc))


@pytest.fixture
def repository(server: str, request: pytest.FixtureRequest) -> Iterator[registries.Repository]:
    name = request.node.originalname.replace("_", "-")
    found = registries.Repository(server, f"acme/{name}")
    yield found
    found.close()


def look_up(value: str) -> images.Image:
    return asyncio.run(lookup.image(value, ACCESS))


def refer(repository: registries.Repository, kind: str, image: digests.Digest, **said: object) -> digests.Digest:
    """Push a signature the way a client does: where there is no referrers API, it keeps the index by tag itself."""
    found = repository.signature(kind, image, **said)
    entry = {"mediaType": registries.IMAGE, "digest": str(found), "size": 1, "artifactType": kind, **said}
    repository.index(f"sha256-{image.hex}", entry)
    return found


def test_a_tag_gives_the_digest_and_its_name(repository: registries.Repository) -> None:
    digest = repository.image("1.2.3")
    assert look_up(f"{repository.name}:1.2.3") == images.Image(repository.name, digest, "1.2.3")


def test_a_digest_has_no_tag_even_where_one_is_written(repository: registries.Repository) -> None:
    digest = repository.image("1")
    for reference in (f"{repository.name}@{digest}", f"{repository.name}:2@{digest}"):
        assert look_up(reference) == images.Image(repository.name, digest)


def test_no_tag_means_latest_which_is_latest(repository: registries.Repository) -> None:
    digest = repository.image("latest")
    assert look_up(repository.name) == images.Image(repository.name, digest, "latest", latest=True)


def test_another_tag_of_the_same_digest_is_latest_too(repository: registries.Repository) -> None:
    body = repository.body("same")
    digest = repository.manifest(body, "latest")
    repository.manifest(body, "7")
    old = repository.image("6")
    assert look_up(f"{repository.name}:7").latest
    assert look_up(f"{repository.name}@{digest}").latest
    found = look_up(f"{repository.name}:6")
    assert (found.digest, found.latest) == (old, False)


def test_an_index_is_an_image_by_its_own_digest(repository: registries.Repository) -> None:
    one = repository.image("amd64")
    digest = repository.index("multi", {"mediaType": registries.IMAGE, "digest": str(one), "size": 1})
    assert look_up(f"{repository.name}:multi").digest == digest


def test_cosigns_tag_is_a_signature(repository: registries.Repository) -> None:
    digest = repository.image("1")
    body = repository.body("signed")
    signature = repository.manifest(body, f"sha256-{digest.hex}.sig")
    found = look_up(f"{repository.name}:1").signature
    assert found == images.Signature(signature, "cosign", json.dumps(body).encode())


@pytest.mark.parametrize(("kind", "provider"), [(NOTARY, "notary"), (COSIGN, "cosign")])
def test_referrers_are_signatures(repository: registries.Repository, kind: str, provider: str) -> None:
    digest = repository.image(f"of-{provider}")
    signature = refer(repository, kind, digest)
    found = look_up(f"{repository.name}:of-{provider}")
    assert found.signature is not None
    assert (found.signature.digest, found.signature.provider) == (signature, provider)
    assert found.extracted()["chainloop.material.signature.digest"] == str(signature)
    manifest = json.loads(base64.b64decode(str(found.extracted()["chainloop.material.signature"])))
    assert manifest["artifactType"] == kind


def test_cosigns_tag_comes_before_a_referrer(repository: registries.Repository) -> None:
    digest = repository.image("1")
    refer(repository, NOTARY, digest)
    tagged = repository.manifest(repository.body("signed"), f"sha256-{digest.hex}.sig")
    found = look_up(f"{repository.name}:1").signature
    assert found is not None
    assert found.digest == tagged


def test_an_sbom_that_refers_to_an_image_is_no_signature(repository: registries.Repository) -> None:
    digest = repository.image("1")
    refer(repository, "application/spdx+json", digest)
    found = look_up(f"{repository.name}:1")
    assert (found.signature, found.notes) == (None, ())


def test_a_signature_of_another_image_is_none_of_this_one(repository: registries.Repository) -> None:
    mine, other = repository.image("mine"), repository.image("other")
    signature = repository.signature(NOTARY, other)
    entry = {"mediaType": registries.IMAGE, "digest": str(signature), "size": 1, "artifactType": NOTARY}
    repository.index(f"sha256-{mine.hex}", entry)
    assert look_up(f"{repository.name}:mine").signature is None


def test_a_referrer_that_is_gone_is_no_signature(repository: registries.Repository) -> None:
    digest = repository.image("1")
    repository.delete(refer(repository, NOTARY, digest))
    assert look_up(f"{repository.name}:1").signature is None


def test_what_is_not_there_is_not_found(repository: registries.Repository) -> None:
    repository.image("1")
    for reference in (f"{repository.name}:2", f"{repository.name}@sha256:{'0' * 64}", f"{repository.name}-x:1"):
        with pytest.raises(errors.NotFound):
            look_up(reference)


def test_a_chart_is_a_chart_and_an_image_is_none(repository: registries.Repository) -> None:
    digest = repository.manifest(repository.body("chart", images.HELM), "1.0.0")
    repository.image("image")
    assert asyncio.run(lookup.chart(f"oci://{repository.name}:1.0.0", ACCESS)).digest == digest
    built = repository.manifest(repository.body("chart", images.HELM), "1.0.0_build5")
    assert asyncio.run(lookup.chart(f"oci://{repository.name}:1.0.0+build5", ACCESS)).digest == built  # as Helm does
    with pytest.raises(errors.Invalid, match="does not match expected type"):
        asyncio.run(lookup.chart(f"oci://{repository.name}:image", ACCESS))
    with pytest.raises(errors.Invalid, match="write oci://"):
        asyncio.run(lookup.chart(f"{repository.name}:1.0.0", ACCESS))


def test_a_chart_that_helm_pushed_is_found(server: str, tmp_path: Path) -> None:
    helm = str(binaries.binary("helm"))
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    chart = registries.ROOT / "charts" / "avouch"
    subprocess.run([helm, "package", chart, "--version", "0.1.0-test"], cwd=tmp_path, env=environment, check=True)
    (archive,) = tmp_path.glob("*.tgz")
    subprocess.run([helm, "push", archive, f"oci://{server}/charts", "--plain-http"], env=environment, check=True)
    found = asyncio.run(lookup.chart(f"oci://{server}/charts/avouch:0.1.0-test", ACCESS))
    assert (found.name, found.tag) == (f"{server}/charts/avouch", "0.1.0-test")


async def test_the_client_pushes_reads_and_deletes(server: str) -> None:
    """What a backend of artifacts needs of it: an upload in pieces, a manifest, and both gone again."""
    name, content = "acme/artifacts", b"x" * 3_000_000
    digest = digests.of_bytes(content)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1_000_000):
            yield content[start : start + 1_000_000]

    async with client.Client(server, options=ACCESS.options) as session:
        opened = await session.send(client.Call("POST", f"{name}/blobs/uploads/", name, "pull,push"))
        where = client.expect(opened, 202, what="upload").headers["location"]
        target = f"{where}{'&' if '?' in where else '?'}digest={digest}"
        pushed = await session.send(client.Call("PUT", target, name, "pull,push", content=pieces()))
        client.expect(pushed, 201, what="blob")
        async with session.stream(client.Call("GET", f"{name}/blobs/{digest}", name)) as answer:
            assert digests.of_bytes(b"".join([piece async for piece in answer.aiter_raw()])) == digest
        removed = await session.send(client.Call("DELETE", f"{name}/blobs/{digest}", name, "delete"))
        client.expect(removed, 202, what="blob")
        assert (await session.send(client.Call("HEAD", f"{name}/blobs/{digest}", name))).status == 404
