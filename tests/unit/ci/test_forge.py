import json
from pathlib import Path
from typing import Any

import pytest

from avouch.ci import forge
from avouch.runners import pullrequests
from tests import loopback
from tests.unit.ci.forges import SHA, Forge

COMMIT = f"/repos/acme/app/commits/{SHA}"
SIGNATURE = f"/api/v4/projects/acme%2Fapp/repository/commits/{SHA}/signature"
REVIEWS = "/repos/acme/app/pulls/7/reviews"
REQUESTED = "/repos/acme/app/pulls/7/requested_reviewers"
MERGE = "/api/v4/projects/acme%2Fapp/merge_requests/3"


def verification(served: Forge, environment: dict[str, str], seconds: float = 10) -> tuple[str, str]:
    found = forge.Asker(environment, served.get, seconds).verification(SHA)
    assert found is not None
    return str(found.status), found.reason


def pull(served: Forge, tmp_path: Path, **said: Any) -> dict[str, str]:
    event = {
        "pull_request": {"number": 7, "html_url": "https://hub.example/acme/app/pull/7", "title": "Add it", **said}
    }
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    return served.github(GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(path))


def reviewers(found: forge.Found) -> list[tuple[str, bool, str]]:
    assert found.pull_request is not None
    return [(each.person.login, each.requested, each.status) for each in found.pull_request.reviewers]


def review(login: str, state: str) -> dict[str, Any]:
    return {"user": {"login": login, "type": "User"}, "state": state}


def test_github_is_asked_with_the_jobs_token(served: Forge) -> None:
    served.pages[COMMIT] = {"commit": {"verification": {"verified": True, "reason": "valid", "signature": ""}}}
    assert verification(served, served.github()) == ("verified", "valid")
    assert served.server.seen[0].headers["authorization"] == "Bearer hub-token"
    assert served.server.seen[0].headers["x-github-api-version"] == "2022-11-28"


def test_gitlab_is_asked_with_the_jobs_token(served: Forge) -> None:
    served.pages[SIGNATURE] = {"verification_status": "verified", "signature_type": "PGP"}
    assert verification(served, served.gitlab())[0] == "verified"
    assert served.server.seen[0].headers["job-token"] == "lab-token"


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500])
def test_an_answer_that_is_none_is_unavailable(served: Forge, status: int) -> None:
    served.statuses[COMMIT] = status
    assert verification(served, served.github())[0] == "unavailable"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000])
def test_an_answer_without_sense_is_unavailable(served: Forge, body: bytes) -> None:
    served.pages[COMMIT] = loopback.Reply(200, body)
    assert verification(served, served.github()) == ("unavailable", "Failed to parse response")


def test_a_forge_that_hangs_or_is_down_is_unavailable(served: Forge) -> None:
    served.pages[COMMIT] = loopback.Reply(200, drips=True)
    status, reason = verification(served, served.github(), 0.3)
    assert (status, reason) == ("unavailable", "GitHub API error: no answer from localhost in 0.3 s")
    with loopback.serving() as gone:
        address = gone.address
    environment = served.github(GITHUB_API_URL=f"https://{address}")
    assert verification(served, environment)[0] == "unavailable"


def test_a_token_goes_nowhere_without_tls(served: Forge) -> None:
    with loopback.serving() as plain:
        status, reason = verification(served, served.github(GITHUB_API_URL=plain.url))
        assert (status, plain.seen) == ("unavailable", [])
        assert "https" in reason


def test_without_a_forge_nobody_is_asked(served: Forge) -> None:
    assert forge.Asker({"CI": "true"}, served.get).verification(SHA) is None
    assert served.asked == []


def test_a_broken_token_is_not_sent(served: Forge) -> None:
    served.pages[COMMIT] = {"commit": {}}
    verification(served, {**served.github(), "GITHUB_TOKEN": "a\r\nX-Evil: 1"})
    assert "authorization" not in served.server.seen[0].headers


def test_reviewers_come_from_all_pages_and_the_last_review_holds(served: Forge, tmp_path: Path) -> None:
    first = f"{REVIEWS}?per_page=100"
    served.pages[REQUESTED] = {"users": [{"login": "cy", "type": "User"}]}
    served.pages[first] = [review("bo", "CHANGES_REQUESTED")]
    served.pages[f"{REVIEWS}?page=2"] = [review("bo", "APPROVED"), review("di", "COMMENTED")]
    served.links[first] = f'<{served.url}{REVIEWS}?page=9>; rel="last", <{served.url}{REVIEWS}?page=2>; rel="next"'
    asked = pull(served, tmp_path, requested_reviewers=[{"login": "bo", "type": "User"}])
    found = forge.Asker(asked, served.get).pull_request()
    assert reviewers(found) == [("bo", True, "APPROVED"), ("cy", True, ""), ("di", False, "COMMENTED")]
    assert found.notes == ()


def test_a_page_that_fails_does_not_take_the_others_away(served: Forge, tmp_path: Path) -> None:
    first = f"{REVIEWS}?per_page=100"
    served.pages[first] = [review("bo", "APPROVED")]
    served.links[first] = f'<{served.url}{REVIEWS}?page=2>; rel="next"'
    served.statuses[f"{REVIEWS}?page=2"] = 502
    found = forge.Asker(pull(served, tmp_path), served.get).pull_request()
    assert reviewers(found) == [("bo", False, "APPROVED")]
    assert found.notes == (
        "requested reviewers are not known: localhost answers 404",
        "reviews are not all known: localhost answers 502",
    )


def test_pages_end(served: Forge, tmp_path: Path) -> None:
    first = f"{REVIEWS}?per_page=100"
    served.pages[first] = [review("bo", "APPROVED")]
    served.pages[REQUESTED] = {}
    served.links[first] = f'<{served.url}{first}>; rel="next"'
    found = forge.Asker(pull(served, tmp_path), served.get).pull_request()
    assert found.notes == ("reviews are not all known: only 10 pages were read",)
    assert served.asked.count(first) == 10


def test_the_next_page_lies_on_the_same_server(served: Forge, tmp_path: Path) -> None:
    with loopback.serving(secure=loopback.tls(tmp_path / "other")) as other:
        first = f"{REVIEWS}?per_page=100"
        served.pages[first] = [review("bo", "APPROVED")]
        served.pages[REQUESTED] = {}
        served.links[first] = f'<{other.url}{REVIEWS}?page=2>; rel="next"'
        found = forge.Asker(pull(served, tmp_path), served.get).pull_request()
        assert reviewers(found) == [("bo", False, "APPROVED")]
        assert other.seen == []


def test_all_questions_together_have_ten_seconds(served: Forge, tmp_path: Path) -> None:
    served.pages[REQUESTED] = loopback.Reply(200, drips=True)
    found = forge.Asker(pull(served, tmp_path), served.get, 0.3).pull_request()
    assert found.pull_request is not None
    assert [note.partition(":")[0] for note in found.notes] == [
        "requested reviewers are not known",
        "reviews are not all known",
    ]
    assert served.asked == [REQUESTED]


def test_without_a_token_the_event_alone_tells(served: Forge, tmp_path: Path) -> None:
    environment = pull(served, tmp_path, requested_reviewers=[{"login": "bo", "type": "User"}])
    del environment["GITHUB_TOKEN"]
    found = forge.Asker(environment, served.get).pull_request()
    assert reviewers(found) == [("bo", True, "")]
    assert found.notes == ("reviews are not known: give the step GITHUB_TOKEN",)
    assert served.asked == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", None])
def test_an_event_that_cannot_be_read_is_a_note(served: Forge, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "event.json"
    if content is not None:
        path.write_bytes(content)
    environment = served.github(GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(path))
    found = forge.Asker(environment, served.get).pull_request()
    assert found.pull_request is None
    assert "event file" in found.notes[0]


def test_a_push_is_no_pull_request(served: Forge) -> None:
    assert forge.Asker(served.github(), served.get).pull_request() == forge.Found(None)


def test_a_merge_request_has_its_reviewers(served: Forge) -> None:
    served.pages[MERGE] = {"author": {"username": "ann"}, "reviewers": [{"username": "bo", "bot": False}]}
    environment = served.gitlab(
        CI_PIPELINE_SOURCE="merge_request_event",
        CI_MERGE_REQUEST_IID="3",
        CI_MERGE_REQUEST_PROJECT_URL="https://lab.example/acme/app",
    )
    found = forge.Asker(environment, served.get).pull_request()
    assert reviewers(found) == [("bo", True, "")]
    assert found.pull_request is not None
    assert found.pull_request.author == pullrequests.Person("ann")
    served.statuses[MERGE] = 403
    failed = forge.Asker(environment, served.get).pull_request()
    assert failed.pull_request is not None
    assert failed.notes == ("reviewers are not known: GitLab answers 403",)
