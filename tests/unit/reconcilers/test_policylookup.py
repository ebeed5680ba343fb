"""Policies of the cluster, looked up for a Contract."""

import base64
import json
import types
from collections.abc import Mapping
from typing import Any

import pytest

from avouch import digests, errors
from avouch.controlplane.model import fetches
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
        ("team", "hub:fresh", errors.Invalid, "policies of hub are not read"),
        ("team", "http://policies.example/a.yaml", errors.Invalid, "http:// is not read .fix: write https://"),
        (
            "team",
            "https://policies.example/a.yaml",
            errors.Invalid,
            "namespace team may not come from policies.example",
        ),
        ("team", "file://a.yaml", errors.NotFound, "ConfigMap avouch-policies of namespace team or home has no a.yaml"),
        ("team", "https://[/a.yaml", errors.Invalid, "invalid reference"),
        ("team", "file://policies/a.yaml", errors.Invalid, "has folders, and a ConfigMap has none"),
        ("team", "file://../a.yaml", errors.Invalid, "has folders, and a ConfigMap has none"),
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


def files(namespace: str, **said: str) -> dict[str, Any]:
    data = {name.replace("_", "."): text for name, text in said.items()}
    return {"metadata": {"name": "avouch-policies", "namespace": namespace, "uid": "u"}, "data": data}


def written(name: str = "fresh", **spec: Any) -> str:
    meta = {"name": name, "finding_type": "SAST"}
    return json.dumps({"apiVersion": "chainloop.dev/v1", "kind": "Policy", "metadata": meta, "spec": spec})


def having(*config_maps: dict[str, Any], objects: tuple[dict[str, Any], ...] = ()) -> ObjectCache:
    made = cache(*objects)
    for one in config_maps:
        made.put(Key("ConfigMap", one["metadata"]["namespace"], "avouch-policies"), one)
    return made


OWN_FILE, HOME_FILE = written(embedded="package own"), written(embedded="package home")


def text(found: Any) -> str:
    return str(found.spec.embedded)


def test_a_file_is_a_key_of_the_namespaces_config_map_else_of_the_homes() -> None:
    both = having(files("team", a_yaml=OWN_FILE), files("home", a_yaml=HOME_FILE, b_yaml=HOME_FILE))
    assert text(policylookup.of(both, "team").policy("file://a.yaml")) == "package own"
    assert text(policylookup.of(both, "team").policy("file://./a.yaml")) == "package own"
    assert text(policylookup.of(both, "team").policy("file://b.yaml")) == "package home"
    with pytest.raises(errors.NotFound, match="of namespace stranger has no"):
        policylookup.of(both, "stranger").policy("file://a.yaml")


def test_no_other_config_map_is_read() -> None:
    made = cache()
    made.put(Key("ConfigMap", "team", "other"), files("team", a_yaml=OWN_FILE))
    with pytest.raises(errors.NotFound):
        policylookup.of(made, "team").policy("file://a.yaml")


def test_a_file_is_read_as_chainloop_writes_it() -> None:
    found = policylookup.of(having(files("team", a_yaml=OWN_FILE)), "team").policy("file://a.yaml")
    assert found.metadata.annotations == {"chainloop.dev/finding_type": "SAST"}


def test_a_digest_behind_a_file_is_that_of_its_bytes() -> None:
    lookup = policylookup.of(having(files("team", a_yaml=OWN_FILE)), "team")
    digest = digests.of_bytes(OWN_FILE.encode())
    assert text(lookup.policy(f"file://a.yaml@{digest}")) == "package own"
    with pytest.raises(errors.Invalid, match=f"digest mismatch: got {digest}, want sha256:000"):
        lookup.policy(f"file://a.yaml@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a: [", "file://a.yaml:1:5: "),
        ("", "has 0 documents, not one"),
        (f"{OWN_FILE}\n---\n{OWN_FILE}", "has 2 documents, not one"),
        ("kind: Contract", "is no Policy and no PolicyGroup"),
        ("[]", "is no Policy and no PolicyGroup"),
        (written(embeded="package a"), "embeded"),
        (json.dumps({**json.loads(OWN_FILE), "kind": "PolicyGroup", "spec": {}}), "is no Policy"),
    ],
)
def test_a_file_that_is_no_policy_says_why(said: str, told: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        policylookup.of(having(files("team", a_yaml=said)), "team").policy("file://a.yaml")
    assert told in str(caught.value)


def test_a_group_may_be_a_file() -> None:
    said = {"apiVersion": "chainloop.dev/v1", "kind": "PolicyGroup", "metadata": {"name": "all"}, "spec": {}}
    lookup = policylookup.of(having(files("team", g_yaml=json.dumps(said))), "team")
    assert lookup.group("file://g.yaml").metadata.name == "all"


def test_a_script_is_beside_its_policy_and_never_in_another_namespace() -> None:
    named = written(path="a.rego")
    home = files("home", a_yaml=named, a_rego="package home")
    found = policylookup.of(having(files("team", a_rego="package own"), home), "team").policy("file://a.yaml")
    assert text(found) == "package home"
    own = having(files("team", a_yaml=named), files("home", a_rego="package home"))
    with pytest.raises(errors.NotFound, match=r"spec.path: ConfigMap avouch-policies of namespace team has no a.rego"):
        policylookup.of(own, "team").policy("file://a.yaml")


@pytest.mark.parametrize("field", ["path", "ref"])
@pytest.mark.parametrize("reference", ["a.rego", "file://a.rego"])
def test_an_object_names_scripts_of_its_own_namespace_and_its_digest_is_of_them(field: str, reference: str) -> None:
    def found(content: str, namespace: str = "home") -> Any:
        named = policy("home")
        named["spec"] = {"policies": [{"kind": "SARIF", field: reference}]}
        return policylookup.of(having(files(namespace, a_rego=content), objects=(named,)), "team").policy("fresh")

    assert script(found("package a")) == "package a"
    assert identity.canonical(found("package home")) == identity.canonical(
        policylookup.of(cache(HOME), "team").policy("fresh")
    )
    assert identity.digest(found("package a")) != identity.digest(found("package b"))
    with pytest.raises(errors.NotFound):
        found("package a", "team")


def test_binary_data_is_read_too() -> None:
    said = files("team")
    said["binaryData"] = {"a.yaml": base64.b64encode(OWN_FILE.encode()).decode(), "b.yaml": "no base64"}
    lookup = policylookup.of(having(said), "team")
    assert text(lookup.policy("file://a.yaml")) == "package own"
    with pytest.raises(errors.Invalid, match="is no base64"):
        lookup.policy("file://b.yaml")


WEB = "https://policies.example/a/sbom.yaml"


class Web:
    """What the database knows of files on the web; and what was asked for, in which order."""

    def __init__(self, **said: str | fetches.Fetched) -> None:
        self.said = {
            f"https://policies.example/a/{name.replace('_', '.')}": one
            if isinstance(one, fetches.Fetched)
            else fetches.Fetched(one.encode())
            for name, one in said.items()
        }
        self.asked: list[tuple[str, list[str]]] = []

    async def ask(self, namespace_uid: str, references: frozenset[str], *, epoch: int) -> Mapping[str, fetches.Fetched]:
        assert epoch == 7
        self.asked.append((namespace_uid, sorted(references)))
        return {each: self.said.get(each.partition("@")[0], fetches.Fetched()) for each in references}


def allowing(*hosts: str) -> ObjectCache:
    made = cache()
    spec = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}}
    said = {**spec, "settings": {"policiesAllowedHostnames": list(hosts)}}
    made.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": said})
    return made


async def looked_up(web: Web, reference: str, known: ObjectCache | None = None) -> tuple[Any, float | None]:
    """The policy of a reference, or why there is none, and when to look again."""

    def ask(lookup: policylookup.Lookup) -> Any:
        try:
            return lookup.policy(reference)
        except errors.AvouchError as exc:
            return exc

    there: Any = types.SimpleNamespace(
        cache=known or allowing("policies.example"),
        fetches=web,
        epoch=lambda: 7,
        namespace_uid=lambda name: f"{name}-uid",
    )
    return await policylookup.asked(there, "team", ask)


async def test_a_policy_of_the_web_is_asked_for_with_the_scripts_at_its_own_address() -> None:
    web = Web(sbom_yaml=written(path="sbom.rego"), sbom_rego="package web")
    found, recheck = await looked_up(web, WEB)
    assert text(found) == "package web"
    assert web.asked == [("team-uid", [WEB]), ("team-uid", ["https://policies.example/a/sbom.rego"])]
    assert recheck == 300.0


async def test_what_has_not_been_fetched_is_awaited_and_asked_for_once() -> None:
    found, recheck = await looked_up(web := Web(), WEB)
    assert isinstance(found, errors.Unavailable)
    assert str(found) == f"{WEB}: it has not been fetched yet"
    assert (len(web.asked), recheck) == (1, 2.0)


async def test_what_could_not_be_fetched_says_why_and_is_looked_at_again_later() -> None:
    web = Web(sbom_yaml=fetches.Fetched(failure="policies.example was not reached: connection refused"))
    found, recheck = await looked_up(web, WEB)
    assert isinstance(found, errors.Unavailable)
    assert str(found) == f"{WEB}: policies.example was not reached: connection refused"
    assert recheck == 60.0


async def test_what_is_pinned_is_held_to_its_digest_and_not_looked_at_again() -> None:
    file = written(embedded="package web")
    pinned = f"{WEB}@{digests.of_bytes(file.encode())}"
    found, recheck = await looked_up(Web(sbom_yaml=file), pinned)
    assert (text(found), recheck) == ("package web", None)
    found, _ = await looked_up(Web(sbom_yaml=f"{file} "), pinned)
    assert isinstance(found, errors.Invalid)
    assert "digest mismatch" in str(found)


@pytest.mark.parametrize("hosts", [(), ("example",), ("a.policies.example",), ("other.example",)])
async def test_a_host_that_the_organization_does_not_list_is_never_asked(hosts: tuple[str, ...]) -> None:
    found, recheck = await looked_up(web := Web(sbom_yaml=OWN_FILE), WEB, allowing(*hosts))
    assert "policies of namespace team may not come from policies.example" in str(found)
    assert (web.asked, recheck) == ([], None)


async def test_an_artifact_of_a_registry_is_asked_for_by_its_manifest_and_has_all_scripts_in_itself() -> None:
    pinned = f"oci://policies.example/team/sbom@{digests.of_bytes(b'manifest')}"
    for file, told in ((OWN_FILE, ""), (written(path="sbom.rego"), "nothing lies beside a policy of a registry")):
        web = Web()
        web.said[pinned.partition("@")[0]] = fetches.Fetched(file.encode())
        found, recheck = await looked_up(web, pinned)
        assert (web.asked, recheck) == ([("team-uid", [pinned])], None)
        assert told in str(found)
        assert isinstance(found, errors.Invalid) == bool(told)
    found, _ = await looked_up(web := Web(), pinned.replace("policies.example", "other.example"))
    assert "may not come from other.example" in str(found)
    assert web.asked == []


async def test_neither_a_script_nor_a_redirecting_path_leads_to_another_host() -> None:
    for path in ("https://other.example/x.rego", "//other.example/x.rego"):
        web = Web(sbom_yaml=written(path=path))
        found, _ = await looked_up(web, WEB)
        assert "may not come from other.example" in str(found)
        assert [references for _, references in web.asked] == [[WEB]]


async def test_a_namespace_without_an_organization_has_no_hosts() -> None:
    found, _ = await looked_up(web := Web(sbom_yaml=OWN_FILE), WEB, cache(organization=False))
    assert "may not come from" in str(found)
    assert web.asked == []


async def test_without_a_reference_to_the_web_nothing_is_asked() -> None:
    known = cache(OWN)
    found, recheck = await looked_up(web := Web(), "fresh", known)
    assert script(found) == "package own"
    assert (web.asked, recheck) == ([], None)


async def test_a_host_is_allowed_whatever_its_port() -> None:
    there = "https://policies.example:8443/a/sbom.yaml"
    web = Web()
    web.said[there] = fetches.Fetched(written(embedded="package web").encode())
    found, _ = await looked_up(web, there)
    assert text(found) == "package web"


@pytest.mark.parametrize("how", ["two claim it", "it cannot be read"])
def test_a_namespace_whose_organization_is_not_known_has_its_own_policies_and_no_others(how: str) -> None:
    known = allowing("policies.example")
    home = {"homeNamespace": "elsewhere", "projects": {"namespaces": ["team"]}}
    if how == "two claim it":
        known.put(Key("Organization", "", "rival"), {"metadata": {"name": "rival"}, "spec": home})
    else:
        known.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": {**home, "homeNamespace": 7}})
    lookup = policylookup.of(known, "team")
    assert (lookup.namespaces, lookup.hosts) == (["team"], frozenset())
