"""API tokens: text, digest, and every way to accept a wrong one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import errors
from avouch.controlplane.intake import tokens as token_rules
from avouch.controlplane.model import identities

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINTED = token_rules.mint(bytes(range(42)))
OTHER = token_rules.mint(bytes(range(1, 43)))


def record(**changed: object) -> identities.TokenRecord:
    made = identities.TokenRecord(
        id=MINTED.id, name="ci", namespace="team", namespace_uid="n", uid="u", scope="Project", workflow="",
        digest=MINTED.digest, created_at=NOW - timedelta(days=1),
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]  # fields by name


@given(st.binary(min_size=42, max_size=42))
def test_every_token_reads_back_and_keeps_no_text(entropy: bytes) -> None:
    minted = token_rules.mint(entropy)
    assert token_rules.parse(minted.text) == minted.id
    assert len(minted.id) == 16
    assert len(minted.text) == 7 + 16 + 1 + 43
    assert minted.text not in repr(minted)
    assert minted.digest == token_rules.digest_of(minted.text)


def test_a_token_of_too_little_randomness_is_not_made() -> None:
    with pytest.raises(errors.Invalid, match="42 random bytes"):
        token_rules.mint(b"short")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "avouch_",
        MINTED.text[:-1],
        MINTED.text + "A",
        MINTED.text + "\n",
        MINTED.text.upper(),
        " " + MINTED.text,
        MINTED.text.replace("avouch", "vouch"),
        MINTED.text.replace(MINTED.id, "0" * 16),
        MINTED.text.replace(MINTED.id, "é" * 16),
    ],
)
def test_what_is_not_a_token_is_nobody(text: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        token_rules.parse(text)
    with pytest.raises(errors.Unauthenticated):
        token_rules.check(record(), text, NOW)


def test_a_good_token_gives_its_record() -> None:
    assert token_rules.check(record(), MINTED.text, NOW) == record()
    late = record(expires_at=NOW + timedelta(seconds=1))
    assert token_rules.check(late, MINTED.text, NOW) == late


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(None, MINTED.text, id="no row"),
        pytest.param(record(), OTHER.text, id="another token"),
        pytest.param(record(id=OTHER.id), MINTED.text, id="a row of another id"),
        pytest.param(record(digest=b""), MINTED.text, id="a row without digest"),
        pytest.param(record(digest=bytes(32)), MINTED.text, id="a row with the digest of nobody"),
        pytest.param(record(expires_at=NOW), MINTED.text, id="at the moment of expiry"),
        pytest.param(record(expires_at=NOW - timedelta(days=9)), MINTED.text, id="long expired"),
        pytest.param(record(revoked_at=NOW - timedelta(days=1)), MINTED.text, id="revoked"),
        pytest.param(record(revoked_at=NOW + timedelta(days=1)), MINTED.text, id="revoked by a clock ahead of ours"),
    ],
)
def test_a_token_that_is_not_good_says_nothing_about_why(found: identities.TokenRecord | None, text: str) -> None:
    with pytest.raises(errors.Unauthenticated, match=r"^the bearer token is not valid here$"):
        token_rules.check(found, text, NOW)


ORG = identities.Organization("acme", "home")


@pytest.mark.parametrize(
    ("found", "organization", "workflow", "reaches"),
    [
        pytest.param(record(), None, ("team", "w"), True, id="a project's token in its project"),
        pytest.param(record(), ORG, ("other", "w"), False, id="a project's token in another project"),
        pytest.param(record(namespace="home"), ORG, ("team", "w"), False, id="a project's token of the home namespace"),
        pytest.param(record(scope="Workflow", workflow="w"), None, ("team", "w"), True, id="its workflow"),
        pytest.param(record(scope="Workflow", workflow="w"), None, ("team", "v"), False, id="another workflow"),
        pytest.param(record(scope="Workflow", workflow="w"), ORG, ("other", "w"), False, id="its name elsewhere"),
        pytest.param(record(scope="Workflow"), None, ("team", ""), False, id="no workflow named"),
        pytest.param(record(scope="Organization", namespace="home"), ORG, ("team", "w"), True, id="the organization's"),
        pytest.param(record(scope="Organization", namespace="home"), None, ("home", "w"), False, id="no organization"),
        pytest.param(record(scope="Organization"), ORG, ("team", "w"), False, id="made outside of the home namespace"),
        pytest.param(record(scope="Everything"), ORG, ("team", "w"), False, id="an unknown scope"),
        pytest.param(record(scope=""), ORG, ("team", "w"), False, id="no scope"),
    ],
)
def test_what_a_scope_covers(
    found: identities.TokenRecord,
    organization: identities.Organization | None,
    workflow: tuple[str, str],
    reaches: bool,
) -> None:
    assert token_rules.covers(found, organization, *workflow) is reaches
