"""What a change would have done to past runs, on a real API server: in the status and an Event, and Ready stays."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from avouch.controlplane.model import replays as model
from avouch.store import database, replays
from tests.api import installed
from tests.api.test_controller import Bench

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

EXAMPLE = model.Example("team", "api", "api-1", "Failed", "MaterialMissing", "scan was not collected")
RESULT = model.Result(replayed=50, would_fail=7, would_pass=1, unknown=2, examples=(EXAMPLE,))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with installed.bench(tmp_path_factory.mktemp("replays")) as bench:
        yield bench


def contract(namespace: str, *materials: str) -> str:
    spec = {"materials": [{"name": name, "type": "SARIF"} for name in materials]}
    named = {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Contract",
        "metadata": {"name": "evidence", "namespace": namespace},
    }
    return json.dumps({**named, "spec": spec})


def settled(bench: Bench) -> model.Asked:
    """A worker's part, as the worker's role in the database."""

    async def settle() -> model.Asked:
        async with database.Database(bench.database.url_of("worker")) as opened:
            asked = await replays.Replays(opened).take()
            assert asked is not None
            assert await replays.Replays(opened).wanted(asked)
            assert await replays.Replays(opened).runs(asked, 50) == []
            await replays.Replays(opened).settle(asked, RESULT)
            return asked

    return asyncio.run(settle())


def test_a_changed_contract_tells_what_it_would_have_done_and_stays_ready(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.apply(contract(namespace, "scan"))
        bench.ready("contract", "evidence", namespace)
        bench.api.apply(contract(namespace, "scan", "other"))
        bench.becomes(lambda: bench.get("contract", "evidence", namespace)["status"].get("revision"), 2)
        assert "replay" not in bench.get("contract", "evidence", namespace)["status"]
        asked = settled(bench)
        assert (asked.namespace, asked.name, asked.revision) == (namespace, "evidence", 2)
        bench.becomes(
            lambda: bench.get("contract", "evidence", namespace)["status"].get("replay", {}).get("wouldFail"), 7
        )
        told = bench.get("contract", "evidence", namespace)["status"]["replay"]
        assert (told["revision"], told["replayed"], told["wouldPass"], told["unknown"]) == (2, 50, 1, 2)
        assert [one["run"] for one in told["examples"]] == ["api-1"]
        assert bench.condition("contract", "evidence", namespace)["status"] == "True"

        def events() -> list[tuple[str, str]]:
            found = json.loads(bench.api.kubectl("get", "events", "-n", namespace, "-o", "json"))["items"]
            return [(one["type"], one["reason"]) for one in found if one["involvedObject"]["name"] == "evidence"]

        bench.becomes(lambda: ("Warning", "PastRunsWouldFail") in events(), True)
        bench.api.apply(contract(namespace, "scan", "other", "third"))
        bench.becomes(lambda: bench.get("contract", "evidence", namespace)["status"].get("revision"), 3)
        assert "replay" not in bench.get("contract", "evidence", namespace)["status"], "it was of another revision"
