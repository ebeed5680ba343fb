"""Runs as the ingest API shows them."""

from typing import Any

import msgspec

from avouch import rfc3339
from avouch.api import vocabulary, wire
from avouch.controlplane.model import external as external_model
from avouch.controlplane.model import runs


def opened(run: runs.Run, text: str = "") -> wire.OpenedRun:
    """A run of the cluster, as its pods need it. `text`: the plan's JSON as one pod is to read it."""
    return wire.OpenedRun(
        id=str(run.id),
        name=run.name,
        workflow=run.workflow,
        verdict=str(run.result),
        plan=msgspec.json.decode(text or run.plan, type=dict[str, Any]),
    )


def external(found: external_model.Opened) -> wire.ExternalRun:
    """An external run."""
    stored = found.stored
    run, extra = stored.run, stored.external
    plan = msgspec.json.decode(run.plan, type=dict[str, Any])  # of an older version it says less
    runner, backend = extra.runner, found.backend
    enforcement = stored.rules.enforcement if stored.rules is not None else vocabulary.Enforcement.WARN
    return wire.ExternalRun(
        id=str(run.id),
        name=run.name,
        namespace=run.namespace,
        workflow=run.workflow,
        workflow_uid=run.key.workflow_uid,
        team=plan.get("team", ""),
        project=plan.get("project", ""),
        organization=extra.organization,
        verdict=str(run.result),
        created_at=rfc3339.write(run.created_at),
        expires_at=rfc3339.write(extra.expires_at),
        contract=wire.ContractAnswer(run.contract, run.revision, found.latest, run.contract_digest),
        plan=plan,
        version=wire.VersionAnswer(extra.version, extra.prerelease and not extra.release),
        runner=wire.RunnerAnswer(
            runner.type, runner.url, runner.environment, runner.authenticated, runner.workflow_file_path
        ),
        attester=wire.AttesterAnswer(extra.attester.type, extra.attester.id),
        backend=wire.BackendAnswer(backend.id, backend.name, backend.inline, backend.fallback, backend.max_bytes),
        skip_runner_variables=found.skip_runner_variables,
        gate=enforcement is vocabulary.Enforcement.GATE,
        findings=[*stored.findings, *found.unproven],
        enforcement=str(enforcement),
    )
