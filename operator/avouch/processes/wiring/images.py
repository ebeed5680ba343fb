"""Images and charts, looked up in registries and in layouts on disk."""

import asyncio
from collections.abc import Mapping

from avouch.cli.attestation import registries
from avouch.materials import images
from avouch.oci import credentials
from avouch.registry import lookup


def build(environment: Mapping[str, str], value: str, login: registries.Login) -> images.Image:
    """What a reference stands for now."""
    given = lookup.Login(login.server, credentials.Credential(login.username, login.password))
    access = lookup.Access(environment, given if login.server else None)
    look = lookup.chart if value.startswith(lookup.CHART) else lookup.image
    return asyncio.run(look(value, access))
