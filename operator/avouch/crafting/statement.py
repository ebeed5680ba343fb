"""The statement at the end: the state, written as the predicate that Chainloop's own tools read.

The bytes are the same for the same state, time and authority; nothing is read from anywhere else.
"""

from datetime import datetime
from typing import NamedTuple

from avouch import errors
from avouch.attestation import predicate
from avouch.crafting import state as states

BUILDER = "avouch.dev/cli/"


class Ending(NamedTuple):
    """What is known only when the attestation is closed.

    `authority` is the name of the CA that certified the signer; `version` that of this command line; `bypass` asks that
    violations of policies block nothing, which the server grants to nobody, and tells of.
    """

    finished: datetime
    version: str
    authority: str = ""
    bypass: bool = False


def payload(state: states.State, ending: Ending) -> bytes:
    """The statement to sign.

    Raises:
        Invalid: a fact that no statement can hold.
        TooLarge: more than a statement may have.
    """
    try:
        return predicate.build(facts(state, ending))
    except errors.TooLarge as exc:
        fix = "store materials in a CAS backend that is not inline, or skip_upload them in the contract"
        raise errors.TooLarge(f"the statement is too large: {exc}", fix=fix) from exc


def facts(state: states.State, ending: Ending) -> predicate.AttestationFacts:
    """What the statement says."""
    run = state.run
    return predicate.AttestationFacts(
        metadata=predicate.Metadata(
            name=run.workflow,
            workflow_name=run.workflow,
            workflow_id=run.workflow_uid,
            workflow_run_id=run.id,
            project=run.project or run.namespace,
            organization=run.organization,
            contract_name=run.contract.name,
            contract_version=str(run.contract.revision),
            initialized_at=state.initialized,
            finished_at=ending.finished,
            team=run.team,
            project_version=run.version.name,
            project_version_prerelease=run.version.prerelease,
        ),
        builder_id=f"{BUILDER}{ending.version}",
        runner=predicate.Runner(
            type=state.runner_type,
            url=state.runner_url,
            environment=run.runner.environment,
            authenticated=run.runner.authenticated,
            workflow_file_path=run.runner.workflow_file_path,
        ),
        materials=state.materials,
        env=state.env,
        annotations=state.annotations,
        git_head=state.commit,
        policy={"policyBlockBypassEnabled": True} if ending.bypass else {},
        server=_server(state, ending),
    )


def _server(state: states.State, ending: Ending) -> dict[str, object]:
    backend, attester = state.run.backend, state.run.attester
    said: dict[str, object] = {
        "auth": {"id": attester.id, "type": attester.type} if attester.type else {},
        "casBackend": {
            "casBackendID": backend.id,
            "casBackendName": backend.name,
            "fallback": backend.fallback,
        }
        if backend.name
        else {},
        "signingCA": ending.authority,
    }
    return {key: value for key, value in said.items() if value}
