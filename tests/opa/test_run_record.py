"""Policies of the library on what the cluster has recorded of a run, as it is judged: what passes, and what not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from avouch.controlplane.judging import examination, run_record, verdict
from avouch.controlplane.model import policies as policy_model
from avouch.controlplane.model import runs, verdicts
from avouch.opa import engine
from tests.opa.test_judging import HEAD, Cluster, policy, said_of
from tests.unit.controlplane.judging import run_records as made
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_external_run as outside

pytestmark = pytest.mark.opa

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
TRUSTED = f"git+https://git.example/*@sha1:{made.COMMIT}"
GIVEN = {"tasks-trusted": {"trusted": TRUSTED}, "step-images-allowed": {"registries": "registry.example"}}
Json = dict[str, Any]
Violations = dict[str, list[str]]


def example(name: str) -> Json:
    return cast(Json, yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def held_to(given: dict[str, dict[str, str]] = GIVEN) -> Cluster:
    """A contract with the library's policies on the attestation, each with a gate."""
    cluster = Cluster(*map(example, given))
    attached = [{"ref": name, "gate": True, "with": inputs} for name, inputs in given.items()]
    cluster.attach_all({"policies": {"attestation": attached}})
    return cluster


async def judged(running: engine.Engine, cluster: Cluster, case: examination.Case) -> verdicts.Verdict:
    case = replace(case, plan=replace(case.plan, has_policies=True))
    found = verdict.judge(replace(case, evaluations=await said_of(running, cluster, case)), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    return found


def tekton(snapshot: runs.Snapshot) -> examination.Case:
    return cases.case(cases.planned(), snapshot)


def violations(said: Sequence[policy_model.Evaluation]) -> Violations:
    return {one.policy: [each.message for each in one.violations] for one in said}


async def test_tasks_that_are_pinned_and_images_that_are_allowed_pass(running: engine.Engine) -> None:
    snapshot = made.stored(made.taskrun(), made.taskrun("test-1", "test"))
    found = await judged(running, held_to(), tekton(snapshot))
    assert violations(found.evaluations) == {"tasks-trusted": [], "step-images-allowed": []}
    assert (found.result, found.findings) == (verdicts.VerdictResult.PASSED, ())


def with_lies(taskrun: Json) -> Json:
    """Its build writes what would make it pass, wherever a build can write."""
    taskrun["status"]["results"] += [
        {"name": "digest", "value": f"sha1:{made.COMMIT}"},
        {"name": "image", "value": made.IMAGE},
        {"name": "avouch", "value": {"run": "trusted"}},
    ]
    return taskrun


def moved() -> Json:
    taskrun = made.taskrun()
    taskrun["status"]["provenance"]["refSource"]["digest"] = {"sha1": "b" * 40}
    return taskrun


def inline() -> Json:
    taskrun = made.taskrun()
    taskrun["spec"] = {"taskSpec": taskrun["status"]["taskSpec"]}
    del taskrun["status"]["provenance"]["refSource"]
    return taskrun


def older() -> Json:
    taskrun = made.taskrun()
    del taskrun["status"]["provenance"], taskrun["status"]["steps"], taskrun["status"]["taskSpec"]
    return taskrun


def loaded() -> Json:
    return made.taskrun(image=made.DIGEST)


PINNED_ELSEWHERE = f"Task build is not trusted: git+https://git.example/tasks.git@sha1:{'b' * 40}"
NOT_PINNED = "Task build is written into the Pipeline, or is of the namespace: nothing pins it"
EVIL = f"registry.example.evil/go@{made.DIGEST}"
NAMELESS = "step compile of Task build ran an image without name, which "
WRONG: dict[str, tuple[Json, Violations]] = {
    "another commit": (moved(), {"tasks-trusted": [PINNED_ELSEWHERE], "step-images-allowed": []}),
    "a Task in the Pipeline": (inline(), {"tasks-trusted": [NOT_PINNED], "step-images-allowed": []}),
    "another registry": (
        made.taskrun(image=EVIL),
        {
            "tasks-trusted": [],
            "step-images-allowed": [f"step compile of Task build ran {EVIL}, which is of no allowed registry"],
        },
    ),
    "an image of no registry": (
        loaded(),
        {
            "tasks-trusted": [],
            "step-images-allowed": [f"{NAMELESS}has no digest", f"{NAMELESS}is of no allowed registry"],
        },
    ),
    "a record without all that": (
        older(),
        {
            "tasks-trusted": ["Task build of resolver git has no digest"],
            "step-images-allowed": ["Task build has no steps in the record"],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize("how", WRONG)
async def test_what_is_not_pinned_or_not_allowed_fails(running: engine.Engine, how: str, lying: bool) -> None:
    taskrun, told = WRONG[how]
    taskrun = json.loads(json.dumps(taskrun))
    found = await judged(running, held_to(), tekton(made.stored(with_lies(taskrun) if lying else taskrun)))
    assert violations(found.evaluations) == told
    assert found.result is verdicts.VerdictResult.FAILED


OF_THE_CLUSTER = "/apis/tekton.dev/v1/namespaces/policies-on-the-record/task/shared@*@sha256:*"
REAL_IMAGE = "localhost/busybox@sha256:d726655f3902252179032799b7ddb311d39c131fbf33487092c801622dbe9efe"
REAL: dict[str, tuple[str, str, Violations]] = {
    "pinned and allowed": ("trusted", "localhost", {"tasks-trusted": [], "step-images-allowed": []}),
    "not pinned": (
        "unpinned",
        "localhost",
        {"tasks-trusted": [NOT_PINNED.replace("build", "make")], "step-images-allowed": []},
    ),
    "not allowed": (
        "trusted",
        "registry.example",
        {
            "tasks-trusted": [],
            "step-images-allowed": [f"step write of Task make ran {REAL_IMAGE}, which is of no allowed registry"],
        },
    ),
}


@pytest.mark.parametrize("how", REAL)
async def test_runs_as_tekton_really_left_them(running: engine.Engine, how: str) -> None:
    name, registry, told = REAL[how]
    given = {"tasks-trusted": {"trusted": OF_THE_CLUSTER}, "step-images-allowed": {"registries": registry}}
    found = await judged(running, held_to(given), tekton(made.real(name)))
    assert violations(found.evaluations) == told
    wrong = any(told.values())
    assert found.result is (verdicts.VerdictResult.FAILED if wrong else verdicts.VerdictResult.PASSED)


async def test_no_policy_passes_for_a_task_that_was_deleted_before_the_record(running: engine.Engine) -> None:
    whole = made.stored(made.taskrun(), made.taskrun("test-1", "test"))
    case = tekton(replace(whole, taskruns=whole.taskruns[:1]))
    assert violations(await said_of(running, held_to(), case)) == {
        "tasks-trusted": [NOT_PINNED.replace("build", "test")],
        "step-images-allowed": ["Task test has no steps in the record"],
    }
    assert (await judged(running, held_to(), case)).result is not verdicts.VerdictResult.PASSED


async def test_a_run_outside_the_cluster_has_no_tasks_and_does_not_pass(running: engine.Engine) -> None:
    told = outside.said(outside.facts())
    case = examination.Case(cases.run(), cases.planned(), None, (told,), external=outside.extra())
    found = await judged(running, held_to(), case)
    nothing = ["the record of the run has no Tasks"]
    assert violations(found.evaluations) == {"tasks-trusted": nothing, "step-images-allowed": nothing}


LIES = {
    "bomFormat": "CycloneDX",
    "avouch": {"run": {"tasks": [{"name": "safe"}], "params": {"mode": "safe"}, "more": "safe"}, "more": "safe"},
}
LEAVES = HEAD + (
    "violations contains msg if {\n"
    "  walk(input.avouch, [path, value])\n"
    '  path[count(path) - 1] in {"name", "mode", "more"}\n'
    '  msg := sprintf("%v: %v", [path, value])\n}\n'
)


async def test_a_material_that_brings_a_record_of_its_own_is_judged_by_the_clusters(running: engine.Engine) -> None:
    cluster = Cluster(policy("shown", LEAVES), content=json.dumps(LIES).encode())
    cluster.attach()
    case = cases.case(cases.planned(cases.asked()), made.stored(made.taskrun()), cases.said(cases.file()))
    (said,) = (await judged(running, cluster, case)).evaluations
    assert said.material == "sbom"
    assert {one.message for one in said.violations} == {
        '["run", "name"]: pr',
        '["run", "tasks", 0, "name"]: build',
        '["run", "tasks", 0, "params", "mode"]: fast',
        '["run", "tasks", 0, "steps", 0, "name"]: compile',
    }


async def test_a_record_that_is_too_large_passes_no_policy(running: engine.Engine) -> None:
    taskrun = made.taskrun()
    taskrun["status"]["results"] = [{"name": "long", "value": "a" * run_record.MOST}]
    found = await judged(running, held_to(), tekton(made.stored(taskrun)))
    assert found.result is verdicts.VerdictResult.ERROR
    assert [one.status.value for one in found.evaluations] == ["Error", "Error"]
    assert "policies are shown at most" in found.evaluations[0].reason
