"""Workflow, `avouch.dev/v1alpha1`: binds Tekton runs to a Contract and names the source of each material."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch import digests, relative_paths
from avouch.api import durations, expiry, meta, rules, vocabulary

_PATH = rules.Pattern(relative_paths.PATTERN, relative_paths.MESSAGE, relative_paths.FIX)
PATH_FIX = "write the path of one file as the task writes it, such as reports/junit.xml"
# Refused by `kubectl apply` only: a Workflow that was stored before this rule goes on, and its condition says so.
_NO_PATTERN = rules.Pattern(
    "^([^*$]|[$]+([^*$(]|[(]params([.][A-Za-z0-9_.-]+|\\['[^*$'/]+'\\]|\\[\"[^*$\"/]+\"\\])[)]))*[$]*$",
    "a file is found by its path alone, in which $(params.NAME) is filled in: no * and no other $(...)",
    PATH_FIX,
)
_NO_VARIABLE = rules.Pattern("^([^*$]|[$]+[^*$(])*[$]*$", "* and $(...) are not looked up in a name", "write the name")
_Declared = Annotated[str, meta.bounded(253, _NO_VARIABLE, minimum=1)]  # what a Task declares under this name
ISSUER = rules.Pattern(
    "^https://[^ ?#@]+$",
    "an issuer must be an https address without query, fragment or user",
    "write it exactly as in the iss claim of its tokens, such as https://gitlab.com",
)
RUN_EXPIRY = durations.Span("1m", "8760h")
RunExpiry = Annotated[str, RUN_EXPIRY.field, AfterValidator(RUN_EXPIRY.check)]
Enforcement = Annotated[vocabulary.Enforcement, Field(strict=False)]
ATTEST_WITHIN = durations.Span("5s", "10m")
AttestWithin = Annotated[str, ATTEST_WITHIN.field, AfterValidator(ATTEST_WITHIN.check)]
NameLabelsOrResolver = rules.exactly_one(
    ("name", "matchLabels", "resolver"), "write name, or matchLabels, or resolver for exactly one definition"
)
# By index, not by field: only so does the API server know how long a value can be, and what the rule costs.
_BUNDLE = f"'bundle' in self.params && self.params['bundle'].matches('.+@{digests.PATTERN}$')"
_COMMIT = "'revision' in self.params && self.params['revision'].matches('^[0-9a-f]{40}([0-9a-f]{24})?$')"


class OidcAttester(meta.Model):
    """An external identity: every OIDC token of the issuer that matches all fields."""

    cel = (
        rules.Rule(
            "has(self.subject) || (has(self.claims) && self.claims.size() > 0)",
            "an OIDC attester without subject and claims would match every token of the issuer",
            "write subject, or claims such as repository: org/app",
        ),
    )

    issuer: Annotated[str, meta.bounded(1024, ISSUER), AfterValidator(ISSUER.check)]
    """Issuer, exactly as in the iss claim of its tokens, such as https://token.actions.githubusercontent.com."""
    audience: Annotated[str, meta.bounded(256, minimum=1)] | None = None
    """Audience (aud) of the token. Default avouch."""
    subject: Annotated[str, meta.bounded(1024, minimum=1)] | None = None
    """Subject (sub) of the token, exactly: no patterns."""
    claims: Annotated[
        dict[Annotated[str, Field(max_length=253)], Annotated[str, meta.bounded(1024, minimum=1)]],
        Field(max_length=16),
    ] = Field(default_factory=dict)
    """Claims that the token must have, all of them, with exactly these values, such as repository: org/app."""


class Attesters(meta.Model):
    """Who may attest for this Workflow: exactly the identities that are listed."""

    cel = (
        rules.Rule(
            " || ".join(f"(has(self.{f}) && self.{f}.size() > 0)" for f in ("serviceAccounts", "tokens", "oidc")),
            "attesters is empty, so no identity could attest",
            "add an entry to serviceAccounts, tokens or oidc; or leave attesters out; or set spec.suspend",
        ),
    )

    service_accounts: Annotated[
        list[meta.ObjectName], Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list)
    """Names of ServiceAccounts of this namespace; default: none of them."""
    tokens: Annotated[list[meta.ScopedRef], Field(max_length=100)] = Field(default_factory=list)
    """APITokens of this namespace or, with scope Organization, of the home namespace; default: none of them."""
    oidc: Annotated[list[OidcAttester], Field(max_length=20)] = Field(default_factory=list)
    """External identities, by their OIDC tokens; default: none of them."""


class Resolver(meta.Model):
    """One definition of a Pipeline or Task, as a run refers to it: this resolver with exactly these params."""

    cel = (
        rules.Rule(
            f"self.name != 'bundles' || ({_BUNDLE})",
            "a bundle without a digest can change under its name",
            "write the param bundle with its digest, such as registry.example.com/pipelines@sha256:...",
        ),
        rules.Rule(
            f"self.name != 'git' || ({_COMMIT})",
            "a branch or tag can move",
            "write the param revision as a commit of 40 (or 64) hexadecimal digits",
        ),
    )

    name: meta.Word
    """Name of the Tekton resolver, such as git, bundles, cluster, hub or http."""
    params: Annotated[
        dict[Annotated[str, Field(max_length=253)], Annotated[str, meta.bounded(1024)]],
        Field(min_length=1, max_length=16),
    ]
    """Params of the reference, exactly: each with this value, and no others; git by commit, bundles by digest."""


class Target(meta.Model):
    """Pipelines or tasks: by name or by labels of the run (loose), or exactly one definition by its resolver (strict).

    Loose means that whoever may create runs in the namespace chooses what runs under this Workflow: any definition of
    that name, from anywhere, or with the labels even one that stands in the run itself.
    """

    cel = (NameLabelsOrResolver,)

    name: meta.Word | None = None
    """Name of the Pipeline or Task that a run refers to (pipelineRef.name, or a resolver's param name)."""
    match_labels: meta.Labels | None = None
    """Labels that the PipelineRun or TaskRun itself must carry, all of them, whatever it runs."""
    resolver: Resolver | None = None
    """Exactly this definition. Then no run belongs to the Workflow by its label avouch.dev/workflow alone."""


class ImageResult(meta.Model):
    """A result of a Task, or of one of its steps."""

    name: _Declared
    """Name of the result that holds the value, such as IMAGE_URL."""
    digest: _Declared | None = None
    """For a container image: name of the result that holds its digest, such as IMAGE_DIGEST."""
    step: _Declared | None = None
    """Name of the step that has the result, where the Task has none of that name; default: the Task."""


class ArtifactSource(meta.Model):
    """An output artifact of a Task."""

    name: _Declared
    """Name of the Task's output artifact."""


class WorkspaceSource(meta.Model):
    """A file in a workspace of a Task."""

    name: _Declared
    """Name of the workspace as the Task declares it. It must be bound to an emptyDir or a PersistentVolumeClaim, or to
    a ConfigMap or a projected volume of such, which is read only where a material names it here. Secrets, tokens and
    CSI volumes are never read: others see evidence than those who may see what lies there."""
    path: Annotated[str, meta.bounded(1024, _PATH, _NO_PATTERN, minimum=1), AfterValidator(_PATH.check)]
    """Path of one file, relative to the workspace, such as reports/junit.xml; no patterns. $(params.NAME) is filled in
    with the param of the task, which has to be text."""


class ParamSource(meta.Model):
    """A param of the PipelineRun or of one of its tasks."""

    name: _Declared
    """Name of the param."""


class EnvSource(meta.Model):
    """A literal environment variable of a step; variables from valueFrom are refused."""

    step: meta.Word
    """Name of the step."""
    name: meta.Word
    """Name of the variable."""


class MaterialSource(meta.Model):
    """Source of one material of the contract."""

    cel = (
        rules.exactly_one(
            ("result", "artifact", "workspace", "param", "env"),
            "set one of result, artifact, workspace, param or env",
        ),
    )

    name: meta.Name
    """Name of the material in the contract."""
    task: _Declared | None = None
    """Name of the pipelineTask that has it, as the Pipeline names it; default: any task of the run."""
    result: ImageResult | None = None
    """Result of the Task."""
    artifact: ArtifactSource | None = None
    """Output artifact of the Task (Tekton artifacts)."""
    workspace: WorkspaceSource | None = None
    """File in a workspace; only the pod can read it, so a sidecar is injected."""
    param: ParamSource | None = None
    """Param of the task; without a task, param of the PipelineRun, else of any task."""
    env: EnvSource | None = None
    """Literal environment variable of a step."""


class ResultSource(meta.Model):
    """A result of one task of the pipeline."""

    task: meta.Word | None = None
    """Name of the pipelineTask; default: any task of the run that has the result."""
    name: _Declared
    """Name of the result."""
    step: _Declared | None = None
    """Name of the step that has the result, where the Task has none of that name; default: the Task."""


class AnnotationSource(meta.Model):
    """Source of the value of an annotation that the contract leaves empty."""

    cel = (
        rules.exactly_one(
            ("param", "result", "annotation"),
            "set one of param, result or annotation",
        ),
    )

    name: meta.Word
    """Name of the annotation in the contract."""
    material: meta.Name | None = None
    """Only for this material's annotation; default: the contract's and every material's annotation of that name."""
    param: meta.Word | None = None
    """Name of a param of the PipelineRun or TaskRun."""
    result: ResultSource | None = None
    """A result of a task."""
    annotation: Annotated[str, meta.bounded(317, minimum=1)] | None = None
    """Key of an annotation of the PipelineRun or TaskRun, such as example.com/commit."""


class Tekton(meta.Model):
    """Which Tekton runs this Workflow covers, and where they keep each material."""

    inject: Literal["auto", "always", "never"] | None = None
    """Whether pods get a sidecar: auto (the default) only if one is needed, always, or never."""
    attest_within: AttestWithin | None = None
    """How long after the last step a sidecar may try to deliver: 5s to 10m, default 20s. Over 20s each of its pods gets
    a terminationGracePeriodSeconds of 10 more. The price: while avouch's server is away, the pod with its volumes and
    its share of a quota stays that long, and the verdict waits; and a step that ignores SIGTERM is killed that much
    later after a cancel."""
    pipelines: Annotated[list[Target], Field(max_length=100)] = Field(default_factory=list)
    """Pipelines whose PipelineRuns are covered: loosely by name or labels, strictly by resolver."""
    tasks: Annotated[list[Target], Field(max_length=100)] = Field(default_factory=list)
    """Tasks whose TaskRuns are covered, also inside PipelineRuns: loosely by name or labels, strictly by resolver."""
    materials: Annotated[list[MaterialSource], Field(max_length=200)] = Field(default_factory=list)
    """Sources of materials, by the Contract's names; a material that is not named here is found by convention."""
    annotations: Annotated[list[AnnotationSource], Field(max_length=200)] = Field(default_factory=list)
    """Sources of the values of the contract's empty annotations."""
    run_labels: Annotated[
        list[Annotated[str, meta.bounded(317, minimum=1)]],
        Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default_factory=list)
    """Keys of labels that a WorkflowRun takes from its PipelineRun or TaskRun, beside those of the Workflow."""


class WorkflowSpec(meta.Model):
    """What is attested, against which contract, by whom and from where."""

    suspend: bool = False
    """If true, no new runs are opened. Default false."""
    team: Annotated[str, meta.bounded(253)] = ""
    """Team that owns the pipeline; recorded in the attestation."""
    description: meta.Text = ""
    """Description of the pipeline."""
    contract_ref: meta.ScopedRef | None = None
    """Contract that each run is judged against; default: the Contract of the Workflow's name, created if missing."""
    older_revisions: bool = False
    """If true, external runs may choose an older, possibly weaker revision of the Contract. Default false."""
    external_runs: bool | None = None
    """Whether CI outside Tekton may open runs, which no record of the cluster confirms. Default: no with tekton set."""
    attesters: Attesters | None = None
    """Who may attest. Default: any ServiceAccount of this namespace and any APIToken that covers the Workflow."""
    run_expiry: RunExpiry | None = None
    """How long an external run may stay open without new material, such as 24h (the default)."""
    enforcement: Enforcement | None = None
    """What a verdict that is not Passed does: with observe it is only shown; with warn (the default) the build's Event
    is a warning, and pushing prints one; with gate, pushing exits with code 4. Otherwise no build is failed."""
    gate: bool = False
    """If true, as enforcement: gate, whatever that says. Default false."""
    tekton: Tekton | None = None
    """Which Tekton runs are covered; also, unless an entry has a resolver, all labelled avouch.dev/workflow: NAME."""
    retention: expiry.Retention | None = None
    """How long runs of this Workflow are kept; default: the settings of the Organization."""


class LastRun(meta.Model):
    """The newest judged run."""

    name: meta.Word
    """Name of the WorkflowRun."""
    verdict: Annotated[str, meta.bounded(32)]
    """Its verdict, such as Passed or Failed."""
    finished_at: meta.Time | None = None
    """When the run finished."""


class WorkflowStatus(meta.Status):
    """Observed state of the Workflow. The condition LastRunPassed reports on its runs; Ready does not.

    MaterialsKnown is False, and ReferencesFound not True, while spec.tekton names what the Contract, or the Pipelines
    and Tasks of this namespace, do not have; the message has the nearest name.
    """

    contract: Annotated[str, meta.bounded(317)] | None = None
    """The Contract that spec.contractRef resolves to, as namespace/name."""
    contract_revision: int | None = None
    """Revision of that Contract which the next run is judged against."""
    last_run: LastRun | None = None
    """The newest judged run."""
    open_since: meta.Time | None = None
    """Since when the Workflow takes runs: it is Ready and not suspended. Builds that are older get none."""
    open_until: meta.Time | None = None
    """Until when it took runs, while it is suspended or its Contract is not there. Builds that are newer get none."""


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
    """Standard object's metadata."""
    spec: WorkflowSpec
    """What is attested, against which contract, by whom and from where."""
    status: WorkflowStatus | None = None
    """Observed state of the Workflow."""


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
