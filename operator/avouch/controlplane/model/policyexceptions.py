"""Declared exceptions from policies, and the ports that record and read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from avouch.values import dataclass


@dataclass(frozen=True, slots=True)
class PolicyException:
    """A PolicyException as it was recorded.

    Attributes:
        policy: name of the policy.
        digest: of the policy; "": whatever it says.
        workflows: names of the Workflows of its namespace that it is for.
        materials: names; none: all of them, and the attestation as a whole.
    """

    namespace: str
    namespace_uid: str
    name: str
    policy: str
    workflows: tuple[str, ...]
    reason: str
    granted_by: str
    expires_at: datetime
    digest: str = ""
    materials: tuple[str, ...] = ()


class Recording(Protocol):
    """Where the controller records exceptions; every write is fenced by its epoch."""

    async def record(self, exception: PolicyException, *, epoch: int) -> None:
        """Record one, in place of what its name meant before."""
        ...

    async def remove(self, namespace: str, name: str, *, epoch: int) -> None:
        """Forget one: it excepts nothing any more."""
        ...

    async def keys(self) -> Sequence[tuple[str, str]]:
        """(namespace, name) of all that are recorded."""
        ...


class Exceptions(Protocol):
    """What judging asks."""

    async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[PolicyException]:
        """Those that are recorded for a Workflow now, by name; of very many, some. Raises errors.Unavailable."""
        ...
