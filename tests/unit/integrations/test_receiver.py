"""The receiver that the guide shows, and that the quickstart runs, against what the webhook sends."""

import re
import uuid
from collections.abc import Callable

import pytest

from avouch.controlplane.model import deliveries
from avouch.integrations import webhook
from examples.quickstart import receiver
from tests import docs

BODY = b'{"verdict":"Passed"}'


def headers(secret: bytes, at: float) -> dict[str, str]:
    delivery = deliveries.Delivery(uuid.UUID(int=1), uuid.UUID(int=2), "u", "a", "ns", "webhook", {}, BODY, 1, secret)
    return {str(name): str(value) for name, value in webhook.Webhook(clock=lambda: at)._headers(delivery).items()}


def refused(change: Callable[[dict[str, str]], object], body: bytes = BODY, now: float = 1000.0) -> bool:
    sent = headers(b"change-me", 1000.0)
    change(sent)
    return not receiver.is_ours(b"change-me", sent, body, now)


def test_the_guide_shows_the_function_that_the_quickstart_runs():
    (shown,) = re.findall(r"^```python\n(.*?)^```$", (docs.ROOT / "docs/guide.md").read_text(), re.M | re.S)
    assert shown in (docs.ROOT / "examples/quickstart/receiver.py").read_text()


def test_what_the_webhook_signed_is_ours():
    assert not refused(lambda sent: None)
    assert not refused(lambda sent: sent.update({"webhook-signature": f"v1,other {sent['webhook-signature']}"}))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["", "1", "é", "v1,AAAA"])
def test_no_part_can_be_changed(name: str, value: str):
    assert refused(lambda sent: sent.update({name: value}))
    assert refused(lambda sent: sent.pop(name))


def test_another_body_another_key_and_another_time_are_not_ours():
    assert refused(lambda sent: None, body=BODY + b" ")
    assert refused(lambda sent: sent.update(headers(b"other", 1000.0)))
    assert refused(lambda sent: None, now=1301.0)
    assert refused(lambda sent: None, now=699.0)
