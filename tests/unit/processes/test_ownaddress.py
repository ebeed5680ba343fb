"""The addresses of the server's own Service."""

import asyncio

import pytest

from avouch.processes import ownaddress


def looked(url: str, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    found = ownaddress.OwnAddress(url)
    found.known = known
    asyncio.run(found.look())
    return found.known


def test_every_address_of_the_name_is_known_once() -> None:
    assert "127.0.0.1" in looked("https://localhost")
    assert looked("https://127.0.0.1:8443") == ("127.0.0.1",)
    assert looked("https://[::1]") == ("::1",)


def test_a_name_that_does_not_resolve_now_keeps_the_addresses_that_it_had() -> None:
    assert looked("https://name.invalid", ("10.0.0.1",)) == ("10.0.0.1",)
    assert looked("https://name.invalid") == ()


def test_a_name_that_does_not_resolve_is_told_once_until_it_did(caplog: pytest.LogCaptureFixture) -> None:
    found = ownaddress.OwnAddress("https://name.invalid")
    for _ in range(3):
        asyncio.run(found.look())
    assert [record.message.partition(":")[0] for record in caplog.records] == ["name.invalid does not resolve"]


def test_a_zone_which_means_something_on_one_machine_only_is_left_out() -> None:
    assert ownaddress.addresses(["fe80::1%eth0", "10.0.0.1", "10.0.0.1", "fd00::1"]) == ("10.0.0.1", "fd00::1")


async def test_it_looks_again_until_it_is_cancelled() -> None:
    found = ownaddress.OwnAddress("https://127.0.0.1")
    keeping = asyncio.create_task(found.keep())
    async with asyncio.timeout(5):
        while not found.known:
            await asyncio.sleep(0)
    keeping.cancel()
