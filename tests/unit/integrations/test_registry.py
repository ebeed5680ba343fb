"""The table of integrations: what each type is configured with, and how long its plugins live."""

from typing import Any

import pytest

from avouch import destinations, errors
from avouch.integrations import registry, webhook

HOOK = {"url": "https://hooks.example/1", "timeoutSeconds": 5}


def test_a_section_is_handed_to_its_plugin_as_it_is() -> None:
    assert registry.Types().config({"type": "webhook", "webhook": HOOK, "other": {}}) == HOOK


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.type"),
        ({"type": "pigeon", "pigeon": {}}, "spec.type"),
        ({"type": "Webhook", "webhook": HOOK}, "spec.type"),
        ({"type": "webhook"}, "spec.webhook.url"),
        ({"type": "webhook", "webhook": {**HOOK, "url": 7}}, "spec.webhook.url"),
    ],
)
def test_what_no_type_takes_is_refused_with_its_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        registry.Types().config(spec)
    assert refused.value.field == field
    if field == "spec.type":
        assert refused.value.fix == "use webhook"


async def test_a_plugin_of_every_type_is_open_until_the_table_is_left() -> None:
    async with registry.opened(destinations.PUBLIC) as plugins:
        assert plugins.keys() == registry.TABLE.keys()
        assert isinstance(plugins["webhook"], webhook.Webhook)
