"""External runs: an attester opens one, and only the same attester may continue it.

That holds only while their Workflow lets the attester attest. What it brings goes through `submissions`.
"""

import uuid
from dataclasses import dataclass

from avouch import errors
from avouch.attestation import identity
from avouch.controlplane.intake import authentication, authorization, external_opening, sessions
from avouch.controlplane.model import external, run_moves, runs


@dataclass(frozen=True, slots=True)
class ExternalRuns:
    """The use cases over their ports."""

    opener: external_opening.Opener

    async def identify(self, token: str) -> authorization.Attester:
        """Who wants to open a run. Raises errors.Unauthenticated; errors.Denied for a pod of a TaskRun."""
        return await self.opener.identities.identify_outside(token)

    async def open(self, attester: authorization.Attester, wanted: external.RunRequest) -> external.Opened:
        """Open a run: `external_opening.Opener.open`."""
        return await self.opener.open(attester, wanted)

    async def session(self, token: str, run_id: uuid.UUID, need: sessions.Need) -> sessions.RunSession:
        """The run, if the caller opened it and its Workflow still lets the caller attest.

        Raises:
            Unauthenticated: the token is not valid.
            NotFound: no such run of this attester.
            Denied: the caller is a pod of a TaskRun, or its Workflow no longer lets the attester attest, whatever is
                needed.
            Conflict: something is to be added, and the run has ended.
        """
        attester = await self.opener.identities.identify_outside(token)
        stored = await self.opener.store.find(run_id)
        if stored is None or stored.external.attester.uris != authentication.described(attester).uris:
            raise errors.NotFound("no such run")
        await self._must_attest(stored, attester)
        if need is sessions.Need.ADD and _ended(stored.run):
            raise errors.Conflict(f"run {stored.run.name} has ended: open a new one with attestation init")
        return sessions.RunSession(stored.run, identity.Recorded(stored.external.attester.uris), external=stored)

    async def opened(self, stored: external.Stored) -> external.Opened:
        """What the client of a stored run is told."""
        return await self.opener.opened(stored, await self.opener.organizations.of_namespace(stored.run.namespace))

    async def reset(self, session: sessions.RunSession, reset: external.Reset) -> external.Opened:
        """Give the run up. Raises errors.Conflict where it has ended otherwise."""
        run_id = session.run.id
        await self.opener.store.reset(run_id, reset, self.opener.clock.now())
        stored = await self.opener.store.find(run_id)
        if stored is None:
            raise errors.NotFound("no such run")
        return await self.opened(stored)

    async def state(self, session: sessions.RunSession) -> tuple[str, bytes]:
        """(digest, content) of what the client remembers. Raises errors.NotFound."""
        found = await self.opener.store.state(session.run.id)
        if found is None:
            raise errors.NotFound("the server stores no state of this run: it has ended, or its client has the state")
        return found

    async def put_state(self, session: sessions.RunSession, content: bytes, *, instead_of: str) -> str:
        """Store the client's state, unless it changed since; extends the run. Raises errors.Conflict."""
        digest = await self.opener.store.put_state(session.run.id, content, instead_of=instead_of)
        await self.alive(session)
        return digest

    async def drop_state(self, session: sessions.RunSession) -> None:
        """Delete the stored state."""
        await self.opener.store.drop_state(session.run.id)

    async def alive(self, session: sessions.RunSession) -> None:
        """Extend the run, after a request of its client."""
        if session.external is not None:
            lifetime = session.external.external.lifetime
            await self.opener.store.extend(session.run.id, self.opener.clock.now() + lifetime)

    async def _must_attest(self, stored: external.Stored, attester: authorization.Attester) -> None:
        organization = await self.opener.organizations.of_namespace(stored.run.namespace)
        place = authorization.Place(stored.run.namespace, stored.run.workflow, organization)
        if stored.rules is None or not authorization.may_attest(stored.rules.attesters, place, attester):
            raise errors.Denied(
                f"you may no longer attest for Workflow {stored.run.workflow}",
                field="spec.attesters",
                fix="ask an owner of the Workflow to add you to spec.attesters",
            )


def _ended(run: runs.Run) -> bool:
    return run_moves.of(run) is not run_moves.State.OPEN
