"""What an API server says to a dry run, and what says nothing of the pod."""

import json
from collections.abc import Mapping

import pytest

from avouch import errors
from avouch.kube import connection, trials


class Api:
    """Answers every request alike, and remembers it."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = connection.Answer(status, body)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str], body: tuple[str, bytes], patience: float
    ) -> connection.Answer:
        assert (json.loads(body[1]), patience < 1) == ({"kind": "Pod"}, True)
        self.asked.append((method, path, query))
        return self.answer


async def refusal(api: Api) -> str:
    return await trials.PodTrials(api).refusal("shop", {"kind": "Pod"})  # type: ignore[arg-type]


async def test_a_trial_creates_nothing() -> None:
    api = Api(201, b"{}")
    assert await refusal(api) == ""
    assert api.asked == [("POST", "/api/v1/namespaces/shop/pods", {"dryRun": "All"})]


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_what_admission_refuses_is_said_in_its_words(status: int) -> None:
    assert (
        await refusal(Api(status, b'{"message": "images come from our registry"}')) == "images come from our registry"
    )
    assert await refusal(Api(status, b"not JSON")) == f"answered {status}"


@pytest.mark.parametrize("status", [404, 409, 429, 500, 503])
async def test_any_other_answer_says_nothing_of_the_pod(status: int) -> None:
    with pytest.raises(errors.Unavailable):
        await refusal(Api(status, b"{}"))
