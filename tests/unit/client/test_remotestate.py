from typing import Any

import pytest

from avouch import errors
from avouch.client import connection, remotestate
from avouch.crafting import state
from tests.crafting import builders, server


@pytest.fixture
def kept(link: connection.Connection, memory: server.Memory, time: Any) -> remotestate.RemoteState:
    memory.runs[builders.RUN] = {"verdict": "Pending"}
    found = remotestate.RemoteState(link, builders.RUN, time.clock())
    found.create(builders.begun())
    return found


def noted(found: state.State) -> state.State:
    return found._replace(env={**found.env, "A": "1"})


def test_a_change_by_others_is_read_again_and_the_step_applied_to_it(
    kept: remotestate.RemoteState, memory: server.Memory
):
    calls = []

    def step(found: state.State) -> state.State:
        calls.append(found)
        if len(calls) == 1:
            memory.states[builders.RUN] = state.write(builders.begun(env={"B": "2"}))
        return noted(found)

    assert kept.change(step).env == {"A": "1", "B": "2"}
    assert kept.load().env == {"A": "1", "B": "2"}


def test_others_who_never_stop_end_in_an_error(kept: remotestate.RemoteState, memory: server.Memory, time: Any):
    def step(found: state.State) -> state.State:
        memory.states[builders.RUN] = state.write(found._replace(env={"B": f"{len(memory.requests)}"}))
        return noted(found)

    with pytest.raises(errors.Conflict, match="20 times in a row"):
        kept.change(step)
    assert sum(time.waits) < remotestate.TRIES * 4


def test_a_change_whose_answer_was_lost_is_not_applied_twice(kept: remotestate.RemoteState, memory: server.Memory):
    memory.failures = [server.Failure(matching="^PUT", after=0)]
    calls = []

    def step(found: state.State) -> state.State:
        calls.append(found)
        return noted(found)

    kept.change(step)
    assert kept.load().env == {"A": "1"}


def test_a_first_state_whose_answer_was_lost_is_recognised(
    link: connection.Connection, memory: server.Memory, time: Any
):
    memory.runs[builders.RUN] = {"verdict": "Pending"}
    found = remotestate.RemoteState(link, builders.RUN, time.clock())
    memory.states[builders.RUN] = state.write(builders.begun())
    found.create(builders.begun())


def test_a_state_that_the_server_finds_too_large_is_told(kept: remotestate.RemoteState, memory: server.Memory):
    memory.failures = [server.Failure(413, matching="^PUT")]
    with pytest.raises(errors.TooLarge):
        kept.change(noted)
