"""Workflows that lost results beside a sidecar are remembered until they are changed or gone."""

from dataclasses import replace

import pytest

from avouch import errors
from avouch.controlplane.model import contracts
from avouch.store import database, runs, workflows

pytestmark = pytest.mark.postgres

ONE = contracts.WorkflowRecord("team", "ns-uid", "one", "uid-1", 3, {}, {})
TWO = replace(ONE, name="two", uid="uid-2")


async def recorded(opened: database.Database) -> runs.Runs:
    known = workflows.Workflows(opened)
    for each in (ONE, TWO):
        await known.upsert(each, epoch=1)
    await known.close()
    return runs.Runs(opened)


async def test_the_newest_generation_is_remembered_of_this_workflow_alone(opened: database.Database) -> None:
    repository = await recorded(opened)
    for generation in (3, 5, 4):
        await repository.results_cut("uid-1", generation, epoch=1)
    assert await repository.cut_generations(["uid-1", "uid-2"]) == {"uid-1": 5}
    assert await repository.cut_generations(["uid-2"]) == {}


async def test_it_goes_with_its_workflow_and_of_one_that_is_gone_nothing_is_kept(opened: database.Database) -> None:
    repository = await recorded(opened)
    for uid in ("uid-1", "uid-2", "gone"):
        await repository.results_cut(uid, 1, epoch=1)
    await workflows.Workflows(opened).remove("team", "one", uid="uid-1", epoch=1)
    assert await repository.cut_generations(["uid-1", "uid-2", "gone"]) == {"uid-2": 1}


async def test_nothing_stays_of_a_workflow_that_was_made_anew_under_its_name(opened: database.Database) -> None:
    repository = await recorded(opened)
    await repository.results_cut("uid-1", 1, epoch=1)
    known = workflows.Workflows(opened)
    await known.upsert(replace(ONE, uid="uid-3"), epoch=1)
    await known.close()
    await repository.results_cut("uid-2", 1, epoch=1)
    assert await repository.cut_generations(["uid-1", "uid-2"]) == {"uid-2": 1}


async def test_an_older_controller_remembers_nothing(opened: database.Database) -> None:
    repository = await recorded(opened)
    await repository.results_cut("uid-1", 1, epoch=9)
    with pytest.raises(errors.Conflict):
        await repository.results_cut("uid-2", 1, epoch=8)
    assert await repository.cut_generations(["uid-2"]) == {}
