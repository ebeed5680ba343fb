"""Each check of a token alone, at its boundaries: behind the server every refusal looks the same."""

import base64
import json
import math
from typing import Any

import jwt
import pytest

from avouch import errors
from avouch.oidc import checks
from tests.unit.oidc.issuer import P256, P384, RSA, jwk

HEADER = {"alg": "RS256", "kid": "r"}
CLAIMS = {"iss": "https://issuer.example", "aud": "avouch", "sub": "repo:acme/app", "iat": 1_000, "exp": 2_000}


def part(said: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def token(header: Any = HEADER, claims: Any = CLAIMS, signature: str = "eA") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


def long_token(length: int) -> str:
    found = token()
    return found + "A" * (length - len(found))


@pytest.mark.parametrize(
    "text",
    [
        long_token(checks.LONGEST + 1),
        token().replace(".", "....." * 2, 1),
        token() + "....",
        f"{part(HEADER)}éé.{part(CLAIMS)}.eA",
        f"{part(HEADER)}.{part(CLAIMS)}",
        token(claims=["iss"]),
        token({"alg": "RS256"}),
        token({"kid": "r"}),
        token({**HEADER, "kid": ""}),
        token({**HEADER, "kid": "k" * 257}),
        token({**HEADER, "kid": 7}),
        token({**HEADER, "alg": "HS256"}),
        token({**HEADER, "alg": ["RS256"]}),
        token({**HEADER, "crit": []}),
        token({**HEADER, "crit": ["exp"], "exp": 1}),
        token({**HEADER, "crit": ["b64"], "b64": True}),
    ],
    ids=["too long", "many dots", "dots behind", "not ASCII", "two parts", "claims that are no object", "no kid",
         "no algorithm", "empty kid", "long kid", "number as kid", "shared secret", "list as algorithm",
         "nothing critical", "something critical", "something critical that PyJWT knows"],
)  # fmt: skip
def test_what_is_not_such_a_token_is_refused_at_the_first_step(text: str) -> None:
    with pytest.raises(errors.NotVerified) as refused:
        checks.look(text)
    assert refused.value.step == "1"


def test_a_token_and_a_kid_may_be_as_long_as_they_may() -> None:
    assert checks.look(long_token(checks.LONGEST)).kid == "r"
    assert checks.look(token({**HEADER, "kid": "k" * 256})).kid == "k" * 256
    assert checks.look(token({**HEADER, "kid": "k"})).kid == "k"


@pytest.mark.parametrize(
    ("said", "audience"),
    [
        ("a", "a"),
        (["a"], "a"),
        (["a", "b"], ""),
        ([], ""),
        (None, ""),
        ([["a"]], ""),
        ({"a": 1}, ""),
        ([7], ""),
        (7, ""),
    ],
)
def test_one_audience_alone_is_an_audience(said: Any, audience: str) -> None:
    assert checks.look(token(claims={**CLAIMS, "aud": said})).audience == audience


@pytest.mark.parametrize(("said", "issuer"), [("i", "i"), (7, ""), (None, ""), (["i"], "")])
def test_an_issuer_is_a_text(said: Any, issuer: str) -> None:
    found = checks.look(token(claims={**CLAIMS, "iss": said}))
    assert (found.issuer, found.kid, found.algorithm) == (issuer, "r", "RS256")


def checked(now: float, **said: Any) -> Any:
    claims = {name: value for name, value in {**CLAIMS, **said}.items() if value is not None}
    signed = jwt.encode(claims, RSA, "RS256", {"kid": "r"})
    key = checks.keys_of({"keys": [jwk(RSA, "r")]}).found["r", "RS256"]
    return checks.check(signed, key, CLAIMS["iss"], "avouch", now)


@pytest.mark.parametrize(
    ("now", "said"),
    [(2_059.9, {}), (940, {}), (940, {"nbf": 1_000}), (1_940, {"nbf": 2_000}), (1_500, {"exp": 1e12 - 1})],
)
def test_a_token_is_valid_from_a_minute_before_its_beginning_to_a_minute_after_its_end(
    now: float, said: dict[str, Any]
) -> None:
    assert checked(now, **said)["sub"] == CLAIMS["sub"]


@pytest.mark.parametrize(
    ("step", "now", "said"),
    [
        ("5", 2_060, {}),
        ("5", 939, {}),
        ("5", 1_939, {"nbf": 2_000}),
        ("5", 939, {"nbf": 900}),
        ("5", 1_500, {"nbf": True}),
        ("5", 1_500, {"nbf": "1000"}),
        ("5", 1_500, {"exp": 1e12}),
        ("5", 1_500, {"exp": None}),
        ("5", 1_500, {"iat": None}),
        ("5", 1_500, {"iat": None, "nbf": 1_000}),
        ("5", 1_500, {"iat": False, "nbf": 1_000}),
        ("5", 1_500, {"exp": True}),
        ("5", 1_500, {"exp": "2000"}),
        ("5", 1_500, {"exp": math.inf}),
        ("5", 1_500, {"exp": math.nan}),
        ("5", 1_500, {"iat": -math.inf}),
        ("5", 1_500, {"iat": -1e12}),
        ("4", 1_500, {"aud": ["avouch", "other"]}),
        ("4", 1_500, {"aud": None}),
        ("6", 1_500, {"sub": ""}),
        ("6", 1_500, {"sub": None}),
    ],
)
def test_what_is_signed_well_is_refused_at_the_step_that_finds_it(step: str, now: float, said: dict[str, Any]) -> None:
    with pytest.raises(errors.NotVerified) as refused:
        checked(now, **said)
    assert refused.value.step == step


def test_a_token_of_another_issuer_with_the_same_key_is_refused() -> None:
    with pytest.raises(errors.NotVerified):
        checked(1_500, iss="https://other.example")


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([jwk(RSA, "r"), jwk(P256, "e")], {("r", "RS256"), ("e", "ES256")}),
        ([jwk(RSA, "r", use="sig", alg="RS256")], {("r", "RS256")}),
        ([{**jwk(RSA, "r"), "kid": 7}], set()),
        ([{name: value for name, value in jwk(RSA, "r").items() if name != "kid"}], set()),
        ([jwk(RSA, "r", use="enc")], set()),
        ([jwk(RSA, "r", alg="ES256")], set()),
        ([jwk(P384, "e")], set()),
        ([jwk(P384, "e", alg="ES256")], set()),
        ({"r": jwk(RSA, "r")}, set()),
        (None, set()),
        ([1] * 99 + [jwk(RSA, "r")], {("r", "RS256")}),
        ([1] * 100 + [jwk(RSA, "r")], set()),
    ],
)
def test_a_key_is_kept_for_what_it_is_good_for(listed: Any, found: set[tuple[str, str]]) -> None:
    assert set(checks.keys_of({"keys": listed}).found) == found


def test_of_two_keys_of_one_kid_the_first_counts() -> None:
    first, second = jwk(RSA, "r"), {**jwk(RSA, "r"), "n": "A" + jwk(RSA, "r")["n"][1:]}
    found = checks.keys_of({"keys": [first, second]}).found["r", "RS256"]
    assert found.key.public_numbers() == RSA.public_key().public_numbers()
