"""What no real registry can be made to answer; the rest is in tests/conformance/test_registries.py."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import digests, errors
from avouch.materials import images
from avouch.oci import client, credentials
from avouch.registry import lookup
from tests import loopback

MANIFEST = json.dumps({"schemaVersion": 2, "config": {"mediaType": "x"}}).encode()
DIGEST = digests.of_bytes(MANIFEST)
NOTARY = "application/vnd.cncf.notary.signature"
ANN = credentials.Credential("ann", "pw")


@pytest.fixture
def server() -> Iterator[loopback.Server]:
    with loopback.serving() as found:
        yield found


def access(login: lookup.Login | None = None, seconds: float = 30) -> lookup.Access:
    return lookup.Access(login=login, options=client.Options(seconds=seconds))


def look_up(server: loopback.Server, reference: str = ":1", seconds: float = 30) -> images.Image:
    return asyncio.run(lookup.image(f"{server.address}/app{reference}", access(seconds=seconds)))


def serve(server: loopback.Server, **replies: loopback.Reply) -> None:
    """Answers by the last part of the path; 404 for what is not named."""
    server.answers = lambda request: replies.get(request.path.rpartition("/")[2].partition("-")[0], loopback.Reply(404))


def test_bytes_of_another_digest_are_refused(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, MANIFEST)
    with pytest.raises(errors.Corrupt):
        look_up(server, f"@sha256:{'0' * 64}")


def test_a_registry_that_contradicts_itself_is_refused(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, MANIFEST, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    with pytest.raises(errors.Corrupt):
        look_up(server)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"schemaVersion": 1}', b"[" * 100_000])
def test_a_page_is_no_manifest(server: loopback.Server, body: bytes) -> None:
    server.answers = lambda _: loopback.Reply(200, body)
    with pytest.raises(errors.Invalid):
        look_up(server)


@pytest.mark.parametrize("reply", [loopback.Reply(500), loopback.Reply(403), loopback.Reply(200, drips=True)])
def test_where_signatures_cannot_be_asked_for_the_image_stands_with_a_note(
    server: loopback.Server, reply: loopback.Reply
) -> None:
    server.answers = lambda request: loopback.Reply(200, MANIFEST) if request.path.endswith("/1") else reply
    found = look_up(server)
    assert (found.digest, found.signature, found.latest) == (DIGEST, None, False)
    assert [note.partition(":")[0] for note in found.notes] == ["signatures are not known", "latest is not known"]


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_registry_without_referrers_is_asked_by_tag(server: loopback.Server, status: int) -> None:
    def answers(request: loopback.Request) -> loopback.Reply:
        if "/referrers/" in request.path:
            return loopback.Reply(status)
        return loopback.Reply(200, MANIFEST) if request.path.endswith("/1") else loopback.Reply(404)

    server.answers = answers
    assert look_up(server).notes == ()
    assert f"/v2/app/manifests/sha256-{DIGEST.hex}" in [request.path for request in server.seen]


def test_latest_is_compared_where_the_header_is_missing(server: loopback.Server) -> None:
    serve(server, **{"1": loopback.Reply(200, MANIFEST), "latest": loopback.Reply(200, MANIFEST)})
    assert look_up(server).latest


def test_a_given_login_goes_to_its_own_registry_alone(server: loopback.Server) -> None:
    given = access(lookup.Login("https://r.example/", ANN))
    assert given.credential("r.example") == ANN
    assert [given.credential(other) for other in ("r.example:5000", "x.example", server.address)] == [None, None, None]
    assert access(lookup.Login("", ANN)).credential("r.example") is None
    assert access(lookup.Login("docker.io", ANN)).credential("index.docker.io") == ANN


def test_a_broken_docker_config_is_named_and_no_registry_is_asked(server: loopback.Server, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    broken = lookup.Access({"DOCKER_CONFIG": str(tmp_path)}, options=client.Options())
    with pytest.raises(errors.Unavailable, match=r"no credentials for .*config\.json"):
        asyncio.run(lookup.image(f"{server.address}/app:1", broken))
    assert server.seen == []


def pages(server: loopback.Server, following: str) -> None:
    """Referrers in two pages; the signature is on the second."""
    signature = json.dumps({"schemaVersion": 2, "artifactType": NOTARY, "subject": {"digest": str(DIGEST)}}).encode()
    entry = {"digest": str(digests.of_bytes(signature)), "artifactType": NOTARY}

    def answers(request: loopback.Request) -> loopback.Reply:
        if "page=2" in request.path:
            return loopback.Reply(200, json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        if "/referrers/" in request.path:
            link = {"Link": f'<{following}?page=2>; rel="next"'}
            return loopback.Reply(200, json.dumps({"schemaVersion": 2, "manifests": []}).encode(), link)
        found = {"1": MANIFEST, entry["digest"]: signature}.get(request.path.rpartition("/")[2])
        return loopback.Reply(200, found) if found else loopback.Reply(404)

    server.answers = answers


def test_a_signature_on_a_later_page_is_found(server: loopback.Server) -> None:
    pages(server, f"/v2/app/referrers/{DIGEST}")
    found = look_up(server).signature
    assert found is not None
    assert found.provider == "notary"


def test_the_next_page_lies_in_the_same_registry(server: loopback.Server) -> None:
    with loopback.serving() as other:
        pages(server, f"{other.url}/v2/app")
        assert "signatures are not known" in look_up(server).notes[0]
        assert other.seen == []


def test_pages_of_referrers_end(server: loopback.Server) -> None:
    def answers(request: loopback.Request) -> loopback.Reply:
        if "/referrers/" in request.path:
            again = {"Link": f'<{request.path}>; rel="next"'}
            return loopback.Reply(200, b'{"schemaVersion": 2, "manifests": []}', again)
        return loopback.Reply(200, MANIFEST) if request.path.endswith("/1") else loopback.Reply(404)

    server.answers = answers
    assert look_up(server).signature is None
    assert len([request for request in server.seen if "/referrers/" in request.path]) == 10


def test_a_registry_that_dawdles_over_each_question_is_left(server: loopback.Server) -> None:
    """Each answer comes in time, all of them together do not."""
    pause = threading.Event()

    def answers(request: loopback.Request) -> loopback.Reply:
        if "/referrers/" in request.path:
            pause.wait(0.4)
            again = {"Link": f'<{request.path}>; rel="next"'}
            return loopback.Reply(200, b'{"schemaVersion": 2, "manifests": []}', again)
        return loopback.Reply(200, MANIFEST) if request.path.endswith("/1") else loopback.Reply(404)

    server.answers = answers
    assert look_up(server, seconds=1).notes == ("signatures are not known: no answer in 1 s",)


def test_a_signature_by_tag_is_found_where_referrers_cannot_be_asked_for(server: loopback.Server) -> None:
    def answers(request: loopback.Request) -> loopback.Reply:
        if "/referrers/" in request.path:
            return loopback.Reply(500)
        return loopback.Reply(200, MANIFEST) if request.path.endswith(("/1", ".sig")) else loopback.Reply(404)

    server.answers = answers
    found = look_up(server)
    assert found.signature is not None
    assert (found.signature.provider, found.notes) == ("cosign", ())
