"""The one table of runners. Discovery, what is recorded, the run's link and the documentation all read it.

The order is the order of recognition: first runners that run inside another runner; then Tekton, by a directory that
only steps have; then hosted systems, by their own variables; Jenkins last, because its images set JENKINS_HOME in any
build.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from avouch.api import vocabulary
from avouch.runners import links

Environment = Mapping[str, str]


class Variable(NamedTuple):
    """A variable that becomes part of the attestation."""

    name: str
    required: bool = False
    label: str = ""  # Tekton: the pod's label that holds the value; a variable of that name says nothing
    meaning: str = ""


class Mark(NamedTuple):
    """A variable by which a runner is recognised: not empty, or exactly `value`."""

    name: str
    value: str = ""

    def seen(self, environment: Environment) -> bool:
        """True if the environment has this mark."""
        said = environment.get(self.name, "")
        return said == self.value if self.value else bool(said)

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


class RunnerType(NamedTuple):
    """One row. `name` is the contract's word; empty for the generic runner, which no contract can ask for."""

    name: str
    number: int  # Chainloop's wire number
    title: str
    marks: tuple[Mark, ...] = ()
    variables: tuple[Variable, ...] = ()
    link: Callable[[Environment], str] = links.none
    link_form: str = ""
    in_tekton: bool = False  # recognised by the directory /tekton/results, which the caller has looked for
    claims: bool = False  # its OIDC token says whether the machine is managed, and which file defines the workflow
    proof: str = ""  # what proves to the server that an attestation was made there; "" if nothing does
    notes: str = ""


def how_to_prove(name: str) -> str:
    """What proves to the server that an attestation was made in a runner of this type, for a terminal."""
    return next((row.proof.replace("`", "") for row in RUNNERS if row.name == name), "")


def _oidc(name: str) -> str:
    return (
        "an OIDC token of the CI for the audience `avouch` in the file `AVOUCH_TOKEN_FILE`, and "
        f"`https://ISSUER={name}` in `oidc.issuers` of the chart"
    )


def _required(*names: str) -> tuple[Variable, ...]:
    return tuple(Variable(name, required=True) for name in names)


def _optional(*names: str) -> tuple[Variable, ...]:
    return tuple(Variable(name) for name in names)


_GITHUB_PULL = _optional("GITHUB_EVENT_NAME", "GITHUB_HEAD_REF", "GITHUB_BASE_REF", "GITHUB_EVENT_PATH")
_GITLAB_MERGE = _optional(
    "CI_PIPELINE_SOURCE",
    "CI_MERGE_REQUEST_IID",
    "CI_MERGE_REQUEST_TITLE",
    "CI_MERGE_REQUEST_DESCRIPTION",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_MERGE_REQUEST_PROJECT_URL",
    "CI_MERGE_REQUEST_PROJECT_PATH",
)

RUNNERS = (
    RunnerType(
        vocabulary.RunnerType.CHAINLOOP_SANDBOX,
        9,
        "Chainloop Sandbox",
        marks=(Mark("CHAINLOOP_SANDBOX"),),
        notes="It comes before all others, so that a sandbox cannot claim to be a real runner.",
    ),
    RunnerType(
        vocabulary.RunnerType.DAGGER_PIPELINE,
        6,
        "Dagger Pipeline",
        marks=(Mark("CHAINLOOP_DAGGER_CLIENT"),),
        variables=(
            *_required("CHAINLOOP_DAGGER_CLIENT"),
            *_GITHUB_PULL,
            *_GITLAB_MERGE,
            *_optional("CI_SERVER_URL", "CI_PROJECT_PATH", "GITLAB_USER_LOGIN"),
        ),
        notes="Runs inside GitHub Actions or GitLab CI and passes on some of their variables, so it comes before them.",
    ),
    RunnerType(
        vocabulary.RunnerType.TEKTON_PIPELINE,
        8,
        "Tekton Pipeline",
        in_tekton=True,
        variables=(
            Variable("TEKTON_TASKRUN_NAME", True, "tekton.dev/taskRun", "from HOSTNAME if labels cannot be read"),
            Variable("TEKTON_NAMESPACE", True, meaning="the ServiceAccount's namespace file"),
            Variable("TEKTON_TASK_NAME", label="tekton.dev/task", meaning="absent with an inline taskSpec"),
            Variable("TEKTON_PIPELINE_NAME", label="tekton.dev/pipeline", meaning="only in a PipelineRun"),
            Variable("TEKTON_PIPELINERUN_NAME", label="tekton.dev/pipelineRun", meaning="only in a PipelineRun"),
            Variable("TEKTON_PIPELINE_TASK_NAME", label="tekton.dev/pipelineTask", meaning="only in a PipelineRun"),
            Variable("HOSTNAME"),
        ),
        link_form=(
            "`$TEKTON_DASHBOARD_URL/#/namespaces/<namespace>/pipelineruns/<name>`, without a dashboard "
            "`tekton://<namespace>/pipelineruns/<name>`; `taskruns/<name>` outside a PipelineRun"
        ),
        proof="the cluster's own record: a PipelineRun or TaskRun that the Workflow covers, never an external run",
    ),
    RunnerType(
        vocabulary.RunnerType.GITHUB_ACTION,
        1,
        "GitHub Actions",
        marks=(Mark("CI"), Mark("GITHUB_REPOSITORY"), Mark("GITHUB_RUN_ID")),
        variables=(
            *_required("GITHUB_ACTOR", "GITHUB_REF", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_OWNER", "GITHUB_RUN_ID"),
            *_required("GITHUB_SHA", "RUNNER_NAME", "RUNNER_OS"),
            *_GITHUB_PULL,
        ),
        link=links.github,
        link_form="`$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID`",
        claims=True,
        proof="`permissions: {id-token: write}` in the job, and `https://token.actions.githubusercontent.com` in "
        "`oidc.issuers` of the chart",
    ),
    RunnerType(
        vocabulary.RunnerType.GITLAB_PIPELINE,
        2,
        "GitLab Pipeline",
        marks=(Mark("GITLAB_CI"), Mark("CI_JOB_URL")),
        variables=(
            *_required("GITLAB_USER_EMAIL", "GITLAB_USER_LOGIN", "CI_SERVER_URL", "CI_PROJECT_URL", "CI_PROJECT_PATH"),
            *_required("CI_COMMIT_SHA", "CI_COMMIT_REF_NAME", "CI_JOB_URL", "CI_PIPELINE_URL", "CI_RUNNER_VERSION"),
            *_optional("CI_RUNNER_DESCRIPTION"),
            *_GITLAB_MERGE,
        ),
        link=links.variable("CI_JOB_URL"),
        link_form="`$CI_JOB_URL`",
        claims=True,
        proof="`id_tokens: {AVOUCH_ID_TOKEN: {aud: avouch}}` in the job, and the address of the GitLab (with "
        "`=GITLAB_PIPELINE` if it is not gitlab.com) in `oidc.issuers` of the chart",
    ),
    RunnerType(
        vocabulary.RunnerType.AZURE_PIPELINE,
        3,
        "Azure Pipeline",
        marks=(Mark("TF_BUILD"), Mark("BUILD_BUILDURI")),
        variables=(
            *_required("BUILD_REQUESTEDFOR", "BUILD_BUILDID", "BUILD_BUILDNUMBER", "BUILD_BUILDURI"),
            *_optional("BUILD_REQUESTEDFOREMAIL", "BUILD_REPOSITORY_URI", "BUILD_REPOSITORY_NAME", "BUILD_REASON"),
            *_optional("AGENT_VERSION", "TF_BUILD"),
        ),
        link=links.azure,
        link_form=(
            "`$SYSTEM_TEAMFOUNDATIONSERVERURI/$SYSTEM_TEAMPROJECT/_build/results"
            "?buildId=$BUILD_BUILDID&j=$SYSTEM_JOBID&view=logs`"
        ),
        proof=_oidc("AZURE_PIPELINE"),
    ),
    RunnerType(
        vocabulary.RunnerType.CIRCLECI_BUILD,
        5,
        "CircleCI Build",
        marks=(Mark("CI", "true"), Mark("CIRCLECI", "true")),
        variables=(
            *_required("CIRCLE_BUILD_URL", "CIRCLE_JOB", "CIRCLE_NODE_TOTAL", "CIRCLE_NODE_INDEX"),
            Variable("CIRCLE_BRANCH", meaning="absent when a tag is built"),
        ),
        link=links.variable("CIRCLE_BUILD_URL"),
        link_form="`$CIRCLE_BUILD_URL`",
        proof=_oidc("CIRCLECI_BUILD"),
    ),
    RunnerType(
        vocabulary.RunnerType.TEAMCITY_PIPELINE,
        7,
        "TeamCity Pipeline",
        marks=(Mark("TEAMCITY_PROJECT_NAME"),),
        variables=(
            *_required("BUILD_URL", "TEAMCITY_PROJECT_NAME"),
            *_optional("TEAMCITY_VERSION", "BUILD_NUMBER", "USER", "TEAMCITY_GIT_VERSION", "BUILD_VCS_NUMBER", "HOME"),
        ),
        link=links.variable("BUILD_URL"),
        link_form="`$BUILD_URL`",
        proof=_oidc("TEAMCITY_PIPELINE"),
    ),
    RunnerType(
        vocabulary.RunnerType.JENKINS_JOB,
        4,
        "Jenkins Job",
        marks=(Mark("JENKINS_HOME"), Mark("BUILD_URL")),
        variables=(
            *_required("JOB_NAME", "BUILD_URL", "WORKSPACE", "NODE_NAME"),
            *_optional("GIT_BRANCH", "GIT_COMMIT", "AGENT_WORKDIR"),
        ),
        link=links.variable("BUILD_URL"),
        link_form="`$BUILD_URL`",
        proof=_oidc("JENKINS_JOB"),
    ),
    RunnerType("", 0, "Generic", notes="Anywhere else. It records nothing but the contract's `envAllowList`."),
)
