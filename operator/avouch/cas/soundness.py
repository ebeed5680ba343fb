"""Whether a stored copy is still what its name says, for backends that many upload the same bytes to."""

from collections.abc import AsyncIterator

from avouch import errors


async def sound(content: AsyncIterator[bytes]) -> bool:
    """Whether content, which its backend re-hashes while it is read, is there and whole. Raises errors.Unavailable."""
    try:
        async for _ in content:
            pass
    except (errors.NotFound, errors.Corrupt):
        return False
    return True
