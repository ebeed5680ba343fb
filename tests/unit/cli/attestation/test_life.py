"""The whole life of an attestation from a plain CI job: a real server over TLS, a real bundle."""

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from avouch.attestation import bundle, dsse
from tests.crafting import builders, server
from tests.crafting.jobs import SIGNER, Job

WANTED = ("--workflow", "build-small", "--version", "1.0.0")
BY_CHAINLOOP = ("--certificate-identity-regexp", "O=[0-9a-f-]+")


def statement(job: Job) -> dict[str, Any]:
    (content,) = job.memory.bundles.values()
    parsed: dict[str, Any] = json.loads(bundle.parse(content).envelope.payload)
    return parsed


def test_six_commands_make_the_real_runs_attestation(job: Job):
    job.ok("init", *WANTED)
    job.add_all()
    assert job.ok("status", "-o", "json").json()["owed"][0]["fix"] == "avouch attestation push --annotation who=VALUE"
    pushed = job.ok("push", "--annotation", "who=me", "--bundle", "bundle.json")
    assert "Verdict: Passed" in pushed.out
    assert job.states() == []

    theirs = json.loads((builders.REAL / "statement.json").read_text())["predicate"]
    ours = statement(job)["predicate"]
    for key in ("annotations", "env", "materials", "runnerType", "runnerURL", "runnerEnvironment", "auth"):
        assert ours[key] == theirs[key], key
    assert ours["signingCA"] == "avouch"
    assert ours["metadata"]["projectVersion"] == "1.0.0"

    verified = job.ok("verify", "-b", "bundle.json", *SIGNER, "-o", "json").json()
    assert verified["verified"]
    assert verified["run"] == ours["metadata"]["workflowRunID"]
    assert job.run("attestation", "reset").code == 1


@pytest.mark.parametrize("asked", [True, False])
def test_a_bypass_of_policies_is_asked_for_in_what_is_signed(job: Job, asked: bool):
    job.ok("init", *WANTED)
    job.add_all()
    job.ok("push", "--annotation", "who=me", *(["--exception-bypass-policy-check"] if asked else []))
    assert statement(job)["predicate"].get("policyBlockBypassEnabled", False) is asked


def test_everything_owed_is_named_at_once_and_nothing_is_pushed(job: Job):
    job.ok("init", *WANTED)
    found = job.att("push")
    assert found.code == 1
    assert found.err.count("fix:") == 5
    assert "avouch attestation add --name tests --value FILE" in found.err
    assert job.memory.asked("certificate|bundles") == []


def test_the_state_on_the_server_is_shared_by_jobs_without_a_disk(job: Job, tmp_path: Path):
    identity = job.ok("init", *WANTED, "--remote-state", "-o", "json").json()["run"]["id"]
    assert job.states() == []
    elsewhere = {"TMPDIR": str(tmp_path), "AVOUCH_ATTESTATION_ID": identity}
    owed = job.ok("status", "-o", "json", **elsewhere).json()["owed"]
    assert owed[0]["fix"].endswith(f"--attestation-id {identity}")
    job.add_all("--attestation-id", identity)
    assert job.ok("push", "--annotation", "who=me", **elsewhere).code == 0
    assert job.memory.states == {}
    assert list(job.memory.bundles) == [identity]


def test_a_file_goes_to_the_store_and_its_bytes_are_checked_there(job: Job):
    job.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    job.ok("init", *WANTED)
    job.ok("add", "--name", "tests", "--value", "junit.xml")
    assert list(job.memory.stored.values()) == [(builders.REAL / "junit.xml").read_bytes()]
    job.ok("add", "--name", "large-binary", "--value", "big.bin")  # skip_upload
    assert len(job.memory.stored) == 1


def test_a_file_that_is_not_what_the_contract_asks_for_is_refused_and_not_uploaded(job: Job):
    job.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    job.ok("init", *WANTED)
    found = job.att("add", "--name", "skynet-sbom", "--value", "junit.xml", "--annotation", "asset=x")
    assert found.code == 1
    assert "unexpected material type, not SBOM_CYCLONEDX_JSON" in found.err
    assert job.memory.stored == {}
    assert job.ok("status", "-o", "json").json()["materials"][-1]["state"] == "owed"


def test_what_sniffs_well_but_breaks_the_schema_is_refused_by_strict(job: Job):
    bad = (builders.ASSETS / "materials/SBOM_CYCLONEDX_JSON/bad-component.json").read_bytes()
    (job.place / "bad.json").write_bytes(bad)
    job.ok("init", *WANTED)
    wanted = ("add", "--name", "skynet-sbom", "--value", "bad.json", "--annotation", "asset=x")
    assert job.att(*wanted, "--strict").code == 1
    assert job.att(*wanted).code == 0


def test_an_archive_of_reports_becomes_several_materials(job: Job):
    with tarfile.open(job.place / "sboms.tar.gz", "w:gz") as archive:
        for name in ("b.json", "a.json"):
            content = (builders.REAL / "sbom.cdx.json").read_bytes() + (b" " if name == "a.json" else b"")
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    job.ok("init", *WANTED)
    added = job.ok(
        "add", "--name", "skynet-sbom", "--value", "sboms.tar.gz", "--annotation", "asset=x", "-o", "json"
    ).json()
    assert [(each["name"], each["type"], each["value"]) for each in added] == [
        ("skynet-sbom", "SBOM_CYCLONEDX_JSON", "a.json"),
        ("skynet-sbom-1", "SBOM_CYCLONEDX_JSON", "b.json"),
        ("skynet-sbom-archive", "EVIDENCE", "sboms.tar.gz"),
    ]


def test_a_contract_free_file_is_recognised_and_a_text_is_a_text(job: Job):
    job.ok("init", *WANTED)
    assert job.ok("add", "--value", "junit.xml", "-o", "json").json()[0]["type"] == "JUNIT_XML"
    found = job.ok("add", "--name", "image", "--value", "nginx:latest", "-o", "json").json()[0]
    assert found["type"] == "STRING"  # nobody was asked whether that is an image


def test_a_second_init_is_refused_unless_it_replaces(job: Job):
    job.ok("init", *WANTED)
    found = job.att("init", *WANTED)
    assert found.code == 1
    assert "already initialized" in found.err
    assert len(job.memory.runs) == 1
    job.ok("init", *WANTED, "-f")
    assert len(job.memory.runs) == 2


def test_reset_ends_the_run_and_forgets_the_attestation(job: Job):
    job.ok("init", *WANTED)
    assert "Canceled" in job.ok("reset", "--trigger", "cancellation", "--reason", "stopped").out
    assert job.states() == []
    assert [run["verdict"] for run in job.memory.runs.values()] == ["Canceled"]


def test_a_gate_whose_verdict_is_not_passed_exits_with_4(job: Job):
    job.memory.gate, job.memory.verdict = True, "Failed"
    job.ok("init", *WANTED)
    job.add_all()
    assert job.att("push", "--annotation", "who=me").code == 4


def test_a_gate_that_is_not_judged_in_time_is_not_passed(job: Job):
    job.memory.gate, job.memory.judged_after = True, 10**6
    job.ok("init", *WANTED)
    job.add_all()
    found = job.att("push", "--annotation", "who=me", "--wait", "0")
    assert found.code == 4
    assert "not judged yet" in found.err


@pytest.mark.parametrize("verdict", ["Failed", "Rejected", "Error"])
def test_without_a_gate_no_build_breaks_and_the_verdict_is_told_loudly(job: Job, verdict: str):
    job.memory.verdict = verdict
    job.ok("init", *WANTED)
    job.add_all()
    found = job.ok("push", "--annotation", "who=me")
    assert f"ATTENTION: the verdict is {verdict.upper()}" in found.err


@pytest.mark.parametrize(("enforcement", "told"), [("observe", False), ("warn", True), ("", True), ("later", True)])
def test_who_only_observes_shows_the_verdict_and_warns_of_none(job: Job, enforcement: str, told: bool):
    job.memory.verdict, job.memory.enforcement = "Failed", enforcement
    job.ok("init", *WANTED)
    job.add_all()
    found = job.ok("push", "--annotation", "who=me")
    assert "Verdict: Failed" in found.out
    assert ("ATTENTION" in found.err) is told


def test_a_gate_is_one_whatever_else_is_said(job: Job):
    job.memory.gate, job.memory.verdict, job.memory.enforcement = True, "Failed", "observe"
    job.ok("init", *WANTED)
    job.add_all()
    assert job.att("push", "--annotation", "who=me").code == 4


def test_a_verdict_that_takes_a_moment_is_waited_for(job: Job):
    job.memory.judged_after = 1
    job.ok("init", *WANTED)
    job.add_all()
    assert "Verdict: Passed" in job.ok("push", "--annotation", "who=me").out


def test_graceful_exit_is_0_and_loud_whatever_goes_wrong(job: Job):
    for arguments in (
        ("push", "--graceful-exit"),
        ("status", "--graceful-exit"),
        ("add", "--graceful-exit"),
        ("init", "--workflow", "none", "--graceful-exit"),
        ("verify", "-b", "none.json", "--graceful-exit"),
    ):
        found = job.att(*arguments)
        assert found.code == 0, arguments
        assert "ATTENTION" in found.err
    assert job.att("push", AVOUCH_GRACEFUL_EXIT="1").code == 0
    job.memory.gate, job.memory.verdict = True, "Failed"
    job.ok("init", *WANTED)
    job.add_all()
    assert job.att("push", "--annotation", "who=me", "--graceful-exit").code == 0


def test_a_dry_run_records_nothing_and_prints_the_statement(job: Job):
    del job.environment["CUSTOM_VAR"]
    job.ok("init", *WANTED, "--dry-run")
    job.ok("add", "--name", "note", "--value", "hi")
    found = job.ok("push")
    assert json.loads(found.out)["predicate"]["materials"][0]["content"] == base64.b64encode(b"hi").decode()
    assert "Owed:" in found.err
    assert (job.memory.runs, job.memory.stored, job.memory.bundles) == ({}, {}, {})


def test_variables_that_the_contract_requires_must_be_there_and_the_run_does_not_stay_open(job: Job):
    del job.environment["CUSTOM_VAR"]
    found = job.att("init", *WANTED)
    assert found.code == 1
    assert '"CUSTOM_VAR"' in found.err
    assert [run["verdict"] for run in job.memory.runs.values()] == ["Error"]
    assert job.states() == []


def test_a_variable_that_looks_like_a_credential_is_refused_by_name_and_never_leaves(job: Job):
    secret = "ghp_" + "a1B2" * 9
    job.environment["CUSTOM_VAR"] = secret
    found = job.att("init", *WANTED)
    assert found.code == 1
    assert "CUSTOM_VAR looks like a GitHub token" in found.err
    assert secret not in found.err + found.out


def test_a_contract_for_another_runner_is_refused_but_not_in_a_dry_run(job: Job):
    manifest = builders.contract(runner={"type": "GITLAB_PIPELINE"})
    job.memory.plan = builders.plan_of(manifest)
    found = job.att("init", *WANTED)
    assert found.code == 1
    assert 'runner of type "GITLAB_PIPELINE"' in found.err
    job.ok("init", *WANTED, "--dry-run")


@pytest.mark.parametrize("name", [".avouch.yml", ".chainloop.yml"])
def test_the_version_comes_from_the_flag_or_the_file_of_the_project(job: Job, name: str):
    (job.place / name).write_text("projectVersion: 2.1.0\n")
    (job.place / "sub").mkdir()
    assert job.ok("init", "--workflow", "build-small", "-o", "json").json()["run"]["version"]["name"] == "2.1.0"
    assert job.ok("init", *WANTED, "-f", "-o", "json").json()["run"]["version"]["name"] == "1.0.0"


@pytest.mark.parametrize(
    ("written", "version"),
    [("1.10", "1.10"), ("010", "010"), ("1e3", "1e3"), ("0x10", "0x10"), ("1_000", "1_000"), ("1:20", "1:20"),
     ("2026-03-01", "2026-03-01"), ('"1.10"', "1.10"), ("on", "on"), ("v1.0.0  # ours", "v1.0.0")],
)  # fmt: skip
def test_a_version_is_the_text_that_is_written_in_the_file(job: Job, written: str, version: str):
    (job.place / ".chainloop.yml").write_text(f"projectVersion: {written}\n")
    (job.place / "sub").mkdir()
    if ":" in version:
        assert version in job.att("init", "--workflow", "build-small").err  # refused as a name, with its own text
    else:
        found = job.ok("init", "--workflow", "build-small", "-o", "json").json()
        assert found["run"]["version"]["name"] == version


@pytest.mark.parametrize(
    ("content", "words"),
    [("projectVersion: [1]\n", "must be text"), ("projectVersion: {a: b}\n", "must be text"),
     ("projectVersion: 1\nprojectVersion: 2\n", "twice"), ("a: b: c\n", "not YAML")],
)  # fmt: skip
def test_a_file_that_names_no_version_is_told_by_its_name(job: Job, content: str, words: str):
    (job.place / ".chainloop.yml").write_text(content)
    (job.place / "sub").mkdir()
    found = job.att("init", "--workflow", "build-small")
    assert found.code == 1
    assert words in found.err
    assert ".chainloop.yml" in found.err


def test_a_released_version_takes_no_more_attestations(job: Job):
    job.memory.released = ("1.0.0",)
    found = job.att("init", *WANTED)
    assert found.code == 1
    assert "released and immutable" in found.err


def test_flags_that_contradict_each_other_are_refused_before_anything_is_asked(job: Job):
    for flags in (("--latest-version", "--version", "1"), ("--latest-version", "--mark-latest"),
                  ("--existing-version",), ("--version", "a b"), ("--dry-run", "--remote-state")):  # fmt: skip
        assert job.att("init", "--workflow", "build-small", *flags).code == 1, flags
    assert job.memory.requests == []


def test_a_pull_request_is_recorded_as_such(job: Job):
    found = job.ok("init", *WANTED, "--pr", "-o", "json").json()
    assert found["annotations"]["chainloop.dev/is-pull-request"] == "true"


def test_another_server_than_the_one_that_opened_the_run_is_never_talked_to(job: Job):
    job.memory.backend = {"id": "b-2", "name": "s3", "inline": False, "maxBytes": 10**9}
    job.ok("init", *WANTED)
    found = job.att("add", "--name", "tests", "--value", "junit.xml", AVOUCH_SERVER="https://127.0.0.1:1")
    assert found.code == 1
    assert "belongs to" in found.err


def test_the_token_is_in_no_state_and_no_output(job: Job):
    found = job.ok("init", *WANTED)
    content = b"".join(each.read_bytes() for each in job.states())
    assert server.TOKEN.encode() not in content
    assert server.TOKEN not in found.out + found.err


def test_a_bundle_that_was_changed_fails_at_the_step_that_finds_it(job: Job):
    content = json.loads((builders.REAL / "bundle.json").read_text())
    payload = base64.b64decode(content["dsseEnvelope"]["payload"]).replace(b"oss", b"OSS")
    content["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    (job.place / "bad.json").write_text(json.dumps(content))
    trust = str(builders.REAL / "ca.crt.pem")
    found = job.att("verify", "-b", "bad.json", "--trust", trust, "--at", "certificate", "-o", "json")
    assert found.code == 1
    results = [each["result"] for each in found.json()["steps"]]
    assert results == ["ok"] * 7 + ["not reached", "failed", "not reached", "not reached"]
    assert not found.json()["verified"]


def test_an_old_bundle_is_not_believed_without_the_time_of_its_receipt(job: Job):
    trust = ("--trust", str(builders.REAL / "ca.crt.pem"))
    real = ("-b", str(builders.REAL / "bundle.json"))
    found = job.att("verify", *real, *trust, "--at", "2027-01-01T00:00:00Z")
    assert (found.code, "step 6 time" in found.err) == (1, True)
    assert job.ok("verify", *real, *trust, *BY_CHAINLOOP, "--at", "2026-11-21T11:08:00Z").code == 0


def test_a_bundle_comes_from_standard_input_too(job: Job):
    content = (builders.REAL / "bundle.json").read_text()
    trust = str(builders.REAL / "ca.crt.pem")
    found = job.run("att", "verify", "-b", "-", "--trust", trust, *BY_CHAINLOOP, "--at", "certificate", stdin=content)
    assert found.code == 0
    assert "9 signature" in found.out
    assert dsse.IN_TOTO


def test_artifacts_travel_by_their_digest(job: Job):
    digest = job.run("artifact", "upload", "-f", "junit.xml", "-o", "name").out.strip()
    assert digest == "sha256:fadc5a2d29942d87afc12b8abacfde3309c0f6e127c43a11312002977cb26e31"
    assert "there already" in job.run("artifact", "upload", "-f", "junit.xml").out
    assert job.run("artifact", "download", "-d", digest, "--output", "copy.xml").code == 0
    assert (job.place / "copy.xml").read_bytes() == (job.place / "junit.xml").read_bytes()
    assert job.run("artifact", "download", "-d", "sha256:" + "0" * 64).code == 1


def test_login_keeps_a_token_that_only_its_owner_can_read(job: Job):
    (job.place / "ca.pem").write_text(job.memory.ca)
    cleared = {"AVOUCH_SERVER": "", "AVOUCH_TOKEN": "", "AVOUCH_CA": ""}
    found = job.run(
        "login", "--server", job.memory.url, "--ca", "ca.pem", "--token-stdin", stdin=server.TOKEN, **cleared
    )
    assert found.code == 0, found.err
    file = job.place / ".config/avouch/config.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert server.TOKEN not in found.out + found.err
    assert job.att("init", *WANTED, **cleared).code == 0
    file.chmod(0o644)
    found = job.att("init", *WANTED, "-f", **cleared)
    assert (found.code, "other users can read" in found.err) == (1, True)


def test_a_push_whose_answer_was_lost_is_stored_once_and_is_no_failure(job: Job):
    job.ok("init", *WANTED)
    job.add_all()
    job.memory.failures = [server.Failure(matching="POST .*/bundles", after=0)]
    assert "Verdict: Passed" in job.ok("push", "--annotation", "who=me").out
    assert len(job.memory.asked("POST .*/bundles")) == 2


def test_a_second_push_to_a_run_is_refused_and_says_what_to_do(job: Job):
    identity = job.ok("init", *WANTED, "--remote-state", "-o", "json").json()["run"]["id"]
    kept = job.memory.states[identity]
    job.add_all("--attestation-id", identity)
    complete = job.memory.states[identity]
    job.ok("push", "--annotation", "who=me", "--attestation-id", identity)
    assert complete != kept
    job.memory.states[identity] = complete
    found = job.att("push", "--annotation", "who=me", "--attestation-id", identity)
    assert found.code == 1
    assert "init --replace" in found.err


def test_a_state_that_stays_behind_does_not_fail_what_was_pushed(job: Job):
    identity = job.ok("init", *WANTED, "--remote-state", "-o", "json").json()["run"]["id"]
    job.add_all("--attestation-id", identity)
    job.memory.failures = [server.Failure(403, matching="DELETE .*/state")]
    found = job.ok("push", "--annotation", "who=me", "--attestation-id", identity)
    assert "Verdict: Passed" in found.out
    assert "could not be deleted" in found.err


def test_a_server_in_trouble_after_the_push_is_no_failure_of_the_push(job: Job):
    job.ok("init", *WANTED)
    job.add_all()
    job.memory.failures = [server.Failure(404, matching="GET /v1/runs")]
    found = job.ok("push", "--annotation", "who=me")
    assert "not judged yet" in found.out
    assert "its verdict is not known yet" in found.err


def test_a_server_that_says_it_stored_something_else_is_not_believed(job: Job):
    job.ok("init", *WANTED)
    job.add_all()
    other = server.Failure(200, matching="POST .*/bundles", body={"id": "x", "digest": "sha256:" + "0" * 64})
    job.memory.failures = [other]
    found = job.att("push", "--annotation", "who=me")
    assert found.code == 1
    assert "stored sha256:0000" in found.err


def test_signing_with_a_key_of_ones_own_is_refused_with_the_reason(job: Job):
    job.ok("init", *WANTED)
    found = job.att("push", "--key", "cosign.key")
    assert found.code == 1
    assert "not supported" in found.err
