"""What a Workflow's spec says about who may attest and about external runs, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from avouch.api import durations, meta, vocabulary
from avouch.api import workflow as kind

EXPIRY = timedelta(hours=24)  # where the Workflow says nothing


class Part(meta.Model):
    """What of the spec is read for each request: 8 us; the whole of one with five materials takes 42."""

    suspend: bool = False
    older_revisions: bool = False
    enforcement: kind.Enforcement | None = None
    gate: bool = False
    run_expiry: kind.RunExpiry | None = None
    attesters: kind.Attesters | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may attest for a Workflow, how its runs are opened and how long they stay open.

    Attributes:
        suspend: no run may be opened.
        older_revisions: a client may choose a revision of the contract that is not the newest.
        enforcement: what the client's command does where the verdict does not pass.
        expiry: how long a run may stay open without a sign of life.
        attesters: exactly who may attest; None: whom the namespace lets.
    """

    suspend: bool = False
    older_revisions: bool = False
    enforcement: vocabulary.Enforcement = vocabulary.Enforcement.WARN
    expiry: timedelta = EXPIRY
    attesters: kind.Attesters | None = None


def read(spec: Mapping[str, Any] | None, workflow: str) -> Rules:
    """The rules of the Workflow of this name; those of one that is gone are the defaults. Raises errors.Invalid."""
    said = Part.read(spec or {}, f"Workflow {workflow}")
    return Rules(
        suspend=said.suspend,
        older_revisions=said.older_revisions,
        enforcement=vocabulary.Enforcement.GATE if said.gate else said.enforcement or vocabulary.Enforcement.WARN,
        expiry=durations.read(said.run_expiry) if said.run_expiry else EXPIRY,
        attesters=said.attesters,
    )


def takes_external_runs(spec: Mapping[str, Any], workflow: str) -> bool:
    """Whether CI outside Tekton may open runs of the Workflow of this name. Raises errors.Invalid."""
    said = kind.WorkflowSpec.read(spec, f"Workflow {workflow}")
    return said.tekton is None if said.external_runs is None else said.external_runs
