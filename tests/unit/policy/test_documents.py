"""What a script sees of a material."""

import pytest

from avouch import errors
from avouch.policy import documents


@pytest.mark.parametrize(
    ("content", "document"),
    [
        (b'{"a": 1.0}', b'{"a": 1.0}'),
        (b' \n{"a": 1}\n', b'{"a": 1}'),
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"[1, 2]", b'{"elements":[1, 2]}'),
        (b'"text"', b"{}"),
        (b"null", b"{}"),
        (b"", b"{}"),
        (b'{"a":', b'{"a":'),  # the engine says what is wrong with it
    ],
)
def test_an_object_is_itself_an_array_is_elements_and_a_scalar_is_nothing(content: bytes, document: bytes) -> None:
    assert documents.of_material("SARIF", content) == document


def test_what_has_no_fixed_format_is_not_shown() -> None:
    with pytest.raises(errors.Invalid, match="not shown materials of type EVIDENCE"):
        documents.of_material("EVIDENCE", b"{}")


def test_a_document_that_is_too_large_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST", 1024 * 1024)
    with pytest.raises(errors.TooLarge, match="at most 1 MiB"):
        documents.of_material("SARIF", b" " * (1024 * 1024 + 1))


def test_arguments_and_what_is_known_stand_beside_it() -> None:
    assert documents.beside({"a": "1"}, {"name": "n"}) == {"args": {"a": "1"}, "chainloop_metadata": {"name": "n"}}
