"""A PolicyException is recorded while it excepts anything, and its status says what it names that does not exist."""

import types
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.model import policyexceptions as model
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import conditions, kinds, policyexceptions, specs

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
KEY = Key("PolicyException", "team", "until-friday")
SPEC: dict[str, Any] = {
    "policy": {"name": "banned"},
    "workflows": ["build"],
    "reason": "no fix is out yet",
    "grantedBy": "ada@example.com",
    "expiresAt": "2026-01-16T18:00:00Z",
}


class Recorded:
    """Implements `policyexceptions.Recording`."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], model.PolicyException] = {}

    async def record(self, exception: model.PolicyException, *, epoch: int) -> None:
        self.rows[exception.namespace, exception.name] = exception

    async def remove(self, namespace: str, name: str, *, epoch: int) -> None:
        assert epoch == 1
        self.rows.pop((namespace, name), None)

    async def keys(self) -> list[tuple[str, str]]:
        return list(self.rows)


def obj(**spec: Any) -> dict[str, Any]:
    meta = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u", "generation": 1}
    return {"metadata": {**meta, "creationTimestamp": "2026-01-10T10:00:00Z"}, "spec": {**SPEC, **spec}}


def put(cache: ObjectCache, kind: str, name: str, namespace: str = "team", **spec: Any) -> None:
    meta = {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    cache.put(Key(kind, namespace, name), {"metadata": meta, "spec": spec})


class World:
    def __init__(self, now: datetime = NOW) -> None:
        self.cache, self.recorded, self.at = ObjectCache(specs.INDEXERS), Recorded(), now
        put(self.cache, "Policy", "banned")
        put(self.cache, "Workflow", "build")

    async def reconcile(self, found: dict[str, Any]) -> conditions.Desired:
        there: Any = types.SimpleNamespace(
            cache=self.cache, exceptions=self.recorded, clock=types.SimpleNamespace(now=lambda: self.at),
            epoch=lambda: 1, namespace_uid=lambda name: f"{name}-uid",
        )  # fmt: skip
        return await policyexceptions.reconcile(there, KEY, found)


def ready(desired: conditions.Desired) -> tuple[str, str]:
    found = next(one for one in desired.conditions if one.type == "Ready")
    return found.status, found.reason


async def test_one_that_is_in_force_is_recorded_as_it_stands() -> None:
    world = World()
    desired = await world.reconcile(obj(materials=["sbom"], policy={"name": "banned", "digest": f"sha256:{'a' * 64}"}))
    assert ready(desired) == ("True", "Succeeded")
    assert desired.recheck == 3600
    assert world.recorded.rows["team", "until-friday"] == model.PolicyException(
        namespace="team",
        namespace_uid="team-uid",
        name="until-friday",
        policy="banned",
        workflows=("build",),
        reason="no fix is out yet",
        granted_by="ada@example.com",
        expires_at=datetime(2026, 1, 16, 18, tzinfo=UTC),
        digest=f"sha256:{'a' * 64}",
        materials=("sbom",),
    )


NO_EXCEPTION = {
    "suspended": {"suspend": True},
    "expired": {"expiresAt": "2026-01-10T12:00:00Z"},
}


@pytest.mark.parametrize("change", NO_EXCEPTION.values(), ids=NO_EXCEPTION)
async def test_one_that_excepts_nothing_is_forgotten(change: dict[str, Any]) -> None:
    world = World()
    await world.reconcile(obj())
    await world.reconcile(obj(**change))
    assert not world.recorded.rows


UNREADABLE = {
    "no time": ({"expiresAt": "soon"}, "spec.expiresAt"),
    "a time without a zone": ({"expiresAt": "2026-01-16T18:00:00"}, "spec.expiresAt"),
    "longer than an exception may last": ({"expiresAt": "2026-04-10T10:00:01Z"}, "90 days"),
    "for no Workflow": ({"workflows": []}, "spec.workflows"),
    "for whatever Workflow": ({"workflows": ["*"]}, "spec.workflows"),
    "of nobody": ({"grantedBy": ""}, "spec.grantedBy"),
    "without a reason": ({"reason": ""}, "spec.reason"),
    "of no policy": ({"policy": {}}, "spec.policy.name"),
}


@pytest.mark.parametrize(("change", "told"), UNREADABLE.values(), ids=UNREADABLE)
async def test_one_that_cannot_be_read_excepts_nothing_any_more(change: dict[str, Any], told: str) -> None:
    world = World()
    await world.reconcile(obj())
    with pytest.raises(errors.Invalid, match=told):
        await world.reconcile(obj(**change))
    assert not world.recorded.rows


async def test_one_may_last_for_exactly_ninety_days_and_no_edit_makes_it_longer() -> None:
    world = World(NOW + timedelta(days=89))
    assert ready(await world.reconcile(obj(expiresAt="2026-04-10T10:00:00Z"))) == ("True", "Succeeded")
    with pytest.raises(errors.Invalid, match="until 2026-04-10T10:00:00Z"):
        await world.reconcile(obj(expiresAt="2026-07-01T00:00:00Z"))


async def test_one_that_is_being_deleted_excepts_nothing() -> None:
    world, found = World(), obj()
    await world.reconcile(found)
    found["metadata"]["deletionTimestamp"] = "2026-01-10T11:00:00Z"
    await world.reconcile(found)
    assert not world.recorded.rows


async def test_one_that_is_deleted_is_forgotten() -> None:
    world = World()
    await world.reconcile(obj())
    there: Any = types.SimpleNamespace(exceptions=world.recorded, epoch=lambda: 1)
    await policyexceptions.remove(there, KEY, obj())
    assert not world.recorded.rows


async def test_an_expired_one_says_so_and_what_helps() -> None:
    desired = await World(datetime(2026, 1, 16, 18, tzinfo=UTC)).reconcile(obj())  # in this very moment
    assert ready(desired) == ("False", "Expired")
    assert "ended at 2026-01-16T18:00:00Z" in desired.conditions[0].message


async def test_its_end_is_looked_at_when_it_comes() -> None:
    desired = await World().reconcile(obj(expiresAt="2026-01-10T12:00:30Z"))
    assert desired.recheck == 30


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ({"policy": {"name": "baned"}}, "PolicyNotFound", "no Policy baned in namespace team: did you mean banned?"),
        ({"policy": {"name": "foreign"}}, "PolicyNotFound", "no Policy foreign in namespace team"),
        ({"workflows": ["build", "buidl"]}, "WorkflowNotFound", "no Workflow buidl: did you mean build?"),
        ({"workflows": ["elsewhere"]}, "WorkflowNotFound", "no Workflow elsewhere"),
    ],
)
async def test_a_name_that_leads_nowhere_is_told_with_the_nearest_one(
    change: dict[str, Any], reason: str, told: str
) -> None:
    world = World()
    put(world.cache, "Workflow", "elsewhere", "other-team")
    put(world.cache, "Policy", "foreign", "other-team")
    desired = await world.reconcile(obj(**change))
    assert ready(desired) == ("False", "DependencyNotReady")
    found = next(one for one in desired.conditions if one.type == "ReferencesFound")
    assert (found.status, found.reason, found.message) == ("False", reason, f"there is {told}")


async def test_a_policy_that_is_embedded_where_it_is_attached_exists() -> None:
    world = World()
    embedded = {"embedded": {"metadata": {"name": "inside"}, "spec": {}}}
    put(world.cache, "Contract", "of-another", "other-team", policies={"materials": [embedded]})
    assert ready(await world.reconcile(obj(policy={"name": "inside"}))) == ("False", "DependencyNotReady")
    put(world.cache, "Contract", "c", policies={"materials": [embedded]})
    assert ready(await world.reconcile(obj(policy={"name": "inside"}))) == ("True", "Succeeded")


def test_what_it_names_leads_to_it() -> None:
    world = World()
    world.cache.put(KEY, obj())
    there: Any = types.SimpleNamespace(cache=world.cache)
    assert KEY in kinds.dependents(there, Key("Policy", "home", "banned"))
    assert KEY in kinds.dependents(there, Key("Workflow", "team", "build"))
    assert KEY not in kinds.dependents(there, Key("Workflow", "other-team", "build"))
