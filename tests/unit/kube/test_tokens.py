"""A token's user is remembered for ten seconds, for the audience that was asked about; a no never is."""

from typing import Any

import pytest

from avouch import errors
from avouch.kube import tokens

USER = {"username": "system:serviceaccount:shop:builder"}


class Api:
    """The API server: which tokens are good, each for one audience."""

    def __init__(self) -> None:
        self.good = {("good", "avouch")}
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
        assert await reviews.review("good", "avouch") == USER
    assert api.asked == 1
    api.good.clear()
    clock.now += tokens.KEPT
    with pytest.raises(errors.Unauthenticated):
        await reviews.review("good", "avouch")


async def test_a_yes_for_one_audience_is_none_for_another(reviews: tokens.TokenReviews) -> None:
    await reviews.review("good", "avouch")
    with pytest.raises(errors.Unauthenticated):
        await reviews.review("good", "https://kubernetes.default.svc")


async def test_a_no_is_asked_again(api: Api, reviews: tokens.TokenReviews) -> None:
    with pytest.raises(errors.Unauthenticated):
        await reviews.review("new", "avouch")
    api.good.add(("new", "avouch"))
    assert await reviews.review("new", "avouch") == USER


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
        await reviews.review("good", "avouch")


@pytest.mark.parametrize("token", ["", "\u00e4", "x" * 17_000])
async def test_what_can_be_no_token_is_not_asked_about(api: Api, reviews: tokens.TokenReviews, token: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        await reviews.review(token, "avouch")
    assert api.asked == 0


async def test_no_more_answers_are_kept_than_fit(
    api: Api, reviews: tokens.TokenReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MOST", 2)
    names = ["a", "b", "c"]
    api.good |= {(name, "avouch") for name in names}
    for name in names:
        await reviews.review(name, "avouch")
    await reviews.review("c", "avouch")
    assert api.asked == 3
    await reviews.review("a", "avouch")
    assert api.asked == 4
