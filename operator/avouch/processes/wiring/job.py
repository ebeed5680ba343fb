"""The CI job around us: its commit, its pull request, its identity."""

from collections.abc import Mapping
from pathlib import Path

from avouch.ci import commit, forge, identity
from avouch.cli.attestation import surroundings
from avouch.runners import pullrequests, table

_CLAIMS = frozenset(str(row.name) for row in table.RUNNERS if row.claims)


def around(environment: Mapping[str, str], runner: str, bearer: str) -> surroundings.Around:
    """What the job knows. Without a commit or an answer of its forge it is poorer, never an error.

    Args:
        environment: variables of this process.
        runner: the type that was recognised.
        bearer: the token that the server is shown anyway: the same one proves nothing more.
    """
    found = commit.gather(runner, Path.cwd(), environment)
    asked = forge.Found(None)
    if pullrequests.is_pull_request(environment):
        asked = forge.Asker(environment).pull_request()
    proof = identity.fetch(environment) if runner in _CLAIMS else identity.Identity()
    token = "" if proof.token == bearer else proof.token
    notes = (found.note, *asked.notes)
    return surroundings.Around(found.commit, asked.pull_request, token, tuple(note for note in notes if note))


def token(environment: Mapping[str, str]) -> tuple[str, str]:
    """The job's own token, and why there is none."""
    found = identity.fetch(environment)
    return found.token, found.note
