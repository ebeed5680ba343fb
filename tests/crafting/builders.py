"""Runs and states that tests start from. Each test states only what differs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from avouch import digests, plan
from avouch.attestation import predicate
from avouch.contract import planning, reading, revisions, upstream
from avouch.crafting import run as crafting_run
from avouch.crafting import state

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ASSETS = Path(__file__).parents[1] / "assets"
REAL = ASSETS / "chainloop-run"  # a real run of Chainloop's
RUN = "dacc61bd-e276-47d7-bb2f-834d23b6c785"


@dataclass(frozen=True)
class Workflow:
    """What planning reads of a Workflow."""

    spec: dict[str, Any]
    name: str = "build-small"
    uid: str = "f4231cbf-a1ee-465c-8510-d8712923d3bc"
    namespace: str = "skynet"
    generation: int = 1


@dataclass(frozen=True)
class Revision:
    """What planning reads of a revision."""

    canonical: bytes
    name: str
    revision: int = 1
    namespace: str = "skynet"
    namespace_uid: str = "ns-uid"
    resolved: bytes = b""

    @property
    def digest(self) -> digests.Digest:
        return digests.of_bytes(self.canonical)


def plan_of(manifest: dict[str, Any], workflow: str = "build-small") -> plan.Plan:
    """The plan that the server works out for a contract, by the same code."""
    contract = reading.read(upstream.to_object(manifest))
    revision = Revision(revisions.canonical(contract), contract.name)
    declared = {"contractRef": {"name": contract.name}, "team": "core"}
    return planning.plan_of(Workflow(declared, workflow), revision)


def contract(**spec: Any) -> dict[str, Any]:
    """A Contract object."""
    return {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}


def real_contract() -> dict[str, Any]:
    """The contract of the real run."""
    found: dict[str, Any] = yaml.safe_load((REAL / "contract.yaml").read_text())
    return found


def run(manifest: dict[str, Any] | None = None, **changes: Any) -> crafting_run.Run:
    """What the server said, for a contract."""
    owed = plan_of(contract() if manifest is None else manifest)
    given = crafting_run.Run(
        id=RUN,
        name="build-small-abcde01234",
        namespace="skynet",
        workflow="build-small",
        workflow_uid=owed.workflow_uid,
        team="core",
        project="skynet",
        organization="acme",
        plan=owed,
        contract=crafting_run.Contract(owed.contract, owed.revision, owed.revision, owed.contract_digest),
        version=crafting_run.Version("1.0.0", prerelease=True),
        attester=crafting_run.Attester("AUTH_TYPE_API_TOKEN", "fdf5c39e-f626-4da1-8988-94c354880a28"),
        backend=crafting_run.Backend("4654e7a6-136d-49b2-b61a-dee670b7ee98", "default-inline", True, False, 500 * 1024),
    )
    return given._replace(**changes)


def begun(manifest: dict[str, Any] | None = None, **changes: Any) -> state.State:
    """A state as init leaves it."""
    found = state.begin(state.State(run(manifest), NOW, server="https://avouch.example"))
    return found._replace(**changes)


def head() -> Any:
    """The commit of the real run."""
    return predicate.git_head(
        "ace3ab241dd4de68d4075c629a123f3541b0e7ca",
        {
            "author.email": "dev@example.com",
            "author.name": "dev",
            "author.verification_status": "unavailable",
            "date": "2026-11-21T11:07:16Z",
            "message": "init\n",
            "remotes": [{"name": "origin", "url": "https://git.example/skynet.git"}],
        },
    )
