"""What is recorded of an attachment: both ends while they are there, and nothing once one is gone."""

from types import SimpleNamespace
from typing import Any

import pytest

from avouch.controlplane.model import deliveries
from avouch.integrations import registry
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import attachments, specs

KEY = Key("IntegrationAttachment", "shop", "chat")
ATTACHMENT: dict[str, Any] = {
    "metadata": {"name": "chat", "namespace": "shop", "uid": "attachment-uid"},
    "spec": {"integrationRef": {"name": "hook"}, "workflowSelector": {"matchLabels": {"team": "core"}}},
}


def integration(**spec: Any) -> dict[str, Any]:
    webhook = {"url": "https://receiver.example"}
    return {
        "metadata": {"name": "hook", "namespace": "shop", "uid": "hook-uid"},
        "spec": {"type": "webhook", "webhook": webhook, **spec},
    }


class Recorded:
    """The record of attachments by name, and what was delivered."""

    def __init__(self) -> None:
        self.kept: dict[str, deliveries.AttachmentRecord] = {}

    async def upsert_attachment(self, attachment: deliveries.AttachmentRecord, *, epoch: int) -> None:
        self.kept[attachment.name] = attachment

    async def remove_attachment(self, namespace: str, name: str, *, epoch: int) -> None:
        self.kept.pop(name, None)

    async def counts(self, attachment_uid: str) -> tuple[int, int, int, str]:
        return (0, 0, 0, "")


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


async def reconcile(recorded: Recorded, found: dict[str, Any] | None, attachment: dict[str, Any] = ATTACHMENT) -> None:
    cache = ObjectCache(specs.INDEXERS)
    if found is not None:
        cache.put(Key("Integration", "shop", "hook"), found)
    there = SimpleNamespace(
        cache=cache, workflows=recorded, deliveries=recorded, integrations=registry.Types(), epoch=lambda: 1
    )
    await attachments.reconcile(there, KEY, attachment)  # type: ignore[arg-type]  # what it uses


@pytest.mark.parametrize("gone", [None, integration(webhook={}), integration(webhook={"url": 7})])
async def test_an_attachment_whose_integration_is_gone_or_says_too_little_is_recorded_no_more(
    recorded: Recorded, gone: dict[str, Any] | None
) -> None:
    await reconcile(recorded, integration())
    assert recorded.kept["chat"].config["url"] == "https://receiver.example"
    await reconcile(recorded, gone)
    assert not recorded.kept


async def test_a_suspended_integration_suspends_its_attachments(recorded: Recorded) -> None:
    await reconcile(recorded, integration(suspend=True))
    assert recorded.kept["chat"].config["suspend"] is True


async def test_only_an_attachment_that_says_so_hears_of_runs_that_are_judged_again(recorded: Recorded) -> None:
    await reconcile(recorded, integration())
    assert "reevaluations" not in recorded.kept["chat"].config
    hears = {**ATTACHMENT, "spec": {**ATTACHMENT["spec"], "reevaluations": True}}
    await reconcile(recorded, integration(), hears)
    assert recorded.kept["chat"].config["reevaluations"] is True


async def test_the_secret_of_an_integration_is_looked_for_in_its_own_namespace(recorded: Recorded) -> None:
    found = integration(secretRef={"name": "signing", "key": "hmac"})
    found["metadata"]["namespace"] = "home"
    await reconcile(recorded, found)
    assert recorded.kept["chat"].config["secretRef"] == {"name": "signing", "key": "hmac", "namespace": "home"}
