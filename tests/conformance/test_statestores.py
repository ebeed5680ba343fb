"""Every place for a state keeps what `statestore.StateStore` promises: the same tests over a file and over a server."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avouch import clocks, errors
from avouch.client import access, connection, localstate, remotestate
from avouch.crafting import state, statestore
from tests.crafting import builders, server

Make = Callable[[], statestore.StateStore]
NO_WAIT = clocks.Clock(sleep=lambda _: None)


@pytest.fixture(params=["local", "remote"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Several keepers of one place, as several processes have them."""
    if request.param == "local":
        yield lambda: localstate.LocalState(tmp_path / "state.json", clock=clocks.Clock())
        return
    memory = server.Memory(builders.plan_of(builders.contract()))
    memory.runs[builders.RUN] = {"verdict": "Pending"}
    with server.serving(memory, tmp_path):
        to = access.resolve(access.Login(memory.url, server.TOKEN, memory.ca), {}, access.Login())
        links: list[connection.Connection] = []

        def remote() -> statestore.StateStore:
            links.append(connection.Connection(to, "test", NO_WAIT))
            return remotestate.RemoteState(links[-1], builders.RUN, NO_WAIT)

        yield remote
        for link in links:
            link.close()


def test_what_is_kept_is_loaded_by_others(make: Make):
    make().create(builders.begun())
    assert make().load() == builders.begun()


def test_nothing_is_there_before_and_after(make: Make):
    for _ in range(2):
        with pytest.raises(errors.NotFound, match="attestation init"):
            make().load()
        with pytest.raises(errors.NotFound):
            make().change(lambda found: found)
        make().create(builders.begun())
        make().remove()
        make().remove()  # nothing happens where there is none


def test_a_second_first_state_is_refused_unless_it_replaces(make: Make):
    other = builders.begun(annotations={"a": "b"})
    make().create(builders.begun())
    with pytest.raises(errors.Conflict, match="already initialized"):
        make().create(other)
    assert make().load() == builders.begun()
    make().create(other, replace=True)
    assert make().load() == other


def test_a_step_that_fails_changes_nothing(make: Make):
    def fails(found: state.State) -> state.State:
        raise errors.Invalid("no")

    make().create(builders.begun())
    with pytest.raises(errors.Invalid):
        make().change(fails)
    assert make().load() == builders.begun()


def test_of_many_steps_at_once_none_is_lost(make: Make):
    make().create(builders.begun())

    def add(name: str) -> None:
        store = make()
        store.change(lambda found: found._replace(annotations={**found.annotations, name: "x"}))

    threads = [threading.Thread(target=add, args=(f"a{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(make().load().annotations) == {f"a{i}" for i in range(8)}


def test_a_change_gives_back_what_is_kept_now(make: Make):
    make().create(builders.begun())
    given = make().change(lambda found: found._replace(env={"A": "1"}))
    assert given == make().load()
