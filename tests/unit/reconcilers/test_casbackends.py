"""What a CASBackend's status says of what the server found."""

from dataclasses import replace
from typing import Any

import pytest

from avouch.controlplane.model import artifacts
from avouch.integrations import registry
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import casbackends, conditions, context, organizations, specs


def obj(name: str = "a", generation: int = 2, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": generation}
    return {"metadata": meta, "spec": spec}


def says(desired: conditions.Desired) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in desired.conditions}


CHECKED = replace(casbackends.record_of(obj(s3={}), "ns"), checked_generation=2, reachable=True, writable=True)


def test_a_backend_that_was_written_to_is_ready():
    found = casbackends.decide(obj(s3={}), CHECKED)
    assert says(found) == {
        "Ready": ("True", "Succeeded"),
        "Reachable": ("True", "CheckSucceeded"),
        "Writable": ("True", "CheckSucceeded"),
    }
    assert found.fields == {"type": "s3"}


@pytest.mark.parametrize("generation", [-1, 1])
def test_a_check_of_another_spec_says_nothing_about_this_one(generation):
    found = casbackends.decide(obj(s3={}), replace(CHECKED, checked_generation=generation))
    assert says(found) == {
        "Ready": ("False", "DependencyNotReady"),
        "Reconciling": ("True", "DependencyNotReady"),
    }
    assert found.recheck is not None


def test_a_backend_that_can_be_reached_and_not_written_to_is_not_ready_and_says_why():
    found = casbackends.decide(obj(s3={}), replace(CHECKED, writable=False, message="AccessDenied"))
    assert says(found)["Ready"] == ("False", "DependencyNotReady")
    assert says(found)["Reachable"] == ("True", "CheckSucceeded")
    assert says(found)["Writable"] == ("False", "CheckFailed")
    assert [c.message for c in found.conditions if c.type == "Ready"] == ["AccessDenied"]


def test_two_defaults_stall_though_both_can_be_written_to():
    found = casbackends.decide(obj(s3={}), CHECKED.stopped_by("a and b both set spec.default: true"))
    assert says(found)["Ready"] == ("False", "InvalidBackend")
    assert says(found)["Stalled"] == ("True", "InvalidBackend")


class Records:
    """Keeps what it is told, as the store does."""

    def __init__(self) -> None:
        self.kept: dict[str, artifacts.BackendRecord] = {}

    async def upsert(self, record, *, epoch):
        self.kept[record.uid] = record

    async def get(self, uid):
        return self.kept.get(uid)


def build(*objects: dict[str, Any]) -> tuple[context.Context, Records]:
    cache = ObjectCache(specs.INDEXERS)
    cache.put(Key("Namespace", "", "team"), {"metadata": {"name": "team", "uid": "ns", "resourceVersion": "1"}})
    for one in objects:
        one["metadata"]["resourceVersion"] = "1"
        cache.put(Key("CASBackend", "team", one["metadata"]["name"]), one)
    records = Records()
    there = context.Context(
        cache=cache, contracts=None, workflows=None, deliveries=None, backends=records, exceptions=None,  # type: ignore[arg-type]
        organizations=None, issuing=None, creator=None, integrations=registry.Types(), compiler=None, fetches=None,  # type: ignore[arg-type]
        canonical=lambda _: b"", clock=None, epoch=lambda: 1,  # type: ignore[arg-type]  # not used here
    )  # fmt: skip
    return there, records


async def test_two_defaults_of_one_namespace_are_both_recorded_as_stopped():
    first, second = obj("a", s3={}, default=True), obj("b", oci={}, default=True)
    there, records = build(first, second, obj("c", s3={}, default=True, suspend=True))
    for one in (first, second):
        found = await casbackends.reconcile(there, Key("CASBackend", "team", one["metadata"]["name"]), one)
        assert says(found)["Stalled"] == ("True", "InvalidBackend")
    assert {record.problem for record in records.kept.values()} == {
        "a and b both set spec.default: true (fix: set spec.default to false in all but one)"
    }


def test_an_organization_records_how_long_runs_stay():
    spec = {"homeNamespace": "home", "retention": {"runs": "24h"}}
    assert organizations.record_of({"metadata": {"name": "acme"}, "spec": spec}).retention == {"runs": "24h"}
