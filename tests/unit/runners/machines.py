"""Environments as each runner makes them: written by hand from the reference, not from the table."""

from collections.abc import Mapping

from avouch.runners import detection

POD = detection.Pod("ci", {"tekton.dev/taskRun": "build-1-compile", "tekton.dev/pipelineRun": "build-1"})

# What each runner sets, as far as a contract may care: required, optional, and what recognition and link need.
REQUIRED = {
    "GITHUB_ACTION": {
        "GITHUB_ACTOR": "ann",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "acme/app",
        "GITHUB_REPOSITORY_OWNER": "acme",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SHA": "ace3ab241dd4de68d4075c629a123f3541b0e7ca",
        "RUNNER_NAME": "r1",
        "RUNNER_OS": "Linux",
    },
    "GITLAB_PIPELINE": {
        "GITLAB_USER_EMAIL": "ann@example.com",
        "GITLAB_USER_LOGIN": "ann",
        "CI_SERVER_URL": "https://git.example",
        "CI_PROJECT_URL": "https://git.example/acme/app",
        "CI_COMMIT_SHA": "ace3ab241dd4de68d4075c629a123f3541b0e7ca",
        "CI_JOB_URL": "https://git.example/acme/app/-/jobs/7",
        "CI_PIPELINE_URL": "https://git.example/acme/app/-/pipelines/5",
        "CI_RUNNER_VERSION": "17.5.0",
        "CI_COMMIT_REF_NAME": "main",
        "CI_PROJECT_PATH": "acme/app",
    },
    "AZURE_PIPELINE": {
        "BUILD_REQUESTEDFOR": "Ann",
        "BUILD_BUILDID": "42",
        "BUILD_BUILDNUMBER": "20261121.1",
        "BUILD_BUILDURI": "vstfs:///Build/Build/42",
    },
    "JENKINS_JOB": {
        "JOB_NAME": "app",
        "BUILD_URL": "https://ci.example/job/app/7/",
        "WORKSPACE": "/builds/app",
        "NODE_NAME": "built-in",
    },
    "CIRCLECI_BUILD": {
        "CIRCLE_BUILD_URL": "https://circleci.example/gh/acme/app/7",
        "CIRCLE_JOB": "build",
        "CIRCLE_NODE_TOTAL": "1",
        "CIRCLE_NODE_INDEX": "0",
    },
    "DAGGER_PIPELINE": {"CHAINLOOP_DAGGER_CLIENT": "v1.106.1"},
    "TEAMCITY_PIPELINE": {"BUILD_URL": "https://tc.example/build/7", "TEAMCITY_PROJECT_NAME": "App"},
    "TEKTON_PIPELINE": {"TEKTON_TASKRUN_NAME": "build-1-compile", "TEKTON_NAMESPACE": "ci"},
    "CHAINLOOP_SANDBOX": {},
    "": {},
}
MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "3",
    "CI_MERGE_REQUEST_TITLE": "Add it",
    "CI_MERGE_REQUEST_DESCRIPTION": "Because",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_PROJECT_URL": "https://git.example/acme/app",
    "CI_MERGE_REQUEST_PROJECT_PATH": "acme/app",
}
PULL_REQUEST = {
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_HEAD_REF": "feature",
    "GITHUB_BASE_REF": "main",
    "GITHUB_EVENT_PATH": "/home/runner/event.json",
}
OPTIONAL = {
    "GITHUB_ACTION": PULL_REQUEST,
    "GITLAB_PIPELINE": {"CI_RUNNER_DESCRIPTION": "shared", **MERGE_REQUEST},
    "AZURE_PIPELINE": {
        "BUILD_REQUESTEDFOREMAIL": "ann@example.com",
        "BUILD_REPOSITORY_URI": "https://acme@dev.azure.example/acme/app/_git/app",
        "BUILD_REPOSITORY_NAME": "app",
        "BUILD_REASON": "Manual",
        "AGENT_VERSION": "4.248.0",
        "TF_BUILD": "True",
    },
    "JENKINS_JOB": {"GIT_BRANCH": "origin/main", "GIT_COMMIT": "ace3ab2", "AGENT_WORKDIR": "/home/jenkins/agent"},
    "CIRCLECI_BUILD": {"CIRCLE_BRANCH": "main"},
    "DAGGER_PIPELINE": {
        **PULL_REQUEST,
        **MERGE_REQUEST,
        "CI_SERVER_URL": "https://git.example",
        "CI_PROJECT_PATH": "acme/app",
        "GITLAB_USER_LOGIN": "ann",
    },
    "TEAMCITY_PIPELINE": {
        "TEAMCITY_VERSION": "2026.1",
        "BUILD_NUMBER": "7",
        "USER": "agent",
        "TEAMCITY_GIT_VERSION": "2.47.0",
        "BUILD_VCS_NUMBER": "ace3ab2",
        "HOME": "/home/agent",
    },
    "TEKTON_PIPELINE": {"TEKTON_PIPELINERUN_NAME": "build-1", "HOSTNAME": "build-1-compile-pod"},
    "CHAINLOOP_SANDBOX": {},
    "": {},
}
# Only looked at, never recorded (beside what is recorded anyway).
SEEN = {
    "GITHUB_ACTION": {"CI": "true"},
    "GITLAB_PIPELINE": {"CI": "true", "GITLAB_CI": "true"},
    "AZURE_PIPELINE": {
        "TF_BUILD": "True",
        "SYSTEM_TEAMFOUNDATIONSERVERURI": "https://dev.azure.example/acme/",
        "SYSTEM_TEAMPROJECT": "Our App",
        "SYSTEM_JOBID": "j1",
    },
    "JENKINS_JOB": {"JENKINS_HOME": "/var/jenkins_home"},
    "CIRCLECI_BUILD": {"CI": "true", "CIRCLECI": "true"},
    "TEKTON_PIPELINE": {"HOSTNAME": "build-1-compile-pod", "KUBERNETES_SERVICE_HOST": "10.0.0.1"},
    "CHAINLOOP_SANDBOX": {"CHAINLOOP_SANDBOX": "1"},
}
TYPES = sorted(REQUIRED)


def machine(kind: str, *, optional: bool = True, **changes: str) -> dict[str, str]:
    """The environment of a runner of this type."""
    said = {**REQUIRED[kind], **(OPTIONAL[kind] if optional else {}), **SEEN.get(kind, {}), **changes}
    return {"PATH": "/usr/bin", "LANG": "C.UTF-8", **said}


def found(kind: str, environment: Mapping[str, str]) -> detection.Runner:
    return detection.discover(environment, POD if kind == "TEKTON_PIPELINE" else None)
