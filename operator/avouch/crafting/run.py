"""What the server said when it opened the run: the facts that the client may not make up for itself."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from avouch import errors
from avouch import plan as plans
from avouch.attestation import shape
from avouch.findings import Finding
from avouch.values import dataclass


class Contract(NamedTuple):
    """The revision that the run is pinned to; `latest` is the newest there was."""

    name: str
    revision: int
    latest: int = 0
    digest: str = ""


class Version(NamedTuple):
    """The project version that the attestation is for."""

    name: str = ""
    prerelease: bool = False


class Runner(NamedTuple):
    """What the server believes of the runner: authenticated by its own token, or merely said."""

    type: str = ""
    environment: str = "unknown"
    authenticated: bool = False
    workflow_file_path: str = ""


class Attester(NamedTuple):
    """Who opened the run, as the predicate's `auth` names it."""

    type: str = ""
    id: str = ""


class Backend(NamedTuple):
    """Where the bytes of materials go. `inline`: into the statement itself."""

    id: str = ""
    name: str = ""
    inline: bool = False
    fallback: bool = False
    max_bytes: int = 0


class Run(NamedTuple):
    """An external run, as the server describes it."""

    id: str
    name: str
    namespace: str
    workflow: str
    plan: plans.Plan
    contract: Contract
    workflow_uid: str = ""
    team: str = ""
    project: str = ""
    organization: str = ""
    verdict: str = "Pending"
    created_at: str = ""
    expires_at: str = ""
    version: Version = Version()
    runner: Runner = Runner()
    attester: Attester = Attester()
    backend: Backend = Backend()
    skip_runner_variables: bool = False
    gate: bool = False
    enforcement: str = ""  # observe | warn | gate; "" by a server that knows gates alone
    findings: tuple[Finding, ...] = ()


_FINDING = ("code", "message", "line", "fix", "material")

_TEXTS = {
    "name": "name",
    "namespace": "namespace",
    "workflow": "workflow",
    "workflowUid": "workflow_uid",
    "team": "team",
    "project": "project",
    "organization": "organization",
    "verdict": "verdict",
    "createdAt": "created_at",
    "expiresAt": "expires_at",
}


def read(value: object) -> Run:
    """A run from the server's JSON. Unknown fields are ignored: a newer server says more.

    Raises:
        Invalid: a field is missing or of the wrong type.
    """
    fields = shape.mapping(value, "run")
    return Run(
        id=_required(fields, "id"),
        plan=_plan(fields.get("plan")),
        contract=_contract(_part(fields, "contract")),
        **{name: shape.optional_text(fields.get(key), f"run.{key}") for key, name in _TEXTS.items()},
        version=_version(_part(fields, "version")),
        runner=_runner(_part(fields, "runner")),
        attester=_attester(_part(fields, "attester")),
        backend=_backend(_part(fields, "backend")),
        skip_runner_variables=shape.optional_flag(fields.get("skipRunnerVariables"), "run.skipRunnerVariables"),
        gate=shape.optional_flag(fields.get("gate"), "run.gate"),
        enforcement=shape.optional_text(fields.get("enforcement"), "run.enforcement"),
        findings=_findings(fields.get("findings")),
    )


def write(run: Run) -> dict[str, object]:
    """The same JSON, for the state and for `--output json`."""
    return {
        "id": run.id,
        **{key: getattr(run, name) for key, name in _TEXTS.items()},
        "plan": json.loads(run.plan.to_json()),
        "contract": {
            "name": run.contract.name,
            "revision": run.contract.revision,
            "latest": run.contract.latest,
            "digest": run.contract.digest,
        },
        "version": {"name": run.version.name, "prerelease": run.version.prerelease},
        "runner": {
            "type": run.runner.type,
            "environment": run.runner.environment,
            "authenticated": run.runner.authenticated,
            "workflowFilePath": run.runner.workflow_file_path,
        },
        "attester": {"type": run.attester.type, "id": run.attester.id},
        "backend": {
            "id": run.backend.id,
            "name": run.backend.name,
            "inline": run.backend.inline,
            "fallback": run.backend.fallback,
            "maxBytes": run.backend.max_bytes,
        },
        "skipRunnerVariables": run.skip_runner_variables,
        "gate": run.gate,
        "enforcement": run.enforcement,
        "findings": [{key: getattr(each, key) for key in _FINDING} for each in run.findings],
    }


def _required(fields: Mapping[str, object], key: str) -> str:
    found = shape.text(fields.get(key), f"run.{key}")
    if not found:
        raise errors.Invalid("empty", field=f"run.{key}")
    return found


def _part(fields: Mapping[str, object], key: str) -> dict[str, object]:
    found = fields.get(key)
    return {} if found is None else shape.mapping(found, f"run.{key}")


def _number(fields: Mapping[str, object], key: str, where: str) -> int:
    found = fields.get(key, 0)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise errors.Invalid("must be a number that is not negative", field=f"{where}.{key}")
    return found


def _plan(value: object) -> plans.Plan:
    return plans.Plan.from_json(json.dumps(shape.mapping(value, "run.plan")))


def _contract(fields: dict[str, object]) -> Contract:
    return Contract(
        name=shape.optional_text(fields.get("name"), "run.contract.name"),
        revision=_number(fields, "revision", "run.contract"),
        latest=_number(fields, "latest", "run.contract"),
        digest=shape.optional_text(fields.get("digest"), "run.contract.digest"),
    )


def _version(fields: dict[str, object]) -> Version:
    return Version(
        name=shape.optional_text(fields.get("name"), "run.version.name"),
        prerelease=shape.optional_flag(fields.get("prerelease"), "run.version.prerelease"),
    )


def _runner(fields: dict[str, object]) -> Runner:
    where = "run.runner"
    return Runner(
        type=shape.optional_text(fields.get("type"), f"{where}.type"),
        environment=shape.optional_text(fields.get("environment"), f"{where}.environment") or "unknown",
        authenticated=shape.optional_flag(fields.get("authenticated"), f"{where}.authenticated"),
        workflow_file_path=shape.optional_text(fields.get("workflowFilePath"), f"{where}.workflowFilePath"),
    )


def _attester(fields: dict[str, object]) -> Attester:
    return Attester(
        type=shape.optional_text(fields.get("type"), "run.attester.type"),
        id=shape.optional_text(fields.get("id"), "run.attester.id"),
    )


def _backend(fields: dict[str, object]) -> Backend:
    where = "run.backend"
    return Backend(
        id=shape.optional_text(fields.get("id"), f"{where}.id"),
        name=shape.optional_text(fields.get("name"), f"{where}.name"),
        inline=shape.optional_flag(fields.get("inline"), f"{where}.inline"),
        fallback=shape.optional_flag(fields.get("fallback"), f"{where}.fallback"),
        max_bytes=_number(fields, "maxBytes", where),
    )


def _findings(value: object) -> tuple[Finding, ...]:
    where = "run.findings"
    items = shape.sequence([] if value is None else value, where)
    found = [shape.mapping(item, f"{where}[{i}]") for i, item in enumerate(items)]
    return tuple(
        Finding.recorded(**{key: shape.optional_text(each.get(key), f"{where}.{key}") for key in _FINDING})
        for each in found
    )


# Chainloop's rule, less its repeated tail, which the first class covers.
_VERSION = re.compile(r"[a-zA-Z0-9.\-_+]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VersionRequest:
    """The project version that the attestation is for. `mark_latest` None: as the server decides.

    Raises:
        Invalid: a name that no version has, or flags that contradict each other.
    """

    name: str = ""
    existing: bool = False
    latest: bool = False
    mark_latest: bool | None = None

    def __post_init__(self) -> None:
        if self.name and not _VERSION.fullmatch(self.name):
            fix = "use letters, digits and . - _ +, at most 128"
            raise errors.Invalid(f"{self.name[:80]!r} is not a valid version", field="--version", fix=fix)
        if self.latest and self.name:
            raise errors.Invalid("--latest-version and --version exclude each other", fix="give one of them")
        if self.latest and self.mark_latest is not None:
            raise errors.Invalid("--latest-version and --mark-latest exclude each other", fix="give one of them")
        if self.existing and not (self.name or self.latest):
            raise errors.Invalid("--existing-version needs --version", fix="say which version must exist")


class RunRequest(NamedTuple):
    """One run to open. `id` is made here, so that asking twice opens one run."""

    id: str
    contract_revision: int = 0
    runner_type: str = ""
    runner_url: str = ""
    identity_token: str = ""
    version: VersionRequest = VersionRequest()
    release: bool = False
    dry_run: bool = False

    def __repr__(self) -> str:
        """Without the token."""
        return f"Opening({self.id!r}, {self.runner_type!r})"


def write_request(request: RunRequest) -> dict[str, Any]:
    """The body of the request."""
    return {
        "id": request.id,
        "contractRevision": request.contract_revision,
        "runner": {
            "type": request.runner_type,
            "url": request.runner_url,
            "identityToken": request.identity_token,
        },
        "version": {
            "name": request.version.name,
            "existing": request.version.existing,
            "latest": request.version.latest,
            "markLatest": request.version.mark_latest,
        },
        "release": request.release,
        "dryRun": request.dry_run,
    }
