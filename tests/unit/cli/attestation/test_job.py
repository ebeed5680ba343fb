"""What the CI job around the commands adds: commit, pull request, identity, report, images, progress."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from avouch import digests
from tests.crafting import server
from tests.crafting.jobs import Job

INIT = ("init", "--workflow", "build-small", "-o", "json")
NOWHERE = {"GITHUB_API_URL": "https://127.0.0.1:1"}


def git(place: Path, *arguments: str) -> str:
    said = ("-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *said, *arguments], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(job: Job) -> str:
    """The commit that the job has checked out."""
    job.environment |= NOWHERE
    git(job.place, "init", "-q")
    git(job.place, "remote", "add", "origin", "https://x-access-token:hunter2x@git.example/skynet.git")
    git(job.place, "add", "junit.xml")
    git(job.place, "commit", "-q", "-m", "init")
    return git(job.place, "rev-parse", "HEAD")


def subjects(job: Job) -> list[dict[str, object]]:
    (parsed,) = job.memory.payloads.values()
    return [{"name": each.name, "digest": dict(each.digest), **each.annotations} for each in parsed.subjects]


def pushed(job: Job) -> None:
    job.add_all()
    job.ok("push", "--annotation", "who=me")


def test_the_commit_is_a_subject_and_its_remote_carries_no_credentials(job: Job, checkout: str):
    job.ok(*INIT)
    pushed(job)
    head = subjects(job)[1]
    assert (head["name"], head["digest"]) == ("git.head", {"sha1": checkout})
    assert (head["author.name"], head["author.verification_status"]) == ("dev", "unavailable")
    assert head["remotes"] == [{"name": "origin", "url": "https://git.example/skynet.git"}]


def test_without_a_repository_there_is_no_commit_and_that_is_told(job: Job):
    found = job.ok(*INIT, GIT_CEILING_DIRECTORIES=str(job.place.parent))
    assert "note:" in found.err
    pushed(job)
    assert [each["name"] for each in subjects(job)] == ["chainloop.workflow.build-small", "big.bin"]


def test_a_pull_request_becomes_a_material_and_its_head_the_commit(job: Job, checkout: str):
    pull = {
        "number": 7,
        "html_url": "https://github.com/acme/app/pull/7",
        "title": "Mend it",
        "body": "",
        "head": {"sha": "1" * 40},
        "user": {"login": "ann", "type": "User"},
    }
    (job.place / "event.json").write_text(json.dumps({"pull_request": pull}))
    job.environment |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(job.place / "event.json")}
    begun = job.ok(*INIT).json()
    assert begun["annotations"]["chainloop.dev/is-pull-request"] == "true"
    assert [each["name"] for each in begun["materials"] if each["state"] == "added"] == ["pr-metadata-7"]
    pushed(job)
    assert subjects(job)[1]["digest"] == {"sha1": "1" * 40}


def test_a_job_without_a_token_shows_the_one_of_its_runner(job: Job):
    (job.place / "token").write_text(server.TOKEN)
    job.environment |= {"AVOUCH_TOKEN": "", "AVOUCH_TOKEN_FILE": str(job.place / "token")}
    job.ok(*INIT)


def test_a_job_without_any_token_is_told_how_to_get_one(job: Job):
    found = job.att(*INIT, AVOUCH_TOKEN="")
    assert found.code == 1
    assert "id-token: write" in found.err
    assert job.memory.requests == []


def test_the_runners_own_token_goes_along_as_proof_of_the_runner(job: Job):
    job.environment |= {"AVOUCH_TOKEN_FILE": str(job.place / "proof")}
    (job.place / "proof").write_text("eyJ.eyJ.sig")
    assert job.ok(*INIT).json()["run"]["runner"]["authenticated"]


def test_a_verdict_is_left_where_the_ci_shows_it(job: Job):
    summary = job.place / "summary.md"
    job.environment |= {"GITHUB_STEP_SUMMARY": str(summary)}
    job.ok(*INIT)
    pushed(job)
    assert "Verdict: Passed" in summary.read_text()


def test_no_report_is_left_where_none_is_wanted(job: Job):
    summary = job.place / "summary.md"
    job.environment |= {"GITHUB_STEP_SUMMARY": str(summary)}
    job.ok(*INIT)
    job.add_all()
    job.ok("push", "--annotation", "who=me", "--deactivate-ci-report")
    assert not summary.exists()


def test_an_image_in_a_folder_is_recognised_without_a_registry(job: Job):
    layout = job.place / "image"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    manifest = b'{"schemaVersion": 2, "config": {}, "layers": []}'
    digest = digests.of_bytes(manifest)
    (layout / "blobs" / "sha256" / digest.hex).write_bytes(manifest)
    entry = {"digest": str(digest), "size": len(manifest), "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    job.ok(*INIT)
    found = job.ok("add", "--name", "image", "--value", "image", "-o", "json").json()[0]
    assert (found["type"], found["digest"], found["storage"]) == ("CONTAINER_IMAGE", str(digest), "none")


def test_a_file_over_its_types_limit_is_refused_without_reading_it_to_its_end(job: Job):
    with (job.place / "huge.bin").open("wb") as file:
        file.truncate(1024**4)
    job.ok(*INIT)
    found = job.att("add", "--name", "tests", "--value", "huge.bin")
    assert found.code == 1
    assert "the limit of JUNIT_XML" in found.err


def test_a_large_file_goes_to_the_store_in_parts(job: Job):
    job.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    (job.place / "big.iso").write_bytes(os.urandom(40 * 1024 * 1024))
    job.ok(*INIT)
    found = job.ok("add", "--name", "iso", "--kind", "ARTIFACT", "--value", "big.iso", "-o", "json").json()[0]
    assert len(job.memory.stored[found["digest"]]) == 40 * 1024 * 1024
