"""What `add` needs of registries."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from avouch.cli.attestation import ports


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one registry; empty where the machine's own are to be used."""

    server: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


class Adapters(ports.Adapters, Protocol):
    """The world of `add`."""

    def image(self, value: str, login: Login) -> Any:
        """What a reference, a layout on disk or an `oci://` chart stands for now: `materials.images.Image`."""
        ...
