"""Exceptions over a real PostgreSQL: those of a Workflow in a namespace that is still the same one."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from avouch import errors
from avouch.controlplane.model import policyexceptions as model
from avouch.store import database, policyexceptions
from tests.store.conftest import NOW

pytestmark = pytest.mark.postgres

EPOCH = 2_000_000


def an_exception(**changes: object) -> model.PolicyException:
    namespace = f"team-{uuid.uuid4().hex[:8]}"
    made = model.PolicyException(
        namespace, f"{namespace}-uid", "until-friday", "banned", ("build", "release"), "no fix is out yet", "ada",
        NOW + timedelta(days=1), materials=("sbom",),
    )  # fmt: skip
    return replace(made, **changes)


async def test_an_exception_is_read_as_it_was_recorded_by_whoever_judges_its_workflows(
    opened: database.Database,
) -> None:
    store, one = policyexceptions.Exceptions(opened), an_exception()
    await store.record(one, epoch=EPOCH)
    await store.record(an_exception(), epoch=EPOCH)
    for workflow, found in (("build", (one,)), ("release", (one,)), ("other", ()), ("", ())):
        assert await store.of_workflow(one.namespace_uid, workflow) == found


async def test_a_change_holds_for_the_next_run_and_one_that_is_removed_excepts_nothing(
    opened: database.Database,
) -> None:
    store, one = policyexceptions.Exceptions(opened), an_exception()
    await store.record(one, epoch=EPOCH)
    changed = replace(one, workflows=("release",), digest=f"sha256:{'a' * 64}", materials=())
    await store.record(changed, epoch=EPOCH)
    assert await store.of_workflow(one.namespace_uid, "build") == ()
    assert await store.of_workflow(one.namespace_uid, "release") == (changed,)
    assert (one.namespace, one.name) in await store.keys()
    await store.remove(one.namespace, one.name, epoch=EPOCH)
    assert await store.of_workflow(one.namespace_uid, "release") == ()
    assert (one.namespace, one.name) not in await store.keys()


async def test_a_namespace_that_was_made_anew_has_none_of_its_predecessor(opened: database.Database) -> None:
    store, one = policyexceptions.Exceptions(opened), an_exception()
    await store.record(one, epoch=EPOCH)
    assert await store.of_workflow("another-uid", "build") == ()


async def test_a_controller_that_lost_its_lease_grants_no_exception(opened: database.Database) -> None:
    store, one = policyexceptions.Exceptions(opened), an_exception()
    await store.record(one, epoch=EPOCH)
    with pytest.raises(errors.AvouchError):
        await store.record(replace(one, workflows=("other",)), epoch=1)
    with pytest.raises(errors.AvouchError):
        await store.remove(one.namespace, one.name, epoch=1)
    assert await store.of_workflow(one.namespace_uid, "build") == (one,)
