"""Tickets: for what a run stored, once, for five minutes, and never to be guessed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import digests, errors
from avouch.ingest.aggregated import tickets

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STORED, TOLD, OTHER = (digests.of_bytes(text) for text in (b"stored", b"told", b"other"))
RUN: dict[str, Any] = {
    "id": "run-id", "name": "release-1", "namespace": "shop",
    "materials": [{"digest": str(STORED), "uploaded": True}, {"digest": str(TOLD), "uploaded": False}],
}  # fmt: skip


class Store:
    """Keeps them in memory."""

    def __init__(self) -> None:
        self.issued: dict[bytes, tuple[str, digests.Digest, datetime]] = {}

    async def issue(self, ticket: bytes, run_id: str, artifact: digests.Digest, expires_at: datetime) -> None:
        self.issued[ticket] = (run_id, artifact, expires_at)

    async def take(self, ticket: bytes, artifact: digests.Digest, now: datetime) -> str | None:
        return "shop-uid" if self.issued.pop(ticket, ("", None, now))[1] == artifact else None


async def test_a_ticket_is_for_one_artifact_of_the_run_for_five_minutes_and_kept_as_its_digest() -> None:
    store = Store()
    found = await tickets.Tickets(store, "https://avouch.example").issue(RUN, STORED, NOW)
    text = found["status"]["ticket"]
    assert store.issued == {
        bytes.fromhex(digests.of_bytes(text.encode()).hex): ("run-id", STORED, NOW + timedelta(minutes=5))
    }
    assert found["status"]["expiresAt"] == "2026-11-21T12:05:00Z"
    assert found["status"]["url"] == f"https://avouch.example/v1/artifacts/{STORED}"


@pytest.mark.parametrize("digest", [TOLD, OTHER], ids=["told and not stored", "of no material"])
async def test_there_is_no_ticket_for_what_the_run_did_not_store(digest: digests.Digest) -> None:
    store = Store()
    with pytest.raises(errors.NotFound, match="run release-1 stored no artifact"):
        await tickets.Tickets(store, "").issue(RUN, digest, NOW)
    assert store.issued == {}


async def test_no_two_tickets_are_the_same_and_each_has_256_bits() -> None:
    giving = tickets.Tickets(Store(), "")
    texts = {(await giving.issue(RUN, STORED, NOW))["status"]["ticket"] for _ in range(100)}
    assert len(texts) == 100
    assert {len(text) for text in texts} == {len(tickets.PREFIX) + 43}  # 32 bytes in base64


async def test_a_ticket_is_used_up_and_any_other_token_is_none() -> None:
    giving = tickets.Tickets(Store(), "")
    text = (await giving.issue(RUN, STORED, NOW))["status"]["ticket"]
    assert await giving.taken("a bearer token", STORED, NOW) is None
    assert await giving.taken(text, STORED, NOW) == "shop-uid"
    with pytest.raises(errors.Unauthenticated):
        await giving.taken(text, STORED, NOW)
