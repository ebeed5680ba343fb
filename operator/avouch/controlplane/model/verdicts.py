"""Verdicts: the closed list of results, what was judged, and the documents that are signed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from avouch.controlplane.model import policies
from avouch.findings import Finding


class VerdictResult(StrEnum):
    """The closed list of verdicts. But for `PENDING` one is replaced by a late claim, by `REJECTED`, or when asked."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"  # the contract is not satisfied
    REJECTED = "Rejected"  # a claim contradicts another claim or the cluster's record
    ERROR = "Error"  # we could not judge: never passed
    UNOBSERVED = "Unobserved"  # the run ended without anyone seeing it
    EXPIRED = "Expired"
    CANCELED = "Canceled"


class Evidence(StrEnum):
    """Where the evidence came from; `MISSING` only where a sidecar was injected and never spoke."""

    SIDECAR = "sidecar"  # a pod in which our sidecar stood
    STEP = "step"  # only pods without one: steps of the build attested themselves
    TASKRUN = "taskrun"
    CLI = "cli"  # an external run, by an attester that the Workflow allows
    MISSING = "missing"
    NONE = ""


@dataclass(frozen=True, slots=True)
class JudgedMaterial:
    """One material as the verdict saw it. `value` for STRING and image references; `origin` sidecar | taskrun."""

    name: str
    type: str
    digest: str = ""
    value: str = ""
    filename: str = ""
    size: int = 0
    origin: str = ""
    output: bool = False
    uploaded: bool = False
    annotations: dict[str, str] = field(default_factory=dict)
    extracted: dict[str, str] = field(default_factory=dict)  # read out of the content: `chainloop.material.*` keys


@dataclass(frozen=True, slots=True)
class Contract:
    """The revision of a Contract that a verdict is about."""

    name: str
    revision: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """Why a run that had its verdict was judged again, and by what.

    Attributes:
        by: name of the cluster's user who asked.
        reason: why, as that user said.
        asked_at: when that was.
        contract: the revision that judged; the run was opened under another one, or the same with other exceptions.
        asked: names of the materials that it asks for.
        replaces: digest of the signed summary that this verdict takes the place of.
        judged_at: when it was reached. The run keeps the time of its first verdict, by which runs are ordered.
    """

    by: str
    reason: str
    asked_at: datetime
    contract: Contract
    asked: tuple[str, ...]
    replaces: str
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict that a run has, as far as another one that takes its place has to know of it.

    Attributes:
        judged_at: when it was reached.
        digest: of its signed summary; "" where an older version kept none.
        contract: the revision that judged.
        earlier: results of the verdicts that it took the place of.
        findings: what it found.
        evaluations: what policies said, as JSON values.
        unevaluated: policies that could not be evaluated, each with the material.
        stored: digests of its materials whose bytes were stored.
    """

    judged_at: datetime
    digest: str
    contract: Contract
    earlier: tuple[VerdictResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    evaluations: Sequence[Mapping[str, Any]] = ()
    unevaluated: frozenset[tuple[str, str]] = frozenset()
    stored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of judging one run, before signing."""

    run_id: uuid.UUID
    result: VerdictResult
    evidence: Evidence
    findings: tuple[Finding, ...]
    materials: tuple[JudgedMaterial, ...]
    annotations: dict[str, str]
    env: dict[str, str]
    judged_at: datetime
    evaluations: tuple[policies.Evaluation, ...] = ()
    claims: tuple[str, ...] = ()  # digests of all claims that were there, counted or not: others came late
    reevaluation: Reevaluation | None = None


ATTESTATION, VSA = "attestation", "vsa"  # kinds of documents


@dataclass(frozen=True, slots=True)
class Document:
    """One signed document of a verdict. `kind` names its role; a verdict has one document of each kind."""

    kind: str
    predicate_type: str
    statement: bytes  # what was signed
    bundle: bytes  # Sigstore bundle, the statement inside


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict with what was signed for it, in the order of signing."""

    verdict: Verdict
    documents: tuple[Document, ...]

    def document(self, kind: str) -> Document:
        """The one of this kind."""
        return next(one for one in self.documents if one.kind == kind)
