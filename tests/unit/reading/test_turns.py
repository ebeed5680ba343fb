"""Namespaces take turns for places, and none has all of them."""

import asyncio

from avouch.reading import turns


async def asked(order: list[str], wanted: turns.Turns, namespace: str, until: asyncio.Event) -> None:
    async with wanted.turn(namespace):
        order.append(namespace)
        await until.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_namespace_has_its_share_and_leaves_the_rest_to_others():
    order: list[str] = []
    wanted, never = turns.Turns(places=2, share=1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        held = [tasks.create_task(asked(order, wanted, "slow", never)) for _ in range(5)]
        await settled()
        assert order == ["slow"]
        ended = asyncio.Event()
        ended.set()
        await tasks.create_task(asked(order, wanted, "other", ended))
        assert order == ["slow", "other"]
        for task in held:
            task.cancel()


async def test_whoever_waited_longest_is_next_whatever_others_asked_for_before():
    order: list[str] = []
    wanted, ended = turns.Turns(places=1, share=1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for namespace in ("a", "a", "a", "b", "c", "c"):
            tasks.create_task(asked(order, wanted, namespace, ended))
        await settled()
        ended.set()
    assert order == ["a", "b", "c", "a", "c", "a"]


async def test_who_gives_up_waiting_takes_no_place():
    order: list[str] = []
    wanted, ended = turns.Turns(places=1, share=1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asked(order, wanted, "a", ended))
        gone = [tasks.create_task(asked(order, wanted, name, ended)) for name in ("b", "b", "c")]
        await settled()
        for task in gone:
            task.cancel()
        await settled()
        tasks.create_task(asked(order, wanted, "d", ended))
        await settled()
        ended.set()
    assert order == ["a", "d"]


async def test_a_place_that_was_given_to_who_gave_up_in_that_moment_is_given_on():
    order: list[str] = []
    wanted, ended = turns.Turns(places=1, share=1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(asked(order, wanted, "a", ended))
        second = tasks.create_task(asked(order, wanted, "b", ended))
        third = tasks.create_task(asked(order, wanted, "c", ended))
        await settled()
        ended.set()
        await first  # the place is now the second's, who has not been told
        second.cancel()
        await third
    assert order[0] == "a"
    assert order[-1] == "c"
