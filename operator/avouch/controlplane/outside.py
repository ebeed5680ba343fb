"""Crafting outside Tekton: what a command line in any other CI may ask for.

A run is opened for one Workflow, by an attester whom the Workflow lets attest, and only the same attester goes on with
it. Its one accepted bundle ends it. A Workflow that one may not attest for does not exist for the caller.
"""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from avouch import digests, errors, plan
from avouch.api import durations
from avouch.attestation import authority, bundle, identity, predicate, verification
from avouch.contract import planning
from avouch.contract.runners import detection
from avouch.controlplane import attesters, identification, ports, provenrunner, runs, values

EXPIRY = timedelta(hours=24)  # where the Workflow says nothing
MAX_STATE = 6 * 1024 * 1024  # bytes of what a client remembers between its commands, as in Chainloop
DEFAULT_VERSION = "v0"  # Chainloop's


@dataclass(frozen=True, slots=True)
class Stored:
    """A run outside Tekton as stored, and the present spec of its Workflow; None where that is gone."""

    run: values.Run
    outside: values.Outside
    workflow_spec: dict[str, Any] | None
    findings: tuple[values.Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedVersion:
    """Which version of the project: by name, or the latest. `existing`: it must be there already."""

    name: str = ""
    existing: bool = False
    latest: bool = False
    mark_latest: bool = True


@dataclass(frozen=True, slots=True)
class SaidRunner:
    """What the client says of its runner. `token` is the runner's own OIDC token, which proves it."""

    type: str = ""
    url: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """A wish to open a run. `id` is made by the client: asking again with the same one gives the same run."""

    id: uuid.UUID
    namespace: str
    workflow: str
    revision: int = 0  # 0: the newest
    runner: SaidRunner = field(default_factory=SaidRunner)
    version: WantedVersion = field(default_factory=WantedVersion)
    release: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with all that its client needs. `latest` is the contract's newest revision."""

    run: values.Run
    outside: values.Outside
    plan: plan.Plan
    latest: int
    backend: values.Backend
    skip_runner_variables: bool = False
    gate: bool = False
    created: bool = False
    findings: tuple[values.Finding, ...] = ()


class Store(Protocol):
    """Runs outside Tekton. Each writing method is one transaction; a return means COMMIT."""

    async def find(self, run_id: uuid.UUID) -> Stored | None:
        """One run."""
        ...

    async def open(self, run: values.Run, extra: values.Outside, *, mark_latest: bool) -> bool:
        """Create run and version. False: it was there. Raises errors.Conflict where the version is released."""
        ...

    async def extend(self, run_id: uuid.UUID, expires_at: values.datetime) -> None:
        """Expire not before this."""
        ...

    async def accept(self, claim: values.Claim) -> values.Receipt:
        """Store the claim that ends the run. Raises errors.Conflict where it has ended."""
        ...

    async def reset(self, run_id: uuid.UUID, reset: values.Reset, at: values.datetime) -> None:
        """Give the run up. Raises errors.Conflict where it has ended."""
        ...

    async def version(self, namespace_uid: str, name: str) -> values.Version | None:
        """A version of a project; the latest for an empty name."""
        ...

    async def state(self, run_id: uuid.UUID) -> tuple[str, bytes] | None:
        """(digest, content) of what the client remembers."""
        ...

    async def put_state(self, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember instead of what has this digest. Raises errors.Conflict."""
        ...

    async def drop_state(self, run_id: uuid.UUID) -> None:
        """Forget it."""
        ...


class Backends(Protocol):
    """Where the artifacts of a namespace go."""

    async def of_namespace(self, namespace: str) -> values.Backend:
        """The one that the next artifact goes to."""
        ...


@dataclass(frozen=True, slots=True)
class Crafting:
    """The use cases over their ports."""

    store: Store
    identities: identification.Identities
    workflows: ports.Workflows
    contracts: ports.Contracts
    organisations: ports.Organisations
    backends: Backends
    blobs: ports.Blobs
    clock: ports.Clock
    keys: runs.Keys
    max_material: int = runs.MAX_MATERIAL

    async def open(self, token: str, wanted: Opening) -> Opened:
        """Open a run, or look at it without leaving a trace (`dry_run`).

        Raises:
            NotFound: no such Workflow for this caller, no such revision, no such version.
            Invalid: the contract asks for another runner.
            Conflict: the Workflow is suspended, or the version is released.
        """
        attester = await self.identities.identify(token)
        organisation = await self.organisations.of_namespace(wanted.namespace)
        workflow = await self._workflow(wanted, attester, organisation)
        if workflow.spec.get("suspend"):
            raise errors.Conflict(f"Workflow {workflow.name} is suspended: no run can be opened")
        revision, latest = await self._revision(workflow, wanted.revision)
        planned = planning.plan_of(workflow, revision)
        runner = await self._runner(wanted.runner)
        detection.enforce(planned.runner, detection.Runner(runner.type, runner.type or "generic"), dry_run=wanted.dry_run)
        now, lifetime = self.clock.now(), expiry_of(workflow.spec)
        version = await self._version(workflow.namespace_uid, wanted.version)
        run = _run(workflow, planned, wanted.id, now)
        outside = values.Outside(
            run_id=run.id,
            attester=identification.described(attester),
            runner=runner,
            organization=organisation.name if organisation else "",
            expires_at=now + lifetime,
            lifetime=lifetime,
            version=version.name,
            prerelease=True,
            release=wanted.release,
        )
        created = False
        if not wanted.dry_run:
            created = await self.store.open(run, outside, mark_latest=wanted.version.mark_latest)
        stored = Stored(run, outside, workflow.spec) if created or wanted.dry_run else await self._again(attester, run.id)
        return replace(await self._opened(stored, organisation), latest=latest, created=created)

    async def get(self, token: str, run_id: uuid.UUID) -> Opened:
        """The caller's run. Raises errors.NotFound."""
        stored = await self._own(token, run_id)
        return await self._opened(stored, await self.organisations.of_namespace(stored.run.namespace))

    async def known(self, token: str, run_id: uuid.UUID, digest: digests.Digest) -> bool:
        """Whether content is stored already. Raises errors.NotFound for a run that is not the caller's."""
        await self._own(token, run_id)
        return await self.blobs.has(digest)

    async def put_material(
        self, token: str, run_id: uuid.UUID, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store the bytes of one material: a sign of life. Raises what `ports.Blobs.put` raises."""
        stored = await self._open_to(token, run_id)
        backend = await self.backends.of_namespace(stored.run.namespace)
        limit = min(backend.max_bytes, self.max_material)
        kept = await self.blobs.put(content, expected=expected, limit=limit)
        await self.store.extend(run_id, self.clock.now() + stored.outside.lifetime)
        return kept

    async def certify(self, token: str, run_id: uuid.UUID, csr: bytes) -> runs.Certified:
        """A leaf for the caller's own key that names the attester. Raises errors.Invalid for a bad request."""
        stored = await self._open_to(token, run_id)
        issuer = self.keys.authority()
        who = identity.Recorded(stored.outside.attester.uris)
        leaf = authority.issue(issuer, csr, who, self.clock.now())
        return runs.Certified(leaf.decode("ascii"), (issuer.certificate_pem.decode("ascii"),))

    async def accept(self, token: str, run_id: uuid.UUID, content: bytes) -> values.Receipt:
        """Believe a bundle and end the run with it; a return means COMMIT.

        1. The run is the caller's, and its Workflow lets the caller attest.
        2. The bundle verifies now, signed by exactly this attester (`attestation.verification`).
        3. It is about this run.

        Raises:
            NotVerified: step 2, or a statement about no run.
            Conflict: step 3, or the run has ended.
        """
        stored = await self._own(token, run_id)  # 1
        received = self.clock.now()
        who = identity.Recorded(stored.outside.attester.uris)
        verified = verification.verify(content, self.keys.trust(), who, received)  # 2
        runs.check_same_run(predicate.read(verified.statement).metadata, stored.run)  # 3
        claim = values.Claim(
            run_id=run_id,
            digest=bundle.digest(content),
            bundle=content,
            pod_uid="",
            taskrun_uid="",
            taskrun="",
            pipeline_task="",
            service_account="",
            received_at=received,
            explicit=True,
        )
        return await self.store.accept(claim)

    async def reset(self, token: str, run_id: uuid.UUID, reset: values.Reset) -> Opened:
        """Give the run up. Raises errors.Conflict where it has ended otherwise."""
        await self._own(token, run_id)
        await self.store.reset(run_id, reset, self.clock.now())
        return await self.get(token, run_id)

    async def state(self, token: str, run_id: uuid.UUID) -> tuple[str, bytes]:
        """(digest, content) of what the client remembers. Raises errors.NotFound."""
        await self._own(token, run_id)
        found = await self.store.state(run_id)
        if found is None:
            raise errors.NotFound("no state is kept of this run: it has ended, or its state is with its client")
        return found

    async def put_state(self, token: str, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember, if nobody else changed it meanwhile. Raises errors.Conflict."""
        stored = await self._open_to(token, run_id)
        digest = await self.store.put_state(run_id, content, instead_of=instead_of)
        await self.store.extend(run_id, self.clock.now() + stored.outside.lifetime)
        return digest

    async def drop_state(self, token: str, run_id: uuid.UUID) -> None:
        """Forget it."""
        await self._own(token, run_id)
        await self.store.drop_state(run_id)

    async def _again(self, attester: attesters.Attester, run_id: uuid.UUID) -> Stored:
        stored = await self.store.find(run_id)
        if stored is None or stored.outside.attester != identification.described(attester):
            raise errors.Conflict("this id was given to another run: make a new one")
        return stored

    async def _own(self, token: str, run_id: uuid.UUID) -> Stored:
        """The run, if the caller opened it and its Workflow still lets the caller attest."""
        attester = await self.identities.identify(token)
        stored = await self.store.find(run_id)
        if stored is None or stored.outside.attester.uris != identification.described(attester).uris:
            raise errors.NotFound("no such run")
        organisation = await self.organisations.of_namespace(stored.run.namespace)
        place = attesters.Place(stored.run.namespace, stored.run.workflow, organisation)
        if stored.workflow_spec is None or not attesters.may_attest(stored.workflow_spec, place, attester):
            raise errors.Denied(
                f"you may no longer attest for Workflow {stored.run.workflow}",
                field="spec.attesters",
                fix="have yourself listed in the Workflow's spec.attesters again",
            )
        return stored

    async def _open_to(self, token: str, run_id: uuid.UUID) -> Stored:
        stored = await self._own(token, run_id)
        if stored.run.finished_at is not None or stored.run.result is not values.VerdictResult.PENDING:
            raise errors.Conflict(f"run {stored.run.name} has ended: init a new one")
        return stored

    async def _workflow(
        self, wanted: Opening, attester: attesters.Attester, organisation: values.Organisation | None
    ) -> values.WorkflowRecord:
        found = await self.workflows.get(wanted.namespace, wanted.workflow)
        place = attesters.Place(wanted.namespace, wanted.workflow, organisation)
        if found is None or not attesters.may_attest(found.spec, place, attester):
            who = identification.described(attester)
            raise errors.NotFound(
                f"no Workflow {wanted.workflow} in {wanted.namespace} that {who.id} may attest for: create it "
                f"(kubectl avouch workflow create --name {wanted.workflow} --project {wanted.namespace}), or list "
                "yourself in its spec.attesters"
            )
        return found

    async def _revision(
        self, workflow: values.WorkflowRecord, number: int
    ) -> tuple[values.ContractRevision, int]:
        place = workflow.contract_namespace, workflow.contract_name
        newest = await self.contracts.newest(*place) if workflow.contract_name else None
        if newest is None:
            raise errors.NotFound(
                f"Workflow {workflow.name} has no Contract yet: kubectl describe workflow {workflow.name} says why"
            )
        if number in (0, newest.revision):
            return newest, newest.revision
        found = await self.contracts.get(*place, number)
        if found is None:
            raise errors.NotFound(f"contract {newest.name} has no revision {number}; the newest is {newest.revision}")
        return found, newest.revision

    async def _runner(self, said: SaidRunner) -> values.Runner:
        told = values.Runner(type=said.type, url=said.url)
        if not said.token:
            return told
        return provenrunner.of(told, await self.identities.federation.verify(said.token))

    async def _version(self, namespace_uid: str, wanted: WantedVersion) -> values.Version:
        name = "" if wanted.latest else wanted.name or DEFAULT_VERSION
        found = await self.store.version(namespace_uid, name)
        if found is None and (wanted.existing or wanted.latest):
            what = f'version "{name}"' if name else "latest version"
            raise errors.NotFound(f"project {what} not found")
        if found is not None and not found.prerelease:
            raise errors.Conflict(f'version "{found.name}" is released and immutable: attestations cannot be added')
        return found or values.Version(name)

    async def _opened(self, stored: Stored, organisation: values.Organisation | None) -> Opened:
        run = stored.run
        return Opened(
            run=run,
            outside=stored.outside,
            plan=plan.Plan.from_json(run.plan),
            latest=run.revision,
            backend=await self.backends.of_namespace(run.namespace),
            skip_runner_variables=bool(organisation and organisation.skip_runner_variables),
            gate=bool((stored.workflow_spec or {}).get("gate")),
            findings=stored.findings,
        )


def expiry_of(spec: dict[str, Any]) -> timedelta:
    """How long a run may stay open without a sign of life."""
    said = spec.get("runExpiry")
    return durations.parse(str(said)) if said else EXPIRY


def _run(workflow: values.WorkflowRecord, planned: plan.Plan, given: uuid.UUID, now: values.datetime) -> values.Run:
    key = values.RunKey(workflow.uid, str(given), outside=True)
    return values.Run(
        id=key.id,
        name=key.name(workflow.name),
        key=key,
        namespace=workflow.namespace,
        namespace_uid=workflow.namespace_uid,
        workflow=workflow.name,
        subject_kind=values.EXTERNAL,
        subject_name=str(given),
        contract=planned.contract,
        revision=planned.revision,
        contract_digest=planned.contract_digest,
        plan=planned.to_json(),
        created_at=now,
        labels=dict(workflow.labels),
    )
