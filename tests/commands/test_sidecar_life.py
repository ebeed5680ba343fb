"""The sidecar's whole life: the file protocol, SIGTERM at any moment, exit code 0 whatever happens."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from avouch import digests, plan
from tests.unit.sidecar import life, server

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("posted", [("out", "out"), ("out", "out.err"), ("out.err", "out.err")])
def test_it_works_once_every_step_has_posted_however_it_ended_and_then_waits_to_be_stopped(
    tmp_path: Path, posted: tuple[str, str]
) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    with server.serving(script, tmp_path):
        env = life.environment(
            tmp_path,
            2,
            AVOUCH_SERVER=script.url,
            AVOUCH_CA=script.ca,
            AVOUCH_PLAN=json.dumps([json.loads(script.plan.to_json())]),
            AVOUCH_WORKSPACES=json.dumps({"source": str(tmp_path / "ws")}),
        )
        with life.running(env) as process:
            life.until(process, "waiting")
            life.end(tmp_path, 0, posted[0])
            assert process.poll() is None
            life.end(tmp_path, 1, posted[1])
            life.until(process, "is stored")
            assert process.poll() is None, "ending before SIGTERM makes the kubelet restart it"
            assert life.stop(process)[0] == 0
    assert [method for method, *_ in script.requests] == ["POST", "PUT", "POST", "POST"]
    assert script.requests[1][3] == b"{}"
    assert {headers["Authorization"] for *_, headers, _ in script.requests} == {"Bearer token-1"}
    predicate = script.statement()["predicate"]
    assert predicate["metadata"]["workflowRunID"] == server.RUN
    assert predicate["metadata"]["contractVersion"] == "3"
    (material,) = predicate["materials"]
    assert material["digest"]["sha256"] == digests.of_bytes(b"{}").hex
    assert material["annotations"]["chainloop.material.cas"] is True
    assert predicate["env"]["TEKTON_PIPELINE_TASK_NAME"] == "build"


def test_a_refused_file_is_a_signed_finding(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "ws" / "sbom.json").symlink_to(tmp_path / "secret")
    with server.serving(script, tmp_path):
        places = json.dumps({"source": str(tmp_path / "ws")})
        env = life.environment(tmp_path, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca, AVOUCH_WORKSPACES=places)
        life.end(tmp_path, 0)
        with life.running(env) as process:
            life.until(process, "is stored")
            assert life.stop(process)[0] == 0
    predicate = script.statement()["predicate"]
    assert "symbolic link" in predicate["annotations"]["avouch.dev/finding.sbom"]
    assert "materials" not in predicate
    assert [method for method, *_ in script.requests] == ["POST", "POST", "POST"]


def test_sigterm_before_any_step_ended_pushes_nothing(tmp_path: Path) -> None:
    with life.running(life.environment(tmp_path, 2, AVOUCH_SERVER="https://127.0.0.1:1")) as process:
        life.until(process, "waiting")
        code, told = life.stop(process)
    assert code == 0
    assert "0 of 2 steps ended" in told
    assert "nothing was attested" not in told


def test_sigterm_after_an_oom_of_a_later_step_still_pushes_what_there_is(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    with server.serving(script, tmp_path):
        env = life.environment(tmp_path, 2, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca)
        with life.running(env) as process:
            life.until(process, "waiting")
            life.end(tmp_path, 0)
            code, told = life.stop(process)
    assert code == 0
    assert "1 of 2 steps did not end by themselves" in told
    assert script.bodies("/bundles")


@pytest.mark.parametrize(
    "wrong",
    [
        {"AVOUCH_SERVER": "https://127.0.0.1:1", "AVOUCH_CA": "nonsense"},
        {"AVOUCH_SERVER": "http://127.0.0.1:1"},
        {"AVOUCH_SERVER": "https://127.0.0.1:1", "AVOUCH_PLAN": "[{}]"},
        {"AVOUCH_STEP_NAMES": "{", "AVOUCH_SERVER": "https://x"},
        {},
    ],
)
def test_whatever_is_wrong_with_its_environment_it_stays_and_ends_with_zero(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    life_env = life.environment(tmp_path, 1, **wrong)
    life.end(tmp_path, 0)
    with life.running(life_env) as process:
        life.until(process, "nothing was attested")
        assert process.poll() is None
        assert life.stop(process)[0] == 0


def test_a_dead_server_costs_no_more_than_the_budget_and_ends_with_zero(tmp_path: Path) -> None:
    pem = server.certificate(tmp_path)
    env = life.environment(tmp_path, 1, AVOUCH_SERVER="https://127.0.0.1:1", AVOUCH_CA=pem, AVOUCH_BUDGET="0.5")
    life.end(tmp_path, 0)
    with life.running(env) as process:
        life.until(process, "nothing was attested")
        assert life.stop(process)[0] == 0


def test_a_number_of_steps_that_is_none_ends_with_zero(tmp_path: Path) -> None:
    with life.running(life.environment(tmp_path, 1) | {"AVOUCH_STEPS": "many"}) as process:
        life.until(process, "ValueError")
        assert life.stop(process)[0] == 0


def test_an_explicit_step_reports_and_may_lie_and_is_marked_as_a_step(tmp_path: Path) -> None:
    lie = "reg/app@sha256:" + "b" * 64
    script = server.Script(life.a_plan(tmp_path))
    with server.serving(script, tmp_path):
        env = life.environment(tmp_path, 1, AVOUCH_SERVER=script.url)
        (tmp_path / "identity" / "ca.crt").write_text(script.ca)
        with life.running(env, "--step", "--material", f"claimed={lie}") as process:
            _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    (material,) = script.statement()["predicate"]["materials"]
    assert material["annotations"]["chainloop.material.name"] == "claimed"
    assert script.requests[0][2]["Avouch-Client"] == "step"
    report = (tmp_path / "tekton" / "results" / "attestation-report").read_text()
    assert "is stored" in report


def of_another_task(root: Path) -> plan.Plan:
    """A plan whose image is the build task's; the step that speaks runs in task attest."""
    source = plan.Source(plan.From.RESULT, task="build", name="IMAGE_URL")
    image = plan.PlannedMaterial("image", "CONTAINER_IMAGE", source, output=True)
    return replace(life.a_plan(root), materials=(image,))


def attesting(root: Path, script: server.Script, *arguments: str) -> tuple[int, str]:
    env = life.environment(root, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca)
    (root / "identity" / "labels").write_text('tekton.dev/pipelineTask="attest"\n')
    with life.running(env, "--step", *arguments) as process:
        _, told = process.communicate(timeout=30)
    return process.returncode, told


def test_what_is_given_by_hand_is_of_the_contracts_type_whichever_task_it_is_expected_from(tmp_path: Path) -> None:
    script = server.Script(of_another_task(tmp_path))
    with server.serving(script, tmp_path):
        code, told = attesting(tmp_path, script, "--strict", "--material", f"image=reg:5/app:1.0.2@{DIGEST}")
    assert code == 0, told
    (material,) = script.statement()["predicate"]["materials"]
    assert material["annotations"]["chainloop.material.type"] == "CONTAINER_IMAGE"
    assert material["annotations"]["chainloop.material.image.tag"] == "1.0.2"
    assert (material["name"], material["digest"]) == ("reg:5/app", {"sha256": DIGEST.removeprefix("sha256:")})


@pytest.mark.parametrize(("arguments", "expected"), [((), 0), (("--strict",), 1)])
def test_an_image_given_in_a_wrong_form_is_told_signed_and_fails_only_a_strict_step(
    tmp_path: Path, arguments: tuple[str, ...], expected: int
) -> None:
    script = server.Script(of_another_task(tmp_path))
    with server.serving(script, tmp_path):
        code, told = attesting(tmp_path, script, *arguments, "--material", "image=reg/app:1.0.2")
    assert code == expected
    assert "image: 'reg/app:1.0.2' is not pinned to a digest (fix: write <repository>" in told
    predicate = script.statement()["predicate"]
    assert "materials" not in predicate
    assert "is not pinned to a digest" in predicate["annotations"]["avouch.dev/finding.image"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--strict",), 1),
        (("--strict=true", "--materials"), 1),
        (("--strict=false",), 0),
        (("--material", "x"), 0),
    ],
)
def test_only_a_strict_step_may_fail_and_the_report_is_short(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    with life.running(life.environment(tmp_path, 1, AVOUCH_SERVER="http://x"), "--step", *arguments) as process:
        process.communicate(timeout=30)
    assert process.returncode == code
    report = (tmp_path / "tekton" / "results" / "attestation-report").read_bytes()
    assert report.startswith(b"nothing was attested")
    assert len(report) <= 3500
