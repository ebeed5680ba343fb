"""The real OPA, compiled from the module that the image's is compiled from."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from avouch.opa import engine, launching, program
from tests.cluster import binaries
from tests.cluster.errors import Impossible


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Names the program, as AVOUCH_OPA does."""
    try:
        return {"AVOUCH_OPA": str(binaries.binary("opa"))}
    except Impossible as exc:
        pytest.skip(str(exc))


@pytest.fixture
async def opa(environment: dict[str, str]) -> program.Program:
    """With limits that a test can wait for."""
    return await program.found(
        environment, launching.Limits(seconds=5.0, memory=512 * launching.MIB, answer=launching.MIB)
    )


def finding(opa: program.Program) -> Callable[[], Awaitable[program.Program]]:
    """Finds this program."""

    async def find() -> program.Program:
        return opa

    return find


@pytest.fixture
async def running(opa: program.Program) -> AsyncIterator[engine.Engine]:
    made = engine.Engine(finding(opa))
    yield made
    await made.close()
