"""What a PolicyGroup's references lead to, and what its status says of them."""

import types
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.model import fetches
from avouch.kube.cache import Key, ObjectCache
from avouch.policy import identity
from avouch.reconcilers import conditions, policies, policygroups, policylookup, specs
from tests.unit.reconcilers.test_policies import GOOD, Compiler, message, says


def policy(name: str, namespace: str = "team", ready: str = "True", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "generation": 1}
    said = [{"type": "Ready", "status": ready}]
    return {"metadata": meta, "spec": spec or {"embedded": GOOD}, "status": {"conditions": said}}


def cache() -> ObjectCache:
    """Organization shop with home `central` and project `team`, and another one; each home has a policy."""
    made = ObjectCache(specs.INDEXERS)
    for name in ("central", "team", "alone", "other"):
        made.put(Key("Namespace", "", name), {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}})
    for name, home, projects in (("shop", "central", ["team"]), ("rival", "other", [])):
        settings = {"policiesAllowedHostnames": ["policies.example"]}
        spec = {"homeNamespace": home, "projects": {"namespaces": projects}, "settings": settings}
        made.put(Key("Organization", "", name), {"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec})
    for each in (
        policy("own"),
        policy("both"),
        policy("both", "central", path="x"),
        policy("common", "central"),
        policy("foreign", "other"),
        policy("broken", ready="False"),
    ):
        meta = each["metadata"]
        made.put(Key("Policy", meta["namespace"], meta["name"]), {**each, "metadata": {**meta, "resourceVersion": "1"}})
    return made


PIN = str(identity.digest(policies.read(policy("own"), "Policy")))


@pytest.mark.parametrize(
    ("reference", "uid"),
    [
        ("own", "team-own"),
        ("chainloop://own", "team-own"),
        ("both", "team-both"),
        ("shop/both", "central-both"),
        ("common", "central-common"),
        ("chainloop://shop/common", "central-common"),
        (f"own@{PIN}", "team-own"),
    ],
)
def test_a_name_is_that_of_the_namespace_else_of_the_organizations_home(reference: str, uid: str) -> None:
    found = policylookup.of(cache(), "team").found("Policy", reference)
    assert isinstance(found, dict)
    assert found["metadata"]["uid"] == uid


@pytest.mark.parametrize(
    ("namespace", "reference", "reason", "said"),
    [
        ("team", "none", "PolicyNotFound", "Policy none does not exist in namespace team or central"),
        ("central", "none", "PolicyNotFound", "Policy none does not exist in namespace central"),
        ("alone", "common", "PolicyNotFound", "Policy common does not exist in namespace alone"),
        ("team", "shop/own", "PolicyNotFound", "Policy own does not exist in namespace central"),
        ("team", "rival/foreign", "PolicyNotFound", "rival is not the Organization of namespace team"),
        ("alone", "rival/foreign", "PolicyNotFound", "rival is not the Organization of namespace alone"),
        ("alone", "nobody/foreign", "PolicyNotFound", "nobody is not the Organization of namespace alone"),
        ("team", f"common@{PIN}", "DigestDiffers", f"not {PIN}"),
        (
            "team",
            "file://p.yaml",
            "PolicyNotFound",
            "ConfigMap avouch-policies of namespace team or central has no p.y",
        ),
        ("team", "file://a/p.yaml", "InvalidPolicy", "has folders"),
        ("team", "provider:own", "ReferenceElsewhere", "policies of provider are not read"),
    ],
)
def test_a_reference_without_a_policy_says_why(namespace: str, reference: str, reason: str, said: str) -> None:
    found = policylookup.of(cache(), namespace).found("Policy", reference)
    assert isinstance(found, policylookup.Unresolved)
    assert found.reason == reason
    assert said in str(found)


async def reconciled(
    *attached: dict[str, Any], compiler: Compiler | None = None, suspend: bool = False, **more: Any
) -> conditions.Desired:
    there: Any = types.SimpleNamespace(
        cache=cache(), compiler=compiler or Compiler(), fetches=Unfetched(), epoch=lambda: 7, namespace_uid=str
    )
    meta = {"name": "all", "namespace": "team", "uid": "u", "generation": 1}
    spec = {"suspend": suspend, "policies": {"materials": [{"type": "SARIF", "policies": list(attached)}]}}
    obj = {"metadata": meta, "spec": spec, **more}
    return await policygroups.reconcile(there, Key("PolicyGroup", "team", "all"), obj)


class Unfetched:
    """Nothing was fetched yet of what lies on the web."""

    async def ask(self, namespace_uid: str, references: frozenset[str], *, epoch: int) -> Any:
        return {each: fetches.Fetched() for each in references}


def embedded(script: str, **more: Any) -> dict[str, Any]:
    policy = {"apiVersion": "chainloop.dev/v1", "kind": "Policy", "metadata": {"name": "within"}}
    return {"embedded": {**policy, "spec": {"embedded": script}, **more}}


READY, WAITING, STALLED = "Ready", "Reconciling", "Stalled"


@pytest.mark.parametrize(
    ("attached", "refs", "compiled", "state"),
    [
        ([], ("True", "Resolved"), ("True", "Compiled"), READY),
        ([{"ref": "own"}, {"ref": "common"}, embedded(GOOD)], ("True", "Resolved"), ("True", "Compiled"), READY),
        ([{"ref": "none"}], ("False", "PolicyNotFound"), ("True", "Compiled"), WAITING),
        ([{"ref": f"common@{PIN}"}], ("False", "DigestDiffers"), ("True", "Compiled"), WAITING),
        ([{"ref": "none"}, {"ref": "hub:own"}], ("False", "ReferenceElsewhere"), ("True", "Compiled"), STALLED),
        ([{"ref": "broken"}], ("True", "Resolved"), ("False", "PolicyNotReady"), WAITING),
        ([{"ref": "none"}, embedded("bad")], ("False", "PolicyNotFound"), ("False", "DoesNotCompile"), STALLED),
    ],
)
async def test_a_group_is_ready_when_each_of_its_policies_was_found_and_compiles(
    attached: list[dict[str, Any]], refs: tuple[str, str], compiled: tuple[str, str], state: str
) -> None:
    found = says(await reconciled(*attached))
    assert (found["RefsResolved"], found["PolicyCompiled"]) == (refs, compiled)
    assert found["Ready"][0] == ("True" if state == READY else "False")
    assert found[state][0] == "True"


async def test_a_flaw_of_an_embedded_policy_is_told_with_its_whole_place() -> None:
    place = "spec.policies.materials[0].policies[1].embedded.spec.embedded"
    assert message(await reconciled({"ref": "own"}, embedded("bad"))) == f"{place}:2:1: if keyword is required"


async def test_an_embedded_policy_that_breaks_rules_is_told_with_its_place() -> None:
    desired = await reconciled(embedded(GOOD, kind="PolicyGroup"))
    assert says(desired)["Stalled"] == ("True", "InvalidPolicy")
    assert message(desired).startswith("spec.policies.materials[0].policies[0].embedded.")


@pytest.mark.parametrize("reference", ["own", "shop/own", "chainloop://shop/own", f"own@{PIN}", f"shop/own@{PIN}"])
def test_a_group_is_filed_under_each_policy_that_it_names(reference: str) -> None:
    spec = {"policies": {"attestation": [{"ref": reference}], "materials": [{"policies": [{"ref": "other"}]}]}}
    filed = specs.file_by_policies({"metadata": {"name": "all"}, "spec": spec})
    assert sorted(filed) == ["Policy/other", "Policy/own", "policies"]


async def test_without_an_engine_a_group_waits() -> None:
    missing = errors.NotInstalled("opa is not there", fix="install it")
    desired = await reconciled(embedded(GOOD), compiler=Compiler(**{GOOD: missing}))
    assert says(desired)["Ready"] == ("False", "DependencyNotReady")
    assert says(desired)["PolicyCompiled"] == ("Unknown", "EngineMissing")
    assert desired.recheck == policies.RECHECK


async def test_a_suspended_group_keeps_what_was_said_of_it_and_looks_nothing_up() -> None:
    before = (await reconciled({"ref": "own"})).status(1)
    desired = await reconciled({"ref": "none"}, embedded("bad"), suspend=True, status=before)
    assert says(desired) == {
        "Ready": ("True", "Suspended"), "PolicyCompiled": ("True", "Compiled"), "RefsResolved": ("True", "Resolved")
    }  # fmt: skip
    assert desired.fields == {"digest": before["digest"]}


async def test_a_group_waits_for_what_lies_on_the_web_and_looks_again() -> None:
    desired = await reconciled({"ref": "https://policies.example/sbom.yaml"})
    assert says(desired)["RefsResolved"] == ("False", "NotFetched")
    assert desired.recheck == 2.0


async def test_a_group_waits_for_the_script_that_an_embedded_policy_names() -> None:
    named = embedded(GOOD)
    named["embedded"]["spec"] = {"path": "p.rego"}
    desired = await reconciled(named)
    assert says(desired)["RefsResolved"] == ("False", "ScriptNotFound")
    assert says(desired)["Ready"][0] == "False"
    assert message(desired, "RefsResolved").startswith("spec.policies.materials[0].policies[0].embedded: spec.path: ")
