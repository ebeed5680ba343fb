"""CI systems as their jobs meet them: the variables that each sets, and the steps of its file in their order.

Only what the files of examples/ci use is understood; anything else is an error, so that no line goes untried.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from examples.quickstart import install

FILES = install.ROOT / "examples/ci"
COMMIT = "commit"  # stands for the commit of the checkout in the variables below


@dataclass(frozen=True)
class Given:
    """What an administrator stores in the CI: its secrets and variables, and a file of the server's CA."""

    server: str
    token: str
    ca: Path


@dataclass(frozen=True)
class Step:
    """Commands of one shell, run as long as the steps before went well."""

    command: str
    options: str = "-e"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """One CI system. `variables` are those that its documentation lists for a job, of a push to main."""

    name: str
    runner: str
    url: str
    variables: Mapping[str, str]
    steps: Callable[[Given], Iterator[Step]]
    records: tuple[str, ...] = ()


def token_of(issuer: str) -> str:
    """A token as the CI's own issuer makes them; its signature is none."""
    parts = ({"alg": "RS256", "kid": "1", "typ": "JWT"}, {"iss": issuer, "aud": "avouch", "sub": "project_path:skynet"})
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*words, "c2lnbmF0dXJl"])


def _document(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def _github(given: Given) -> Iterator[Step]:
    said = {
        "vars.AVOUCH_SERVER": given.server,
        "vars.AVOUCH_CA": given.ca.read_text(),
        "secrets.AVOUCH_TOKEN": given.token,
    }
    document = _document("github.yml")
    assert document["permissions"]["id-token"] == "write"
    job = document["jobs"]["build-and-test"]
    environment = {name: _expanded(value, said) for name, value in job["env"].items()}
    for step in job["steps"]:
        if "uses" in step:  # the checkout and Python are there
            continue
        assert "if" not in step
        yield Step(step["run"], environment=environment)


def _expanded(value: str, said: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ ([a-zA-Z_.]+) \}\}", lambda found: said[found[1]], value)


def _gitlab(given: Given) -> Iterator[Step]:
    job = _document("gitlab.yml")["build-and-test"]
    said = {"AVOUCH_SERVER": given.server, "AVOUCH_TOKEN": given.token, "AVOUCH_CA": str(given.ca)} | job["variables"]
    yield Step("\n".join([*job["before_script"], *job["script"]]), "-eo pipefail", environment=said)


def _jenkins(given: Given) -> Iterator[Step]:
    text = (FILES / "Jenkinsfile").read_text()
    stored = {"avouch-token": given.token, "avouch-ca": str(given.ca)}
    said = dict(re.findall(r"^ +(AVOUCH_\w+) = '([^']*)'", text, re.M))
    said |= {name: stored[key] for name, key in re.findall(r"^ +(AVOUCH_\w+) = credentials\('([^']*)'\)", text, re.M)}
    said["AVOUCH_SERVER"] = given.server  # the file names an example
    for command in re.findall(r"sh '''(.*?)'''", text, re.S):
        yield Step(command.replace("\\\\", "\\"), "-xe", environment=said)  # as Groovy reads it


def _azure(given: Given) -> Iterator[Step]:
    document = _document("azure-pipelines.yml")
    stored = {"AVOUCH_TOKEN": given.token, "ca.secureFilePath": str(given.ca)}
    plain = {each["name"]: each["value"] for each in document["variables"] if "name" in each}
    for step in document["steps"]:
        if "task" in step:  # Python and the file are there
            continue
        mapped = {name: stored[value[2:-1]] for name, value in step.get("env", {}).items()}
        assert "condition" not in step
        environment = {"AVOUCH_SERVER": given.server, **plain, **mapped}
        yield Step(step["script"], "--noprofile --norc", environment=environment)


def _circleci(given: Given) -> Iterator[Step]:
    job = _document("circleci.yml")["jobs"]["build-and-test"]
    one_line = base64.b64encode(given.ca.read_bytes()).decode()
    said = {"AVOUCH_SERVER": given.server, "AVOUCH_TOKEN": given.token, "AVOUCH_CA_BASE64": one_line}
    for step in job["steps"]:
        if step == "checkout":
            continue
        run = step["run"] if isinstance(step["run"], dict) else {"command": step["run"]}
        assert "when" not in run
        yield Step(run["command"], "-eo pipefail", environment={**job["environment"], **said})


def _shell(given: Given, file: str = "attest.sh") -> Iterator[Step]:
    said = {"AVOUCH_SERVER": given.server, "AVOUCH_TOKEN": given.token, "AVOUCH_CA": str(given.ca)}
    yield Step(f"sh {FILES / file}", environment=said)


def _in_steps(given: Given) -> Iterator[Step]:
    return _shell(given, "attest-in-steps.sh")


GITHUB = System(
    "github", "GITHUB_ACTION", "https://github.com/octo-org/skynet/actions/runs/16",
    {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTION": "__run", "GITHUB_ACTOR": "octocat",
        "GITHUB_ACTOR_ID": "583231", "GITHUB_API_URL": "https://api.github.com", "GITHUB_BASE_REF": "",
        "GITHUB_EVENT_NAME": "push", "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql", "GITHUB_HEAD_REF": "",
        "GITHUB_JOB": "build-and-test", "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main",
        "GITHUB_REF_PROTECTED": "false", "GITHUB_REF_TYPE": "branch", "GITHUB_REPOSITORY": "octo-org/skynet",
        "GITHUB_REPOSITORY_ID": "1296269", "GITHUB_REPOSITORY_OWNER": "octo-org", "GITHUB_REPOSITORY_OWNER_ID": "1",
        "GITHUB_RETENTION_DAYS": "90", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_RUN_ID": "16", "GITHUB_RUN_NUMBER": "3",
        "GITHUB_SERVER_URL": "https://github.com", "GITHUB_SHA": COMMIT, "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_TRIGGERING_ACTOR": "octocat", "GITHUB_WORKFLOW": "build-and-test",
        "GITHUB_WORKFLOW_REF": "octo-org/skynet/.github/workflows/build-and-test.yml@refs/heads/main",
        "GITHUB_WORKFLOW_SHA": COMMIT, "RUNNER_ARCH": "X64", "RUNNER_DEBUG": "", "RUNNER_ENVIRONMENT": "github-hosted",
        "RUNNER_NAME": "GitHub Actions 7", "RUNNER_OS": "Linux", "RUNNER_TEMP": "/home/runner/work/_temp",
        # what `id-token: write` brings; GitHub's service is out of reach here, and the job goes on without a proof
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://pipelines.actions.invalid/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "eyJhbGciOiJub25lIn0.e30.",
    },
    _github,
    ("GITHUB_ACTOR", "GITHUB_REF", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_OWNER", "GITHUB_RUN_ID", "GITHUB_SHA",
     "RUNNER_NAME", "RUNNER_OS"),
)  # fmt: skip
GITLAB = System(
    "gitlab", "GITLAB_PIPELINE", "https://gitlab.example.com/octo-org/skynet/-/jobs/77",
    {
        "CI": "true", "GITLAB_CI": "true", "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
        "CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_SHA": COMMIT,
        "CI_COMMIT_SHORT_SHA": "0d1c6a5a", "CI_DEFAULT_BRANCH": "main", "CI_JOB_ID": "77",
        "CI_JOB_NAME": "build-and-test", "CI_JOB_STAGE": "test",
        "CI_JOB_URL": "https://gitlab.example.com/octo-org/skynet/-/jobs/77", "CI_PIPELINE_ID": "12",
        "CI_PIPELINE_SOURCE": "push", "CI_PIPELINE_URL": "https://gitlab.example.com/octo-org/skynet/-/pipelines/12",
        "CI_PROJECT_ID": "5", "CI_PROJECT_NAME": "skynet", "CI_PROJECT_PATH": "octo-org/skynet",
        "CI_PROJECT_URL": "https://gitlab.example.com/octo-org/skynet", "CI_RUNNER_DESCRIPTION": "shared runner 1",
        "CI_RUNNER_ID": "9", "CI_RUNNER_VERSION": "18.5.0", "CI_SERVER_HOST": "gitlab.example.com",
        "CI_SERVER_URL": "https://gitlab.example.com", "GITLAB_USER_EMAIL": "ci@example.com", "GITLAB_USER_ID": "42",
        "GITLAB_USER_LOGIN": "octocat", "GITLAB_USER_NAME": "Octo Cat",
        # of a GitLab that the server was not told of, so the token proves nothing, and the job goes on without
        "AVOUCH_ID_TOKEN": token_of("https://gitlab.example.com"),
    },
    _gitlab,
    ("GITLAB_USER_EMAIL", "GITLAB_USER_LOGIN", "CI_PROJECT_URL", "CI_COMMIT_SHA", "CI_JOB_URL", "CI_PIPELINE_URL",
     "CI_RUNNER_VERSION", "CI_RUNNER_DESCRIPTION", "CI_COMMIT_REF_NAME"),
)  # fmt: skip
JENKINS = System(
    "jenkins", "JENKINS_JOB", "https://jenkins.example.com/job/skynet/31/",
    {
        "CI": "true", "BUILD_DISPLAY_NAME": "#31", "BUILD_ID": "31", "BUILD_NUMBER": "31",
        "BUILD_TAG": "jenkins-skynet-31", "BUILD_URL": "https://jenkins.example.com/job/skynet/31/",
        "EXECUTOR_NUMBER": "0", "GIT_BRANCH": "origin/main", "GIT_COMMIT": COMMIT,
        "GIT_URL": "https://git.example.com/octo-org/skynet.git", "JENKINS_HOME": "/var/jenkins_home",
        "JENKINS_URL": "https://jenkins.example.com/", "JOB_BASE_NAME": "skynet", "JOB_NAME": "skynet",
        "JOB_URL": "https://jenkins.example.com/job/skynet/", "NODE_LABELS": "linux", "NODE_NAME": "agent-1",
        "STAGE_NAME": "Build and test",
    },
    _jenkins,
    ("JOB_NAME", "BUILD_URL", "NODE_NAME", "GIT_BRANCH", "GIT_COMMIT"),
)  # fmt: skip
AZURE = System(
    "azure", "AZURE_PIPELINE", "https://dev.azure.com/octo-org/sky%20net/_build/results?buildId=88&j=12f1170f&view=logs",
    {
        "TF_BUILD": "True", "AGENT_ID": "8", "AGENT_JOBNAME": "Job", "AGENT_NAME": "Azure Pipelines 2",
        "AGENT_OS": "Linux", "AGENT_VERSION": "4.260.0", "BUILD_BUILDID": "88", "BUILD_BUILDNUMBER": "20260112.1",
        "BUILD_BUILDURI": "vstfs:///Build/Build/88", "BUILD_DEFINITIONNAME": "skynet", "BUILD_REASON": "IndividualCI",
        "BUILD_REPOSITORY_NAME": "skynet", "BUILD_REPOSITORY_PROVIDER": "TfsGit",
        "BUILD_REPOSITORY_URI": "https://dev.azure.com/octo-org/sky%20net/_git/skynet",
        "BUILD_REQUESTEDFOR": "Octo Cat", "BUILD_REQUESTEDFOREMAIL": "octocat@example.com",
        "BUILD_SOURCEBRANCH": "refs/heads/main", "BUILD_SOURCEVERSION": COMMIT,
        "SYSTEM_COLLECTIONURI": "https://dev.azure.com/octo-org/", "SYSTEM_JOBID": "12f1170f",
        "SYSTEM_TEAMFOUNDATIONSERVERURI": "https://dev.azure.com/octo-org/", "SYSTEM_TEAMPROJECT": "sky net",
    },
    _azure,
    ("BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR", "BUILD_REPOSITORY_URI", "BUILD_REPOSITORY_NAME", "BUILD_BUILDID",
     "BUILD_BUILDNUMBER", "BUILD_BUILDURI", "BUILD_REASON", "AGENT_VERSION", "TF_BUILD"),
)  # fmt: skip
CIRCLECI = System(
    "circleci", "CIRCLECI_BUILD", "https://circleci.com/gh/octo-org/skynet/19",
    {
        "CI": "true", "CIRCLECI": "true", "CIRCLE_BRANCH": "main", "CIRCLE_BUILD_NUM": "19",
        "CIRCLE_BUILD_URL": "https://circleci.com/gh/octo-org/skynet/19", "CIRCLE_JOB": "build-and-test",
        "CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "1", "CIRCLE_PROJECT_REPONAME": "skynet",
        "CIRCLE_PROJECT_USERNAME": "octo-org", "CIRCLE_REPOSITORY_URL": "https://github.com/octo-org/skynet",
        "CIRCLE_SHA1": COMMIT, "CIRCLE_USERNAME": "octocat", "CIRCLE_WORKFLOW_ID": "b1c2",
        "CIRCLE_WORKING_DIRECTORY": "~/project",
    },
    _circleci,
    ("CIRCLE_BUILD_URL", "CIRCLE_JOB", "CIRCLE_BRANCH", "CIRCLE_NODE_TOTAL", "CIRCLE_NODE_INDEX"),
)  # fmt: skip
SHELL = System("shell", "", "", {}, _shell)
IN_STEPS = System("in-steps", "", "", {}, _in_steps)
ONE_COMMAND = (GITHUB, GITLAB, JENKINS, AZURE, CIRCLECI, SHELL)
ALL = (*ONE_COMMAND, IN_STEPS)
# Where a job's files lie, by the variable that says so.
WORKSPACE = {"github": "GITHUB_WORKSPACE", "gitlab": "CI_PROJECT_DIR", "jenkins": "WORKSPACE",
             "azure": "BUILD_SOURCESDIRECTORY"}  # fmt: skip
