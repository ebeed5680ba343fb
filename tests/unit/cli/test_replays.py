"""`avouch contract replay`: what stands in the status of the Contract, once it is there."""

import json
from typing import Any

from tests.unit.cli import line

EXAMPLE = {
    "namespace": "team", "workflow": "api", "run": "api-1", "verdict": "Failed", "reason": "MaterialMissing",
    "message": "scan was not collected",
}  # fmt: skip
REPLAY = {"revision": 2, "at": "2026-01-01T00:00:00Z", "message": "of the last 2 runs 1 would have failed",
          "replayed": 2, "wouldFail": 1, "wouldPass": 0, "unknown": 0, "examples": [EXAMPLE]}  # fmt: skip


class Cluster:
    """A Contract whose status is another one each time that it is looked at; the last one stays."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses = list(statuses)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        assert (kind, name) == ("contracts.chainloop.dev", "evidence")
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"metadata": {"name": name, "generation": 4}, "status": status}


def replay(cluster: Cluster, *arguments: str) -> line.Answer:
    return line.run("contract", "replay", "evidence", *arguments, adapters=line.Adapters(cluster=cluster))


def test_it_waits_until_the_newest_revision_was_replayed() -> None:
    old = {"observedGeneration": 3, "revision": 1}
    waits = {"observedGeneration": 4, "revision": 2, "replay": {**REPLAY, "revision": 1}}
    done = {"observedGeneration": 4, "revision": 2, "replay": REPLAY}
    answer = replay(Cluster(old, waits, done))
    assert answer.code == 0
    assert answer.out.splitlines()[0] == "revision 2: of the last 2 runs 1 would have failed"
    assert "team  " in answer.out
    assert "MaterialMissing" in answer.out
    assert json.loads(replay(Cluster(done), "-o", "json").out) == REPLAY


def test_where_nobody_replays_it_says_where_to_look_and_fails() -> None:
    answer = replay(Cluster({"observedGeneration": 4, "revision": 2}), "--timeout", "3")
    assert answer.code != 0
    assert "is avouch's worker running?" in answer.err


def test_a_contract_of_one_revision_has_nothing_to_replay() -> None:
    answer = replay(Cluster({"observedGeneration": 4, "revision": 1}))
    assert answer.code != 0
    assert "one revision only" in answer.err
