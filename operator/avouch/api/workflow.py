"""Workflow, `avouch.dev/v1alpha1`: binds Tekton runs to a Contract and says where each piece of evidence is."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch.api import durations, expiry, meta, rules

_PATH = rules.Pattern(
    "^[^/].*$", "a path is relative to the workspace", "write it without a leading /, such as reports/junit.xml"
)
ISSUER = rules.Pattern(
    "^https://[^ ?#@]+$",
    "an issuer is an https address without query, fragment or user",
    "write it exactly as tokens say it in iss, such as https://gitlab.com",
)
RUN_EXPIRY = durations.Span("1m", "8760h")
NameOrLabels = rules.exactly_one(("name", "matchLabels"), "write name, or matchLabels")


class OidcAttester(meta.Model):
    """Identity from outside the cluster: every OIDC token of the issuer for which all that is said here holds."""

    cel = (
        rules.Rule(
            "has(self.subject) || (has(self.claims) && self.claims.size() > 0)",
            "an OIDC attester without subject and claims would be anybody that the issuer knows",
            "write subject, or claims such as repository: org/app",
        ),
    )

    issuer: Annotated[str, meta.bounded(1024, ISSUER), AfterValidator(ISSUER.check)]
    """Issuer, exactly as its tokens say it in iss, such as https://token.actions.githubusercontent.com."""
    audience: Annotated[str, meta.bounded(256, minimum=1)] | None = None
    """Audience that the token was made for. Default avouch."""
    subject: Annotated[str, meta.bounded(1024, minimum=1)] | None = None
    """Subject (sub) of the token, exactly: no patterns."""
    claims: Annotated[
        dict[Annotated[str, Field(max_length=253)], Annotated[str, meta.bounded(1024, minimum=1)]],
        Field(max_length=16),
    ] = Field(default_factory=dict)
    """Claims of the token that must have exactly these texts, all of them, such as repository: org/app."""


class Attesters(meta.Model):
    """Who may attest for this Workflow: exactly who is listed, nobody else."""

    cel = (
        rules.Rule(
            " || ".join(f"(has(self.{f}) && self.{f}.size() > 0)" for f in ("serviceAccounts", "tokens", "oidc")),
            "attesters lists nobody, so nobody could attest",
            "list somebody in serviceAccounts, tokens or oidc; or leave attesters out; or set spec.suspend",
        ),
    )

    service_accounts: Annotated[
        list[meta.ObjectName], Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list)
    """Names of ServiceAccounts of this namespace; empty, none of them."""
    tokens: Annotated[list[meta.ScopedRef], Field(max_length=100)] = Field(default_factory=list)
    """APITokens of this namespace or, with scope Organization, of the home namespace; empty, none of them."""
    oidc: Annotated[list[OidcAttester], Field(max_length=20)] = Field(default_factory=list)
    """Identities from outside the cluster by their OIDC tokens; empty, none of them."""


class Target(meta.Model):
    """A pipeline or task, by name or by labels of its run."""

    cel = (NameOrLabels,)

    name: meta.Word | None = None
    """Name of the Pipeline or Task that a run refers to (pipelineRef.name, or the resolver's param name)."""
    match_labels: meta.Labels | None = None
    """Labels that the PipelineRun or TaskRun itself carries, all of them."""


class ImageResult(meta.Model):
    """A result of a Task."""

    name: meta.Word
    """Name of the result that holds the value, such as IMAGE_URL."""
    digest: meta.Word | None = None
    """For a container image: name of the result that holds its digest, such as IMAGE_DIGEST."""


class ArtifactSource(meta.Model):
    """An output artifact of a Task."""

    name: meta.Word
    """Name of the Task's output artifact."""


class WorkspaceSource(meta.Model):
    """A file below a workspace of a Task."""

    name: meta.Word
    """Name of the workspace as the Task declares it."""
    path: Annotated[str, meta.bounded(1024, _PATH, minimum=1), AfterValidator(_PATH.check)]
    """Path of the file, relative to the workspace, such as reports/junit.xml."""


class ParamSource(meta.Model):
    """A param of the PipelineRun or of one of its tasks."""

    name: meta.Word
    """Name of the param."""


class EnvSource(meta.Model):
    """A literal environment variable of a step; one that is set by valueFrom cannot be read and is refused."""

    step: meta.Word
    """Name of the step."""
    name: meta.Word
    """Name of the variable."""


class MaterialSource(meta.Model):
    """Where one material of the contract comes from."""

    cel = (
        rules.exactly_one(
            ("result", "artifact", "workspace", "param", "env"),
            "say where the material comes from with one of result, artifact, workspace, param or env",
        ),
    )

    name: meta.Name
    """Name of the material in the contract."""
    task: meta.Word | None = None
    """Name of the pipelineTask that has it; absent, whichever task of the run does."""
    result: ImageResult | None = None
    """From a result of the Task."""
    artifact: ArtifactSource | None = None
    """From an output artifact of the Task (Tekton artifacts)."""
    workspace: WorkspaceSource | None = None
    """From a file below a workspace; only the pod has it, so a sidecar is injected."""
    param: ParamSource | None = None
    """From a param of the task; without a task, from the PipelineRun's own param, else from any task's."""
    env: EnvSource | None = None
    """From a literal environment variable of a step."""


class ResultSource(meta.Model):
    """A result of one task of the pipeline."""

    task: meta.Word | None = None
    """Name of the pipelineTask; absent, whichever task of the run has the result."""
    name: meta.Word
    """Name of the result."""


class AnnotationSource(meta.Model):
    """Where the value of an annotation comes from that the contract leaves empty."""

    cel = (
        rules.exactly_one(
            ("param", "result", "annotation"),
            "say where the value comes from with one of param, result or annotation",
        ),
    )

    name: meta.Word
    """Name of the annotation in the contract."""
    material: meta.Name | None = None
    """Only for this material's annotation; absent, for the contract's and every material's annotation of that name."""
    param: meta.Word | None = None
    """Name of a param of the PipelineRun or TaskRun."""
    result: ResultSource | None = None
    """A result of a task."""
    annotation: Annotated[str, meta.bounded(317, minimum=1)] | None = None
    """Key of an annotation of the PipelineRun or TaskRun, such as example.com/commit."""


class Tekton(meta.Model):
    """Which Tekton runs this Workflow covers, and where each piece of evidence lies in them."""

    inject: Literal["auto", "always", "never"] | None = None
    """Whether pods get a sidecar: auto (the default) only where it is needed, always, or never."""
    pipelines: Annotated[list[Target], Field(max_length=100)] = Field(default_factory=list)
    """Pipelines whose PipelineRuns are covered."""
    tasks: Annotated[list[Target], Field(max_length=100)] = Field(default_factory=list)
    """Tasks whose TaskRuns, outside any PipelineRun, are covered."""
    materials: Annotated[list[MaterialSource], Field(max_length=200)] = Field(default_factory=list)
    """Where materials come from; one that is not named here is looked for by convention."""
    annotations: Annotated[list[AnnotationSource], Field(max_length=200)] = Field(default_factory=list)
    """Where the values of the contract's empty annotations come from."""


class WorkflowSpec(meta.Model):
    """What is attested, against which contract, by whom and from where."""

    suspend: bool = False
    """Open no new runs until it is false again. Default false."""
    team: Annotated[str, meta.bounded(253)] = ""
    """Team that owns the pipeline; becomes part of the attestation."""
    description: meta.Text = ""
    """What the pipeline does, for people."""
    contract_ref: meta.ScopedRef | None = None
    """Contract that each run is judged against; absent, the Contract of the Workflow's own name, made where missing."""
    older_revisions: bool = False
    """Let runs from outside Tekton choose an older revision of the Contract. Default false: none picks an easy one."""
    attesters: Attesters | None = None
    """Who may attest; absent, any ServiceAccount of this namespace and any APIToken whose scope covers the Workflow."""
    run_expiry: Annotated[str, RUN_EXPIRY.field, AfterValidator(RUN_EXPIRY.check)] | None = None
    """How long a run from outside Tekton may stay open without new material, such as 24h (the default)."""
    gate: bool = False
    """Pushing exits with code 4 unless the run Passed. Default false: the outcome of a build is never changed."""
    tekton: Tekton | None = None
    """Which Tekton runs are covered; absent, those labelled avouch.dev/workflow with this Workflow's name."""
    retention: expiry.Retention | None = None
    """How long runs of this Workflow are kept; what is absent here, the Organization says."""


class LastRun(meta.Model):
    """The newest judged run."""

    name: meta.Word
    """Name of the WorkflowRun."""
    verdict: Annotated[str, meta.bounded(32)]
    """Its verdict, such as Passed or Failed."""
    finished_at: meta.Time | None = None
    """When the run finished."""


class WorkflowStatus(meta.Status):
    """What became of the Workflow. The condition LastRunPassed speaks of its runs; Ready does not."""

    contract: Annotated[str, meta.bounded(317)] | None = None
    """The Contract it resolved to, as namespace/name."""
    contract_revision: int | None = None
    """Revision of that Contract which the next run is judged against."""
    last_run: LastRun | None = None
    """The newest judged run."""


class Workflow(meta.Model):
    """Binds pipelines to a Contract: each of their runs is judged against it."""

    cel = (
        rules.Rule(
            "self.metadata.name.size() <= 63 && self.metadata.name.matches('" + rules.DNS_1123 + "')",
            "metadata.name must contain only lowercase letters, numbers, and hyphens, at most 63",
            "rename the Workflow, such as build-and-push",
        ),
    )

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata."""
    spec: WorkflowSpec
    """What is attested, against which contract, by whom and from where."""
    status: WorkflowStatus | None = None
    """What became of the Workflow."""


KIND = meta.Kind(
    Workflow,
    "workflows",
    "avwf",
    columns=(
        meta.READY,
        meta.Column("Contract", ".status.contract"),  # also where spec.contractRef names none
        meta.Column("Revision", ".status.contractRevision", "integer", priority=1),
        meta.Column("LastRun", ".status.lastRun.name"),
        meta.Column("Result", ".status.lastRun.verdict"),
        meta.REASON,
        meta.AGE,
    ),
    selectable=(".spec.contractRef.name",),
)
