"""Opening an external run: who asks, for which Workflow, under which revision, for which version.

A Workflow that one may not attest for does not exist for the caller.
"""

import asyncio
import uuid
from dataclasses import dataclass, replace

from avouch import errors, plan
from avouch.contract import planning as contract_planning
from avouch.controlplane.intake import authentication, authorization, planning
from avouch.controlplane.model import cluster, external, runs, workflowspecs
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import identities as identity_model
from avouch.findings import Finding
from avouch.runners import detection, table


@dataclass(frozen=True, slots=True)
class Opener:
    """The use case over its ports."""

    store: external.Store
    identities: authentication.Authenticator
    workflows: contract_model.Workflows
    contracts: contract_model.Contracts
    organizations: identity_model.Organizations
    backends: external.Backends
    clock: cluster.Clock

    async def open(self, attester: authorization.Attester, wanted: external.RunRequest) -> external.Opened:
        """Open a run, or look at it without leaving a trace (`dry_run`).

        Raises:
            NotFound: no such Workflow for this caller, no such revision, no such version.
            Denied: the Workflow takes no external runs, or no older revision of its contract; or the version is to be
                released, and the attester's token is for one Workflow.
            Invalid: the contract asks for another runner.
            Conflict: the Workflow is suspended, or the version is released.
        """
        organization = await self.organizations.of_namespace(wanted.namespace)
        workflow, rules = await self._workflow(wanted, attester, organization)
        _takes_external_runs(workflow)
        _may_release(wanted, attester)
        if rules.suspend:
            raise errors.Conflict(f"Workflow {workflow.name} is suspended: no run can be opened")
        revision, latest = await self._revision(workflow, wanted.revision, rules)
        planned, text = await asyncio.to_thread(_planned, workflow, revision)  # 30 ms for the largest contract
        runner, unproven = await self._runner(wanted.runner, attester)
        unproven += _missing_proof(runner, planned.runner)
        detection.enforce(
            planned.runner, detection.Runner(runner.type, runner.type or "generic"), dry_run=wanted.dry_run
        )
        now, lifetime = self.clock.now(), rules.expiry
        version = await self._version(workflow.namespace_uid, wanted.version)
        key = runs.RunKey(workflow.uid, str(wanted.id), external=True)
        run = planning.new_run(workflow, key, (runs.EXTERNAL, str(wanted.id)), (planned, text), now)
        extra = external.ExternalPart(
            run_id=run.id,
            attester=authentication.described(attester),
            runner=runner,
            organization=organization.name if organization else "",
            expires_at=now + lifetime,
            lifetime=lifetime,
            version=version.name,
            prerelease=True,
            release=wanted.release,
        )
        created = False
        if not wanted.dry_run:
            created = await self.store.open(run, extra, mark_latest=wanted.version.mark_latest)
        stored = (
            external.Stored(run, extra, rules) if created or wanted.dry_run else await self._again(attester, run.id)
        )
        found = await self.opened(stored, organization)
        return replace(found, latest=latest, created=created, unproven=unproven)

    async def opened(
        self, stored: external.Stored, organization: identity_model.Organization | None
    ) -> external.Opened:
        """What the client of a stored run is told."""
        return external.Opened(
            stored=stored,
            latest=stored.run.revision,
            backend=await self.backends.of_namespace(stored.run.namespace),
            skip_runner_variables=bool(organization and organization.skip_runner_variables),
        )

    async def _again(self, attester: authorization.Attester, run_id: uuid.UUID) -> external.Stored:
        stored = await self.store.find(run_id)
        if stored is None or stored.external.attester != authentication.described(attester):
            raise errors.Conflict("another run already has this id: choose a new one")
        return stored

    async def _workflow(
        self,
        wanted: external.RunRequest,
        attester: authorization.Attester,
        organization: identity_model.Organization | None,
    ) -> tuple[contract_model.WorkflowRecord, workflowspecs.Rules]:
        found = await self.workflows.get(wanted.namespace, wanted.workflow)
        place = authorization.Place(wanted.namespace, wanted.workflow, organization)
        rules = workflowspecs.read(found.spec, found.name) if found else None
        if found is None or rules is None or not authorization.may_attest(rules.attesters, place, attester):
            who = authentication.described(attester)
            raise errors.NotFound(
                f"no Workflow {wanted.workflow} in {wanted.namespace} that {who.id} may attest for: create it "
                f"(kubectl avouch workflow create --name {wanted.workflow} --project {wanted.namespace}), or list "
                "yourself in its spec.attesters"
            )
        return found, rules

    async def _revision(
        self, workflow: contract_model.WorkflowRecord, number: int, rules: workflowspecs.Rules
    ) -> tuple[contract_model.ContractRevision, int]:
        place = workflow.contract_namespace, workflow.contract_name
        newest = await self.contracts.newest(*place)
        if newest is None:
            raise errors.NotFound(
                f"Workflow {workflow.name} has no Contract yet: kubectl describe workflow {workflow.name} says why"
            )
        if number in (0, newest.revision):
            return newest, newest.revision
        if not rules.older_revisions:
            raise errors.Denied(
                f"revision {number} of contract {newest.name} is not its newest, {newest.revision}, and Workflow "
                f"{workflow.name} allows no older revision",
                field="spec.olderRevisions",
                fix="leave --contract-revision out, or set spec.olderRevisions: true in the Workflow",
            )
        found = await self.contracts.get(*place, number)
        if found is None:
            raise errors.NotFound(f"contract {newest.name} has no revision {number}; the newest is {newest.revision}")
        return found, newest.revision

    async def _runner(
        self, said: external.RunnerRequest, attester: authorization.Attester
    ) -> tuple[external.Runner, tuple[Finding, ...]]:
        """The runner, proven where its token can be looked at; else as told, and recorded as not proven.

        The caller has proven who it is by the bearer token; where that is its runner's, it needs no other. A token of
        the runner that is wrong is refused; one that nobody can look at here, or now, is worth as much as none, and
        must not break a build.
        """
        told, federation = external.Runner(type=said.type, url=said.url), self.identities.federation
        if not said.token:
            return authentication.runner_of(told, attester) if isinstance(
                attester, identity_model.OidcIdentity
            ) else told, ()
        if not federation.knows(said.token):
            text = "this server does not trust the issuer of the runner's own token"
            return told, (Finding("RunnerNotProven", text, fix="add the issuer to oidc.issuers in the chart's values"),)
        try:
            return await authentication.proven_runner(told, said.token, federation), ()
        except errors.Unavailable as exc:
            return told, (Finding("RunnerNotProven", f"the runner's own token cannot be verified now: {exc}"),)

    async def _version(self, namespace_uid: str, wanted: external.VersionRequest) -> external.Version:
        name = "" if wanted.latest else wanted.name or external.DEFAULT_VERSION
        found = await self.store.version(namespace_uid, name)
        if found is None and (wanted.existing or wanted.latest):
            what = f'version "{name}"' if name else "latest version"
            raise errors.NotFound(f"project {what} not found")
        if found is not None and not found.prerelease:
            raise external.released(found.name)
        return found or external.Version(name)


def _planned(
    workflow: contract_model.WorkflowRecord, revision: contract_model.ContractRevision
) -> tuple[plan.Plan, str]:
    """What the run must deliver, and how that is stored."""
    planned = contract_planning.plan_of(workflow, revision)
    return planned, planned.to_json()


def _takes_external_runs(workflow: contract_model.WorkflowRecord) -> None:
    if not workflowspecs.takes_external_runs(workflow.spec, workflow.name):
        raise errors.Denied(
            f"Workflow {workflow.name} takes no external runs: by default one with spec.tekton takes none, for "
            "its runs are held against the cluster's own record",
            field="spec.externalRuns",
            fix="attest under a Workflow of its own, or set spec.externalRuns: true in this one; the verdicts of "
            "external runs have the level AVOUCH_EVIDENCE_CLI",
        )


def _may_release(wanted: external.RunRequest, attester: authorization.Attester) -> None:
    """A released version takes no attestation of any Workflow of the project: a token for one has no say in that."""
    narrow = isinstance(attester, authorization.Token) and attester.record.scope == identity_model.TokenScope.WORKFLOW
    if wanted.release and narrow:
        raise errors.Denied(
            "a release closes the version for every Workflow of the project, and this token is for one of them",
            field="release",
            fix="release with an APIToken of scope Project, or leave --release out",
        )


def _missing_proof(runner: external.Runner, wanted: str) -> tuple[Finding, ...]:
    """Said as soon as the run is opened: it can be proven in the job only, and without it the run cannot pass."""
    why = runner.lacks_proof_of(wanted)
    if not why:
        return ()
    text = f"the run cannot pass: the contract asks for a runner of type {wanted}; {why}"
    return (Finding("RunnerNotProven", text, "spec.runner.type", table.how_to_prove(wanted)),)
