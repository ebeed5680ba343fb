"""Which runs a pod opens and of which it speaks: its own TaskRun's and PipelineRun's, if the Workflow lets it."""

import json
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from avouch import digests, errors, plan
from avouch.contract import reading, revisions
from avouch.controlplane.intake import pod_runs, sessions
from avouch.controlplane.model import contracts, runs
from avouch.ingest import answers
from tests.unit.ingest import fakes

MANIFEST = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "evidence"}, "spec": {}}
CANONICAL = revisions.canonical(reading.read(MANIFEST))
COVERS = {"contractRef": {"name": "evidence"}, "tekton": {"pipelines": [{"name": "pipeline"}]}}
OTHERS = {"attesters": {"serviceAccounts": ["other"]}}
ALL = list(sessions.Need)


class World(fakes.Fakes):
    """The cluster's PipelineRun is of a Pipeline that Workflows may cover; no run is open."""

    def __init__(self, *specs: dict[str, Any]) -> None:
        super().__init__()
        self.cluster.pipelineruns["shop", "release"]["spec"] = {"pipelineRef": {"name": "pipeline"}}
        self.store.stored.clear()
        self.store.known = [
            replace(fakes.workflow(**spec), name=f"w{number}", uid=f"uid-{number}", contract_name="evidence")
            for number, spec in enumerate(specs)
        ]
        self.pods = replace(self.intake.pods, contracts=self)  # type: ignore[arg-type]  # what is used of it

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        return contracts.ContractRevision(
            "shop", "shop-uid", "evidence", "c-uid", 4, digests.of_bytes(CANONICAL), CANONICAL, fakes.NOW
        )

    async def open(self) -> list[tuple[str, bool]]:
        """(Workflow, created) of each run that the pod opens."""
        opened = await self.pods.open(await self.pods.identify(fakes.TOKEN))
        return [(one.run.workflow, one.created) for one in opened]


async def test_a_pod_opens_one_run_for_each_workflow_that_covers_it_and_lets_it_and_finds_it_again() -> None:
    world = World(COVERS, {}, {**COVERS, **OTHERS}, COVERS)
    assert await world.open() == [("w0", True), ("w3", True)]
    stored = dict(world.store.stored)
    world.store.open = pytest.fail  # type: ignore[method-assign]  # what is there is not written again
    assert {(one.workflow, one.subject_name, one.revision, one.created_at) for one in stored.values()} == {
        ("w0", "release", 4, fakes.NOW),
        ("w3", "release", 4, fakes.NOW),
    }
    assert await world.open() == [("w0", False), ("w3", False)]
    assert world.store.stored == stored


async def test_a_run_that_is_open_already_keeps_the_plan_to_which_it_was_pinned() -> None:
    world = World(COVERS)
    await world.open()
    (run,) = world.store.stored.values()
    pinned = replace(plan.Plan.from_json(run.plan), revision=1)
    world.store.stored[run.id] = replace(run, plan=pinned.to_json())
    (opened,) = await world.pods.open(await world.pods.identify(fakes.TOKEN))
    assert (opened.plan, opened.created) == (pinned, False)


async def test_a_pod_goes_on_with_a_run_that_was_opened_before_its_workflow_took_no_more() -> None:
    world = World(COVERS)
    assert await world.open() == [("w0", True)]
    world.store.known = [replace(world.store.known[0], open_since=None)]
    assert await world.open() == [("w0", False)]
    world.store.stored.clear()
    with pytest.raises(errors.NotFound, match="no Workflow in shop covers"):
        await world.open()


async def test_a_pod_is_told_the_path_with_the_params_of_its_own_taskrun_and_the_run_stays_as_it_was_pinned() -> None:
    world = World(COVERS)
    await world.open()
    (run,) = world.store.stored.values()
    source = plan.Source(plan.From.WORKSPACE, name="source", path="$(params.dir)/f")
    other = replace(source, path="$(params.unknown)/f")
    asked = (plan.PlannedMaterial("known", "ARTIFACT", source), plan.PlannedMaterial("other", "ARTIFACT", other))
    text = replace(plan.Plan.from_json(run.plan), materials=asked).to_json()
    world.store.stored[run.id] = replace(run, plan=text)
    world.cluster.taskruns["shop", "build"]["spec"] = {"params": [{"name": "dir", "value": "out"}]}
    (opened,) = await world.pods.open(await world.pods.identify(fakes.TOKEN))
    told = plan.Plan.from_json(json.dumps(answers.opened(opened.run, opened.text).plan))
    assert [each.source.path for each in told.materials] == ["out/f", "$(params.unknown)/f"]
    assert dict(told.unresolved)["other"].startswith("TaskRun build has no param unknown")
    assert (told, opened.run.plan) == (opened.plan, text)


async def test_a_pod_that_no_workflow_covers_is_told_of_what() -> None:
    world = World({})
    with pytest.raises(errors.NotFound, match="no Workflow in shop covers PipelineRun release"):
        await world.open()
    world.cluster.taskruns["shop", "build"]["metadata"]["ownerReferences"] = []
    with pytest.raises(errors.NotFound, match="no Workflow in shop covers TaskRun build"):
        await world.open()


async def test_a_pod_whose_account_is_not_listed_is_told_the_field_and_opens_nothing() -> None:
    world = World({**COVERS, **OTHERS})
    with pytest.raises(errors.Denied, match="ServiceAccount builder may not attest here") as refused:
        await world.open()
    assert (refused.value.field, world.store.stored) == ("spec.attesters.serviceAccounts", {})
    assert "add builder to" in refused.value.fix


async def found(world: fakes.Fakes, run: runs.Run, need: sessions.Need) -> sessions.RunSession:
    world.store.stored[run.id] = run
    return await world.intake.pods.session(fakes.TOKEN, run.id, need)


@pytest.mark.parametrize("need", ALL)
async def test_a_pod_speaks_about_the_run_of_its_pipelinerun_or_of_its_own_taskrun_under_its_own_name(
    need: sessions.Need,
) -> None:
    for subject in ("run-uid", "taskrun-uid"):
        session = await found(fakes.Fakes(), fakes.open_run(subject=subject), need)
        assert session.caller is not None
        assert session.caller.pod_uid == "pod-uid"
        assert session.signer == pod_runs.signer_of(session.caller)
        assert session.signer.uris() != pod_runs.signer_of(replace(session.caller, pod_uid="x")).uris()
    alone = fakes.Fakes()
    alone.cluster.taskruns["shop", "build"]["metadata"]["ownerReferences"] = []
    assert (await found(alone, fakes.open_run(subject="taskrun-uid"), need)).external is None


NOT_ITS_OWN = {
    "of another run in its namespace": (fakes.open_run(subject="other-uid"), errors.Denied),
    "of a run about nothing": (fakes.open_run(subject=""), errors.Denied),
    "of another namespace": (fakes.open_run("other"), errors.NotFound),
    "of a namespace of that name that is gone": (
        replace(fakes.open_run(), namespace_uid="earlier-uid"),
        errors.NotFound,
    ),
    "of a namespace with that UID and another name": (
        replace(fakes.open_run(), namespace="other"),
        errors.NotFound,
    ),
}


@pytest.mark.parametrize("need", ALL)
@pytest.mark.parametrize(("run", "refusal"), NOT_ITS_OWN.values(), ids=NOT_ITS_OWN)
async def test_a_pod_never_speaks_about_a_run(
    run: runs.Run, refusal: type[errors.AvouchError], need: sessions.Need
) -> None:
    for own in ("release", ""):
        world = fakes.Fakes()
        if not own:  # a TaskRun that stands alone
            world.cluster.taskruns["shop", "build"]["metadata"]["ownerReferences"] = []
        with pytest.raises(refusal):
            await found(world, run, need)


async def test_a_run_that_is_not_there_is_not_found() -> None:
    for need in ALL:
        with pytest.raises(errors.NotFound, match=r"^no such run$"):
            await fakes.Fakes().intake.pods.session(fakes.TOKEN, uuid.uuid4(), need)


async def test_whom_the_workflow_does_not_let_attest_may_read_and_no_more() -> None:
    for known in ([fakes.workflow(**OTHERS)], []):  # [] where it is gone
        world = fakes.Fakes()
        world.store.known = known
        assert (await world.intake.pods.session(fakes.TOKEN, world.run.id, sessions.Need.READ)).run == world.run
        for need in (sessions.Need.ATTEST, sessions.Need.ADD):
            with pytest.raises(errors.Denied, match="may not attest here"):
                await world.intake.pods.session(fakes.TOKEN, world.run.id, need)
