"""The ledger follows the attachment: suspended ones wait without a try, and where to send is read at each try."""

from dataclasses import replace

import pytest

from avouch.controlplane import deliverybounds
from avouch.controlplane.model import deliveries as delivery_model
from avouch.store import database, deliveries, runs, workflows
from tests.store.conftest import a_delivery, a_run, a_verdict

pytestmark = pytest.mark.postgres


def attachment_of(sent: delivery_model.Delivery, **config: object) -> delivery_model.AttachmentRecord:
    return delivery_model.AttachmentRecord(
        sent.namespace, sent.attachment, sent.attachment_uid, "chat", "webhook", config, workflow="build"
    )


async def decided(opened: database.Database, **config: object) -> delivery_model.Delivery:
    """A verdict's one delivery, recorded with this configuration."""
    run = a_run()
    sent = replace(a_delivery(run, f"to-{run.id}"), config=dict(config))
    await runs.Runs(opened).open(run)
    assert await runs.Runs(opened).decide(a_verdict(run), [sent])
    return sent


async def leased(opened: database.Database, wanted: delivery_model.Delivery) -> list[delivery_model.Delivery]:
    ledger = deliveries.Deliveries(opened)
    return [one for one in await ledger.lease(deliverybounds.Room(100, 100, 100), 60) if one.id == wanted.id]


async def test_a_delivery_of_a_suspended_attachment_waits_and_no_try_is_counted(opened: database.Database) -> None:
    known = workflows.Workflows(opened)
    sent = await decided(opened, url="https://old.example")
    await known.upsert_attachment(attachment_of(sent, url="https://old.example", suspend=True), epoch=1_000)
    assert [await leased(opened, sent) for _ in range(20)] == [[]] * 20
    assert await deliveries.Deliveries(opened).counts(sent.attachment_uid) == (1, 0, 0, "")

    await known.upsert_attachment(attachment_of(sent, url="https://new.example"), epoch=1_000)
    (taken,) = await leased(opened, sent)
    assert (taken.attempts, taken.config) == (1, {"url": "https://new.example"})


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
