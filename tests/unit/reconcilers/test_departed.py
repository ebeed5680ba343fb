"""TaskRuns that went before the record of their PipelineRun was taken."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch.reconcilers import departed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWNER, OTHER = ("team", "p-uid"), ("team", "q-uid")


def taskrun(name: str, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"{name}-uid"}}


def test_each_pipelinerun_gets_its_own_and_only_what_did_not_go_before() -> None:
    gone = departed.Departed()
    gone.keep(OWNER, taskrun("a"), NOW)
    gone.keep(OTHER, taskrun("a"), NOW)
    assert gone.of(OWNER, NOW) == [taskrun("a")]
    assert gone.of(OWNER, NOW + timedelta(seconds=1)) == []
    gone.forget(OWNER)
    assert (gone.of(OWNER, NOW), gone.of(OTHER, NOW)) == ([], [taskrun("a")])


def test_of_two_taskruns_of_one_name_the_later_one_is_kept() -> None:
    gone = departed.Departed()
    for uid in ("first", "second"):
        gone.keep(OWNER, taskrun("a", uid), NOW)
    assert gone.of(OWNER, NOW) == [taskrun("a", "second")]


def test_what_went_last_is_what_stays_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "_MOST", 2)
    gone = departed.Departed()
    for name in ("a", "b", "a", "c"):
        gone.keep(OWNER, taskrun(name), NOW)
    assert gone.of(OWNER, NOW) == [taskrun("a"), taskrun("c")]
