"""Who may go on with an external run: its attester, as long as its Workflow lets it, and as long as it is open."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests, errors
from avouch.api import workflow
from avouch.attestation import authority, identity
from avouch.controlplane.intake import authentication, authorization, external_runs, sessions, submissions
from avouch.controlplane.model import external, runs, verdicts, workflowspecs
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.ingest import fakes

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CI = authorization.ServiceAccount("team-a", "ci")
RULES = workflowspecs.Rules()
ALL = list(sessions.Need)


@dataclass
class Ports:
    """One stored run and who calls; remembers until when the run was extended."""

    stored: external.Stored | None
    caller: authorization.Attester = CI
    extended: datetime | None = None
    claims: list[runs.Claim] = field(default_factory=list)
    resets: list[tuple[external.Reset, datetime]] = field(default_factory=list)
    kept: tuple[str, bytes] | None = None

    async def reset(self, run_id: uuid.UUID, reset: external.Reset, at: datetime) -> None:
        self.resets.append((reset, at))

    async def state(self, run_id: uuid.UUID) -> tuple[str, bytes] | None:
        return self.kept if run_id == cases.RUN else None

    async def drop_state(self, run_id: uuid.UUID) -> None:
        self.kept = None if run_id == cases.RUN else self.kept

    async def opened(self, stored: external.Stored, organization: None) -> tuple[external.Stored, None]:
        return stored, organization

    async def accept(self, claim: runs.Claim) -> runs.Receipt:
        self.claims.append(claim)
        return runs.Receipt(uuid.uuid4(), claim.digest, created=True)

    async def identify_outside(self, token: str) -> authorization.Attester:
        return self.caller

    async def find(self, run_id: uuid.UUID) -> external.Stored | None:
        return self.stored

    async def extend(self, run_id: uuid.UUID, until: datetime) -> None:
        self.extended = until

    async def put_state(self, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        if instead_of:
            raise errors.Conflict("another process changed the state: read it again")
        return str(digests.of_bytes(content))

    async def of_namespace(self, namespace: str) -> None:
        return None

    def now(self) -> datetime:
        return NOW

    @property
    def runs(self) -> external_runs.ExternalRuns:
        opener = SimpleNamespace(identities=self, store=self, organizations=self, clock=self, opened=self.opened)
        return external_runs.ExternalRuns(opener)  # type: ignore[arg-type]  # what sessions use

    async def session(self, need: sessions.Need) -> sessions.RunSession:
        return await self.runs.session("token", cases.RUN, need)


def stored(rules: workflowspecs.Rules | None = RULES, **changes: object) -> external.Stored:
    part = external.ExternalPart(
        cases.RUN, authentication.described(CI), external.Runner(), "", NOW, timedelta(hours=1), "v0"
    )
    run: runs.Run = replace(cases.run(), finished_at=None)
    return external.Stored(replace(run, **changes), part, rules)  # type: ignore[arg-type]  # tests name the fields


@pytest.mark.parametrize("need", ALL)
async def test_the_attester_of_an_open_run_goes_on_with_it(need: sessions.Need) -> None:
    found = await Ports(stored()).session(need)
    assert found.signer.uris() == authentication.described(CI).uris


@pytest.mark.parametrize("need", ALL)
async def test_a_run_of_another_attester_does_not_exist(need: sessions.Need) -> None:
    for ports in (Ports(stored(), replace(CI, name="other")), Ports(None)):
        with pytest.raises(errors.NotFound, match=r"^no such run$"):
            await ports.session(need)


@pytest.mark.parametrize("need", ALL)
async def test_a_workflow_that_lets_its_attester_no_longer_attest_or_is_gone_ends_what_it_may(
    need: sessions.Need,
) -> None:
    for rules in (workflowspecs.Rules(attesters=workflow.Attesters()), None):
        with pytest.raises(errors.Denied):
            await Ports(stored(rules)).session(need)


@pytest.mark.parametrize("ended", [{"finished_at": NOW}, {"result": verdicts.VerdictResult.EXPIRED}])
async def test_nothing_is_added_to_a_run_that_has_ended_but_it_is_read_and_its_bundle_sent_again(
    ended: dict[str, object],
) -> None:
    ports = Ports(stored(**ended))
    with pytest.raises(errors.Conflict):
        await ports.session(sessions.Need.ADD)
    for need in (sessions.Need.READ, sessions.Need.ATTEST):
        assert (await ports.session(need)).run.id == cases.RUN


async def test_each_arrival_is_a_sign_of_life() -> None:
    ports = Ports(stored())
    await ports.runs.alive(await ports.session(sessions.Need.ADD))
    assert ports.extended == NOW + timedelta(hours=1)


async def test_a_state_that_is_kept_is_a_sign_of_life_and_one_that_is_refused_is_none() -> None:
    ports = Ports(stored())
    session = await ports.session(sessions.Need.ADD)
    with pytest.raises(errors.Conflict):
        await ports.runs.put_state(session, b"state", instead_of="sha256:other")
    assert ports.extended is None
    await ports.runs.put_state(session, b"state", instead_of="")
    assert ports.extended == NOW + timedelta(hours=1)


@pytest.mark.parametrize("whole", [True, False])
async def test_material_and_each_part_of_it_is_a_sign_of_life(whole: bool) -> None:
    ports, blobs = Ports(stored()), fakes.Blobs()
    intake = submissions.Intake(None, None, blobs, ports, None, 1024, external=ports.runs)  # type: ignore[arg-type]  # as above
    put = intake.put_material if whole else intake.put_part
    await put(await ports.session(sessions.Need.ADD), digests.of_bytes(b"sbom"), content())
    assert (ports.extended, list(blobs.content.values())) == (NOW + timedelta(hours=1), [b"sbom"])


async def content() -> AsyncIterator[bytes]:
    yield b"sbom"


async def test_a_bundle_of_an_external_run_ends_it_and_is_no_claim_of_a_pod() -> None:
    ports = Ports(stored(plan=cases.planned().to_json()))
    session = await ports.session(sessions.Need.ATTEST)
    pods = fakes.Store()
    intake = submissions.Intake(None, pods, fakes.Blobs(), fakes.Clock(), KEYS, 1024, external=ports.runs)  # type: ignore[arg-type]
    assert (await intake.accept(session, signed(), explicit=True)).created
    assert (len(ports.claims), pods.claims) == (1, {})
    (claim,) = ports.claims
    assert (claim.pod_uid, claim.explicit, claim.received_at) == ("", True, fakes.NOW)


async def test_the_bundle_of_a_pod_is_a_claim_although_external_runs_are_served_too() -> None:
    ports, fake = Ports(None), fakes.Fakes()
    intake = replace(fake.intake, external=ports.runs)
    session = await intake.session(fakes.TOKEN, fake.run.id, sessions.Need.ATTEST)
    assert (await intake.accept(session, fakes.signed(fake), explicit=False)).created
    assert (len(fake.store.claims), ports.claims) == (1, [])


async def test_what_a_client_remembers_is_given_back_until_it_is_dropped() -> None:
    ports = Ports(stored(), kept=("sha256:1", b"state"))
    session = await ports.session(sessions.Need.READ)
    assert await ports.runs.state(session) == ("sha256:1", b"state")
    await ports.runs.drop_state(session)
    with pytest.raises(errors.NotFound, match="the server stores no state of this run"):
        await ports.runs.state(session)


async def test_a_run_is_given_up_now_and_shown_as_it_is_then() -> None:
    ports, reset = Ports(stored()), external.Reset("failure", "red")
    session = await ports.session(sessions.Need.ATTEST)
    assert await ports.runs.reset(session, reset) == (ports.stored, None)  # type: ignore[comparison-overlap]
    assert ports.resets == [(reset, NOW)]
    ports.stored = None  # deleted meanwhile
    with pytest.raises(errors.NotFound, match=r"^no such run$"):
        await ports.runs.reset(session, reset)


async def test_what_arrives_for_a_run_of_the_cluster_extends_none() -> None:
    ports, fake = Ports(stored()), fakes.Fakes()
    await ports.runs.alive(await fake.intake.session(fakes.TOKEN, fake.run.id))
    assert ports.extended is None


KEYS = fakes.Keys()


def signed() -> bytes:
    """A bundle of the attester about its run."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue(KEYS.authority(), fakes.csr(key), identity.AccountIdentity("team-a", "ci"), fakes.NOW)
    said = {"name": "app", "workflow_name": "app", "contract_name": "contract", "contract_version": "3"}
    return fakes.bundle_of(key, leaf, str(cases.RUN), **said)
