"""One command for a whole attestation: what it attests, what it refuses, and what becomes of the run then."""

import json
import signal
import threading
from typing import Any

import pytest

from avouch.attestation import bundle
from tests.crafting import builders, server
from tests.crafting.jobs import SIGNER, Ended, Job

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


def test_one_command_makes_the_real_runs_attestation(job: Job):
    found = attest(job, *ALL, "--bundle", "bundle.json", "-o", "json")
    assert found.code == 0, found.err
    said = found.json()
    assert (said["verdict"], len(job.memory.bundles), job.states()) == ("Passed", 1, [])
    assert [each["name"] for each in said["materials"]] == ["skynet-sbom", "tests", "note", "large-binary"]
    theirs = json.loads((builders.REAL / "statement.json").read_text())["predicate"]
    ours = statement(job)["predicate"]
    for key in ("annotations", "env", "materials", "runnerType", "runnerURL", "runnerEnvironment", "auth"):
        assert ours[key] == theirs[key], key
    assert job.ok("verify", "-b", "bundle.json", *SIGNER, "-o", "json").json()["run"] == said["run"]


def test_people_see_the_verdict_and_the_materials(job: Job):
    out = attest(job, *ALL).out
    assert "Verdict: Passed" in out
    shown = {line.split()[0] for line in out.partition("MATERIAL")[2].splitlines()[1:]}
    assert shown == {"skynet-sbom", "tests", "note", "dockerfile", "large-binary"}


def test_one_connection_and_no_request_too_many(job: Job):
    attest(job, *ALL)
    assert [line.partition(" ")[0] + " " + line.rpartition("/")[2] for line, _, _ in job.memory.requests] == [
        "POST runs", "POST certificate", "POST bundles", f"GET {next(iter(job.memory.runs))}?wait=2"
    ]  # fmt: skip
    assert job.memory.connections == 1


def test_a_file_that_is_named_like_a_material_is_found_by_its_type(job: Job):
    (job.place / "junit.xml").rename(job.place / "tests.xml")
    (job.place / "tests.txt").write_text("no report")
    found = attest(job, *ALL[:4], *ALL[6:])
    assert found.code == 0, found.err
    assert "tests.xml is added as tests" in found.err
    assert "tests.txt is not used as tests" in found.err


def test_an_artifact_is_never_taken_for_its_name(job: Job):
    (job.place / "large-binary.bin").write_bytes(b"anything")
    (job.place / "dockerfile.txt").write_bytes(b"anything")
    found = attest(job, *ALL[:8], "--annotation", "who=me")
    assert found.code == 1
    assert "add --material large-binary=FILE" in found.err
    assert job.memory.bundles == {}


def test_two_files_of_one_name_are_not_guessed_between(job: Job):
    for name in ("tests.xml", "tests.junit.xml"):
        (job.place / name).write_bytes((builders.REAL / "junit.xml").read_bytes())
    found = attest(job, *ALL[:4], *ALL[6:])
    assert found.code == 1
    assert "--material tests=tests.junit.xml" in found.err
    assert verdicts(job) == ["Error"]


def test_nothing_is_searched_for_where_that_is_not_wanted(job: Job):
    (job.place / "junit.xml").rename(job.place / "tests.xml")
    found = attest(job, "--no-search", *ALL[:4], *ALL[6:])
    assert (found.code, "add --material tests=FILE" in found.err) == (1, True)


def test_all_that_is_missing_is_named_with_the_option_that_adds_it_and_the_run_is_over(job: Job):
    found = attest(job)
    assert found.code == 1
    assert "add --material skynet-sbom=FILE --material-annotation skynet-sbom:asset=VALUE" in found.err
    assert "add --annotation who=VALUE" in found.err
    assert "5 owed" in found.err
    assert (job.memory.asked("certificate|bundles"), verdicts(job)) == ([], ["Error"])


def test_all_materials_that_are_wrong_are_told_at_once_and_the_same_command_can_be_run_again(job: Job):
    (job.place / "junit.xml").write_text("no report")
    (job.place / "sbom.cdx.json").rename(job.place / "kept.json")
    found = attest(job, *ALL)
    assert found.code == 1
    assert "not JUNIT_XML" in found.err
    assert "sbom.cdx.json does not exist" in found.err
    assert "field: --material skynet-sbom" in found.err
    assert "field: --material tests" in found.err
    assert "2 of 4 failed: skynet-sbom, tests" in found.err
    assert (job.memory.bundles, verdicts(job), job.states()) == ({}, ["Error"], [])
    (job.place / "kept.json").rename(job.place / "sbom.cdx.json")
    (job.place / "junit.xml").write_bytes((builders.REAL / "junit.xml").read_bytes())
    assert attest(job, *ALL).code == 0
    assert verdicts(job) == ["Error", "Passed"]


def test_what_an_annotation_lacks_is_told_with_the_option_that_this_command_has(job: Job):
    found = attest(job, "--material", "skynet-sbom=sbom.cdx.json")
    assert found.code == 1
    assert "fix: add --material-annotation skynet-sbom:asset=VALUE" in found.err


def test_a_type_that_the_contract_overrules_is_noted(job: Job):
    found = attest(job, *ALL, "--kind", "tests=EVIDENCE")
    assert (found.code, "tests keeps the contract's type JUNIT_XML, not EVIDENCE" in found.err) == (0, True)


def test_a_name_that_no_material_can_have_is_told_with_the_option_that_this_command_has(job: Job):
    assert "field: --material\n" in attest(job, *ALL, "--material", "Extra=x").err


def test_a_text_beside_the_contract_is_shown_by_its_text(job: Job):
    assert "v1.2.3-rc1" in attest(job, *ALL, "--material", "extra=v1.2.3-rc1").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--material", "tests"), "is not NAME=FILE"),
        (("--kind", "tests"), "is not NAME=TYPE"),
        (("--material", "a=1", "--material", "a=2"), "given twice"),
        (("--material-annotation", "asset=x"), "names no material"),
        (("--latest-version",), "exclude each other"),
    ],
)
def test_a_mistake_in_the_options_opens_no_run(job: Job, options: tuple[str, ...], message: str):
    found = attest(job, *options)
    assert (found.code, message in found.err, job.memory.requests) == (1, True, [])


def test_words_about_a_material_that_is_not_there_are_refused(job: Job):
    found = attest(job, *ALL, "--kind", "test=JUNIT_XML")
    assert (found.code, "there is no material test" in found.err) == (1, True)


def test_a_name_that_looks_like_one_of_the_contract_is_told(job: Job):
    (job.place / "Dockerfile").write_text("FROM scratch\n")
    found = attest(job, *ALL, "--material", "docker-file=Dockerfile")
    assert found.code == 0
    assert "the contract has no material docker-file; did you mean dockerfile?" in found.err
    beside = attest(job, *ALL, "--material", "bin=x", "--material", "test=x").err
    assert "the contract has no material bin; the nearest that it has is large-binary" in beside
    assert "the contract has no material test; the nearest that it has is tests" in beside
    assert "has no material" not in attest(job, *ALL).err


def test_a_material_beside_the_contract_may_have_a_type(job: Job):
    found = attest(job, *ALL, "--material", "extra=junit.xml", "--kind", "extra=EVIDENCE", "-o", "json")
    assert found.json()["materials"][-1]["type"] == "EVIDENCE"


def test_files_go_to_the_store_over_the_same_connection(job: Job):
    job.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    assert attest(job, *ALL).code == 0
    assert len(job.memory.stored) == 2
    assert job.memory.connections == 1


@pytest.mark.parametrize(("gate", "code"), [(True, 4), (False, 0)])
def test_a_gate_exits_with_4_and_without_one_no_build_breaks(job: Job, gate: bool, code: int):
    job.memory.gate, job.memory.verdict = gate, "Failed"
    found = attest(job, *ALL)
    assert found.code == code
    assert ("is a gate" if gate else "ATTENTION: the verdict is FAILED") in found.err
    assert verdicts(job) == ["Failed"]  # by the judge, and not ended by us


def test_a_graceful_exit_is_0_and_loud(job: Job):
    found = attest(job, "--graceful-exit")
    assert (found.code, "ATTENTION" in found.err) == (0, True)


def test_a_dry_run_records_nothing_and_prints_the_statement(job: Job):
    found = attest(job, "--dry-run", "--material", "note=hi")
    assert found.code == 0, found.err
    assert json.loads(found.out)["predicate"]["materials"][0]["annotations"]["chainloop.material.name"] == "note"
    assert "--material tests=FILE" in found.err
    assert (job.memory.runs, job.memory.bundles) == ({}, {})


def test_a_push_that_is_refused_ends_the_run(job: Job):
    job.memory.failures = [server.Failure(422, matching="POST .*/bundles", body={"title": "no"})]
    found = attest(job, *ALL)
    assert (found.code, verdicts(job)) == (1, ["Error"])


def test_a_push_whose_answer_was_lost_is_stored_once_and_is_no_failure(job: Job):
    job.memory.failures = [server.Failure(matching="POST .*/bundles", after=0)]
    assert attest(job, *ALL).code == 0
    assert verdicts(job) == ["Passed"]


def test_a_server_that_cannot_end_the_run_is_told_beside_the_reason(job: Job):
    job.memory.failures = [server.Failure(403, matching="POST .*/reset")]
    found = attest(job)
    assert found.code == 1
    assert "stays open until it expires" in found.err
    assert "is not complete" in found.err


def test_a_job_that_is_terminated_records_its_run_as_canceled(job: Job):
    def terminated(line: str) -> None:
        if line.endswith("/certificate"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    job.memory.happens = terminated
    found = attest(job, *ALL)
    assert found.code == 130
    assert "is recorded as canceled" in found.err
    assert (verdicts(job), job.memory.bundles) == (["Canceled"], {})
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
