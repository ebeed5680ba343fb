"""Files of policies on the web, over a real PostgreSQL: asked for by the controller, fetched by workers."""

import asyncio
import uuid

import psycopg
import pytest

from avouch import errors
from avouch.controlplane.model import fetches as model
from avouch.store import database, fetches
from tests import postgres

pytestmark = pytest.mark.postgres

EPOCH = 2_000_000
URL = "https://policies.example/{}.yaml"
PINNED = f"{URL.format('pinned')}@sha256:{'0' * 64}"


def a_namespace() -> str:
    return f"uid-{uuid.uuid4()}"


def later(server: postgres.Postgres, seconds: float) -> None:
    """Let so much time pass for what is recorded."""
    with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as connection:
        moved = "asked_at = asked_at - %(by)s * interval '1 s', next_try = next_try - %(by)s * interval '1 s'"
        connection.execute(f"UPDATE policy_fetches SET {moved}".encode(), {"by": seconds})  # noqa: S608


def until_the_next_try(server: postgres.Postgres) -> float:
    """Seconds, where one file is asked for."""
    with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as connection:
        found = connection.execute(b"SELECT extract(epoch FROM next_try - now())::float FROM policy_fetches").fetchall()
        return float(found[0][0])


async def ask(store: fetches.Fetches, namespace: str, *references: str) -> dict[str, model.Fetched]:
    return dict(await store.ask(namespace, frozenset(references), epoch=EPOCH))


async def test_what_is_asked_for_is_fetched_once_and_there_for_who_asks_again(opened: database.Database) -> None:
    store, mine, url = fetches.Fetches(opened), a_namespace(), URL.format("a")
    assert await ask(store, mine, url) == {url: model.Fetched()}
    assert await store.due(8) == [model.Asked(mine, url)]
    assert await store.due(8) == []  # somebody is at it
    await store.keep(model.Asked(mine, url), b"policy")
    assert await ask(store, mine, url) == {url: model.Fetched(b"policy")}
    assert await store.due(8) == []


async def test_no_namespace_sees_what_was_fetched_for_another(opened: database.Database) -> None:
    store, mine, other = fetches.Fetches(opened), a_namespace(), a_namespace()
    await ask(store, mine, PINNED)
    await store.keep(model.Asked(mine, PINNED), b"policy")
    assert await ask(store, other, PINNED) == {PINNED: model.Fetched()}


async def test_what_is_pinned_is_never_fetched_again_and_all_else_after_a_while(
    opened: database.Database, server: postgres.Postgres
) -> None:
    store, mine, url = fetches.Fetches(opened), a_namespace(), URL.format("a")
    await ask(store, mine, url, PINNED)
    for each in await store.due(8):
        await store.keep(each, b"policy")
    later(server, model.AGAIN.total_seconds() + 1)
    await ask(store, mine, url, PINNED)
    assert await store.due(8) == [model.Asked(mine, url)]
    later(server, 365 * 86400)
    await ask(store, mine, PINNED)
    assert await store.due(8) == []


async def test_what_fails_is_tried_again_less_and_less_often_and_forgotten_when_it_succeeds(
    opened: database.Database, server: postgres.Postgres
) -> None:
    store, mine, url = fetches.Fetches(opened), a_namespace(), URL.format("a")
    asked = model.Asked(mine, url)
    await ask(store, mine, url)
    waited = []
    for _ in range(9):
        await store.due(8)
        await store.fail(asked, "down")
        assert await ask(store, mine, url) == {url: model.Fetched(failure="down")}
        waited.append(round(until_the_next_try(server)))
        later(server, waited[-1] + 1)
        await ask(store, mine, url)
    assert waited == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    await store.keep(asked, b"policy")
    assert await ask(store, mine, url) == {url: model.Fetched(b"policy")}
    await store.fail(asked, "down")
    assert round(until_the_next_try(server)) == 10


async def test_a_failure_takes_what_was_there_before(opened: database.Database) -> None:
    store, mine, url = fetches.Fetches(opened), a_namespace(), URL.format("a")
    await ask(store, mine, url)
    await store.keep(model.Asked(mine, url), b"policy")
    await store.fail(model.Asked(mine, url), "another digest")
    assert await ask(store, mine, url) == {url: model.Fetched(failure="another digest")}


async def test_a_worker_that_died_is_followed_by_another(opened: database.Database, server: postgres.Postgres) -> None:
    store, mine, url = fetches.Fetches(opened), a_namespace(), URL.format("a")
    await ask(store, mine, url)
    assert len(await store.due(8)) == 1
    later(server, model.LEASE.total_seconds())
    assert await store.due(8) == [model.Asked(mine, url)]


async def test_who_asks_for_thousands_gets_some_and_delays_nobody(opened: database.Database) -> None:
    store, greedy, modest = fetches.Fetches(opened), a_namespace(), a_namespace()
    many = [URL.format(number) for number in range(3000)]
    answered = await ask(store, greedy, *many)
    refused = [one.failure for one in answered.values() if one.failure]
    assert len(refused) == len(many) - model.EACH
    assert set(refused) == {"its namespace asks for more than 64 files on the web"}
    assert (await ask(store, modest, PINNED))[PINNED] == model.Fetched()
    assert model.Asked(modest, PINNED) in await store.due(2)
    more = await ask(store, greedy, URL.format("more"))
    assert more[URL.format("more")].failure


async def test_many_who_ask_at_once_share_one_room(opened: database.Database) -> None:
    store, mine = fetches.Fetches(opened), a_namespace()
    asking = (ask(store, mine, *(URL.format(f"{one}-{two}") for two in range(20))) for one in range(8))
    answered = [each for found in await asyncio.gather(*asking) for each in found.values()]
    assert sum(not each.failure for each in answered) == model.EACH


async def test_what_nobody_asks_for_any_more_makes_room_is_not_fetched_and_is_deleted_in_the_end(
    opened: database.Database, server: postgres.Postgres
) -> None:
    store, mine = fetches.Fetches(opened), a_namespace()
    old = [URL.format(number) for number in range(model.EACH)]
    await ask(store, mine, *old)
    later(server, model.WANTED.total_seconds())
    assert await store.due(8) == []
    fresh = URL.format("fresh")
    assert await ask(store, mine, fresh) == {fresh: model.Fetched()}
    assert await store.due(8) == [model.Asked(mine, fresh)]
    assert await store.forget() == 0
    later(server, model.FORGOTTEN.total_seconds())
    assert await store.forget() == 1


async def test_a_namespace_keeps_so_many_bytes_and_no_more(opened: database.Database) -> None:
    store, mine, other = fetches.Fetches(opened), a_namespace(), a_namespace()
    urls = [URL.format(number) for number in range(9)]
    for each in (mine, other):
        await ask(store, each, *urls)
    for url in urls:
        await store.keep(model.Asked(mine, url), b"x" * model.MOST)
    told = await ask(store, mine, *urls)
    assert [url for url, one in told.items() if one.content is None] == [urls[8]]
    assert "have more than 8388608 bytes in all" in told[urls[8]].failure
    await store.keep(model.Asked(mine, urls[0]), b"x" * model.MOST)  # what is fetched again takes its own place
    assert (await ask(store, mine, urls[0]))[urls[0]].content is not None
    await store.keep(model.Asked(other, urls[0]), b"x")
    assert (await ask(store, other, urls[0]))[urls[0]].content == b"x"


async def test_a_controller_that_lost_its_lease_asks_for_nothing(opened: database.Database) -> None:
    store, mine = fetches.Fetches(opened), a_namespace()
    await store.ask(mine, frozenset({PINNED}), epoch=EPOCH)
    with pytest.raises(errors.Conflict):
        await store.ask(mine, frozenset({URL.format("a")}), epoch=EPOCH - 1)
