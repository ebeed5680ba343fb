from pathlib import Path

import pytest

from avouch import errors
from avouch.ci import identity
from tests import loopback
from tests.unit.ci.forges import Forge

TOKEN = ".".join(("aaaa", "bbbb", "cccc"))
NOWHERE = (Path("/nowhere/token"),)


def hub(served: Forge, **said: str) -> dict[str, str]:
    url = f"{served.url}/token?api-version=2"
    return {"GITHUB_RUN_ID": "1", "ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ask", **said}


def test_github_gives_a_token_for_our_audience(served: Forge) -> None:
    served.pages["/token?api-version=2&audience=avouch"] = {"value": TOKEN}
    found = identity.fetch(hub(served), served.get, NOWHERE)
    assert (found.token, found.source) == (TOKEN, "GitHub's token service")
    assert served.server.seen[0].headers["authorization"] == "Bearer ask"


@pytest.mark.parametrize(
    "reply",
    [loopback.Reply(500), loopback.Reply(200, b"<html>"), loopback.Reply(200, b"[]"), loopback.Reply(200, b"{}"),
     loopback.Reply(200, b'{"value": 3}'), loopback.Reply(200, b'{"value": "a b"}'), loopback.Reply(302)],
)  # fmt: skip
def test_without_a_token_of_githubs_the_job_goes_on(served: Forge, reply: loopback.Reply) -> None:
    served.pages["/token?api-version=2&audience=avouch"] = reply
    found = identity.fetch(hub(served), served.get, NOWHERE)
    assert (found.token, bool(found.note)) == ("", True)


def test_our_permission_to_ask_goes_nowhere_without_tls(served: Forge) -> None:
    with loopback.serving() as plain:
        found = identity.fetch(hub(served, ACTIONS_ID_TOKEN_REQUEST_URL=f"{plain.url}/"), served.get, NOWHERE)
        assert (found.token, plain.seen) == ("", [])


def test_gitlab_puts_it_into_a_variable(served: Forge) -> None:
    found = identity.fetch({"GITLAB_CI": "true", "AVOUCH_ID_TOKEN": f"{TOKEN}\n"}, served.get, NOWHERE)
    assert found.token == TOKEN
    assert served.asked == []


def test_kubernetes_puts_it_into_a_file(served: Forge, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    found = identity.fetch({}, served.get, (*NOWHERE, path))
    assert (found.token, found.source) == (TOKEN, str(path))


def test_a_named_file_comes_before_all_others_or_is_an_error(served: Forge, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    assert identity.fetch(hub(served, AVOUCH_TOKEN_FILE=str(path)), served.get).token == TOKEN
    assert served.asked == []
    for content in ("", "two words", "\x00", "x" * 20_000, "é"):
        path.write_text(content)
        with pytest.raises(errors.Invalid, match="AVOUCH_TOKEN_FILE"):
            identity.fetch(hub(served, AVOUCH_TOKEN_FILE=str(path)), served.get)
    with pytest.raises(errors.Invalid):
        identity.fetch({"AVOUCH_TOKEN_FILE": "/nowhere"}, served.get)


@pytest.mark.parametrize(
    ("environment", "advice"),
    [({"GITHUB_RUN_ID": "1"}, "id-token: write"), ({"GITLAB_CI": "true"}, "id_tokens"), ({}, "AVOUCH_TOKEN_FILE")],
)
def test_without_an_identity_it_says_how_to_get_one(environment: dict[str, str], advice: str, served: Forge) -> None:
    assert advice in identity.fetch(environment, served.get, NOWHERE).note


def test_no_token_shows_in_what_is_printed() -> None:
    assert TOKEN not in repr(identity.Identity(TOKEN, "x"))
