"""Chainloop's predicate v0.2: what a run delivered, under field names that Chainloop's own tools read.

Facts go in as frozen values, a deterministic payload comes out, and `read` takes a verified statement back to the same
facts. Field names: chainloop pkg/attestation/renderer/chainloop/v02.go. Unset text, empty maps and absent parts are
left out; materials are sorted by name.

Subjects, in order:
1. `chainloop.workflow.<workflow name>`, sha256 of the canonical record. The record is the predicate itself in canonical
   JSON (`strictjson.dumps`), so this digest can be recomputed from the statement; Chainloop's own cannot.
2. `git.head`, sha1 of the commit, if there is one.
3. every output material except STRINGs.
4. extra subjects, such as an image that a Task result names.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from avouch import digests, errors, rfc3339
from avouch.attestation import materials, shape, statement, strictjson
from avouch.values import dataclass

TYPE = "chainloop.dev/attestation/v0.2"
FINDING = "avouch.dev/finding."  # + material: the annotation in which a sidecar says why it refused a file
CAUSE = "avouch.dev/cause."  # + material: the row of `refusals.CAUSES` beside it
MAX_MATERIALS = 1024  # as many as subjects; a contract has 200
BUILD_TYPE = "chainloop.dev/workflowrun/v0.1"
WORKFLOW_SUBJECT = "chainloop.workflow."
GIT_SUBJECT = "git.head"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The run, its workflow and its contract. Times are None only in statements that omit them."""

    name: str
    workflow_name: str
    workflow_id: str
    workflow_run_id: str
    project: str
    organization: str
    contract_name: str
    contract_version: str
    initialized_at: datetime | None
    finished_at: datetime | None
    team: str = ""
    project_version: str = ""
    project_version_prerelease: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """The runner: Chainloop's runner name (`TEKTON_PIPELINE`), a link to it, managed or self-hosted."""

    type: str
    url: str = ""
    environment: str = ""
    authenticated: bool = False
    workflow_file_path: str = ""


@dataclass(frozen=True, slots=True)
class AttestationFacts:
    """All facts of one attestation.

    `policy` and `server` hold predicate fields by name, as JSON values: results of policies (`POLICY_FIELDS`), and
    facts that only the server knows (`SERVER_FIELDS`).
    """

    metadata: Metadata
    builder_id: str
    runner: Runner
    materials: tuple[materials.Material, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    git_head: statement.ResourceDescriptor | None = None
    extra_subjects: tuple[statement.ResourceDescriptor, ...] = ()
    policy: Mapping[str, object] = field(default_factory=dict)
    server: Mapping[str, object] = field(default_factory=dict)


# auth {id, type AUTH_TYPE_*}, casBackend {casBackendID, casBackendName, fallback}, names of the CA and TSA used; ours:
# reevaluation {askedBy, askedAt, reason, replaces, openedUnder{name, revision, digest}}.
SERVER_FIELDS = frozenset({"auth", "casBackend", "reevaluation", "signingCA", "signingTSA"})
# What the evaluation of policies will fill; anything else there is a mistake.
POLICY_FIELDS = frozenset(
    {
        "policyEvaluations",
        "policyEvaluationsRef",
        "policyEvaluationsCount",
        "policyViolationsCount",
        "policySkippedCount",
        "policyPassedCount",
        "policySuppressedCount",
        "policyHasViolations",
        "policyHasGatedViolations",
        "policyHasGates",
        "policyCheckBlockingStrategy",
        "policyBlockBypassEnabled",
        "policyAttBlocked",
    }
)

_METADATA_TEXT = {
    "name": "name",
    "workflowName": "workflow_name",
    "workflowID": "workflow_id",
    "workflowRunID": "workflow_run_id",
    "project": "project",
    "projectVersion": "project_version",
    "organization": "organization",
    "contractName": "contract_name",
    "contractVersion": "contract_version",
    "team": "team",
}


def build(facts: AttestationFacts) -> bytes:
    """The payload to sign.

    Raises:
        Invalid: no workflow name, a material named twice, a `git_head` or extra subject without digest, an unknown
            policy or server field, or a value with no canonical form.
        TooLarge: over 1,024 materials or subjects, or 3 MiB (then inline less).
    """
    record = strictjson.dumps(_predicate(facts))
    subjects = (
        statement.named(f"{WORKFLOW_SUBJECT}{facts.metadata.workflow_name}", digests.of_bytes(record)),
        *(() if facts.git_head is None else (facts.git_head,)),
        *(materials.subject(material) for material in _sorted(facts.materials) if materials.is_subject(material)),
        *facts.extra_subjects,
    )
    return statement.compose(subjects, TYPE, record)


def record_digest(facts: AttestationFacts) -> digests.Digest:
    """Digest of the canonical run record: what a verdict is about where a run has no output."""
    return digests.of_bytes(strictjson.dumps(_predicate(facts)))


def read(parsed: statement.Statement) -> AttestationFacts:
    """Facts of an attestation, Chainloop's included; its fields that avouch does not use are left out.

    Subjects of output materials come back as `output=True`; all others after `git.head` as extra subjects.

    Raises:
        Invalid: another predicate type, a missing part, a field of the wrong type, a material named twice, or a first
            subject that is not the workflow.
        TooLarge: over 1,024 materials.
    """
    if parsed.predicate_type != TYPE:
        raise errors.Invalid(f"not an attestation: {parsed.predicate_type[:80]!r}", field="predicateType", fix=TYPE)
    body = parsed.predicate
    metadata = _metadata(shape.mapping(body.get("metadata"), "metadata"))
    first, *others = parsed.subjects
    if first.name != f"{WORKFLOW_SUBJECT}{metadata.workflow_name}":
        raise errors.Invalid("the first subject is not the workflow of the metadata", field="subject[0].name")
    head = next((subject for subject in others if subject.name == GIT_SUBJECT), None)
    found = _materials(body.get("materials"), others)
    named = {material.name for material in found}
    return AttestationFacts(
        metadata=metadata,
        builder_id=shape.text(shape.mapping(body.get("builder"), "builder").get("id"), "builder.id"),
        runner=_runner(body),
        materials=found,
        env=shape.texts(body.get("env"), "env"),
        annotations=shape.texts(body.get("annotations"), "annotations"),
        git_head=head,
        extra_subjects=tuple(
            subject for subject in others if subject is not head and materials.name_of(subject) not in named
        ),
        policy={key: value for key, value in body.items() if key in POLICY_FIELDS},
        server={key: value for key, value in body.items() if key in SERVER_FIELDS},
    )


def git_head(commit: str, annotations: Mapping[str, object]) -> statement.ResourceDescriptor:
    """The commit as a subject; annotations such as `author.name`, `date`, `message`, `remotes` [{name, url}]."""
    return statement.ResourceDescriptor(name=GIT_SUBJECT, digest={"sha1": commit}, annotations=annotations)


def _predicate(facts: AttestationFacts) -> dict[str, object]:
    unknown = sorted((set(facts.policy) - POLICY_FIELDS) | (set(facts.server) - SERVER_FIELDS))
    if unknown:
        raise errors.Invalid(f"unknown field {unknown[0]!r}", field="predicate")
    runner = facts.runner
    optional: dict[str, object] = {
        "annotations": dict(facts.annotations),
        "env": dict(facts.env),
        "runnerURL": runner.url,
        "runnerEnvironment": runner.environment,
        "runnerAuthenticated": runner.authenticated,
        "runnerWorkflowFilePath": runner.workflow_file_path,
        "materials": [statement.to_dict(materials.descriptor(item)) for item in _sorted(facts.materials)],
    }
    return {
        "metadata": _metadata_dict(facts.metadata),
        "builder": {"id": facts.builder_id},
        "buildType": BUILD_TYPE,
        "runnerType": runner.type,
        **{key: value for key, value in optional.items() if value},
        **facts.policy,
        **facts.server,
    }


def _sorted(found: tuple[materials.Material, ...]) -> list[materials.Material]:
    _check_count(len(found))
    seen: set[str] = set()
    for material in found:
        if material.name in seen:
            raise errors.Invalid(f"duplicate material {material.name[:80]!r}", field="materials")
        seen.add(material.name)
    return sorted(found, key=lambda material: material.name)


def _check_count(materials: int) -> None:
    if materials > MAX_MATERIALS:
        raise errors.TooLarge(f"{materials} materials, at most {MAX_MATERIALS}", field="materials")


def _metadata_dict(metadata: Metadata) -> dict[str, object]:
    if not metadata.workflow_name:
        raise errors.Invalid("empty", field="metadata.workflowName")
    optional: dict[str, object] = {key: getattr(metadata, attribute) for key, attribute in _METADATA_TEXT.items()}
    optional["projectVersionPrerelease"] = metadata.project_version_prerelease
    optional["initializedAt"] = metadata.initialized_at and rfc3339.write(metadata.initialized_at)
    optional["finishedAt"] = metadata.finished_at and rfc3339.write(metadata.finished_at)
    return {key: value for key, value in optional.items() if value}


def _metadata(fields: dict[str, object]) -> Metadata:
    values = {name: shape.optional_text(fields.get(key), f"metadata.{key}") for key, name in _METADATA_TEXT.items()}
    if not values["workflow_name"]:
        raise errors.Invalid("empty", field="metadata.workflowName")
    return Metadata(
        **values,
        project_version_prerelease=shape.optional_flag(
            fields.get("projectVersionPrerelease"), "metadata.projectVersionPrerelease"
        ),
        initialized_at=_moment(fields, "initializedAt"),
        finished_at=_moment(fields, "finishedAt"),
    )


def _moment(fields: dict[str, object], key: str) -> datetime | None:
    found = shape.optional_text(fields.get(key), f"metadata.{key}")
    return rfc3339.read(found, f"metadata.{key}") if found else None


def _runner(body: Mapping[str, object]) -> Runner:
    return Runner(
        type=shape.optional_text(body.get("runnerType"), "runnerType"),
        url=shape.optional_text(body.get("runnerURL"), "runnerURL"),
        environment=shape.optional_text(body.get("runnerEnvironment"), "runnerEnvironment"),
        authenticated=shape.optional_flag(body.get("runnerAuthenticated"), "runnerAuthenticated"),
        workflow_file_path=shape.optional_text(body.get("runnerWorkflowFilePath"), "runnerWorkflowFilePath"),
    )


def _materials(value: object, subjects: list[statement.ResourceDescriptor]) -> tuple[materials.Material, ...]:
    items = shape.sequence([] if value is None else value, "materials")
    _check_count(len(items))
    descriptors = [statement.descriptor_from_json(item, f"materials[{i}]") for i, item in enumerate(items)]
    outputs = {materials.name_of(subject): subject for subject in subjects if materials.name_of(subject)}
    found = tuple(materials.read(item, outputs, f"materials[{i}]") for i, item in enumerate(descriptors))
    return tuple(_sorted(found))
