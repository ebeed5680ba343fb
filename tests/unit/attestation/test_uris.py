"""Names of avouch's own objects in signed documents."""

import pytest

from avouch.attestation import uris


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("avouch://shop/workflows/release?namespaceUid=1-2", uris.Named("shop", "workflows", "release", "1-2")),
        ("avouch://shop/contracts/c@3", uris.Named("shop", "contracts", "c@3")),
    ],
)
def test_a_uri_is_read_as_it_is_written(text: str, named: uris.Named) -> None:
    assert uris.parse(text) == named
    assert str(named) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "avouch://", "https://shop/workflows/release", "avouch://shop/workflows", "avouch://shop/workflows/",
        "avouch:///workflows/release", "avouch://shop/workflows/release/x", "avouch://shop/Workflows/release",
        "avouch://shop/workflows/release?namespaceUid=", "avouch://shop/workflows/release?uid=1",
        "avouch://shop/workflows/release?namespaceUid=1&x=2", "avouch://shop/workflows/release#x",
        "xavouch://shop/workflows/release", "avouch://shop/workflows/release?namespaceUid=1?",
    ],
)  # fmt: skip
def test_any_other_uri_names_nothing_of_ours(text: str) -> None:
    assert uris.parse(text) is None
