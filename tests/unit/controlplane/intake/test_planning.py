"""What runs owe is remembered, and never the debt of another revision, Workflow or Contract."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from avouch import digests, errors, plan
from avouch.contract import reading, revisions
from avouch.controlplane.intake import planning
from avouch.controlplane.model import contracts, runs
from avouch.tekton import matching

OBJECT = {"metadata": {"name": "run", "uid": "pr-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
          "spec": {"pipelineRef": {"name": "release"}}}  # fmt: skip


def workflow(**changes: Any) -> contracts.WorkflowRecord:
    spec = {"contractRef": {"name": "c"}, "tekton": {"pipelines": [{"name": "release"}]}}
    return replace(contracts.WorkflowRecord("ns", "ns-1", "w", "w-1", 1, spec, {}, "ns", "c"), **changes)


def revision(number: int, *materials: str, **changes: Any) -> contracts.ContractRevision:
    spec = {"materials": [{"name": name, "type": "ARTIFACT"} for name in materials]}
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}
    canonical = revisions.canonical(reading.read(manifest))
    at = datetime(2025, 1, number, tzinfo=UTC)
    made = contracts.ContractRevision("ns", "ns-1", "c", "c-1", number, digests.of_bytes(canonical), canonical, at)
    return replace(made, **changes)


class Declared:
    """One Workflow and the newest revision of its Contract."""

    def __init__(self, workflow: contracts.WorkflowRecord, newest: contracts.ContractRevision | None) -> None:
        self._workflow, self._newest = workflow, newest
        self.asked: list[datetime | None] = []

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        return matching.Index([self._workflow])

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        self.asked.append(before)
        return self._newest

    async def owed(
        self, taskrun: dict[str, Any] | None = None, pipelinerun: dict[str, Any] | None = OBJECT
    ) -> Sequence[planning.Owed]:
        return await planning.owed_by(await self.covered(taskrun, pipelinerun), self)

    async def covered(
        self, taskrun: dict[str, Any] | None = None, pipelinerun: dict[str, Any] | None = OBJECT
    ) -> planning.Covered:
        return await planning.covered("ns", taskrun, pipelinerun, self)


async def owed(workflow: contracts.WorkflowRecord, newest: contracts.ContractRevision) -> planning.Owed:
    (one,) = await Declared(workflow, newest).owed()
    return one


async def test_a_plan_that_is_remembered_is_the_one_of_this_revision() -> None:
    for number, materials in ((1, ["sbom"]), (2, ["sbom", "tests"]), (3, ["sbom"])):
        found = await owed(workflow(), revision(number, *materials))
        assert ([one.name for one in found.plan.materials], found.plan.revision) == (materials, number)
    again, known = await owed(workflow(), revision(3, "sbom")), await owed(workflow(), revision(3, "sbom"))
    assert again.plan is known.plan


async def test_a_workflow_that_was_edited_owes_what_it_says_now_and_lets_in_whom_it_lists_now() -> None:
    before = await owed(workflow(), revision(1, "sbom"))
    assert before.attesters is None
    listed = {**workflow().spec, "attesters": {"serviceAccounts": ["ci"]}}
    after = await owed(workflow(spec=listed, generation=2), revision(1, "sbom"))
    assert after.attesters is not None
    assert after.attesters.service_accounts == ["ci"]


async def test_a_contract_of_another_name_with_the_same_words_is_named_by_its_own() -> None:
    await owed(workflow(), revision(1, "sbom"))
    assert (await owed(workflow(contract_name="d"), revision(1, "sbom", name="d"))).plan.contract == "d"


async def test_the_same_contract_in_a_home_namespace_made_anew_is_named_by_that_one() -> None:
    for uid in ("home-1", "home-2"):
        found = await owed(workflow(contract_namespace="home"), revision(1, namespace="home", namespace_uid=uid))
        assert (found.plan.contract_namespace, found.plan.contract_namespace_uid) == ("home", uid)


async def test_a_workflow_without_a_contract_that_is_there_owes_nothing() -> None:
    assert not await Declared(workflow(contract_name=""), revision(1)).owed()
    assert not await Declared(workflow(), None).owed()


class Begun:
    """Runs that were opened."""

    def __init__(self, *runs: runs.Run) -> None:
        self.runs = runs

    async def of_subject(self, subject_uid: str) -> Sequence[runs.Run]:
        return [run for run in self.runs if run.key.subject_uid == subject_uid]


LATER = datetime(2026, 1, 2, tzinfo=UTC)
CHANGES: dict[str, dict[str, Any]] = {
    "was suspended": {"open_until": datetime(2025, 12, 31, tzinfo=UTC)},
    "was suspended and resumed": {"open_since": LATER},
    "was made anew": {"uid": "w-2", "open_since": LATER},
    "lost its Contract": {"contract_name": "", "contract_namespace": ""},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_the_pods_of_a_run_that_was_opened_are_served_although_its_workflow(change: dict[str, Any]) -> None:
    (first,) = await Declared(workflow(), revision(1, "sbom")).owed()
    opened, declared = first.run(LATER), Declared(workflow(**change), revision(2, "sbom", "tests"))
    assert not await declared.owed()
    covered = await declared.covered()
    (owed,) = await planning.with_begun((), covered, Begun(opened))
    assert (owed.plan, owed.text) == (first.plan, opened.plan)
    for others in (
        Begun(),
        Begun(replace(opened, workflow="another")),
        Begun(replace(opened, finished_at=LATER)),
        Begun(replace(opened, key=runs.RunKey("w-1", "another"))),
    ):
        assert not await planning.with_begun((), covered, others)
    assert await planning.with_begun((owed,), covered, Begun(opened)) == [owed]


REFUSED = [
    (workflow(open_since=LATER), "before Workflow w was Ready and not suspended (since 2026-01-02T00:00:00Z)"),
    (workflow(open_since=None), "Workflow w is not Ready yet, or suspended"),
    (workflow(spec={**workflow().spec, "suspend": True}), "Workflow w is suspended"),  # by an older controller
]


@pytest.mark.parametrize(("refusing", "why"), REFUSED)
async def test_a_workflow_that_takes_no_run_of_what_it_covers_says_why(
    refusing: contracts.WorkflowRecord, why: str
) -> None:
    declared = Declared(refusing, revision(1))
    assert not await declared.owed()
    (refused,) = planning.refused_by(await declared.covered())
    assert (refused.workflow, refused.subject.uid) == ("w", "pr-1")
    assert why in refused.why
    assert not planning.refused_by(await Declared(workflow(), revision(1)).covered())


async def test_a_workflow_about_tasks_alone_is_owed_by_their_taskruns_and_by_no_pipelinerun() -> None:
    tasks = [
        {"name": "build"},
        {"matchLabels": {"tier": "one"}},
        {"resolver": {"name": "git", "params": {"url": "u"}}},
        {},
    ]
    declared = Declared(workflow(spec={**workflow().spec, "tekton": {"tasks": tasks}}), revision(1))
    assert not await declared.owed()
    taskrun = {**OBJECT, "spec": {"taskRef": {"name": "build"}}}
    for pipelinerun in (None, OBJECT):
        (one,) = await declared.owed(taskrun, pipelinerun)
        assert one.subject == matching.subject("TaskRun", taskrun)


async def test_no_more_plans_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_REMEMBERED", 2)
    plans = planning._Plans()
    first = plans.of(workflow(), revision(1, "sbom"))
    for number in (2, 3):
        plans.of(workflow(), revision(number, "sbom"))
    assert len(plans._known) == 2
    first_again = plans.of(workflow(), revision(1, "sbom"))
    assert first_again is not first
    plans.of(workflow(), revision(2, "sbom"))
    assert plans.of(workflow(), revision(1, "sbom")) is first_again
    plans.of(workflow(), revision(3, "sbom"))
    assert plans.of(workflow(), revision(1, "sbom")) is first_again, "what was asked for last stays"


def test_workflows_of_one_contract_do_not_push_each_others_plans_out() -> None:
    plans = planning._Plans()
    other = workflow(name="v", uid="w-2")
    first, second = plans.of(workflow(), revision(1, "sbom")), plans.of(other, revision(1, "sbom"))
    assert (first.plan.workflow, second.plan.workflow) == ("w", "v")
    assert plans.of(workflow(), revision(1, "sbom")) is first
    assert plans.of(other, revision(1, "sbom")) is second


async def test_a_run_is_pinned_to_the_plan_whether_or_not_it_was_written_already() -> None:
    found = await owed(workflow(labels={"tier": "one"}), revision(1, "sbom"))
    assert found.text
    for one in (found, replace(found, text="")):
        run = one.run(datetime(2026, 1, 1, tzinfo=UTC))
        assert plan.Plan.from_json(run.plan) == found.plan
        assert (run.id, run.subject_kind, run.subject_name, run.labels) == (
            found.run_id, "PipelineRun", "run", {"tier": "one"})  # fmt: skip


async def test_what_has_no_creation_time_owes_nothing_that_could_be_known() -> None:
    bare = {**OBJECT, "metadata": {"name": "run", "uid": "pr-1"}}
    declared = Declared(workflow(), revision(1))
    with pytest.raises(errors.Invalid) as refused:
        await declared.owed(None, bare)
    assert refused.value.field == "metadata.creationTimestamp"
    assert not await declared.owed(None, None)


CREATED, STARTED, CHILD = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z"
DONE = {"conditions": [{"type": "Succeeded", "status": "False"}]}
TASKRUN = {"metadata": {"name": "t", "uid": "t-1", "creationTimestamp": CHILD, "generation": 1}}
BEGINNINGS = {
    "begins when it is created": ({}, 1, {}, None, CREATED),
    "begins when it is created however late Tekton starts it": ({}, 1, {"startTime": STARTED}, None, CREATED),
    "does not begin while it is pending": ({"status": "PipelineRunPending"}, 1, {}, None, ""),
    "has not begun while Tekton has not started what was pending": ({}, 2, {}, None, ""),
    "that was pending begins when Tekton starts it": ({}, 2, {"startTime": STARTED}, None, STARTED),
    "that was pending has begun where it has a TaskRun": ({}, 2, {}, TASKRUN, CHILD),
    "that was pending begins at one time for its pods, too": ({}, 2, {"startTime": STARTED}, TASKRUN, STARTED),
    "that was canceled before it started is over": ({"status": "Cancelled"}, 2, DONE, None, CREATED),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "generation", "status", "taskrun", "began"), BEGINNINGS.values(), ids=BEGINNINGS)
async def test_the_revision_is_the_newest_before_a_run_that(
    spec: dict[str, Any], generation: int, status: dict[str, Any], taskrun: dict[str, Any] | None, began: str
) -> None:
    metadata = {**OBJECT["metadata"], "generation": generation}
    pipelinerun = {"metadata": metadata, "spec": {**OBJECT["spec"], **spec}, "status": status}
    declared = Declared(workflow(), revision(1))
    found = await declared.owed(taskrun, pipelinerun)
    assert len(found) == (1 if began else 0)
    assert declared.asked == ([datetime.fromisoformat(began)] if began else [])


async def test_a_run_takes_the_labels_of_its_build_that_the_workflow_names_and_none_that_it_has_itself() -> None:
    own = {"team": "core"}
    spec = {**workflow().spec, "tekton": {"pipelines": [{"name": "release"}], "runLabels": ["branch", "team", "none"]}}
    said = {"branch": "main", "team": "other", "secret": "x"}
    build = {**OBJECT, "metadata": {**OBJECT["metadata"], "labels": said}}
    declared = Declared(workflow(spec=spec, labels=own), revision(1))
    (one,) = await declared.owed(None, build)
    run = one.run(datetime(2026, 1, 1, tzinfo=UTC))
    assert (run.labels, run.own_labels) == (own, {"branch": "main"})
