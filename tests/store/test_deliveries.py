"""The ledger follows the attachment: suspended ones wait without a try, and where to send is read at each try."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import deliverybounds
from avouch.store import database, deliveries, workflows
from avouch.store import runs as run_store
from avouch.store import verdicts as verdict_rows
from tests.store.conftest import NOW, a_delivery, a_run, a_verdict, decide

pytestmark = pytest.mark.postgres


def attachment_of(sent: delivery_model.Delivery, **config: object) -> delivery_model.AttachmentRecord:
    return delivery_model.AttachmentRecord(
        sent.namespace, sent.attachment, sent.attachment_uid, "chat", "webhook", config, workflow="build"
    )


async def decided(opened: database.Database, **config: object) -> delivery_model.Delivery:
    """A verdict's one delivery, recorded with this configuration."""
    run = a_run()
    sent = replace(a_delivery(run, f"to-{run.id}"), config=dict(config))
    await run_store.Runs(opened).open(run)
    assert await decide(opened, a_verdict(run), [sent])
    return sent


async def leased(opened: database.Database, wanted: delivery_model.Delivery) -> list[delivery_model.Delivery]:
    ledger = deliveries.Deliveries(opened)
    return [one for one in await ledger.lease(deliverybounds.Capacity(100, 100, 100), 60) if one.id == wanted.id]


async def test_a_delivery_of_a_suspended_attachment_waits_and_no_try_is_counted(opened: database.Database) -> None:
    known = workflows.Workflows(opened)
    sent = await decided(opened, url="https://old.example")
    await known.upsert_attachment(attachment_of(sent, url="https://old.example", suspend=True), epoch=1_000)
    assert [await leased(opened, sent) for _ in range(20)] == [[]] * 20
    assert await deliveries.Deliveries(opened).counts(sent.attachment_uid) == (1, 0, 0, "")

    await known.upsert_attachment(attachment_of(sent, url="https://new.example"), epoch=1_000)
    (taken,) = await leased(opened, sent)
    assert (taken.attempts, taken.config) == (1, {"url": "https://new.example"})


async def test_what_another_worker_is_about_to_lease_is_not_leased_and_nobody_waits_for_it(
    opened: database.Database,
) -> None:
    sent = await decided(opened)
    async with opened.transaction() as other:
        lease = "UPDATE deliveries SET leased_until = now() + interval '1 h', attempts = attempts + 1 WHERE id = :id"
        await other.execute(sa.text(lease), {"id": sent.id})
        async with asyncio.timeout(10):
            assert await leased(opened, sent) == []
    assert await leased(opened, sent) == []


async def test_a_verdict_with_deliveries_wakes_those_who_deliver_and_one_without_does_not(
    opened: database.Database,
) -> None:
    heard = opened.notifications(verdict_rows.DELIVERIES, every=0.2)
    assert await anext(heard) is None  # it listens
    run = a_run()
    await run_store.Runs(opened).open(run)
    assert await decide(opened, a_verdict(run), [])
    assert await anext(heard) is None
    await decided(opened)
    told = await anext(heard)
    assert told is not None
    assert told.channel == verdict_rows.DELIVERIES
    await heard.aclose()


async def test_a_verdict_given_while_suspended_is_delivered_once_it_no_longer_is(opened: database.Database) -> None:
    sent = await decided(opened, url="https://a.example", suspend=True)
    await workflows.Workflows(opened).upsert_attachment(attachment_of(sent, url="https://a.example"), epoch=1_000)
    (taken,) = await leased(opened, sent)
    assert taken.config == {"url": "https://a.example"}


async def test_an_attachment_made_anew_under_the_same_name_changes_nothing_of_its_predecessors(
    opened: database.Database,
) -> None:
    sent = await decided(opened, url="https://old.example")
    successor = replace(attachment_of(sent, url="https://new.example", suspend=True), uid="another")
    await workflows.Workflows(opened).upsert_attachment(successor, epoch=1_000)
    (taken,) = await leased(opened, sent)
    assert taken.config == {"url": "https://old.example"}


async def many(opened: database.Database, counts: dict[str, int], namespace: str) -> None:
    """So many deliveries to each attachment, all of them due."""
    for name, count in counts.items():
        for _ in range(count):
            run = a_run(namespace)
            await run_store.Runs(opened).open(run)
            sent = replace(a_delivery(run, name), attachment_uid=f"{name}-{namespace}")
            assert await decide(opened, a_verdict(run), [sent])


def taken(found: Sequence[delivery_model.Delivery], namespace: str) -> Counter[str]:
    return Counter(one.attachment for one in found if one.namespace == namespace)


async def test_each_attachment_gives_as_many_as_it_has_room_for_and_a_long_queue_hides_no_other(
    opened: database.Database,
) -> None:
    namespace = f"shared-{uuid.uuid4()}"
    await many(opened, {"long": 9, "short": 2, "open": 3}, namespace)
    ledger = deliveries.Deliveries(opened)
    capacity = deliverybounds.Capacity(1_000, 1_000, 4, attachments={f"open-{namespace}": 0, f"short-{namespace}": 1})
    assert taken(await ledger.lease(capacity, 60), namespace) == {"long": 4, "short": 1}
    again = await ledger.lease(deliverybounds.Capacity(1_000, 1_000, 4), 60)
    assert taken(again, namespace) == {"long": 4, "short": 1, "open": 3}


async def test_a_namespace_gives_no_more_than_it_has_room_for(opened: database.Database) -> None:
    full, half = f"full-{uuid.uuid4()}", f"half-{uuid.uuid4()}"
    for namespace in (full, half):
        await many(opened, {"one": 3, "two": 3}, namespace)
    ledger = deliveries.Deliveries(opened)
    found = await ledger.lease(deliverybounds.Capacity(1_000, 4, 3, namespaces={full: 1}), 60)
    assert (taken(found, full).total(), taken(found, half).total()) == (1, 4)


async def test_marks_that_come_together_are_one_transaction_and_give_every_run_its_own_version(
    opened: database.Database,
) -> None:
    namespace = f"marked-{uuid.uuid4()}"
    await many(opened, {"one": 5}, namespace)
    ledger = deliveries.Deliveries(opened)
    found = [
        one for one in await ledger.lease(deliverybounds.Capacity(1_000, 1_000, 9), 60) if one.namespace == namespace
    ]
    *arrived, failed = found
    missing = ledger.delivered(uuid.uuid4(), NOW)
    marks = [ledger.delivered(one.id, NOW) for one in arrived]
    ended = await asyncio.gather(
        *marks, ledger.failed(failed.id, "500", next_try=None), missing, return_exceptions=True
    )
    assert [type(one) for one in ended] == [type(None)] * 5 + [errors.NotFound]
    assert await ledger.counts(f"one-{namespace}") == (0, 4, 1, "500")
    stored = [await run_store.Runs(opened).get(one.run_id) for one in found]
    assert len({run.resource_version for run in stored if run}) == 5
    await ledger.failed(arrived[0].id, "too late", next_try=None)
    assert await ledger.counts(f"one-{namespace}") == (0, 4, 1, "500"), "a receipt is a fact"
    await ledger.close()


async def version_of(opened: database.Database, run_id: uuid.UUID) -> int:
    found = await run_store.Runs(opened).get(run_id)
    assert found is not None
    return found.resource_version


async def test_what_the_ledger_knew_already_is_no_change_of_its_run(opened: database.Database) -> None:
    ledger, arrived, given_up = deliveries.Deliveries(opened), await decided(opened), await decided(opened)
    before = [await version_of(opened, one.run_id) for one in (arrived, given_up)]
    await ledger.delivered(arrived.id, NOW)
    await ledger.failed(given_up.id, "500", next_try=None)
    once = [await version_of(opened, one.run_id) for one in (arrived, given_up)]
    await ledger.delivered(arrived.id, NOW)
    await ledger.failed(given_up.id, "again", next_try=None)
    assert [await version_of(opened, one.run_id) for one in (arrived, given_up)] == once
    assert all(new > old for old, new in zip(before, once, strict=True))
    await ledger.delivered(given_up.id, NOW)
    assert await ledger.counts(given_up.attachment_uid) == (0, 1, 0, "")
    await ledger.close()


async def test_each_delivery_of_a_run_carries_its_own_payload_and_each_attachment_its_own_error(
    opened: database.Database,
) -> None:
    ledger, run = deliveries.Deliveries(opened), a_run()
    await run_store.Runs(opened).open(run)
    one, two = (replace(a_delivery(run, name), payload=name.encode()) for name in ("one", "two"))
    assert await decide(opened, a_verdict(run), [one, two])
    found = await ledger.lease(deliverybounds.Capacity(100, 100, 100), 60)
    assert sorted((sent.id, sent.payload) for sent in found) == sorted(((one.id, b"one"), (two.id, b"two")))
    await ledger.failed(one.id, "500", next_try=NOW)
    later = a_run()
    await run_store.Runs(opened).open(later)
    waiting = replace(a_delivery(later, "one"), attachment_uid=one.attachment_uid)
    assert await decide(opened, a_verdict(later), [waiting])
    assert await ledger.counts(one.attachment_uid) == (2, 0, 0, "500"), "one that was never tried says nothing"
    assert await ledger.counts(two.attachment_uid) == (1, 0, 0, "")
    await ledger.close()


async def test_what_one_folds_another_passes_over_and_nothing_is_counted_twice(opened: database.Database) -> None:
    ledger, sent = deliveries.Deliveries(opened), await decided(opened)
    await ledger.delivered(sent.id, NOW)
    async with opened.transaction() as other:
        await other.execute(sa.text("SELECT id FROM delivery_changes FOR UPDATE"))
        async with asyncio.timeout(10):
            assert await ledger.fold() == 0
    assert await ledger.counts(sent.attachment_uid) == (0, 1, 0, "")
    assert await ledger.fold() > 0
    assert await ledger.counts(sent.attachment_uid) == (0, 1, 0, "")
    await ledger.close()
