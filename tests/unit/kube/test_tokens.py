"""A token's user is kept for ten seconds, for the audience that was asked about; a no for two."""

import asyncio
import base64
import json
from typing import Any

import pytest

from avouch import errors
from avouch.kube import tokens

USER = {"username": "system:serviceaccount:shop:builder"}


def token(name: str, *audiences: str) -> str:
    """What looks like a ServiceAccount's token."""
    parts = ({"alg": "RS256"}, {"sub": name, "aud": list(audiences or ("avouch",))}, {"signature": name})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


GOOD, NEW = token("good", "avouch", "https://kubernetes.default.svc"), token("new")


class Api:
    """The API server: which tokens are good, each for one audience."""

    def __init__(self) -> None:
        self.good = {(GOOD, "avouch")}
        self.asked = 0

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        spec = body["spec"]
        (audience,) = spec["audiences"]
        if (spec["token"], audience) not in self.good:
            return {"status": {"authenticated": False, "error": "no"}}
        return {"status": {"authenticated": True, "audiences": [audience], "user": USER}}


class Monotonic:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def reviews(api: Api, clock: Monotonic) -> tokens.TokenReviews:
    return tokens.TokenReviews(api, clock)  # type: ignore[arg-type]  # what reviews use


async def test_a_yes_is_asked_for_once_in_ten_seconds(api: Api, clock: Monotonic, reviews: tokens.TokenReviews) -> None:
    for _ in range(3):
        assert await reviews.review(GOOD, "avouch") == USER
    assert api.asked == 1
    api.good.clear()
    clock.now += tokens.KEPT
    with pytest.raises(errors.Unauthenticated):
        await reviews.review(GOOD, "avouch")


async def test_a_yes_for_one_audience_is_none_for_another(reviews: tokens.TokenReviews) -> None:
    await reviews.review(GOOD, "avouch")
    with pytest.raises(errors.Unauthenticated):
        await reviews.review(GOOD, "https://kubernetes.default.svc")


async def test_a_no_is_asked_again_after_two_seconds_and_not_before(
    api: Api, clock: Monotonic, reviews: tokens.TokenReviews
) -> None:
    for _ in range(3):
        with pytest.raises(errors.Unauthenticated):
            await reviews.review(NEW, "avouch")
    assert api.asked == 1
    api.good.add((NEW, "avouch"))
    clock.now += tokens.REFUSED
    assert await reviews.review(NEW, "avouch") == USER


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": "true", "audiences": ["avouch"], "user": USER},
        {"authenticated": True, "user": USER},  # an authenticator without audiences
        {"authenticated": True, "audiences": ["other"], "user": USER},
        {"authenticated": True, "audiences": ["avouch"], "user": {}},
    ],
)
async def test_an_answer_that_does_not_say_yes_for_our_audience_is_a_no(
    api: Api, reviews: tokens.TokenReviews, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any]
) -> None:
    async def answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"status": status}

    monkeypatch.setattr(api, "post", answer)
    with pytest.raises(errors.Unauthenticated):
        await reviews.review(GOOD, "avouch")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\u00e4",
        "x" * 17_000,
        "nobody",
        "a.b.c",
        "YQ.W10.YQ",  # a list
        "YQ." + base64.urlsafe_b64encode(b"[" * 10_000).decode().rstrip("=") + ".YQ",
        token("for another", "https://kubernetes.default.svc"),
        token("like ours", "avouch.example.com"),
    ],
)
async def test_what_can_be_no_token_for_us_is_not_asked_about(
    api: Api, reviews: tokens.TokenReviews, text: str
) -> None:
    with pytest.raises(errors.Unauthenticated):
        await reviews.review(text, "avouch")
    assert api.asked == 0


async def test_only_so_many_tokens_are_asked_about_at_a_time_and_each_once(api: Api) -> None:
    under_way, most, go_on = 0, 0, asyncio.Event()

    async def slowly(path: str, body: dict[str, Any]) -> dict[str, Any]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await go_on.wait()
        under_way -= 1
        return await Api.post(api, path, body)

    api.post = slowly  # type: ignore[method-assign]
    reviews = tokens.TokenReviews(api, at_once=2)  # type: ignore[arg-type]
    asked = [asyncio.create_task(reviews.review(token(f"nobody {n % 5}"), "avouch")) for n in range(20)]
    while most < 2:
        await asyncio.sleep(0)
    go_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {errors.Unauthenticated}
    assert (most, api.asked) == (2, 5)  # five tokens, twenty requests


async def test_a_token_whose_turn_does_not_come_is_told_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(path: str, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    api.post = never  # type: ignore[method-assign]
    monkeypatch.setattr(tokens, "_PATIENCE", 0.01)
    reviews = tokens.TokenReviews(api, at_once=1)  # type: ignore[arg-type]
    holding = asyncio.create_task(reviews.review(GOOD, "avouch"))
    await asyncio.sleep(0)  # it has its turn
    with pytest.raises(errors.Overloaded):
        await reviews.review(NEW, "avouch")
    holding.cancel()


async def test_no_more_answers_are_kept_than_fit(api: Api, clock: Monotonic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MOST", 2)
    reviews = tokens.TokenReviews(api, clock)  # type: ignore[arg-type]
    known = [token(name) for name in "abc"]
    api.good |= {(one, "avouch") for one in known}
    for one in known:
        await reviews.review(one, "avouch")
    await reviews.review(known[2], "avouch")
    assert api.asked == 3
    await reviews.review(known[0], "avouch")
    assert api.asked == 4
