"""Every way to say yes wrongly, against a real issuer over HTTPS."""

import asyncio
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from avouch import errors
from avouch.oidc import allowed, checks, issuers, verifier
from tests import loopback
from tests.unit.oidc import issuer as oidc_issuer
from tests.unit.oidc.issuer import OTHER, P256, P384, RSA, SHORT, Issuer, jwk

HOUR = 3600


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with oidc_issuer.running(tmp_path) as found:
        yield found


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def verifying(issuer: Issuer, clock: Clock | None = None) -> verifier.Verifier:
    return verifier.Verifier(
        [allowed.Issuer(issuer.url, "GITHUB_ACTION")], issuer.ca, monotonic=clock or time.monotonic
    )


async def refused(issuer: Issuer, token: str) -> None:
    with pytest.raises(errors.Unauthenticated) as raised:
        await verifying(issuer).verify(token, oidc_issuer.AUDIENCE)
    assert str(raised.value) == "the bearer token is not valid here"


async def test_a_good_token_gives_the_identity_behind_it(issuer: Issuer) -> None:
    for key, algorithm, kid in ((RSA, "RS256", "r"), (P256, "ES256", "e")):
        token = issuer.token(key, algorithm, {"kid": kid}, repository="acme/app")
        found = await verifying(issuer).verify(token, oidc_issuer.AUDIENCE)
        assert (found.issuer, found.audience, found.subject) == (issuer.url, "avouch", "repo:acme/app")
        assert (found.claims["repository"], found.runner) == ("acme/app", "GITHUB_ACTION")


async def test_a_list_of_our_audience_alone_is_our_audience(issuer: Issuer) -> None:
    found = await verifying(issuer).verify(issuer.token(aud=["avouch"]), "avouch")
    assert found.audience == "avouch"


@pytest.mark.parametrize(
    "aud", ["chainloop", "avouch2", "Avouch", "", None, [], ["avouch", "other"], ["other"], [["avouch"]], {"avouch": 1}]
)
async def test_another_audience_is_refused(issuer: Issuer, aud: Any) -> None:
    await refused(issuer, issuer.token(aud=aud))


@pytest.mark.parametrize("change", ["{}/", "{}/sub", "{}?x=1", "{}#x", " {}", "{}.evil.example", "https://x.example"])
async def test_an_issuer_that_is_not_allowed_is_never_asked(issuer: Issuer, change: str) -> None:
    await refused(issuer, issuer.token(iss=change.format(issuer.url)))
    assert issuer.asked == []


@pytest.mark.parametrize("iss", [None, 3, "", ["x"], {}])
async def test_an_issuer_of_another_kind_is_refused(issuer: Issuer, iss: Any) -> None:
    header = {"alg": "RS256", "kid": "r"}
    await refused(issuer, issuer.forged(header, b"x", iss=iss))
    assert issuer.asked == []


async def test_an_issuer_whose_case_differs_is_another_one(issuer: Issuer) -> None:
    await refused(issuer, issuer.token(iss=issuer.url.replace("localhost", "LOCALHOST")))
    assert issuer.asked == []


async def test_times_have_a_minute_of_leeway_and_no_more(issuer: Issuer) -> None:
    now = int(time.time())
    for good in ({"exp": now - 50}, {"iat": now + 50, "exp": now + 100}, {"nbf": now + 50}):
        await verifying(issuer).verify(issuer.token(**good), "avouch")
    for bad in ({"exp": now - 61}, {"iat": now + 70}, {"nbf": now + 70}, {"iat": now + 70, "nbf": now - 10}):
        await refused(issuer, issuer.token(**bad))


@pytest.mark.parametrize("value", [None, True, "9999999999", float("inf"), float("nan"), 1e300, [], {}])
@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_times_that_are_none_are_refused(claim: str, value: Any) -> None:
    claims = {"iss": "i", "aud": "a", "sub": "s", "iat": 100, "exp": 200, claim: value}
    token = (
        jwt.encode({name: each for name, each in claims.items() if each is not None}, RSA, "RS256", {"kid": "r"})
        if not isinstance(value, (str, list, dict))
        else _signed(claims)
    )
    key = checks.keys_of({"keys": [jwk(RSA, "r")]}).found["r", "RS256"]
    with pytest.raises(errors.NotVerified):
        checks.check(token, key, "i", "a", 150)


def _signed(claims: dict[str, Any]) -> str:
    return jwt.api_jws.encode(json.dumps(claims).encode(), RSA, "RS256", {"kid": "r"})


@pytest.mark.parametrize("sub", [None, ""])
async def test_a_token_without_subject_is_refused(issuer: Issuer, sub: str | None) -> None:
    await refused(issuer, issuer.token(sub=sub))


async def test_another_key_is_refused(issuer: Issuer) -> None:
    await refused(issuer, issuer.token(OTHER))


async def test_a_key_of_another_type_under_the_same_kid_is_refused(issuer: Issuer) -> None:
    await refused(issuer, issuer.token(P256, "ES256", {"kid": "r"}))


async def test_the_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    header = {"alg": "HS256", "kid": "r", "typ": "JWT"}
    unsigned = issuer.forged(header).rstrip(".")
    for secret in (oidc_issuer.pem(RSA), jwk(RSA, "r")["n"].encode()):
        signature = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
        await refused(issuer, issuer.forged(header, signature))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "RS512", "PS256", "EdDSA", None, 1, ["RS256"]]
)
async def test_other_algorithms_are_refused_before_anybody_is_asked(issuer: Issuer, algorithm: Any) -> None:
    await refused(issuer, issuer.forged({"alg": algorithm, "kid": "r"}, b"x"))
    assert issuer.asked == []


async def test_a_key_that_the_token_brings_along_is_not_used(issuer: Issuer) -> None:
    brought = {"kid": "r", "jwk": jwk(OTHER, "r"), "jku": f"{issuer.url}/evil", "x5u": f"{issuer.url}/evil"}
    await refused(issuer, issuer.token(OTHER, header=brought))
    assert not [path for path in issuer.asked if "evil" in path]


@pytest.mark.parametrize("kid", ["../../keys", "/etc/passwd", "r' OR '1'='1", "R", "r ", "", "k" * 300, None, 1, ["r"]])
async def test_a_kid_is_a_name_and_nothing_else(issuer: Issuer, kid: Any) -> None:
    await refused(issuer, issuer.forged({"alg": "RS256", "kid": kid}, b"x"))
    assert set(issuer.asked) <= {"/.well-known/openid-configuration", "/keys"}


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False, "crit": ["b64"]}])
async def test_what_is_critical_and_unknown_is_refused(issuer: Issuer, header: dict[str, Any]) -> None:
    await refused(issuer, issuer.forged({"alg": "RS256", "kid": "r", **header}, b"x"))


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_no_part_can_be_changed(issuer: Issuer, part: int) -> None:
    pieces = issuer.token().split(".")
    if part == 1:
        pieces[1] = issuer.token(sub="repo:evil/app").split(".")[1]
    else:
        other = issuer.token(header={"kid": "r", "x": "y"}, sub="other").split(".")
        pieces[part] = other[part]
    await refused(issuer, ".".join(pieces))


@pytest.mark.parametrize(
    "token", ["", "a", "a.b.c", "..", "a.b", "é.é.é", "." * 100, "x" * 20_000, "eyJhbGciOiJSUzI1NiJ9.W10.x", "e30.e30."]
)
async def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    await refused(issuer, token)
    assert issuer.asked == []


async def test_a_token_that_is_too_long_is_refused(issuer: Issuer) -> None:
    await refused(issuer, issuer.token(padding="x" * checks.LONGEST))


async def test_the_reason_is_logged_and_the_token_is_not(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    token = issuer.token(aud="other")
    await refused(issuer, token)
    assert "step 4: not for this server" in caplog.text
    assert token.split(".")[2] not in caplog.text
    assert token.split(".")[1] not in caplog.text


async def test_a_new_key_is_found_when_its_kid_turns_up(issuer: Issuer) -> None:
    clock = Clock()
    found = verifying(issuer, clock)
    await found.verify(issuer.token(), "avouch")
    clock.now += issuers.AGAIN
    issuer.keys = [jwk(OTHER, "new")]
    await found.verify(issuer.token(OTHER, header={"kid": "new"}), "avouch")
    with pytest.raises(errors.Unauthenticated):
        await found.verify(issuer.token(), "avouch")  # the old key is gone with the new document


async def test_invented_kids_do_not_make_us_ask_again_and_again(issuer: Issuer) -> None:
    clock = Clock()
    found = verifying(issuer, clock)
    for number in range(20):
        with pytest.raises(errors.Unauthenticated):
            await found.verify(issuer.token(OTHER, header={"kid": f"k{number}"}), "avouch")
    assert len(issuer.asked) == 2
    await found.verify(issuer.token(), "avouch")
    clock.now += issuers.AGAIN
    with pytest.raises(errors.Unauthenticated):
        await found.verify(issuer.token(OTHER, header={"kid": "k"}), "avouch")
    assert len(issuer.asked) == 4


async def test_many_at_once_ask_once(issuer: Issuer) -> None:
    found = verifying(issuer)
    token = issuer.token()
    await asyncio.gather(*(found.verify(token, "avouch") for _ in range(10)))
    assert len(issuer.asked) == 2


async def test_keys_are_kept_for_an_hour(issuer: Issuer) -> None:
    clock = Clock()
    found = verifying(issuer, clock)
    for _ in range(3):
        await found.verify(issuer.token(), "avouch")
    assert len(issuer.asked) == 2
    clock.now += issuers.KEPT
    issuer.keys = [jwk(OTHER, "r")]
    with pytest.raises(errors.Unauthenticated):
        await found.verify(issuer.token(), "avouch")  # a withdrawn key is trusted no longer than that
    assert len(issuer.asked) == 4


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [jwk(SHORT, "r")],
        [jwk(P384, "r")],
        [jwk(RSA, "r", use="enc")],
        [jwk(RSA, "r", alg="RS512")],
        [{"kty": "oct", "kid": "r", "k": "c2VjcmV0", "alg": "RS256"}],
        [{"kty": "RSA", "kid": "r"}],
        [{"kty": "RSA", "kid": "r", "n": "!", "e": 3}],
        [1, None, "x", {"kid": 1}],
    ],
)
async def test_keys_that_are_no_good_are_no_keys(issuer: Issuer, keys: list[Any]) -> None:
    issuer.keys = keys
    with pytest.raises(errors.Unavailable, match="no usable key"):
        await verifying(issuer).verify(issuer.token(), "avouch")


@pytest.mark.parametrize("form", ["{}/", "{}x", "", None])
async def test_a_document_of_another_issuer_is_refused(issuer: Issuer, form: str | None) -> None:
    issuer.document = {"issuer": form.format(issuer.url) if form else form}
    with pytest.raises(errors.Unavailable, match="names another issuer"):
        await verifying(issuer).verify(issuer.token(), "avouch")
    assert "/keys" not in issuer.asked


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_redirects_are_not_followed(issuer: Issuer, path: str) -> None:
    with loopback.serving(lambda _: loopback.Reply(200, json.dumps({"keys": [jwk(OTHER, "r")]}).encode())) as evil:
        issuer.replies[path] = loopback.Reply(302, b"", {"Location": f"{evil.url}/keys"})
        with pytest.raises(errors.Unavailable, match="answered 302"):
            await verifying(issuer).verify(issuer.token(OTHER), "avouch")
        assert evil.seen == []


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:1/keys", "file:///etc/passwd", "", None, 3, "https://user:pw@x/", "https:///keys", "//x/k"],
)
async def test_keys_come_over_https_alone(issuer: Issuer, uri: Any) -> None:
    issuer.document = {"jwks_uri": uri}
    with pytest.raises(errors.Unavailable, match="has no https address"):
        await verifying(issuer).verify(issuer.token(), "avouch")


async def test_an_issuer_with_a_certificate_of_nobody_is_not_believed(issuer: Issuer) -> None:
    found = verifier.Verifier([allowed.Issuer(issuer.url)])
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        await found.verify(issuer.token(), "avouch")
    assert issuer.asked == []


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_a_document_without_end_is_left_although_it_says_the_right_thing(issuer: Issuer, path: str) -> None:
    found = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", "keys": issuer.keys}
    body = json.dumps(found).encode()
    issuer.replies[path] = loopback.Reply(200, body + b" " * (512 * 1024 - len(body)))
    assert (await verifying(issuer).verify(issuer.token(), "avouch")).subject
    issuer.replies[path] = loopback.Reply(200, body + b" " * (512 * 1024 - len(body) + 1))
    with pytest.raises(errors.Unavailable, match="more than 524288 bytes"):
        await verifying(issuer).verify(issuer.token(), "avouch")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1,localhost,::1,fd00::/8", "localhost,[::1]:5000", "*"])
async def test_no_list_of_exceptions_keeps_issuers_from_being_asked(issuer: Issuer, no_proxy: str) -> None:
    said = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": no_proxy}
    known = [allowed.Issuer(issuer.url, "GITHUB_ACTION")]
    assert (await verifier.Verifier(known, issuer.ca, said).verify(issuer.token(), "avouch")).subject


async def test_issuers_are_asked_through_the_proxy_of_the_environment(issuer: Issuer) -> None:
    with loopback.serving() as proxy:
        said = {"HTTPS_PROXY": f"http://{proxy.address}"}
        found = verifier.Verifier([allowed.Issuer(issuer.url, "GITHUB_ACTION")], issuer.ca, said)
        with pytest.raises(errors.Unavailable, match="cannot be reached"):
            await found.verify(issuer.token(), "avouch")
    assert [seen.method for seen in proxy.seen] == ["CONNECT"]
    assert issuer.asked == []


async def test_a_variable_that_names_no_proxy_is_told(issuer: Issuer) -> None:
    found = verifier.Verifier([allowed.Issuer(issuer.url)], issuer.ca, {"HTTPS_PROXY": "socks5://p:1"})
    with pytest.raises(errors.Unavailable, match="HTTPS_PROXY: only HTTP proxies"):
        await found.verify(issuer.token(), "avouch")


@pytest.mark.parametrize("body", [b"[]", b"<html>", b"", b"[" * 100_000])
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_a_document_without_sense_is_no_document(issuer: Issuer, path: str, body: bytes) -> None:
    issuer.replies[path] = loopback.Reply(200, body)
    with pytest.raises(errors.Unavailable):
        await verifying(issuer).verify(issuer.token(), "avouch")


async def test_an_issuer_that_hangs_is_left(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "_SECONDS", 0.2)
    issuer.replies["/keys"] = loopback.Reply(200, drips=True)
    with pytest.raises(
        errors.Unavailable, match=r"no answer from localhost in 0\.|the answer takes too long|TimeoutError"
    ):
        await verifying(issuer).verify(issuer.token(), "avouch")


async def test_after_a_failure_the_issuer_is_left_alone_for_a_moment(issuer: Issuer) -> None:
    clock = Clock()
    found = verifying(issuer, clock)
    issuer.replies["/keys"] = loopback.Reply(500)
    for _ in range(5):
        with pytest.raises(errors.Unavailable):
            await found.verify(issuer.token(), "avouch")
    assert len(issuer.asked) == 2
    issuer.replies.clear()
    clock.now += issuers.AGAIN
    assert (await found.verify(issuer.token(), "avouch")).subject


async def test_those_who_waited_for_a_slow_issuer_take_what_it_said(issuer: Issuer) -> None:
    def clock() -> float:
        return 1000 + (issuers.AGAIN if len(issuer.asked) == 2 else 0)  # the second document took that long

    found = verifier.Verifier([allowed.Issuer(issuer.url)], issuer.ca, monotonic=clock)
    await asyncio.gather(*(found.verify(issuer.token(), "avouch") for _ in range(5)))
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
async def test_a_document_has_at_most_half_a_mebibyte(issuer: Issuer, more: int, read: bool) -> None:
    body = json.dumps({"keys": issuer.keys}).encode().ljust(512 * 1024 + more)
    issuer.replies["/keys"] = loopback.Reply(200, body)
    if read:
        assert (await verifying(issuer).verify(issuer.token(), "avouch")).subject
    else:
        with pytest.raises(errors.Unavailable, match="more than"):
            await verifying(issuer).verify(issuer.token(), "avouch")


def test_a_token_says_whom_to_ask_before_anybody_is_asked(issuer: Issuer) -> None:
    found = verifying(issuer)
    mine, foreign = issuer.token(), issuer.token(iss="https://other.example", aud="other")
    assert [found.knows(text) for text in (mine, foreign, "junk")] == [True, False, False]
    assert [found.audience_of(text) for text in (mine, foreign, "junk")] == ["avouch", "other", ""]
    assert issuer.asked == []


async def test_a_known_key_waits_for_nobody_who_asks_for_an_unknown_one(issuer: Issuer) -> None:
    clock, answering = Clock(), threading.Event()
    found = verifying(issuer, clock)
    await found.verify(issuer.token(), "avouch")
    clock.now += issuers.AGAIN
    issuer.server.answers = lambda request: issuer.answer(request) if answering.wait(20) else loopback.Reply(500)
    asking = asyncio.create_task(found.verify(issuer.token(OTHER, header={"kid": "new"}), "avouch"))
    while len(issuer.asked) < 3:
        await asyncio.sleep(0)
    known = asyncio.create_task(found.verify(issuer.token(), "avouch"))
    done, _ = await asyncio.wait((known, asking), return_when=asyncio.FIRST_COMPLETED)
    answering.set()
    assert done == {known}
    with pytest.raises(errors.Unauthenticated):
        await asking
