"""The webhook: always 200 and allowed, with a patch or a reason, over the real planner."""

import asyncio
import base64
import json
import logging
import threading
import types
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from avouch import errors
from avouch.admission import app
from avouch.admission import review as reviews
from avouch.controlplane.intake import injection as injection_planning
from avouch.controlplane.intake import trial
from avouch.tekton import injection, labels, pod
from tests.unit.tekton import pods


class Planner:
    """Answers what it is told to."""

    def __init__(self, answer: injection_planning.Decision | Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def plan_for(self, namespace: str, created: Mapping[str, Any]) -> injection_planning.Decision:
        self.asked.append((namespace, created))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        assert self.answer is not None
        return self.answer


def inject(*warnings: str) -> injection_planning.Planned:
    shape = pod.read(pods.pod())
    assert isinstance(shape, pod.Shape)
    return injection_planning.Planned(injection.Injection(shape, (pods.a_plan(),), {}), warnings)


def review(operation: str = "CREATE", kind: str = "Pod") -> dict[str, Any]:
    request = {"uid": "u-1", "kind": {"kind": kind}, "operation": operation, "namespace": "ns", "object": pods.pod()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def post(
    planner: Planner, body: bytes | AsyncIterator[bytes], seconds: float = 5
) -> tuple[dict[str, Any], list[str]]:
    counted: list[str] = []
    admission = app.PodAdmission(planner, lambda: pods.SETTINGS, counted.append, seconds, suffix=lambda: "0123abcd")
    transport = httpx.ASGITransport(app=Starlette(routes=admission.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch") as client:
        answer = await client.post(app.PATH, content=body)
    assert answer.status_code == 200
    document = answer.json()
    assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert document["response"]["allowed"] is True
    return document["response"], counted


async def test_a_pod_that_is_worth_it_gets_the_patch() -> None:
    planner = Planner(inject("workspace x is not collected: a block volume"))
    response, counted = await post(planner, json.dumps(review()).encode())
    assert response["uid"] == "u-1"
    assert response["patchType"] == "JSONPatch"
    paths = [change["path"] for change in json.loads(base64.b64decode(response["patch"]))]
    assert paths == ["/spec/initContainers/-", "/spec/volumes/-"]
    assert response["warnings"] == ["avouch: workspace x is not collected: a block volume"]
    assert (counted, planner.asked[0][0]) == (["Injected"], "ns")


@pytest.mark.parametrize(
    ("reason", "warned"),
    [(pod.Reason.QUOTA, True), (pod.Reason.SHAPE, True), (pod.Reason.NOT_NEEDED, False), (pod.Reason.NEVER, False)],
)
async def test_a_pod_left_alone_says_why_where_somebody_could_wonder(reason: pod.Reason, warned: bool) -> None:
    response, counted = await post(Planner(pod.Refusal(reason, "because")), json.dumps(review()).encode())
    assert "patch" not in response
    assert ("because" in str(response.get("warnings"))) is warned
    assert counted == [reason.value]


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (errors.Unavailable("the database is away"), "the database is away"),
        (RuntimeError("password=secret"), "internal error"),
    ],
)
async def test_a_failure_of_ours_is_logged_counted_and_admitted(
    failure: Exception, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        response, counted = await post(Planner(failure), json.dumps(review()).encode())
    assert shown in response["warnings"][0]
    assert "password" not in response["warnings"][0]
    assert counted == ["Error"]
    (told,) = caplog.records
    assert (told.exc_info is not None) is isinstance(failure, RuntimeError)


@pytest.mark.parametrize("seconds", [5, 0.01])
async def test_an_overload_is_one_line_of_the_log(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    planner = Planner(errors.Overloaded("too many pods") if seconds == 5 else None)
    with caplog.at_level(logging.INFO):
        await post(planner, json.dumps(review()).encode(), seconds)
    told = [record for record in caplog.records if record.name.startswith("avouch")]
    assert [record.levelname for record in told] == ["WARNING"]
    assert told[0].exc_info is None
    why = "too many pods" if seconds == 5 else "no answer in time"
    assert told[0].getMessage() == f"a pod of TaskRun ns/build is admitted without a sidecar: {why}"


async def test_a_pod_of_nobody_is_named_by_its_namespace(caplog: pytest.LogCaptureFixture) -> None:
    asked = review()
    del asked["request"]["object"]["metadata"]["ownerReferences"]
    with caplog.at_level(logging.WARNING):
        await post(Planner(errors.Unavailable("away")), json.dumps(asked).encode())
    assert caplog.messages == ["a pod in namespace ns is admitted without a sidecar: away"]


async def test_an_answer_that_would_take_too_long_is_no_sidecar() -> None:
    response, counted = await post(Planner(None), json.dumps(review()).encode(), seconds=0.01)
    assert "no answer in time" in response["warnings"][0]
    assert (counted, response["uid"]) == (["Error"], "u-1")


async def test_a_review_that_never_ends_is_answered_in_time_and_holds_nothing() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    planner = Planner(inject())
    async with asyncio.timeout(5):
        response, counted = await post(planner, endless(), seconds=0.01)
    assert "no answer in time" in response["warnings"][0]
    assert (counted, planner.asked) == (["Error"], [])


async def test_only_creation_is_looked_at() -> None:
    planner = Planner(inject())
    response, _ = await post(planner, json.dumps(review("UPDATE")).encode())
    assert "patch" not in response
    assert not planner.asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"apiVersion":"admission.k8s.io/v1beta1"}',
        json.dumps(review(kind="Job")).encode(),
        json.dumps(review()).replace('"u-1"', '""').encode(),
        b"[" * 9999,
    ],
)
async def test_what_is_no_review_of_a_pod_is_allowed_all_the_same(body: bytes) -> None:
    response, counted = await post(Planner(inject()), body)
    assert "patch" not in response
    assert counted == ["Error"]


async def test_a_review_of_more_parts_than_any_pod_has_is_never_built(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bytes] = []
    never = types.SimpleNamespace(loads=lambda body: loaded.append(body) or {}, dumps=json.dumps)
    monkeypatch.setattr(reviews, "json", never)
    body = b'{"request": {"uid": "u-1", "object": [' + b",".join([b"{}"] * (reviews.MAX_ITEMS // 2)) + b"]}}"
    response, counted = await post(Planner(inject()), body)
    assert (response["uid"], counted, loaded) == ("", ["Error"], [])
    assert "more than 200000 parts" in response["warnings"][0]


def test_a_review_of_as_many_parts_as_may_be_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(review()).encode()
    monkeypatch.setattr(reviews, "MAX_ITEMS", sum(map(body.count, (b",", b"{", b"["))))
    assert reviews.read(body).uid == reviews.uid_of(body) == "u-1"
    monkeypatch.setattr(reviews, "MAX_ITEMS", reviews.MAX_ITEMS - 1)
    assert reviews.uid_of(body) == ""


def test_the_namespace_of_a_review_is_that_of_the_request_whatever_the_pod_says() -> None:
    asked = review()
    asked["request"]["object"]["metadata"]["namespace"] = "of the pod"
    assert reviews.read(json.dumps(asked).encode()).namespace == "ns"
    del asked["request"]["namespace"]
    assert reviews.read(json.dumps(asked).encode()).namespace == "of the pod"


def test_no_warning_is_so_long_that_the_api_server_cuts_off_another() -> None:
    response: Any = reviews.allow("u-1", warnings=["w" * 9999])["response"]
    assert [len(each) for each in response["warnings"]] == [reviews.MAX_WARNING]


async def test_large_reviews_are_read_in_a_thread_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    read, reading = reviews.read, threading.Semaphore(1)

    def noted(body: bytes) -> reviews.PodRequest:
        assert reading.acquire(blocking=False), "two at once"
        threads.append(threading.current_thread().name)
        try:
            return read(body)
        finally:
            reading.release()

    monkeypatch.setattr(reviews, "read", noted)
    asked = review()
    asked["request"]["object"]["metadata"]["annotations"] = {"long": "x" * app.IN_LOOP}
    admission = app.PodAdmission(Planner(inject()), lambda: pods.SETTINGS)
    transport = httpx.ASGITransport(app=Starlette(routes=admission.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch") as client:
        bodies = [json.dumps(one).encode() for one in (asked, asked, review())]
        answers = await asyncio.gather(*(client.post(app.PATH, content=body) for body in bodies))
    assert [answer.json()["response"]["uid"] for answer in answers] == ["u-1"] * 3
    assert sorted(name == threading.main_thread().name for name in threads) == [False, False, True]


async def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    response, counted = await post(Planner(inject()), b" " * (app.MAX_BODY + 1))
    assert "over" in response["warnings"][0]
    assert counted == ["Error"]


async def unended(size: int, begun: list[int]) -> AsyncIterator[bytes]:
    """A body of which all but the last byte arrives."""
    yield b"[" * size
    begun.append(size)
    await asyncio.Event().wait()


async def test_bodies_that_never_end_hold_no_more_than_their_budget_and_give_it_back() -> None:
    budget, begun = app.BodyBudget(size=1000), list[int]()
    admission = app.PodAdmission(Planner(inject()), lambda: pods.SETTINGS, seconds=0.2, budget=budget)
    transport = httpx.ASGITransport(app=app.create(admission))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch") as client:
        asked = [asyncio.create_task(client.post(app.PATH, content=unended(400, begun))) for _ in range(2)]
        while len(begun) < 2:
            await asyncio.sleep(0)
        refused = (await client.post(app.PATH, content=json.dumps(review()))).json()["response"]
        assert (refused["allowed"], refused["warnings"]) == (
            True, ["avouch: no sidecar was injected: too many AdmissionReviews are read at once"],
        )  # fmt: skip
        assert {"no answer in time" in (await one).json()["response"]["warnings"][0] for one in asked} == {True}
    assert budget.free == 1000


async def test_only_so_many_pods_are_planned_at_a_time() -> None:
    at_once, most = 0, 0

    class Counting(Planner):
        async def plan_for(self, namespace: str, created: Mapping[str, Any]) -> injection_planning.Decision:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            for _ in range(50):  # others have their turn
                await asyncio.sleep(0)
            at_once -= 1
            return await super().plan_for(namespace, created)

    planner = Counting(inject())
    admission = app.PodAdmission(planner, lambda: pods.SETTINGS, places=asyncio.Semaphore(2))
    transport = httpx.ASGITransport(app=app.create(admission))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch") as client:
        answers = await asyncio.gather(*(client.post(app.PATH, content=json.dumps(review())) for _ in range(5)))
    assert ["patch" in one.json()["response"] for one in answers] == [True] * 5
    assert (most, len(planner.asked)) == (2, 5)


def test_the_webhook_is_all_that_its_port_answers() -> None:
    admission = app.PodAdmission(Planner(), lambda: pods.SETTINGS)
    assert [(one.path, one.methods) for one in app.create(admission).routes] == [(app.PATH, {"POST"})]  # type: ignore[attr-defined]


async def test_a_trial_of_our_own_is_answered_at_once_and_asks_for_no_other() -> None:
    planner = Planner(inject())
    asked = review()
    asked["request"]["dryRun"] = True
    asked["request"]["object"]["metadata"]["annotations"] = {trial.MARK: "true"}
    document, counted = await post(planner, json.dumps(asked).encode())
    assert (counted, planner.asked) == (["Trial"], [])
    assert "patch" not in document


async def test_the_mark_of_a_trial_keeps_the_sidecar_out_of_no_real_pod() -> None:
    asked = review()
    asked["request"]["object"]["metadata"]["annotations"] = {trial.MARK: "true"}
    document, counted = await post(Planner(inject()), json.dumps(asked).encode())
    assert counted == ["Injected"]
    assert "patch" in document


class Teller:
    """Remembers what was told, and about which TaskRun."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    async def not_injected(self, namespace: str, owner: labels.Owner, why: str) -> None:
        self.told.append((namespace, owner.name, why))


@pytest.mark.parametrize(
    ("reason", "dry_run", "told"),
    [
        (pod.Reason.LIMITS, False, True),
        (pod.Reason.POD_RESOURCES, False, True),
        (pod.Reason.POLICY, False, True),
        (pod.Reason.POLICY, True, False),
        (pod.Reason.QUOTA, False, False),  # the controller says it of the whole run
        (pod.Reason.NOT_NEEDED, False, False),
    ],
)
async def test_why_this_very_pod_got_no_sidecar_is_told_of_its_taskrun(
    reason: pod.Reason, dry_run: bool, told: bool
) -> None:
    teller, asked = Teller(), review()
    asked["request"]["dryRun"] = dry_run
    why = "what a policy says, " * 20 + "and its own last words"  # the warning is cut, and the Event is not
    planner = Planner(pod.Refusal(reason, why))
    admission = app.PodAdmission(planner, lambda: pods.SETTINGS, teller=teller)
    transport = httpx.ASGITransport(app=Starlette(routes=admission.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch") as client:
        await client.post(app.PATH, content=json.dumps(asked).encode())
    assert teller.told == ([("ns", "build", f"{reason}: {why}")] if told else [])
