"""Verdicts: the closed list of results, what was judged, and the documents that are signed."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from avouch.controlplane.model import policies
from avouch.findings import Finding


class VerdictResult(StrEnum):
    """The closed list of verdicts. But for `PENDING` only a late claim may replace one, by `REJECTED`."""

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
