"""One command for a whole attestation: what it attests, what it refuses, and what becomes of the run then."""

import json
import signal
import threading
from typing import Any

import pytest

from avouch.attestation import bundle
from tests.crafting import builders, server
from tests.crafting.jobs import Ended, Job

WANTED = ("--workflow", "build-small", "--version", "1.0.0")
ALL = (
    "--material", "skynet-sbom=sbom.cdx.json", "--material-annotation", "skynet-sbom:asset=x",
    "--material", "tests=junit.xml", "--material", "note=hello world", "--material", "large-binary=big.bin",
    "--annotation", "who=me",
)  # fmt: skip


def attest(job: Job, *arguments: str, **more: str) -> Ended:
    return job.run("attest", *WANTED, *arguments, **more)


def statement(job: Job) -> dict[str, Any]:
    (content,) = job.memory.bundles.values()
    parsed: dict[str, Any] = json.loads(bundle.parse(content).envelope.payload)
    return parsed


def verdicts(job: Job) -> list[str]:
    return [run["verdict"] for run in job.memory.runs.values()]


def test_one_command_makes_the_real_runs_attestation(here: Job):
    found = attest(here, *ALL, "--bundle", "bundle.json", "-o", "json")
    assert found.code == 0, found.err
    said = found.json()
    assert (said["verdict"], len(here.memory.bundles), here.states()) == ("Passed", 1, [])
    assert [each["name"] for each in said["materials"]] == ["skynet-sbom", "tests", "note", "large-binary"]
    theirs = json.loads((builders.REAL / "statement.json").read_text())["predicate"]
    ours = statement(here)["predicate"]
    for key in ("annotations", "env", "materials", "runnerType", "runnerURL", "runnerEnvironment", "auth"):
        assert ours[key] == theirs[key], key
    assert here.ok("verify", "-b", "bundle.json", "-o", "json").json()["run"] == said["run"]


def test_people_see_the_verdict_and_the_materials(here: Job):
    out = attest(here, *ALL).out
    assert "Verdict: Passed" in out
    shown = {line.split()[0] for line in out.partition("MATERIAL")[2].splitlines()[1:]}
    assert shown == {"skynet-sbom", "tests", "note", "dockerfile", "large-binary"}


def test_one_connection_and_no_request_too_many(here: Job):
    attest(here, *ALL)
    assert [line.partition(" ")[0] + " " + line.rpartition("/")[2] for line, _, _ in here.memory.requests] == [
        "POST runs", "POST certificate", "POST bundles", f"GET {next(iter(here.memory.runs))}?wait=2"
    ]  # fmt: skip
    assert here.memory.connections == 1


def test_a_file_that_is_named_like_a_material_is_found_by_its_type(here: Job):
    (here.place / "junit.xml").rename(here.place / "tests.xml")
    (here.place / "tests.txt").write_text("no report")
    found = attest(here, *ALL[:4], *ALL[6:])
    assert found.code == 0, found.err
    assert "tests.xml is added as tests" in found.err
    assert "tests.txt is not used as tests" in found.err


def test_an_artifact_is_never_taken_for_its_name(here: Job):
    (here.place / "large-binary.bin").write_bytes(b"anything")
    (here.place / "dockerfile.txt").write_bytes(b"anything")
    found = attest(here, *ALL[:8], "--annotation", "who=me")
    assert found.code == 1
    assert "add --material large-binary=FILE" in found.err
    assert here.memory.bundles == {}


def test_two_files_of_one_name_are_not_guessed_between(here: Job):
    for name in ("tests.xml", "tests.junit.xml"):
        (here.place / name).write_bytes((builders.REAL / "junit.xml").read_bytes())
    found = attest(here, *ALL[:4], *ALL[6:])
    assert found.code == 1
    assert "--material tests=tests.junit.xml" in found.err
    assert verdicts(here) == ["Error"]


def test_nothing_is_searched_for_where_that_is_not_wanted(here: Job):
    (here.place / "junit.xml").rename(here.place / "tests.xml")
    found = attest(here, "--no-search", *ALL[:4], *ALL[6:])
    assert (found.code, "add --material tests=FILE" in found.err) == (1, True)


def test_all_that_is_missing_is_named_with_the_option_that_adds_it_and_the_run_is_over(here: Job):
    found = attest(here)
    assert found.code == 1
    assert "add --material skynet-sbom=FILE --material-annotation skynet-sbom:asset=VALUE" in found.err
    assert "add --annotation who=VALUE" in found.err
    assert "5 owed" in found.err
    assert (here.memory.asked("certificate|bundles"), verdicts(here)) == ([], ["Error"])


def test_all_materials_that_are_wrong_are_told_at_once_and_the_same_command_can_be_run_again(here: Job):
    (here.place / "junit.xml").write_text("no report")
    (here.place / "sbom.cdx.json").rename(here.place / "kept.json")
    found = attest(here, *ALL)
    assert found.code == 1
    assert "not JUNIT_XML" in found.err
    assert "sbom.cdx.json is no file" in found.err
    assert "2 of 4 failed: skynet-sbom, tests" in found.err
    assert (here.memory.bundles, verdicts(here), here.states()) == ({}, ["Error"], [])
    (here.place / "kept.json").rename(here.place / "sbom.cdx.json")
    (here.place / "junit.xml").write_bytes((builders.REAL / "junit.xml").read_bytes())
    assert attest(here, *ALL).code == 0
    assert verdicts(here) == ["Error", "Passed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--material", "tests"), "is not NAME=VALUE"),
        (("--material", "a=1", "--material", "a=2"), "given twice"),
        (("--material-annotation", "asset=x"), "names no material"),
        (("--latest-version",), "exclude each other"),
    ],
)
def test_a_mistake_in_the_options_opens_no_run(here: Job, options: tuple[str, ...], message: str):
    found = attest(here, *options)
    assert (found.code, message in found.err, here.memory.requests) == (1, True, [])


def test_words_about_a_material_that_is_not_there_are_refused(here: Job):
    found = attest(here, *ALL, "--kind", "test=JUNIT_XML")
    assert (found.code, "there is no material test" in found.err) == (1, True)


def test_a_material_beside_the_contract_may_have_a_type(here: Job):
    found = attest(here, *ALL, "--material", "extra=junit.xml", "--kind", "extra=EVIDENCE", "-o", "json")
    assert found.json()["materials"][-1]["type"] == "EVIDENCE"


def test_files_go_to_the_store_over_the_same_connection(here: Job):
    here.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    assert attest(here, *ALL).code == 0
    assert len(here.memory.stored) == 2
    assert here.memory.connections == 1


@pytest.mark.parametrize(("gate", "code"), [(True, 4), (False, 0)])
def test_a_gate_exits_with_4_and_without_one_no_build_breaks(here: Job, gate: bool, code: int):
    here.memory.gate, here.memory.verdict = gate, "Failed"
    found = attest(here, *ALL)
    assert found.code == code
    assert ("is a gate" if gate else "ATTENTION: the verdict is FAILED") in found.err
    assert verdicts(here) == ["Failed"]  # by the judge, and not ended by us


def test_a_graceful_exit_is_0_and_loud(here: Job):
    found = attest(here, "--graceful-exit")
    assert (found.code, "ATTENTION" in found.err) == (0, True)


def test_a_dry_run_records_nothing_and_prints_the_statement(here: Job):
    found = attest(here, "--dry-run", "--material", "note=hi")
    assert found.code == 0, found.err
    assert json.loads(found.out)["predicate"]["materials"][0]["annotations"]["chainloop.material.name"] == "note"
    assert "--material tests=FILE" in found.err
    assert (here.memory.runs, here.memory.bundles) == ({}, {})


def test_a_push_that_is_refused_ends_the_run(here: Job):
    here.memory.failures = [server.Failure(422, matching="POST .*/bundles", body={"title": "no"})]
    found = attest(here, *ALL)
    assert (found.code, verdicts(here)) == (1, ["Error"])


def test_a_push_whose_answer_was_lost_is_stored_once_and_is_no_failure(here: Job):
    here.memory.failures = [server.Failure(matching="POST .*/bundles", after=0)]
    assert attest(here, *ALL).code == 0
    assert verdicts(here) == ["Passed"]


def test_a_server_that_cannot_end_the_run_is_told_beside_the_reason(here: Job):
    here.memory.failures = [server.Failure(403, matching="POST .*/reset")]
    found = attest(here)
    assert found.code == 1
    assert "stays open until it expires" in found.err
    assert "is not complete" in found.err


def test_a_job_that_is_terminated_records_its_run_as_canceled(here: Job):
    def terminated(line: str) -> None:
        if line.endswith("/certificate"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    here.memory.happens = terminated
    found = attest(here, *ALL)
    assert found.code == 130
    assert (verdicts(here), here.memory.bundles) == (["Canceled"], {})
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_real_process_attests_too(job: Job):
    found = attest(job, *ALL)
    assert (found.code, verdicts(job)) == (0, ["Passed"])
