"""The commit that a job builds, whole: what git says of it, the head of a pull request, and its forge's word on it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from avouch import https
from avouch.api import vocabulary
from avouch.ci import forge, git
from avouch.runners import pullrequests


def gather(runner: str, directory: Path, environment: Mapping[str, str], get: forge.Get = https.get) -> git.Reading:
    """The commit, with the verification of its signature by the forge, if the job has one.

    Args:
        runner: the type that was discovered: only in GitHub Actions is the merge of a pull request checked out.
        directory: anywhere in the working tree.
        environment: all variables of the process.
        get: sends a question.
    """
    asked, note = "", ""
    if runner == vocabulary.RunnerType.GITHUB_ACTION and environment.get("GITHUB_EVENT_NAME") == "pull_request":
        event, note = forge.event(environment)
        asked = pullrequests.head_of(environment, event)
    found = git.read(directory, environment, asked)
    if found.commit is None:
        return found
    verification = forge.Asker(environment, get).verification(found.commit.head)
    return git.Reading(replace(found.commit, verification=verification), note)
