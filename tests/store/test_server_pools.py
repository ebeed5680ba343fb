"""What kubectl reads takes no connection of pushes and admission, and they take none of its own."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from avouch import errors
from avouch.processes import certificates, listeners, settings
from avouch.processes import server as serving
from avouch.store import database
from tests import postgres

pytestmark = pytest.mark.postgres


class Listener:
    """Serves nobody until it is told to end."""

    def __init__(self, *_: object, **__: object) -> None:
        self.should_exit = False

    async def run_until_told(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(0)


async def exhaust(opened: database.Database, holding: contextlib.AsyncExitStack) -> None:
    """Hold every connection of its pool."""
    opened._engine.sync_engine.pool._timeout = 0  # type: ignore[attr-defined]  # who finds none is told at once
    with contextlib.suppress(errors.Unavailable):
        while True:
            await holding.enter_async_context(opened.transaction())


async def test_reads_of_kubectl_and_everything_else_have_connections_of_their_own(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(serving, "_learned", lambda *_: _true())
    monkeypatch.setattr(certificates, "Serving", lambda *_, **__: SimpleNamespace(context=None, watched=None))
    monkeypatch.setattr(listeners, "Listener", Listener)
    monkeypatch.setattr(serving.aggregated_app, "create", lambda api, _: made.append(api))
    config = settings.Server("avouch", "avouch/avouch-worker", server.url)
    stop, known = asyncio.Event(), asyncio.Event()
    async with database.Database(server.url) as pushing, contextlib.AsyncExitStack() as holding:
        adapters: Any = SimpleNamespace(database=pushing, cluster=None, trusted=None)
        running = asyncio.create_task(serving._serve_runs(config, adapters, stop, known))
        await known.wait()
        ask = {"limit": 1, "after": "", "filters": {}}
        await exhaust(pushing, holding)
        with pytest.raises(errors.Unavailable, match="no connection left"):
            await pushing.ping()
        assert (await made[0].views.page(None, **ask))[0] == []
        assert (await made[0].revisions.page(None, **ask))[0] == []
        await holding.aclose()
        await exhaust(made[0].views._database, holding)
        with pytest.raises(errors.Unavailable, match="no connection left"):
            await made[0].views.page(None, **ask)
        await pushing.ping()
        await holding.aclose()
        stop.set()
        await running


async def _true() -> bool:
    return True
