"""Links to runs. A link is a web address without credentials, or nothing."""

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from avouch.runners import remotes

_GITHUB = "https://github.com"


def none(environment: Mapping[str, str]) -> str:
    """No link: the runner has no page for a run."""
    return ""


def variable(name: str) -> Callable[[Mapping[str, str]], str]:
    """The link that a variable holds."""
    return lambda environment: web(environment.get(name, ""))


def web(text: str) -> str:
    """An http(s) address, without user and password; empty if it is not one.

    >>> web("https://ci:secret@ci.example/job/1/")
    'https://ci.example/job/1/'
    """
    return remotes.clean_remote(text) if text.startswith(("https://", "http://")) else ""


def github(environment: Mapping[str, str]) -> str:
    """Also for GitHub Enterprise and compatible servers: the address is in the environment."""
    server = web(environment.get("GITHUB_SERVER_URL") or _GITHUB).rstrip("/")
    repository, run = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_RUN_ID", "")
    return f"{server}/{quote(repository)}/actions/runs/{quote(run, safe='')}" if server and repository and run else ""


def azure(environment: Mapping[str, str]) -> str:
    """Built from parts; projects may have spaces in their names."""
    server = web(environment.get("SYSTEM_TEAMFOUNDATIONSERVERURI", "")).rstrip("/")
    project, build = environment.get("SYSTEM_TEAMPROJECT", ""), environment.get("BUILD_BUILDID", "")
    if not (server and project and build):
        return ""
    query = {"buildId": build, "j": environment.get("SYSTEM_JOBID", ""), "view": "logs"}
    return f"{server}/{quote(project, safe='')}/_build/results?{urlencode(query)}"


def tekton(dashboard: str, namespace: str, pipeline_run: str, task_run: str) -> str:
    """The PipelineRun's page if there is one, else the TaskRun's; `tekton://` without a dashboard.

    >>> tekton("", "ci", "", "build-1")
    'tekton://ci/taskruns/build-1'
    """
    if not namespace or not (pipeline_run or task_run):
        return ""
    kind, name = ("pipelineruns", pipeline_run) if pipeline_run else ("taskruns", task_run)
    base, path = web(dashboard).rstrip("/"), f"{quote(namespace, safe='')}/{kind}/{quote(name, safe='')}"
    return f"{base}/#/namespaces/{path}" if base else f"tekton://{path}"
