from datetime import timedelta

import pytest

from avouch import digests, errors
from avouch.controlplane.artifacts import backends as backend_rules
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import identities
from avouch.store import artifacts, casbackends, database, organizations
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
