"""A registry that stores an artifact already."""

from collections.abc import AsyncIterator

import pytest

from avouch import digests, errors
from avouch.cas import oci

CONTENT = b"a report"
DIGEST = digests.of_bytes(CONTENT)


class Holding(oci.Registry):
    """Holds the artifact, and counts how often it is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(None, "team/artifacts")  # type: ignore[arg-type]  # nothing is asked of the network
        self.content, self.reads, self.deleted = content, 0, 0

    async def _stored(self, digest: digests.Digest) -> oci._Stored:
        return oci._Stored(digest, len(self.content))

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        self.reads += 1
        if digests.of_bytes(self.content) != digest:
            raise errors.Corrupt("damaged")
        yield self.content

    async def delete(self, digest: digests.Digest) -> None:
        self.deleted += 1


async def sent(content: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    yield content
    if then is not None:
        raise then


async def test_what_is_stored_is_read_only_for_who_sent_all_of_it() -> None:
    registry = Holding(CONTENT)
    with pytest.raises(errors.Invalid):
        await registry.put(sent(b"something else"), expected=DIGEST, limit=100)
    with pytest.raises(errors.TooLarge):
        await registry.put(sent(b"x" * 101), expected=DIGEST, limit=100)
    with pytest.raises(TimeoutError):
        await registry.put(sent(CONTENT[:3], TimeoutError()), expected=DIGEST, limit=100)
    assert registry.reads == 0
    assert await registry.put(sent(CONTENT), expected=DIGEST, limit=100) == (DIGEST, len(CONTENT))
    assert (registry.reads, registry.deleted) == (1, 0)


async def test_a_damaged_copy_goes_and_the_client_is_told_to_send_it_again() -> None:
    registry = Holding(b"damaged")
    with pytest.raises(errors.Unavailable, match="send it again"):
        await registry.put(sent(CONTENT), expected=DIGEST, limit=100)
    assert registry.deleted == 1
