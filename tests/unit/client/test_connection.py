"""Retries and their ends, against a real server over TLS."""

from collections.abc import Callable
from typing import Any

import pytest

from avouch import errors
from avouch.client import access, connection, ingest
from avouch.crafting import run as crafting_run
from tests.crafting import builders, server

RUN = crafting_run.RunRequest(builders.RUN)


def opened(api: ingest.Ingest) -> Any:
    return api.open("skynet", "build-small", RUN)


def test_a_run_is_opened_once_whoever_asks_twice(api: ingest.Ingest, memory: server.Memory):
    assert opened(api) == opened(api)
    assert list(memory.runs) == [builders.RUN]


def test_one_connection_serves_many_requests(api: ingest.Ingest, link: connection.Connection):
    opened(api)
    kept = link._link._open
    api.run(builders.RUN)
    assert link._link._open is kept


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(api: ingest.Ingest, memory: server.Memory, time: Any, status: int):
    memory.failures = [server.Failure(status), server.Failure(status)]
    assert opened(api).id == builders.RUN
    assert len(time.waits) == 2


def test_retry_after_is_honoured_to_the_second(api: ingest.Ingest, memory: server.Memory, time: Any):
    memory.failures = [server.Failure(429, {"Retry-After": "7"}), server.Failure(503, {"Retry-After": "3"})]
    opened(api)
    assert time.waits == [7.0, 3.0]


def test_a_server_that_asks_for_more_time_than_there_is_is_believed_at_once(
    api: ingest.Ingest, memory: server.Memory, time: Any
):
    memory.failures = [server.Failure(503, {"Retry-After": "3000"})]
    with pytest.raises(errors.Overloaded, match="503"):
        opened(api)
    assert time.waits == []


def test_whoever_waits_is_told_once_after_two_seconds(memory: server.Memory, time: Any):
    told: list[str] = []
    to = access.resolve(access.Login(memory.url, server.TOKEN, memory.ca), {}, access.Login())
    link = connection.Connection(to, "avouch-test", time.clock(), told.append)
    memory.failures = [server.Failure(503, {"Retry-After": "1"}) for _ in range(5)]
    opened(ingest.Ingest(link))
    assert len(told) == 1
    assert "503" in told[0]
    assert "trying again, 3 more times" in told[0]  # two waits of a second were within the time without a word
    memory.failures = [server.Failure(503, {"Retry-After": "1"})]
    opened(ingest.Ingest(link))
    assert len(told) == 1
    link.close()


def test_tries_end(api: ingest.Ingest, memory: server.Memory, time: Any):
    memory.failures = [server.Failure(503) for _ in range(50)]
    with pytest.raises(errors.Overloaded):
        opened(api)
    assert len(memory.requests) == connection.TRIES
    assert sum(time.waits) <= connection.LONGEST_WAIT * connection.TRIES


def test_what_has_evidence_to_lose_outlasts_a_server_that_is_replaced(
    api: ingest.Ingest, memory: server.Memory, time: Any
):
    opened(api)
    memory.failures = [server.Failure(503) for _ in range(connection.PATIENT - 1)]
    assert api.run(builders.RUN).id == builders.RUN
    assert 30 <= sum(time.waits) <= connection.TOTAL
    memory.failures = [server.Failure(503) for _ in range(50)]
    with pytest.raises(errors.Overloaded):
        api.run(builders.RUN)


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (400, errors.Invalid),
        (401, errors.Unauthenticated),
        (403, errors.Denied),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (422, errors.Invalid),
        (418, errors.Invalid),
        (301, errors.Invalid),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    api: ingest.Ingest, memory: server.Memory, time: Any, status: int, family: type[Exception]
):
    memory.failures = [server.Failure(status, body={"title": "no", "detail": "because", "fix": "do this"})]
    with pytest.raises(family, match="no: because"):
        opened(api)
    assert len(memory.requests) == 1
    assert time.waits == []


def test_a_failed_step_of_verification_keeps_its_name(api: ingest.Ingest, memory: server.Memory):
    memory.failures = [server.Failure(422, body={"title": "no", "step": "9 signature"})]
    with pytest.raises(errors.NotVerified, match="9 signature"):
        opened(api)


def test_a_wrong_token_is_told_with_the_fix(connect: Callable[..., connection.Connection]):
    with pytest.raises(errors.Unauthenticated, match="AVOUCH_TOKEN"):
        opened(ingest.Ingest(connect(token="wrong")))  # noqa: S106


def test_a_server_that_hangs_up_is_tried_again(api: ingest.Ingest, memory: server.Memory, time: Any):
    memory.failures = [server.Failure(), server.Failure()]
    opened(api)
    assert len(time.waits) == 2


def test_an_answer_that_breaks_off_is_asked_for_again_and_not_believed(api: ingest.Ingest, memory: server.Memory):
    memory.failures = [server.Failure(after=20)]
    assert opened(api).id == builders.RUN
    assert len(memory.requests) == 2


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(
    api: ingest.Ingest, memory: server.Memory, time: Any
):
    opened(api)
    memory.failures = [server.Failure()]
    opened(api)
    assert time.waits == []


def test_a_server_with_another_ca_is_never_talked_to(
    connect: Callable[..., connection.Connection], memory: server.Memory, time: Any
):
    other = server.Memory(memory.plan).issuer.certificate_pem.decode()
    with pytest.raises(errors.Unavailable, match="AVOUCH_CA"):
        opened(ingest.Ingest(connect(ca=other)))
    assert memory.requests == []
    assert time.waits == []


def test_a_server_that_is_not_there_is_given_up_in_bounded_time(time: Any):
    to = access.resolve(access.Login("https://127.0.0.1:1", "t"), {}, access.Login())
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        opened(ingest.Ingest(connection.Connection(to, "avouch-test", time.clock())))
    assert 0 < time.now <= connection.TOTAL


def test_an_answer_that_is_not_json_is_no_server_of_ours(api: ingest.Ingest, memory: server.Memory):
    memory.failures = [server.Failure(200, body={})]
    with pytest.raises(errors.Invalid):
        opened(api)


def test_the_token_is_in_no_error(connect: Callable[..., connection.Connection], memory: server.Memory):
    link = connect()
    memory.failures = [server.Failure(403)]
    with pytest.raises(errors.Denied) as caught:
        opened(ingest.Ingest(link))
    assert server.TOKEN not in f"{caught.value} {link.to!r} {RUN!r}"
