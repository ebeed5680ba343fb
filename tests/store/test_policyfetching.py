"""What the controller asks for and a worker fetches, by the rights of each in PostgreSQL, from a real host."""

from pathlib import Path

import pytest

from avouch import destinations, digests, webfiles
from avouch.controlplane.model import fetches as model
from avouch.oci import client
from avouch.processes import policyfetching
from avouch.store import database, fetches
from tests import loopback, postgres

pytestmark = pytest.mark.postgres

LISTED = destinations.Destinations.parse("127.0.0.0/8,::1/128", "AVOUCH_DESTINATIONS")


async def test_the_controller_sees_what_a_worker_found_and_why_it_found_nothing(
    server: postgres.Postgres, tmp_path: Path
) -> None:
    secure, pin, wrong = loopback.tls(tmp_path), digests.of_bytes(b"policy"), digests.of_bytes(b"other")

    def answers(request: loopback.Request) -> loopback.Reply:
        return loopback.Reply(200, b"policy") if request.path == "/a.yaml" else loopback.Reply(404)

    async with (
        database.Database(server.url_of("controller")) as asking,
        database.Database(server.url_of("worker")) as working,
        webfiles.WebFiles(LISTED, secure.trusting()) as files,
    ):
        with loopback.serving(answers, secure) as host:
            urls = [f"{host.url}/a.yaml@{pin}", f"{host.url}/a.yaml@{wrong}", f"{host.url}/b.yaml"]
            await fetches.Fetches(asking).ask("uid", frozenset(urls), epoch=2_000_000)
            fetching = policyfetching.Fetching(fetches.Fetches(working), files, client.Options)
            assert not await fetching.step()
            found = await fetches.Fetches(asking).ask("uid", frozenset(urls), epoch=2_000_000)
            assert found[urls[0]] == model.Fetched(b"policy")
            assert f"digest mismatch: got {pin}, want {wrong}" in found[urls[1]].failure
            assert "answered 404" in found[urls[2]].failure
            assert not await fetching.forget()
