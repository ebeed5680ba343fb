"""WorkflowRun: a run as kubectl shows it. Read-only and never stored in etcd, so it has a schema and no CRD."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class ContractReference(Struct, frozen=True):
    """A revision of a Contract."""

    name: Annotated[str, Meta(description="Name of the Contract.")] = ""
    revision: Annotated[int, Meta(description="Revision number.")] = 0
    digest: Annotated[str, Meta(description="Digest of the revision's canonical form.")] = ""


class SubjectReference(Struct, frozen=True):
    """The PipelineRun, TaskRun or external run that was observed."""

    kind: Annotated[str, Meta(description="PipelineRun, TaskRun or External.")] = ""
    name: Annotated[str, Meta(description="Its name, or the id of an external run.")] = ""
    uid: Annotated[str, Meta(description="Its UID.")] = ""


class AttesterReference(Struct, frozen=True):
    """The attester of an external run."""

    type: Annotated[str, Meta(description="AUTH_TYPE_API_TOKEN, AUTH_TYPE_FEDERATED or AUTH_TYPE_SERVICE_ACCOUNT.")] = (
        ""
    )
    id: Annotated[str, Meta(description="The token, the OIDC subject or the ServiceAccount.")] = ""


class RunnerReference(Struct, frozen=True):
    """The CI runner of an external run."""

    type: Annotated[str, Meta(description="Runner type, such as GITHUB_ACTION.")] = ""
    url: Annotated[str, Meta(description="Link to it.")] = ""
    environment: Annotated[str, Meta(description="managed, self-hosted or unknown.")] = ""
    authenticated: Annotated[bool, Meta(description="The runner's own token was verified.")] = False


class RunSpec(Struct, frozen=True):
    """Identity of the run; fixed when it was opened."""

    workflow: Annotated[str, Meta(description="Workflow that the run belongs to.")] = ""
    contract: Annotated[ContractReference, Meta(description="Revision under which the run was opened.")] = (
        ContractReference()
    )
    subject: Annotated[SubjectReference, Meta(description="The run in Tekton or elsewhere.")] = SubjectReference()
    attester: Annotated[AttesterReference, Meta(description="External runs: who attested.")] = AttesterReference()
    runner: Annotated[RunnerReference, Meta(description="External runs: the CI runner.")] = RunnerReference()
    version: Annotated[str, Meta(description="External runs: the version of the project.")] = ""
    organization: Annotated[str, Meta(description="External runs: the Organization of the project.")] = ""


class RunFinding(Struct, frozen=True):
    """One thing wrong with the run."""

    code: Annotated[str, Meta(description="Stable name of the problem.")] = ""
    message: Annotated[str, Meta(description="What is wrong.")] = ""
    line: Annotated[str, Meta(description="The contract line that requires it.")] = ""
    fix: Annotated[str, Meta(description="The smallest change that fixes it.")] = ""
    material: Annotated[str, Meta(description="The material it is about.")] = ""


class RunMaterial(Struct, frozen=True):
    """One material as the verdict saw it."""

    name: Annotated[str, Meta(description="Name in the Contract.")] = ""
    type: Annotated[str, Meta(description="Material type of the Contract.")] = ""
    digest: Annotated[str, Meta(description="Digest of its content.")] = ""
    value: Annotated[str, Meta(description="Text, or the reference of an image.")] = ""
    filename: Annotated[str, Meta(description="Name of the file it came from.")] = ""
    origin: Annotated[str, Meta(description="sidecar, taskrun or cli.")] = ""


class RunException(Struct, frozen=True, rename="camel"):
    """The PolicyException by which a violation does not fail the run."""

    name: Annotated[str, Meta(description="Its name.")] = ""
    granted_by: Annotated[str, Meta(description="User who granted it.")] = ""
    reason: Annotated[str, Meta(description="Why.")] = ""
    expires_at: Annotated[str, Meta(description="When it ends.")] = ""


class RunPolicy(Struct, frozen=True):
    """What one policy of the contract said of a material, or of the attestation."""

    name: Annotated[str, Meta(description="Name of the Policy.")] = ""
    digest: Annotated[str, Meta(description="Digest of the Policy that was evaluated.")] = ""
    reference: Annotated[str, Meta(description="Reference by which it was found; empty if it is embedded.")] = ""
    description: Annotated[str, Meta(description="What its author says of it.")] = ""
    scripts: Annotated[list[str], Meta(description="Fields of the Policy that were evaluated.")] = []
    group: Annotated[str, Meta(description="PolicyGroup that brings it.")] = ""
    material: Annotated[str, Meta(description="Material that it judged; empty for the attestation as a whole.")] = ""
    status: Annotated[str, Meta(description="Passed, Violated, Skipped or Error.")] = ""
    reason: Annotated[str, Meta(description="Why it was skipped, or could not be evaluated.")] = ""
    gate: Annotated[bool, Meta(description="Whether a violation fails the run.")] = False
    violations: Annotated[list[str], Meta(description="What it found.")] = []
    more: Annotated[int, Meta(description="Number of violations that are not shown.")] = 0
    line: Annotated[str, Meta(description="The contract line that asks for it.")] = ""
    inputs: Annotated[dict[str, str], Meta(description="What it was given; long values are cut.")] = {}
    client: Annotated[
        str,
        Meta(description="What a client says that evaluated it, too: Passed, Violated or Skipped. It does not count."),
    ] = ""
    exception: Annotated[
        RunException | None, Meta(description="By which it does not fail the run although it has a gate.")
    ] = None


class RunDelivery(Struct, frozen=True):
    """Delivery of the verdict to one attachment."""

    id: Annotated[str, Meta(description="Delivery id, stable over all tries.")] = ""
    attachment: Annotated[str, Meta(description="IntegrationAttachment it goes to.")] = ""
    state: Annotated[str, Meta(description="pending, delivered or failed.")] = ""
    attempts: Annotated[int, Meta(description="Attempts so far.")] = 0
    lastError: Annotated[str, Meta(description="Error of the last attempt.")] = ""  # noqa: N815  # the API's spelling


class LateClaim(Struct, frozen=True, rename="camel"):
    """A claim that arrived after the verdict."""

    digest: Annotated[str, Meta(description="Digest of its bundle.")] = ""
    task_run: Annotated[str, Meta(description="TaskRun whose pod pushed it.")] = ""
    pod: Annotated[str, Meta(description="That pod.")] = ""
    received_at: Annotated[str, Meta(description="When it arrived.")] = ""


class Reevaluation(Struct, frozen=True, rename="camel"):
    """Who had a run judged again that had its verdict, why, and by which revision of its Contract."""

    contract: Annotated[ContractReference, Meta(description="Revision that judged.")] = ContractReference()
    asked_by: Annotated[str, Meta(description="The user of the cluster who asked.")] = ""
    asked_at: Annotated[str, Meta(description="When that was.")] = ""
    reason: Annotated[str, Meta(description="Why, as that user said.")] = ""
    replaces: Annotated[str, Meta(description="Digest of the signed summary that it takes the place of.")] = ""


class ReevaluationRequest(Struct, frozen=True, rename="camel"):
    """The last request to have the run judged again, and what became of it."""

    asked_by: Annotated[str, Meta(description="The user of the cluster who asked.")] = ""
    asked_at: Annotated[str, Meta(description="When that was.")] = ""
    reason: Annotated[str, Meta(description="Why, as that user said.")] = ""
    state: Annotated[
        str,
        Meta(description="Waiting, Replaced (it has another verdict), Unchanged, or Kept: message says why it stays."),
    ] = ""
    message: Annotated[str, Meta(description="What it came to.")] = ""
    answered_at: Annotated[str, Meta(description="When it was answered.")] = ""


class SupersededVerdict(Struct, frozen=True, rename="camel"):
    """A verdict that another one took the place of; it no longer holds."""

    number: Annotated[int, Meta(description="Which verdict of the run it was: 1 is the first.")] = 0
    verdict: Annotated[str, Meta(description="What it was.")] = ""
    evidence: Annotated[str, Meta(description="Where its evidence came from.")] = ""
    judged_at: Annotated[str, Meta(description="When it was reached.")] = ""
    attestation_bundle: Annotated[
        str, Meta(description="Digest of its signed attestation: subresource attestation?superseded=NUMBER.")
    ] = ""
    summary_bundle: Annotated[
        str, Meta(description="Digest of its signed summary: subresource vsa?superseded=NUMBER.")
    ] = ""
    findings: Annotated[list[RunFinding], Meta(description="What was wrong then.")] = []
    more: Annotated[int, Meta(description="Number of findings that are not shown.")] = 0
    reevaluation: Annotated[
        Reevaluation | None, Meta(description="Set if it was itself the answer to a request to judge the run again.")
    ] = None


class RunLeftOut(Struct, frozen=True, rename="camel"):
    """How much of what a job said its status leaves out."""

    annotations: Annotated[int, Meta(description="Number of annotations that are not shown.")] = 0
    env: Annotated[int, Meta(description="Number of environment variables that are not shown.")] = 0


class RunStatus(Struct, frozen=True, rename="camel"):
    """Observed state of the run."""

    verdict: Annotated[
        str, Meta(description="Pending, Passed, Failed, Rejected, Error, Unobserved, Expired or Canceled.")
    ] = ""
    evidence: Annotated[
        str, Meta(description="Where the evidence came from: sidecar, step, taskrun, cli or missing.")
    ] = ""
    materials_found: Annotated[int, Meta(description="Materials found.")] = 0
    materials_asked: Annotated[int, Meta(description="Materials that the contract asks for.")] = 0
    finished_at: Annotated[
        str, Meta(description="When the PipelineRun or TaskRun finished, or the attestation was pushed.")
    ] = ""
    expires_at: Annotated[str, Meta(description="When an open external run expires.")] = ""
    judged_at: Annotated[str, Meta(description="When the verdict was reached.")] = ""
    findings: Annotated[list[RunFinding], Meta(description="What is wrong, the contract line, and the fix.")] = []
    materials: Annotated[list[RunMaterial], Meta(description="Materials that were found.")] = []
    policies: Annotated[list[RunPolicy], Meta(description="What the policies of the contract said.")] = []
    deliveries: Annotated[list[RunDelivery], Meta(description="One delivery for each attachment.")] = []
    annotations: Annotated[dict[str, str], Meta(description="Contract annotations with their values.")] = {}
    env: Annotated[dict[str, str], Meta(description="Environment that the contract allows to record.")] = {}
    left_out: Annotated[
        RunLeftOut, Meta(description="What is too large for this status; the signed attestation has all of it.")
    ] = RunLeftOut()
    superseded: Annotated[
        SupersededVerdict | None,
        Meta(
            description="The verdict of before: a claim that arrived after it contradicts it, or somebody had the run "
            "judged again."
        ),
    ] = None
    earlier: Annotated[list[SupersededVerdict], Meta(description="The verdicts before that one, oldest first.")] = []
    reevaluation: Annotated[
        Reevaluation | None,
        Meta(description="Set if the verdict is the answer to a request to judge the run again."),
    ] = None
    reevaluation_request: Annotated[
        ReevaluationRequest | None, Meta(description="The last such request, and what became of it.")
    ] = None
    late_claims: Annotated[list[LateClaim], Meta(description="Claims that arrived after the first verdict.")] = []
    attestation_bundle: Annotated[
        str,
        Meta(
            description="Digest of the signed attestation: subresource attestation; its in-toto statement: statement; "
            "the signed verification summary: vsa."
        ),
    ] = ""


class WorkflowRun(Struct, frozen=True, rename={"api_version": "apiVersion"}):
    """One run of a Workflow: what it had to deliver, what it delivered, and the verdict."""

    api_version: Annotated[str, Meta(description="runs.avouch.dev/v1alpha1.")] = ""
    kind: Annotated[str, Meta(description="WorkflowRun.")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="Standard object's metadata.")] = {}
    spec: Annotated[RunSpec, Meta(description="Identity of the run.")] = RunSpec()
    status: Annotated[RunStatus, Meta(description="Observed state of the run.")] = RunStatus()
