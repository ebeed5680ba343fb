"""The job's own identity: a token that its runner gives for our audience, as `Authorization: Bearer` for our server.

In this order: the file that AVOUCH_TOKEN_FILE names; GitHub's token service, where the job has `permissions: id-token:
write`; AVOUCH_ID_TOKEN, which a GitLab job declares as `id_tokens: {AVOUCH_ID_TOKEN: {aud: avouch}}`; a projected
ServiceAccount token at /var/run/secrets/tokens/avouch, then the one that injected pods have.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from avouch import errors, https, names

AUDIENCE = names.AUDIENCE
PROJECTED = (Path("/var/run/secrets/tokens/avouch"), Path("/var/run/avouch/token"))
FILE = "AVOUCH_TOKEN_FILE"
GITLAB = "AVOUCH_ID_TOKEN"
_URL, _BEARER = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_SECONDS = 10.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}", re.ASCII)

Get = Callable[[https.Resource, float], https.Answer]


class Identity(NamedTuple):
    """A token and its source; empty, with a note, if there is none."""

    token: str = ""
    source: str = ""
    note: str = ""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Identity({self.source!r}, {self.note!r})"


def fetch(environment: Mapping[str, str], get: Get = https.get, projected: tuple[Path, ...] = PROJECTED) -> Identity:
    """This job's token.

    Raises:
        Invalid: AVOUCH_TOKEN_FILE names a file without a token: whoever names one wants no other.
    """
    named = environment.get(FILE, "")
    if named:
        found = _of_file(Path(named))
        if not found.token:
            raise errors.Invalid(f"{named}: {found.note}", field=FILE, fix="name a file that holds a token")
        return found
    if environment.get(_URL) and environment.get(_BEARER):
        return _of_github(environment, get)
    if environment.get(GITLAB):
        return _checked(environment[GITLAB], f"GitLab, in {GITLAB}")
    files = [_of_file(path) for path in projected]
    return next((found for found in files if found.token), Identity(note=_advice(environment)))


def _of_github(environment: Mapping[str, str], get: Get) -> Identity:
    url = environment[_URL]
    joined = f"{url}{'&' if '?' in url else '?'}audience={quote(AUDIENCE, safe='')}"
    bearer = environment[_BEARER].strip()
    if not _TOKEN.fullmatch(bearer):
        return Identity(note=f"{_BEARER} holds no token")
    try:
        answer = get(https.Resource(joined, {"Authorization": f"Bearer {bearer}"}, environment=environment), _SECONDS)
        body = json.loads(answer.body) if answer.status == 200 else {}
    except errors.Unavailable as exc:
        return Identity(note=f"GitHub gave no token: {exc}")
    except (ValueError, RecursionError):
        return Identity(note="GitHub gave no token: its answer is not JSON")
    if answer.status != 200:
        return Identity(note=f"GitHub gave no token: it answers {answer.status}")
    value = body.get("value") if isinstance(body, dict) else None
    return _checked(value if isinstance(value, str) else "", "GitHub's token service")


def _of_file(path: Path) -> Identity:
    try:
        with path.open("rb") as opened:
            text = opened.read(32 * 1024).decode("ascii")
    except (OSError, ValueError):
        return Identity(note="cannot be read")
    return _checked(text, str(path))


def _checked(text: str, source: str) -> Identity:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        return Identity(note=f"{source}: no token")
    return Identity(token, source)


def _advice(environment: Mapping[str, str]) -> str:
    if environment.get("GITHUB_RUN_ID"):
        return "the job has no identity: give it `permissions: {id-token: write}`"
    if environment.get("GITLAB_CI"):
        return f"the job has no identity: declare `id_tokens: {{{GITLAB}: {{aud: {AUDIENCE}}}}}`"
    return f"no identity here: give an API token, or name a file with a token in {FILE}"
