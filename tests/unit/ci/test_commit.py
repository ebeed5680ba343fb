import json
from pathlib import Path

from avouch.ci import commit
from tests.unit.ci.forges import Forge
from tests.unit.ci.test_git import PATH, Repository


def test_the_head_of_a_pull_request_is_what_the_forge_is_asked_about(served: Forge, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    asked, merge = repository.commit("asked for"), repository.commit("merge")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": asked}}}))
    served.pages[f"/repos/acme/app/commits/{asked}"] = {"commit": {"verification": {"verified": True}}}
    environment = {**PATH, **served.github(GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(event))}
    found = commit.gather("GITHUB_ACTION", repository.folder, environment, served.get).commit
    assert found is not None
    assert found.annotations()["author.verification_status"] == "verified"
    assert (found.head, found.message) == (asked, "asked for\n")
    for runner, name in (("DAGGER_PIPELINE", "pull_request"), ("GITHUB_ACTION", "pull_request_target")):
        other = commit.gather(runner, repository.folder, {**environment, "GITHUB_EVENT_NAME": name}, served.get).commit
        assert other is not None
        assert other.head == merge


def test_without_a_forge_the_commit_has_no_verification(served: Forge, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.commit()
    found = commit.gather("", repository.folder, PATH, served.get).commit
    assert found is not None
    assert found.verification is None
    assert served.asked == []


def test_an_event_that_cannot_be_read_is_a_note_beside_the_merge(served: Forge, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    head = repository.commit()
    environment = {**PATH, **served.github(GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH="/nowhere")}
    found = commit.gather("GITHUB_ACTION", repository.folder, environment, served.get)
    assert found.commit is not None
    assert (found.commit.head, found.note) == (head, "the event file cannot be read: FileNotFoundError")


def test_without_a_commit_nobody_is_asked(served: Forge, tmp_path: Path) -> None:
    found = commit.gather("GITHUB_ACTION", tmp_path, {**PATH, **served.github()}, served.get)
    assert found.commit is None
    assert served.asked == []
