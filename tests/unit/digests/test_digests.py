"""Content is what its digest says, at every size and in whatever pieces it comes."""

import io
from collections.abc import AsyncIterator

import pytest

from avouch import digests, errors

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


@pytest.mark.parametrize(("content", "digest"), [(b"", EMPTY), (b"abc", ABC)])
def test_a_digest_is_the_same_whether_the_content_comes_at_once_in_pieces_or_from_a_file(
    content: bytes, digest: str
) -> None:
    pieces = [content[:1], content[1:], b""]
    assert str(digests.of_bytes(content)) == digest
    assert digests.of_chunks(pieces) == (digests.Digest.parse(digest), len(content))
    assert digests.of_file(io.BytesIO(content)) == (digests.Digest.parse(digest), len(content))


def test_a_file_that_is_longer_than_one_piece_is_read_to_its_end() -> None:
    content = b"x" * (digests.CHUNK + 1)
    assert digests.of_file(io.BytesIO(content)) == (digests.of_bytes(content), len(content))


@pytest.mark.parametrize(
    "text",
    ["", "abc", EMPTY[7:], EMPTY[:-1], f"{EMPTY}0", f"{EMPTY}\n", EMPTY.upper(), f"sha512:{'0' * 64}", f" {EMPTY}"],
)
def test_what_is_no_digest_is_none(text: str) -> None:
    assert not digests.well_formed(text)
    with pytest.raises(errors.Invalid, match="not a sha256 digest"):
        digests.Digest.parse(text)


def test_a_digest_is_read_back() -> None:
    assert digests.well_formed(ABC)
    assert str(digests.Digest.parse(ABC)) == ABC


def taken(*pieces: bytes, limit: int = 3) -> digests.Intake:
    intake = digests.Intake(limit)
    for piece in pieces:
        intake.update(piece)
    return intake


def test_content_is_taken_up_to_the_limit_and_not_a_byte_more() -> None:
    assert taken(b"ab", b"c").size == 3
    with pytest.raises(errors.TooLarge, match="more than 3 bytes"):
        taken(b"ab", b"cd")


def test_content_is_settled_by_the_digest_that_is_expected_or_by_its_own() -> None:
    assert str(taken(b"ab", b"c").settle(None)) == ABC
    assert str(taken(b"ab", b"c").settle(digests.Digest.parse(ABC))) == ABC
    with pytest.raises(errors.Invalid, match=f"the content is {ABC}, not {EMPTY}"):
        taken(b"abc").settle(digests.Digest.parse(EMPTY))


async def stored(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("pieces", "digest", "expected"),
    [
        ((b"a", b"b", b"c"), ABC, [b"a", b"b", b"c"]),
        ((b"a", b"", b"bc"), ABC, [b"a", b"bc"]),
        ((), EMPTY, []),
        ((b"",), EMPTY, []),
    ],
)
async def test_stored_content_is_handed_on_piece_by_piece(
    pieces: tuple[bytes, ...], digest: str, expected: list[bytes]
) -> None:
    assert [piece async for piece in digests.checked(stored(*pieces), digests.Digest.parse(digest))] == expected


async def test_stored_content_that_was_changed_is_never_whole() -> None:
    seen = []
    with pytest.raises(errors.Corrupt, match=f"no longer matches {ABC}: 3 bytes"):  # noqa: PT012 - what came before
        async for piece in digests.checked(stored(b"a", b"b", b"x"), digests.Digest.parse(ABC)):
            seen.append(piece)
    assert seen == [b"a", b"b"]
