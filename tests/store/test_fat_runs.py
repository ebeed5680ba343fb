"""Runs that people's jobs made large: pages and turns are bounded by bytes, and still tell all of them."""

import json
import os
import tracemalloc
import uuid
from dataclasses import replace

import pytest

from avouch import digests
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import verdicts
from avouch.findings import Finding
from avouch.store import contracts, database, revisionviews, rundocuments, runfeed, versions, views
from avouch.store import runs as run_store
from avouch.store import verdicts as verdict_rows
from tests.store.conftest import NOW, a_run, a_verdict, decide

pytestmark = pytest.mark.postgres

FAT = 400 * 1024  # bytes of what one run shows
PEAK = 32 * 1024 * 1024  # of memory, whatever is asked for: 50 of them at once took more than 300 MiB


async def fat_runs(opened: database.Database, namespace: str, number: int) -> list[str]:
    store, names = run_store.Runs(opened), []
    found = tuple(Finding("MaterialMissing", os.urandom(500).hex()) for _ in range(FAT // 1024))
    for _ in range(number):
        run = await store.open(a_run(namespace))
        signed = a_verdict(run, verdicts.VerdictResult.FAILED)
        await decide(opened, replace(signed, verdict=replace(signed.verdict, findings=found)), [])
        names.append(run.name)
    await store.close()
    return sorted(names)


def size(document: object) -> int:
    return len(json.dumps(document))


async def test_a_list_of_fat_runs_comes_in_pages_that_fit_and_misses_none(opened: database.Database) -> None:
    namespace = f"fat-{uuid.uuid4()}"
    names, shown = await fat_runs(opened, namespace, 50), views.RunViews(opened)
    listed, token, largest = list[str](), "", 0
    tracemalloc.start()
    while True:
        page, token, _ = await shown.page(namespace, limit=500, after=token, filters={})
        assert page
        largest = max(largest, size(page))
        listed += [one["name"] for one in page]
        if not token:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert listed == names
    assert FAT < largest < rundocuments.ROOM * 1.1
    assert peak < PEAK, f"{peak / 2**20:.0f} MiB"
    table, token, _ = await shown.page(namespace, limit=500, after="", filters={}, whole=False)
    assert (len(table), token) == (50, "")


async def test_a_run_that_fits_no_page_has_a_page_of_its_own(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundocuments.of, "__defaults__", (1000,))
    namespace, shown = f"fatter-{uuid.uuid4()}", views.RunViews(opened)
    names, listed, token = await fat_runs(opened, namespace, 3), list[str](), ""
    for _ in names:
        (one,), token, _ = await shown.page(namespace, limit=500, after=token, filters={})
        listed.append(one["name"])
    assert (listed, token) == (names, "")


async def test_a_watch_of_fat_runs_tells_all_of_them_in_turns_that_fit(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = f"watched-{uuid.uuid4()}"
    async with opened.transaction() as connection:
        since = await versions.newest(connection)
    names, turns = await fat_runs(opened, namespace, 20), list[int]()
    make = rundocuments.of

    async def measured(*asked: object) -> rundocuments.Documents:
        made = await make(*asked)  # type: ignore[arg-type]
        turns.append(size(made.shown))
        return made

    monkeypatch.setattr(rundocuments, "of", measured)
    told = list[str]()
    async for kind, document in views.RunViews(opened).watch(namespace, since, {}):
        assert kind == "ADDED"
        told.append(document["name"])
        if len(told) == len(names):
            break
    assert sorted(told) == names
    assert FAT < max(turns) < rundocuments.ROOM * 1.1
    assert len(turns) < runfeed.TURN


async def test_a_status_shows_only_so_much_of_what_a_job_said(opened: database.Database) -> None:
    store, namespace = run_store.Runs(opened), f"said-{uuid.uuid4()}"
    run = await store.open(a_run(namespace))
    said = {f"K{number:06}": "x" * 10 for number in range(90_000)}
    signed = a_verdict(run)
    await decide(opened, replace(signed, verdict=replace(signed.verdict, env=said, annotations={"a": "b"})), [])
    shown = await views.RunViews(opened).view(namespace, run.name)
    await store.close()
    assert shown is not None
    assert list(shown["env"].items()) == list(said.items())[: len(shown["env"])]
    assert verdict_rows.SHOWN - 100 < sum(len(name) + len(text) for name, text in shown["env"].items())
    assert sum(len(name) + len(text) for name, text in shown["env"].items()) <= verdict_rows.SHOWN
    assert shown["annotations"] == {"a": "b"}
    assert shown["leftOut"] == {"env": len(said) - len(shown["env"])}


async def test_a_status_that_shows_everything_leaves_out_nothing(opened: database.Database) -> None:
    store, namespace = run_store.Runs(opened), f"said-{uuid.uuid4()}"
    run = await store.open(a_run(namespace))
    await decide(opened, a_verdict(run), [])
    shown = await views.RunViews(opened).view(namespace, run.name)
    await store.close()
    assert shown is not None
    assert shown["leftOut"] == {}


async def test_revisions_come_in_pages_that_fit(opened: database.Database) -> None:
    namespace, seen, after, pages = f"ns-{uuid.uuid4().hex[:8]}", list[str](), "", 0
    for number in range(7):
        content = json.dumps(f"{number}" * 700_000).encode()
        made = contract_model.ContractRevision(
            namespace, f"uid-{namespace}", "a", "uid", 0, digests.of_bytes(content), content, NOW
        )
        await contracts.Contracts(opened).record(made, epoch=1_000)
    while True:
        page, after, _ = await revisionviews.RevisionViews(opened).page(namespace, limit=0, after=after, filters={})
        assert len(page) in (1, 2)
        seen, pages = seen + [one["name"] for one in page], pages + 1
        if not after:
            break
    assert (seen, pages) == ([f"a.{number}" for number in range(1, 8)], 4)
