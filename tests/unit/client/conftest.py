from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from avouch import clocks
from avouch.client import access, connection, ingest
from tests.crafting import builders, server


@dataclass
class Time:
    """A clock that moves when somebody waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def clock(self) -> clocks.Clock:
        return clocks.Clock(self.monotonic, self.sleep)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[server.Memory]:
    with server.serving(server.Memory(builders.plan_of(builders.real_contract())), tmp_path) as found:
        yield found


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def connect(memory: server.Memory, time: Time) -> Iterator[Callable[..., connection.Connection]]:
    made: list[connection.Connection] = []

    def connected(token: str = server.TOKEN, ca: str = "") -> connection.Connection:
        to = access.resolve(access.Login(memory.url, token, ca or memory.ca), {}, access.Login())
        made.append(connection.Connection(to, "avouch-test", time.clock()))
        return made[-1]

    yield connected
    for each in made:
        each.close()


@pytest.fixture
def link(connect: Callable[..., connection.Connection]) -> connection.Connection:
    return connect()


@pytest.fixture
def api(link: connection.Connection) -> ingest.Ingest:
    return ingest.Ingest(link)
