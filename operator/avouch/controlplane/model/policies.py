"""Policies that a run is held to, and what they said of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from avouch.values import dataclass

MOST = 100  # violations of one policy that a verdict keeps; how many more there were is said


class Status(StrEnum):
    """What one policy says of one material, or of the attestation."""

    PASSED = "Passed"
    VIOLATED = "Violated"
    SKIPPED = "Skipped"  # its scripts do not judge this input, and say why
    ERROR = "Error"  # it could not be evaluated: never passed


class Revision(NamedTuple):
    """The revision of a Contract that a run is held to."""

    namespace_uid: str
    name: str
    revision: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a policy found. `finding` is all that it says of it, as JSON; "" where that is the message."""

    message: str
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Excepted:
    """The PolicyException by which a violation, or an error, does not fail a run, as it was when that was decided."""

    name: str
    granted_by: str
    reason: str
    expires_at: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one policy said.

    Attributes:
        policy: its name.
        digest: of its canonical form.
        line: of the contract that asks for it.
        reference: as the contract writes it; "" for one that is embedded.
        description: what its author says of it.
        scripts: the fields of the Policy that were evaluated, such as spec.policies[0].embedded.
        group: the PolicyGroup that brings it; "" for none.
        material: name of the material; "" for the attestation as a whole.
        material_digest: of what was judged.
        status: what it said.
        reason: why it was skipped, or could not be evaluated.
        gate: whether a violation blocks.
        inputs: what it was given.
        violations: at most `MOST`; `more` counts the others.
        requirements: what is met where it passed.
        client: the status that a client gives it in what it signed; "" where none does. It decides nothing.
        exception: by which it fails no run although it has a gate and did not pass; None: there is none.
    """

    policy: str
    digest: str
    line: str
    status: Status
    reference: str = ""
    description: str = ""
    scripts: tuple[str, ...] = ()
    group: str = ""
    material: str = ""
    material_digest: str = ""
    reason: str = ""
    gate: bool = False
    inputs: tuple[tuple[str, str], ...] = ()
    violations: tuple[Violation, ...] = ()
    more: int = 0
    requirements: tuple[str, ...] = ()
    client: str = ""
    exception: Excepted | None = None

    @property
    def bad(self) -> bool:
        """Whether it did not pass: one that could not be evaluated has not, either."""
        return self.status in (Status.VIOLATED, Status.ERROR)


class Policies(Protocol):
    """What revisions of Contracts are held to, as it was recorded with them."""

    async def resolved(self, revision: Revision) -> bytes | None:
        """What a revision owes, in the form of `contract.owed`; None where there is no such revision."""
        ...

    async def documents(self, digests: frozenset[str]) -> Mapping[str, bytes]:
        """Policies as JSON by their digests, as far as they are kept."""
        ...
