from typing import Any

import pytest

from avouch import errors
from avouch.kube import events, resources, status


class Api:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def apply(self, resource: Any, body: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        self.calls.append(("apply", body))
        return body

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(("create", body))
        return body

    async def merge(self, resource: Any, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(("merge", body))
        return body


def ready(state: str, at: str = "") -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": state,
        "reason": "R",
        "message": "m",
        **({"lastTransitionTime": at} if at else {}),
    }


def contract(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c", "namespace": "n"}, "status": status}


async def test_a_status_that_says_the_same_is_not_written() -> None:
    api = Api()
    current = contract(observedGeneration=1, conditions=[ready("True", "old")])
    writer = status.StatusWriter(api)
    desired = {"observedGeneration": 1, "conditions": [ready("True")]}
    assert await writer.write(resources.CONTRACTS, current, desired, "now") is None
    assert api.calls == []


async def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    api = Api()
    writer = status.StatusWriter(api)
    current = contract(observedGeneration=1, conditions=[ready("True", "old")])
    kept = await writer.write(
        resources.CONTRACTS, current, {"observedGeneration": 2, "conditions": [ready("True")]}, "now"
    )
    flipped = await writer.write(
        resources.CONTRACTS, current, {"observedGeneration": 2, "conditions": [ready("False")]}, "now"
    )
    assert kept is not None
    assert flipped is not None
    assert kept["status"]["conditions"][0]["lastTransitionTime"] == "old"
    assert flipped["status"]["conditions"][0]["lastTransitionTime"] == "now"


async def test_a_field_that_is_no_longer_true_is_taken_back() -> None:
    api = Api()
    current = contract(observedGeneration=1, conditions=[ready("True", "old"), {"type": "Stalled", "status": "True"}])
    desired = {"observedGeneration": 1, "conditions": [ready("True")]}
    written = await status.StatusWriter(api).write(resources.CONTRACTS, current, desired, "now")
    assert written is not None
    assert [c["type"] for c in written["status"]["conditions"]] == ["Ready"]


OBJ = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}}


async def test_a_repeated_event_becomes_a_series() -> None:
    api = Api()
    recorder = events.Recorder(api, "i", fallback_namespace="default", clock=lambda: 0.0)
    for _ in range(3):
        await recorder.record(OBJ, events.Event("Stuck", "words"))
    assert [verb for verb, _ in api.calls] == ["create", "merge", "merge"]
    assert api.calls[-1][1]["series"]["count"] == 3


async def test_a_talkative_object_is_silenced_after_25_events() -> None:
    api = Api()
    recorder = events.Recorder(api, "i", fallback_namespace="default", clock=lambda: 0.0)
    for number in range(100):
        await recorder.record(OBJ, events.Event("Stuck", f"words {number}"))
    assert len(api.calls) == 25


@pytest.mark.parametrize("once", [True, False])
async def test_what_is_told_once_is_not_told_again_by_the_next_process(once: bool) -> None:
    there: set[str] = set()

    class Server(Api):
        async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
            if body["metadata"]["name"] in there:
                raise errors.Conflict("it exists")
            there.add(body["metadata"]["name"])
            return body

    regarding = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}}
    for instance in ("one", "two"):
        recorder = events.Recorder(Server(), instance, fallback_namespace="default")
        await recorder.record(regarding, events.Event("R", "note", once=once))
    assert len(there) == (1 if once else 2)


async def test_the_same_name_of_two_events_is_a_failure_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Full(Api):
        async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
            raise errors.Conflict("it exists")

    regarding = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}}
    recorder = events.Recorder(Full(), "i", fallback_namespace="default")
    await recorder.record(regarding, events.Event("R", "note", once=True))
    assert caplog.messages == []
    await recorder.record(regarding, events.Event("R", "note"))
    assert caplog.messages == ["cannot record Event R: it exists"]
