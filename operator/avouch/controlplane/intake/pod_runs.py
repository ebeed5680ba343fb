"""Runs in Tekton: opened by their pods, and spoken about by them.

A pod is proven by `pod_identity`, from the cluster's own record. A run of another namespace does not exist for the
caller; a run of another PipelineRun in its own namespace does, but is not its to speak about.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from avouch import errors, plan
from avouch.api import workflow as kind
from avouch.attestation import identity
from avouch.controlplane.intake import authorization, planning, pod_identity, sessions
from avouch.controlplane.model import cluster
from avouch.controlplane.model import runs as run_model
from avouch.tekton import paths


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with the plan it is pinned to, as this pod is to read it, also as JSON. `created`: nobody came first."""

    run: run_model.Run
    plan: plan.Plan
    text: str
    created: bool


@dataclass(frozen=True, slots=True)
class PodRuns:
    """The use cases over their ports."""

    runs: run_model.Runs
    workflows: planning.Workflows
    contracts: planning.Contracts
    pods: pod_identity.Callers
    clock: cluster.Clock

    async def identify(self, token: str) -> pod_identity.Subject:
        """The pod that wants to open runs, with its TaskRun as it is now. Raises errors.Unauthenticated."""
        return await self.pods.subject(token)

    async def open(self, subject: pod_identity.Subject) -> Sequence[Opened]:
        """A run for each Workflow that covers the caller's run, created where there is none yet.

        Raises:
            NotFound: no Workflow covers it.
            Denied: none of those that do lets this ServiceAccount attest.
        """
        caller = subject.caller
        covered = await planning.covered(caller.namespace, subject.taskrun, subject.pipelinerun, self.workflows)
        found = await planning.with_begun(await planning.owed_by(covered, self.contracts), covered, self.runs)
        if not found:
            raise errors.NotFound(f"no Workflow in {caller.namespace} covers {_subject_name(caller)}")
        allowed = [owed for owed in found if _lets(owed.attesters, owed.workflow.name, caller)]
        if not allowed:
            raise _may_not_attest(caller)
        now = self.clock.now()
        return [await self._open_one(owed, subject, now) for owed in allowed]

    async def session(self, token: str, run_id: uuid.UUID, need: sessions.Need) -> sessions.RunSession:
        """The caller's run. A run of the cluster ends when Tekton says so, so a bundle never comes too late.

        Raises:
            Unauthenticated: the token is no pod's.
            NotFound: no such run in the caller's namespace.
            Denied: it is about another run of Tekton, or its Workflow does not let the caller attest.
        """
        caller = await self.pods.identify(token)
        found = await self.runs.attested(run_id)
        if found is None:
            raise errors.NotFound("no such run")
        run, rules = _own(caller, found.run), found.rules
        if need is not sessions.Need.READ and (rules is None or not _lets(rules.attesters, run.workflow, caller)):
            raise _may_not_attest(caller)
        return sessions.RunSession(run, signer_of(caller), caller=caller)

    async def _open_one(self, owed: planning.Owed, subject: pod_identity.Subject, now: datetime) -> Opened:
        known = await self.runs.get(owed.run_id)
        stored = known or await self.runs.open(owed.run(now))
        pinned = stored.pinned()
        filled = paths.filled(pinned, subject.taskrun)
        text = stored.plan if filled is pinned else filled.to_json()
        return Opened(stored, filled, text, created=known is None)


def signer_of(caller: run_model.Caller) -> identity.PodIdentity:
    """Whom a certificate for this caller names."""
    return identity.PodIdentity(caller.namespace, caller.service_account, caller.pod_uid, caller.taskrun_uid)


def _lets(listed: kind.Attesters | None, workflow: str, caller: run_model.Caller) -> bool:
    account = authorization.ServiceAccount(caller.namespace, caller.service_account)
    return authorization.may_attest(listed, authorization.Place(caller.namespace, workflow), account)


def _own(caller: run_model.Caller, run: run_model.Run) -> run_model.Run:
    if (run.namespace, run.namespace_uid) != (caller.namespace, caller.namespace_uid):
        raise errors.NotFound("no such run")
    if run.key.subject_uid not in {caller.pipelinerun_uid, caller.taskrun_uid} - {""}:
        raise errors.Denied(f"run {run.name} is about {run.subject_kind} {run.subject_name}, not about your pod's")
    return run


def _subject_name(caller: run_model.Caller) -> str:
    return f"PipelineRun {caller.pipelinerun}" if caller.pipelinerun else f"TaskRun {caller.taskrun}"


def _may_not_attest(caller: run_model.Caller) -> errors.Denied:
    return errors.Denied(
        f"ServiceAccount {caller.service_account} may not attest here: add it to the Workflow's "
        "spec.attesters.serviceAccounts",
        field="spec.attesters.serviceAccounts",
        fix=f"add {caller.service_account} to the Workflow's spec.attesters.serviceAccounts",
    )
