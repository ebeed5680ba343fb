"""Base64 has one spelling, however it is checked."""

import base64
import binascii

from hypothesis import example, given
from hypothesis import strategies as st

from avouch import errors
from avouch.attestation import strictbase64

ALPHABET = "ABCDQRZabgz0189+/-_=\n é"


def accepted(text: str) -> bytes | None:
    try:
        return strictbase64.decode(text, "payload")
    except errors.Invalid:
        return None


def by_writing_it_again(text: str) -> bytes | None:
    """What the whole content says when it is encoded once more."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if strictbase64.encode(content) == text else None


@given(st.text(st.sampled_from(ALPHABET), max_size=13))
@example("")
@example("====")
@example("QUI=")
@example("QUJ=")
@example("QUJD====")
@example("QUJDQQ=")
@example("QQ==QQ==")
@example("QUJD\n")
def test_a_text_is_accepted_exactly_if_it_is_what_would_be_written(text: str) -> None:
    assert accepted(text) == by_writing_it_again(text)


@given(st.binary(max_size=50), st.integers(0, 70), st.sampled_from(ALPHABET))
def test_one_character_changed_is_another_content_or_none(content: bytes, place: int, instead: str) -> None:
    text = strictbase64.encode(content)
    changed = text[:place] + instead + text[place + 1 :]
    assert accepted(text) == content
    assert accepted(changed) == by_writing_it_again(changed)
    assert (accepted(changed) == content) == (changed == text)
