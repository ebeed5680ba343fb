"""Policies of the cluster, looked up for a Contract."""

from typing import Any

import pytest

from avouch import errors
from avouch.kube.cache import Key, ObjectCache
from avouch.policy import identity
from avouch.reconcilers import policylookup, specs


def policy(namespace: str, name: str = "fresh", script: str = "package a") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": "u", "resourceVersion": "7"},
        "spec": {"policies": [{"kind": "SARIF", "embedded": script}]},
        "status": {"digest": "x"},
    }


def cache(*objects: dict[str, Any], organization: bool = True) -> ObjectCache:
    made = ObjectCache(specs.INDEXERS)
    for one in objects:
        made.put(Key("Policy", one["metadata"]["namespace"], one["metadata"]["name"]), one)
    for name in ("home", "team", "stranger"):
        made.put(Key("Namespace", "", name), {"metadata": {"name": name}})
    if organization:
        spec = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}}
        made.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": spec})
    return made


OWN, HOME = policy("team", script="package own"), policy("home", script="package home")


def script(found: Any) -> str:
    return str(found.spec.policies[0].embedded)


def test_the_policy_of_the_namespace_comes_before_that_of_the_home() -> None:
    assert script(policylookup.of(cache(OWN, HOME), "team").policy("fresh")) == "package own"
    assert script(policylookup.of(cache(HOME), "team").policy("fresh")) == "package home"


@pytest.mark.parametrize("reference", ["acme/fresh", "chainloop://acme/fresh"])
def test_with_an_organization_it_is_the_one_of_its_home(reference: str) -> None:
    assert script(policylookup.of(cache(OWN, HOME), "team").policy(reference)) == "package home"


def test_what_the_cluster_adds_is_no_part_of_a_policy() -> None:
    found = policylookup.of(cache(OWN), "team").policy("fresh")
    changed = policy("team", script="package own") | {"status": {"digest": "y"}}
    changed["metadata"]["resourceVersion"] = "8"
    again = policylookup.of(cache(changed), "team").policy("fresh")
    assert identity.canonical(found) == identity.canonical(again)


def test_a_digest_in_the_reference_is_held_to() -> None:
    lookup = policylookup.of(cache(OWN), "team")
    digest = identity.digest(lookup.policy("fresh"))
    assert identity.digest(lookup.policy(f"fresh@{digest}")) == digest
    with pytest.raises(errors.Invalid, match="the digest of Policy fresh is"):
        lookup.policy(f"fresh@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("namespace", "reference", "error", "told"),
    [
        ("team", "gone", errors.NotFound, "Policy gone does not exist in namespace team or home"),
        ("stranger", "fresh", errors.NotFound, "Policy fresh does not exist in namespace stranger"),
        ("stranger", "acme/fresh", errors.NotFound, "acme is not the Organization of namespace stranger"),
        ("team", "other/fresh", errors.NotFound, "other is not the Organization of namespace team"),
        ("team", "hub:fresh", errors.Invalid, "policies of hub are not read yet"),
        ("team", "https://policies.example/a.yaml", errors.Invalid, "policies of https are not read yet"),
        ("team", "file://a.yaml", errors.Invalid, "policies of file are not read yet"),
    ],
)
def test_what_cannot_be_found_says_why(namespace: str, reference: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        policylookup.of(cache(OWN, HOME), namespace).policy(reference)


def test_a_policy_that_breaks_its_schema_cannot_be_used() -> None:
    broken = policy("team")
    broken["spec"] = {"policies": [{"kind": "SARIF"}]}
    with pytest.raises(errors.Invalid, match="Policy fresh cannot be read"):
        policylookup.of(cache(broken), "team").policy("fresh")


def test_contracts_and_groups_are_filed_by_what_they_refer_to() -> None:
    contract = {
        "spec": {
            "policies": {
                "materials": [{"ref": "acme/fresh@sha256:0"}, {"embedded": {}}],
                "attestation": [{"ref": "hub:b"}],
            },
            "policyGroups": [{"ref": "chainloop://acme/g"}],
        }
    }
    assert set(specs.file_by_policies(contract)) == {
        "Policy/fresh", "Policy/b", "PolicyGroup/g", specs.WITH_POLICIES,
    }  # fmt: skip
    group = {"spec": {"policies": {"materials": [{"type": "SARIF", "policies": [{"ref": "inner"}]}]}}}
    assert "Policy/inner" in specs.file_by_policies(group)
    assert specs.file_by_policies({"spec": {"policies": "odd", "policy_groups": [7]}}) == ()
