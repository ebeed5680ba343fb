import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.artifacts import backends as backend_rules
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import identities
from avouch.store import artifacts, casbackends, database, organizations, tables
from tests.store import conftest as make

pytestmark = pytest.mark.postgres

EPOCH = 1_000
OK = artifact_model.Probed(True, True)


def record(namespace: str, name: str, generation: int = 1, **spec: object) -> artifact_model.BackendRecord:
    said = {"s3": {"bucket": "b"}, **spec}
    return artifact_model.BackendRecord(
        f"{namespace}-{name}", namespace, f"uid-{namespace}", name, generation, artifact_model.BackendSpec.read(said)
    )


@pytest.fixture
def records(opened: database.Database) -> casbackends.CASBackends:
    return casbackends.CASBackends(opened)


async def checked(
    records: casbackends.CASBackends, one: artifact_model.BackendRecord, probed: artifact_model.Probed = OK
) -> None:
    await records.upsert(one, epoch=EPOCH)
    await records.checked(one, probed, make.NOW, make.NOW + timedelta(days=999_999))


async def test_a_new_backend_is_due_at_once_for_one_checker_only(records, namespace) -> None:
    await records.upsert(record(namespace, "a"), epoch=EPOCH)
    assert namespace in [one.namespace for one in await records.due(1000)]
    assert namespace not in [one.namespace for one in await records.due(1000)]


async def test_a_new_spec_is_due_at_once_and_not_usable_before(records, namespace) -> None:
    await checked(records, record(namespace, "a", default=True))
    assert backend_rules.choose(await records.serving(namespace)).name == "a"
    await records.upsert(record(namespace, "a", 2, default=True, maxBytes=10**8), epoch=EPOCH)
    with pytest.raises(errors.Unavailable, match="not been checked yet"):
        backend_rules.choose(await records.serving(namespace))
    assert namespace in [one.namespace for one in await records.due(1000)]


async def test_a_check_of_an_older_spec_says_nothing_about_the_new_one(records, namespace) -> None:
    old = record(namespace, "a", default=True)
    await records.upsert(old, epoch=EPOCH)
    await records.upsert(record(namespace, "a", 2, default=True), epoch=EPOCH)
    await records.checked(old, OK, make.NOW, make.NOW)
    with pytest.raises(errors.Unavailable):
        backend_rules.choose(await records.serving(namespace))


async def test_the_home_namespace_serves_its_projects_until_two_claim_one(opened, records, namespace) -> None:
    home = f"home-{namespace}"
    await checked(records, record(home, "shared", default=True))
    known = organizations.Organizations(opened)
    await known.record(identities.Organization(f"o-{namespace}", home), [home, namespace], epoch=EPOCH)
    assert backend_rules.choose(await records.serving(namespace)).name == "shared"
    await known.record(identities.Organization(f"p-{namespace}", "elsewhere"), [namespace], epoch=EPOCH)
    assert backend_rules.choose(await records.serving(namespace)).name == "default"
    await known.remove(f"p-{namespace}", epoch=EPOCH)
    assert backend_rules.choose(await records.serving(namespace)).name == "shared"


async def test_a_removed_backend_takes_nothing_new_and_is_kept_while_artifacts_lie_in_it(
    opened, records, namespace
) -> None:
    full, empty = record(namespace, "full", default=True), record(namespace, "empty")
    await checked(records, full)
    await checked(records, empty)
    await artifacts.Artifacts(opened).reserve(
        digests.of_bytes(b"x"), artifact_model.Owner(namespace, f"uid-{namespace}"), full.uid
    )
    for one in (full, empty):
        await records.remove(namespace, one.name, uid=one.uid, epoch=EPOCH)
    assert backend_rules.choose(await records.serving(namespace)).name == "default"
    assert await records.get(full.uid) is not None
    assert await records.get(empty.uid) is None


async def test_an_old_controller_changes_nothing(records, namespace) -> None:
    await records.upsert(record(namespace, "a"), epoch=EPOCH)
    with pytest.raises(errors.Conflict):
        await records.upsert(record(namespace, "b"), epoch=EPOCH - 1)


def elsewhere(one: artifact_model.BackendRecord, **changes: object) -> artifact_model.BackendRecord:
    """Another one that is named like it as far as nothing is changed."""
    return replace(one, uid=uuid.uuid4().hex, **changes)  # type: ignore[arg-type]


def place(one: artifact_model.BackendRecord) -> tuple[str, str, str]:
    return one.namespace, one.name, one.uid


async def test_a_backend_is_read_as_it_was_recorded(opened, records, namespace) -> None:
    first = record(namespace, "a", oci={"repository": "registry.example/shared"}, s3=None).stopped_by("two defaults")
    second = record(namespace, "a", 2, default=True)
    for said in (first, second):
        await records.upsert(said, epoch=EPOCH)
        assert await records.get(said.uid) == said
        async with opened.statements() as connection:
            location = sa.select(tables.cas_backends.c.location).where(tables.cas_backends.c.uid == said.uid)
            assert (await connection.execute(location)).scalar_one() == said.location
    assert await records.get("nobody") is None
    await records.upsert(first, epoch=EPOCH)  # what is older replaces nothing
    assert await records.get(first.uid) == second
    fixed = second.stopped_by("")
    await records.upsert(second.stopped_by("two defaults"), epoch=EPOCH)
    await records.upsert(fixed, epoch=EPOCH)  # of one generation the last word counts
    assert await records.get(first.uid) == fixed


async def test_the_same_spec_again_is_not_checked_again(records, namespace) -> None:
    await checked(records, record(namespace, "a"))
    await records.upsert(record(namespace, "a"), epoch=EPOCH)
    assert await records.due(1000) == ()


async def test_a_backend_made_anew_takes_the_place_of_the_one_of_its_name_and_no_other(records, namespace) -> None:
    old = record(namespace, "a")
    others = (elsewhere(old, name="b"), elsewhere(old, namespace="other", namespace_uid="uid-other"))
    for one in (old, *others):
        await records.upsert(one, epoch=EPOCH)
    new = elsewhere(old)
    await records.upsert(new, epoch=EPOCH)
    assert set(await records.keys()) == {place(one) for one in (new, *others)}


async def test_only_the_backend_of_that_place_and_uid_is_removed(records, namespace) -> None:
    one = record(namespace, "a")
    others = (elsewhere(one, name="b"), elsewhere(one, namespace="other", namespace_uid="uid-other"))
    for each in (one, *others):
        await records.upsert(each, epoch=EPOCH)
    for wrong in ({"namespace": "other"}, {"name": "b"}, {"uid": "another"}):
        await records.remove(**{"namespace": namespace, "name": "a", "uid": one.uid, **wrong}, epoch=EPOCH)
        assert set(await records.keys()) == {place(each) for each in (one, *others)}
    with pytest.raises(errors.Conflict):
        await records.remove(namespace, "a", uid=one.uid, epoch=EPOCH - 1)
    await records.remove(namespace, "a", uid=one.uid, epoch=EPOCH)
    assert set(await records.keys()) == {place(each) for each in others}
    assert await records.get(one.uid) is None


async def test_a_removed_backend_is_kept_while_its_own_garbage_is_not_cleared_away(opened, records, namespace) -> None:
    full, empty = record(namespace, "full"), record(namespace, "empty")
    for one in (full, empty):
        await records.upsert(one, epoch=EPOCH)
    async with opened.transaction() as connection:
        await connection.execute(sa.insert(tables.garbage).values(digest="sha256:0", backend_uid=full.uid))
    for one in (full, empty):
        await records.remove(*place(one)[:2], uid=one.uid, epoch=EPOCH)
    assert await records.get(full.uid) is not None
    assert await records.get(empty.uid) is None
    assert await records.keys() == []
    await records.upsert(full, epoch=EPOCH)  # it was not gone after all
    assert await records.keys() == [place(full)]


async def test_what_a_check_found_is_said_of_that_backend_alone(records, namespace) -> None:
    mine, other = record(namespace, "a"), record(namespace, "b")
    await records.upsert(other, epoch=EPOCH)
    await checked(records, mine, artifact_model.Probed(True, False, "no\0 space"))
    found = await records.get(mine.uid)
    assert found == replace(
        mine, checked_generation=1, checked_at=make.NOW, reachable=True, writable=False, message="no space"
    )
    assert await records.get(other.uid) == other


async def test_a_check_that_another_process_takes_is_left_to_it(opened, records, namespace) -> None:
    mine, other = record(namespace, "a"), record(namespace, "b")
    for one in (mine, other):
        await records.upsert(one, epoch=EPOCH)
    async with opened.transaction() as taking:
        held = sa.select(tables.cas_backends).where(tables.cas_backends.c.uid == mine.uid).with_for_update()
        await taking.execute(held)
        assert [one.uid for one in await records.due(1000)] == [other.uid]


async def test_a_namespace_is_served_by_its_own_backends_and_by_its_homes(opened, records, namespace) -> None:
    mine, shared = record(namespace, "mine"), record(f"home-{namespace}", "shared")
    for one in (mine, shared, record("stranger", "s")):
        await records.upsert(one, epoch=EPOCH)
    acme = identities.Organization(f"o-{namespace}", shared.namespace)
    await organizations.Organizations(opened).record(acme, [namespace], epoch=EPOCH)
    assert await records.serving(namespace) == artifact_model.Serving(own=(mine,), home=(shared,))


async def test_backends_of_a_kind_are_found(records, namespace) -> None:
    for name, spec in {"a": {"s3": {}}, "b": {"inline": {}}, "c": {"inline": {}}}.items():
        said = replace(record(namespace, name), spec=artifact_model.BackendSpec.read(spec))
        await records.upsert(said, epoch=EPOCH)
    assert sorted(await records.of_kind("inline")) == [f"{namespace}-b", f"{namespace}-c"]
