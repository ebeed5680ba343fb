"""The one table of integrations: by type, the plugin that delivers and the model of what it is configured with.

A new type is a plugin in a module of its own, the model of its section in `api.integration` (field, type, rule), and a
line here. Reconcilers and the worker ask this table through ports; `tests/conformance` holds each plugin to its port.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from avouch import errors
from avouch.api import integration, meta
from avouch.controlplane.model import deliveries
from avouch.destinations import Destinations
from avouch.integrations import webhook


@dataclass(frozen=True, slots=True)
class Entry:
    """One type. `plugin` opens it for what the operator lets deliveries reach; it is closed with the process."""

    plugin: Callable[[Destinations], AbstractAsyncContextManager[deliveries.Integration]]
    config: type[meta.Model]


TABLE: Mapping[str, Entry] = {
    "webhook": Entry(webhook.Webhook, integration.Webhook),
}


class Types:
    """Implements `reconcilers.context.IntegrationTypes`."""

    def config(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The section of an Integration's spec that belongs to its type, as its plugin is given it.

        Raises:
            Invalid: an unknown type, or a section that is missing or not what the type needs.
        """
        type_ = str(spec.get("type", ""))
        entry = TABLE.get(type_)
        if entry is None:
            raise errors.Invalid(f"no integration of type {type_[:40]!r}", field="spec.type", fix=f"use {_types()}")
        section = spec.get(type_, {})
        entry.config.read(section, f"an Integration of type {type_}", field=f"spec.{type_}")
        return dict(section)


@contextlib.asynccontextmanager
async def opened(allowed: Destinations) -> AsyncIterator[Mapping[str, deliveries.Integration]]:
    """Every plugin by its type, until left. `allowed`: what the operator lets deliveries reach."""
    async with contextlib.AsyncExitStack() as stack:
        yield {type_: await stack.enter_async_context(entry.plugin(allowed)) for type_, entry in TABLE.items()}


def _types() -> str:
    return ", ".join(sorted(TABLE))
