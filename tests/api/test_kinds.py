"""What the API server itself makes of our kinds: schemas, CEL, spellings, columns, explain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch.contract import policies, reading, revisions
from avouch.policy import identity
from tests import docs
from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import ClusterError

pytestmark = pytest.mark.apiserver

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = REPOSITORY / "tests/assets/seed"
CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        for crd in CRDS:
            server.kubectl("apply", "--server-side", "-f", str(crd))
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"-f{crd}" for crd in CRDS))
        yield server


def contract(spec: dict[str, Any], name: str = "c") -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": name}, "spec": spec}


def ours(kind: str, spec: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"apiVersion": "avouch.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def resolved(resolver: str, **params: str) -> dict[str, Any]:
    return {"resolver": {"name": resolver, "params": params}}


def material(**more: Any) -> dict[str, Any]:
    return {"materials": [{"name": "a", "type": "STRING", **more}]}


def apply(api: ApiServer, manifest: dict[str, Any] | str) -> str:
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return api.kubectl("apply", "-f", "-", stdin=text)


def stored(api: ApiServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(api.kubectl("get", "contract", name, "-o", "json"))
    return found


@pytest.mark.parametrize("crd", CRDS, ids=lambda path: path.stem)
def test_a_crd_is_structural_and_established(api, crd):
    name = yaml.safe_load(crd.read_text())["metadata"]["name"]
    status = json.loads(api.kubectl("get", "crd", name, "-o", "json"))["status"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions.get("Established") == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize(
    "file", [f for f in sorted(SEED.glob("*.yaml")) if "kind:" in f.read_text()], ids=lambda p: p.stem
)
@pytest.mark.parametrize("how", [(), ("--server-side", "--force-conflicts")], ids=["client", "server"])
@pytest.mark.parametrize(("old", "new"), [("", ""), ("skip_upload", "skipUpload"), ("envAllowList", "env_allow_list")])
def test_the_seeds_contracts_apply_in_both_spellings_and_mean_the_same(api, file, how, old, new):
    text = file.read_text()
    written = text.replace(old, new) if old else text
    name = yaml.safe_load(text)["metadata"]["name"]
    api.kubectl("delete", "contract", name, "--ignore-not-found")
    api.kubectl("apply", *how, "-f", "-", stdin=written)
    wanted = revisions.digest(reading.read(yaml.safe_load(text)))
    assert revisions.digest(reading.read(stored(api, name))) == wanted


def test_a_contract_nobody_has_seen_says_so(api):
    apply(api, contract({}, "unseen"))
    assert stored(api, "unseen")["status"] == {"observedGeneration": -1}


def test_both_spellings_together_are_taken_when_they_agree(api):
    groups = [{"ref": "g", "with": {"a": "b"}}]
    apply(api, contract({"policyGroups": groups, "policy_groups": groups}, "twins"))
    assert len(reading.read(stored(api, "twins")).policy_groups) == 1


def test_an_embedded_policy_is_kept_whole(api):
    policy = {"kind": "Policy", "metadata": {"name": "p"}, "spec": {"policies": [{"embedded": "package main\n"}]}}
    apply(api, contract({"policies": {"attestation": [{"embedded": policy}]}}, "embedded"))
    assert stored(api, "embedded")["spec"]["policies"]["attestation"][0]["embedded"] == policy


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"materials": [{"name": "a", "type": "STRING"}, {"name": "a", "type": "ARTIFACT"}]},
            "fix: give each entry of spec.materials its own name",
        ),
        (material(type="SBOM"), 'spec.materials[0].type: Unsupported value: "SBOM": supported values: "STRING"'),
        (material(type=2), "spec.materials[0].type"),
        (material(name="My_SBOM"), "fix: write a DNS-1123 label such as my-sbom"),
        (material(group="My Group"), "fix: write a DNS-1123 label such as scans"),
        (material(annotations=[{"name": "my-x"}]), "fix: write it without hyphens, dots or spaces"),
        ({"annotations": [{"name": "a b"}]}, "fix: write it without hyphens, dots or spaces"),
        (material(skip_upload=True, skipUpload=False), "fix: keep one of skipUpload and skip_upload"),
        (
            {"policyGroups": [{"ref": "a"}], "policy_groups": [{"ref": "b"}]},
            "fix: keep one of policyGroups and policy_groups",
        ),
        ({"policies": {"materials": [{}]}}, "fix: set ref to refer to a policy, or embedded"),
        ({"policies": {"materials": [{"ref": "a", "embedded": {"a": 1}}]}}, "exactly one of ref, embedded"),
        ({"policies": {"materials": [{"ref": "a", "requirements": ["x"]}]}}, "fix: write [organization/]framework"),
        ({"runner": {"type": "JENKINS"}}, "JENKINS_JOB"),
        (material(optionl=True), "optionl"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_bad_contract_is_refused_with_the_fix(api, spec, said):
    with pytest.raises(ClusterError) as refused:
        apply(api, contract(spec, "bad"))
    assert said in str(refused.value)


def test_what_metadata_cannot_hold_is_refused_by_kubernetes_itself(api):
    described = contract({}, "described")
    described["metadata"]["description"] = "x"
    with pytest.raises(ClusterError, match=r"description"):
        apply(api, described)


WORKFLOW = {"contractRef": {"name": "c"}}
SECRET = {"secretRef": {"name": "s"}}
S3 = {"bucket": "b", "region": "r"}
ATTACHMENT = {"integrationRef": {"name": "hook"}}
EXCEPTION = {"workflows": ["w"], "reason": "r", "grantedBy": "ada", "expiresAt": "2027-01-01T00:00:00Z"}
GOOD = [
    ours("Organization", {"homeNamespace": "security", "projects": {"selector": {"matchLabels": {"a": "b"}}}}),
    ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [{"name": "p"}, {"matchLabels": {"a": "b"}}]}}),
    ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [resolved("git", revision="3" * 40)]}}),
    ours("Workflow", {**WORKFLOW, "tekton": {"tasks": [resolved("bundles", bundle="r.io/t@sha256:" + "4" * 64)]}}),
    ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [resolved("cluster", name="p", namespace="n")]}}),
    ours("Integration", {"type": "webhook", "webhook": {"url": "https://h/x"}, "secretRef": {"name": "s", "key": "k"}}),
    ours("IntegrationAttachment", {**ATTACHMENT, "workflowRef": {"name": "w"}, "verdicts": ["Failed"]}),
    ours("CASBackend", {"s3": {"bucket": "b", "region": "r", "endpoint": "http://h:9000"}, **SECRET, "default": True}),
    ours("PolicyException", {**EXCEPTION, "policy": {"name": "p"}, "materials": ["sbom"]}),
]
GOOD += [
    ours("Workflow", {}, "of-its-own-contract"),
    ours("Workflow", {**WORKFLOW, "runExpiry": "1h30m", "gate": True}, "patient"),
    ours("Workflow", {"attesters": {"tokens": [{"name": "ci"}, {"name": "all", "scope": "Organization"}]}}, "by-token"),
    ours("Workflow", {"attesters": {"oidc": [{"issuer": "https://i", "claims": {"repository": "o/a"}}]}}, "by-oidc"),
    ours("APIToken", {}),
    ours("APIToken", {"scope": "Workflow", "workflow": "w", "lifetime": "720h", "inactiveAfter": "48h"}, "limited"),
    ours("APIToken", {"expiresAt": "2027-01-01T00:00:00Z", "rotation": {"every": "24h", "overlap": "0s"}}, "rotated"),
    ours("Organization", {"homeNamespace": "security", "settings": {"apiTokenInactivityDays": 90}}, "settled"),
]


def at(*paths: str) -> dict[str, Any]:
    """A Workflow whose materials are files at these paths."""
    found = [{"name": f"m{n}", "workspace": {"name": "w", "path": path}} for n, path in enumerate(paths)]
    return ours("Workflow", {"tekton": {"materials": found}}, "with-files")


GOOD += [
    at(
        "x",
        "a/b.json",
        ".git/HEAD",
        "..x",
        "...",
        "a/.b",
        "a b/é.txt",
        "a$b",
        "out/$(params.v)/f",
        "$(params['a b']).x",
    )
]
SCRIPT = "package main\nimport rego.v1\nviolations contains msg if { msg := input.x }\n"
GROUPED = {"materials": [{"name": "{{ inputs.x }}", "type": "SARIF", "policies": [{"ref": "p", "with": {"a": "b"}}]}]}
POLICIES = [
    ("Policy", {"embedded": SCRIPT, "type": "SBOM_CYCLONEDX_JSON"}),
    ("Policy", {"policies": [{"kind": "ATTESTATION", "embedded": SCRIPT * 2000, "attestation_phases": ["PUSH"]}]}),
    ("Policy", {"path": "p.rego", "inputs": [{"name": "max_days", "required": True}], "auto_match": {"ref": "a.rego"}}),
    ("PolicyGroup", {}),
    ("PolicyGroup", {"policies": GROUPED, "inputs": [{"name": "x", "default": "sbom"}]}),
]
BAD_POLICIES = [
    ("Policy", {}, "fix: add spec.policies with one script"),
    ("Policy", {"path": "a", "embedded": "b"}, "path and embedded are two sources of one policy"),
    ("Policy", {"path": "a", "type": "STRING"}, "type cannot be STRING or ARTIFACT or EVIDENCE"),
    ("Policy", {"policies": [{"kind": "SARIF"}]}, "exactly one of path, embedded, ref must be set"),
    ("Policy", {"policies": [{"kind": "ARTIFACT", "ref": "a"}]}, "kind cannot be ARTIFACT"),
    ("Policy", {"path": "a", "inputs": [{"name": "my-x"}]}, "fix: write it like max_days"),
    ("Policy", {"path": "a", "inputs": [{"name": "x", "required": True, "default": "y"}]}, "fix: keep one of required"),
    ("Policy", {"policies": [{"ref": "a", "attestationPhases": ["NOW"]}]}, "Unsupported value"),
    ("PolicyGroup", {"policies": {"materials": [{"name": "a"}]}}, "if name is provided, type should have"),
    ("PolicyGroup", {"policies": {"attestation": [{}]}}, "exactly one of ref, embedded"),
    (
        "PolicyGroup",
        {"policies": {"materials": [{"type": "SARIF", "policies": [{"ref": "a", "gates": True}]}]}},
        "gates",
    ),
]
BAD = [
    (ours("APIToken", {"scope": "Workflow"}), "fix: write scope: Workflow and the name of the Workflow"),
    (ours("APIToken", {"workflow": "w"}), "workflow must be set exactly when scope is Workflow"),
    (ours("APIToken", {"scope": "Cluster"}), "Unsupported value"),
    (ours("APIToken", {"lifetime": "1h", "expiresAt": "2027-01-01T00:00:00Z"}), "fix: keep one of lifetime and"),
    (ours("APIToken", {"expiresAt": "tomorrow"}), "spec.expiresAt"),
    (ours("APIToken", {"lifetime": "9m"}), "is not a duration from 10m to 87600h"),
    (ours("APIToken", {"inactiveAfter": "1h"}), "is not a duration from 24h to 87600h"),
    (ours("APIToken", {"secretName": "Not_A_Name"}), "is not the name of a Kubernetes object"),
    (ours("APIToken", {}, "dots.in.name"), "fix: rename the APIToken"),
    (ours("Organization", {"homeNamespace": "s", "settings": {"apiTokenInactivityDays": 0}}), "apiTokenInactivityDays"),
    (ours("Workflow", {"attesters": {}}), "fix: add an entry to serviceAccounts, tokens or oidc"),
    (ours("Workflow", {"attesters": {"serviceAccounts": []}}), "attesters is empty"),
    (ours("Workflow", {"attesters": {"tokens": [{"name": "ci", "scope": "All"}]}}), "Unsupported value"),
    (ours("Workflow", {"attesters": {"oidc": [{"issuer": "https://i"}]}}), "fix: write subject, or claims"),
    (ours("Workflow", {"attesters": {"oidc": [{"issuer": "https://i", "claims": {}}]}}), "fix: write subject, or"),
    (ours("Workflow", {"attesters": {"oidc": [{"issuer": "http://i", "subject": "s"}]}}), "an issuer must be an https"),
    (ours("Workflow", {"runExpiry": "1d"}), "fix: write hours, minutes and seconds"),
    (ours("Workflow", {"runExpiry": "59s"}), "is not a duration from 1m to 8760h"),
    (ours("Workflow", {"runExpiry": "8761h"}), "is not a duration from 1m to 8760h"),
    (ours("Organization", {"homeNamespace": "Security"}), "fix: write a DNS-1123 label"),
    (ours("Workflow", WORKFLOW, "dots.in.name"), "fix: rename the Workflow"),
    (ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [{}]}}), "fix: write name, or matchLabels"),
    (
        ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [resolved("git", revision="main")]}}),
        "branch or tag can move",
    ),
    (
        ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [resolved("git", url="u")]}}),
        "fix: write the param revision",
    ),
    (ours("Workflow", {**WORKFLOW, "tekton": {"tasks": [resolved("bundles", bundle="r.io/t:1")]}}), "without a digest"),
    (
        ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [{"name": "p", **resolved("hub", a="b")}]}}),
        "exactly one of",
    ),
    (ours("Workflow", {**WORKFLOW, "tekton": {"pipelines": [resolved("hub")]}}), "at least 1"),
    (
        ours("Workflow", {**WORKFLOW, "tekton": {"materials": [{"name": "m"}]}}),
        "fix: set one of result",
    ),
    (ours("Workflow", {**WORKFLOW, "tekton": {"annotations": [{"name": "m"}]}}), "fix: set one of param"),
    (ours("Workflow", {**WORKFLOW, "retention": {"runs": "365d"}}), "fix: write hours as in 8760h"),
    (ours("Organization", {"homeNamespace": "a", "retention": {"runs": "0h"}}), "fix: write hours as in 8760h"),
    (
        ours("Organization", {"homeNamespace": "a", "settings": {"quotas": {"artifactBytes": -1}}}),
        "spec.settings.quotas.artifactBytes: Invalid value",
    ),
    (ours("CASBackend", {}), "fix: set one of inline"),
    (ours("CASBackend", {"inline": {}, "filesystem": {}}), "fix: set one of inline"),
    (ours("CASBackend", {"inline": {}, "default": True, "fallback": True}), "cannot be both default and fallback"),
    (ours("CASBackend", {"s3": S3}), "fix: put them into a Secret of this namespace"),
    (ours("CASBackend", {"filesystem": {}, **SECRET}), "fix: leave spec.secretRef out"),
    (ours("CASBackend", {"filesystem": {}, "maxBytes": 1000}), "maxBytes must be at least 10 MB"),
    (ours("CASBackend", {"inline": {}, "maxBytes": 500_001}), "an inline backend holds at most 500 KB"),
    (ours("CASBackend", {"s3": {**S3, "endpoint": "h:9000"}, **SECRET}), "fix: write https://host[:port]"),
    (ours("CASBackend", {"s3": {**S3, "endpoint": "http://[::bad"}, **SECRET}), "fix: write https://host[:port]"),
    (ours("CASBackend", {"s3": {**S3, "endpoint": "https://user@h"}, **SECRET}), "fix: write https://host[:port]"),
    (ours("CASBackend", {"s3": {**S3, "region": "a b"}, **SECRET}), "fix: write it like eu-central-1"),
    (ours("CASBackend", {"s3": {**S3, "prefix": "../x"}, **SECRET}), "fix: write it like team/artifacts"),
    (ours("CASBackend", {"oci": {"repository": "https://r.example/a"}}), "without https:// and without a tag"),
    (ours("Integration", {"type": "webhook"}), "fix: add spec.webhook.url"),
    (ours("Integration", {"type": "webhook", "webhook": {"url": "ftp://h"}}), "fix: write https://host/path"),
    (ours("Integration", {"type": "webhook", "webhook": {"url": "http://h"}}), "fix: write https://, or set allowPriv"),
    (ours("IntegrationAttachment", ATTACHMENT), "fix: name one Workflow in workflowRef"),
    (
        ours("IntegrationAttachment", {**ATTACHMENT, "workflowRef": {"name": "w"}, "verdicts": ["Pending"]}),
        'Unsupported value: "Pending"',
    ),
]
PATHS = ("/x", "./x", "a/./x", "../x", "a/..", "a//b", "a/", ".", "..")
BAD += [(at(path), "fix: write it without a leading or trailing /, ./, ../ and //") for path in PATHS]
PATTERNS = (
    "*.xml",
    "a/*/b",
    "$(context.taskRun.name)/f",
    "$(params.a)/$(tasks.b.results.c)",
    "$(params.a[0])",
    "$(params.a",
)
BAD += [(at(path), "fix: write the path of one file as the task writes it") for path in PATTERNS]


def declared(**source: Any) -> dict[str, Any]:
    """A Workflow with one material from this source."""
    return ours("Workflow", {"tekton": {"materials": [{"name": "m", **source}]}}, "with-names")


NAMES: list[dict[str, Any]] = [
    {"result": {"name": "IMAGES[*]"}},
    {"result": {"name": "a", "digest": "$(params.b)"}},
    {"artifact": {"name": "*"}},
    {"workspace": {"name": "$(params.w)", "path": "f"}},
    {"param": {"name": "p*"}},
    {"task": "build-*", "param": {"name": "p"}},
]
BAD += [(declared(**source), "* and $(...) are not looked up in a name") for source in NAMES]


@pytest.mark.parametrize("manifest", GOOD, ids=lambda manifest: manifest["kind"])
def test_a_good_object_is_taken_and_found_by_category(api, manifest):
    apply(api, manifest)
    found = api.kubectl("get", "avouch,organizations", "-A", "-o", "name")
    assert f"{manifest['kind'].lower()}.avouch.dev/{manifest['metadata']['name']}" in found


@pytest.mark.parametrize(("manifest", "said"), BAD, ids=[f"{bad['kind']}: {said}" for bad, said in BAD])
def test_a_bad_object_is_refused_with_the_fix(api, manifest, said):
    with pytest.raises(ClusterError) as refused:
        apply(api, manifest)
    assert said in str(refused.value)


@pytest.mark.parametrize(("kind", "spec"), POLICIES)
def test_a_policy_of_chainloops_is_taken(api, kind, spec):
    name = f"p{POLICIES.index((kind, spec))}"
    api.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps({**contract(spec, name), "kind": kind}))
    stored_ = json.loads(api.kubectl("get", kind, name, "-o", "json"))
    applied = policies.read({**contract(spec, name), "kind": kind})
    assert identity.digest(policies.read(stored_)) == identity.digest(applied)


@pytest.mark.parametrize(("kind", "spec", "said"), BAD_POLICIES)
def test_a_bad_policy_is_refused_with_the_fix(api, kind, spec, said):
    with pytest.raises(ClusterError) as refused:
        apply(api, {**contract(spec, "bad"), "kind": kind})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"s3": {**S3, "bucket": "c"}, **SECRET}, "s3.bucket cannot be changed"),
        ({"s3": {**S3, "prefix": "p"}, **SECRET}, "s3.prefix cannot be changed"),
        ({"inline": {}}, "the kind of a backend cannot be changed"),
    ],
)
def test_where_artifacts_lie_never_changes(api, spec, said):
    apply(api, ours("CASBackend", {"s3": S3, **SECRET}, "placed"))
    replaced = {**ours("CASBackend", spec, "placed")}
    with pytest.raises(ClusterError, match=said):
        api.kubectl("replace", "-f", "-", stdin=json.dumps(replaced))
    moved = {"s3": {**S3, "endpoint": "https://h"}, **SECRET, "default": True, "maxBytes": 10**9}
    api.kubectl("replace", "-f", "-", stdin=json.dumps(ours("CASBackend", moved, "placed")))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"scope": "Organization"}),
        ({"scope": "Workflow", "workflow": "a"}, {"scope": "Workflow", "workflow": "b"}),
        ({"scope": "Workflow", "workflow": "a"}, {}),
        ({"secretName": "a"}, {"secretName": "b"}),
        ({"secretName": "a"}, {}),
        ({}, {"secretName": "a"}),
    ],
)
def test_what_a_token_was_made_for_never_changes(api, before, after):
    api.kubectl("delete", "apitoken", "fixed", "--ignore-not-found")
    apply(api, ours("APIToken", before, "fixed"))
    with pytest.raises(ClusterError, match="cannot be changed; fix: create a new APIToken"):
        apply(api, ours("APIToken", after, "fixed"))
    apply(api, ours("APIToken", {**before, "rotate": "again", "revoked": True}, "fixed"))


def test_saying_the_default_scope_changes_nothing(api):
    apply(api, ours("APIToken", {}, "plain"))
    apply(api, ours("APIToken", {"scope": "Project"}, "plain"))


@pytest.mark.parametrize(
    "text",
    [block.text for block in docs.blocks(REPOSITORY / "docs/artifacts.md") if block.kind == "yaml"],
    ids=lambda text: yaml.safe_load(text)["metadata"]["name"],
)
def test_the_page_of_artifacts_applies_as_it_stands(api, text):
    assert api.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=text)


def test_workflows_are_selected_by_the_contract_they_name(api):
    apply(api, ours("Workflow", {"contractRef": {"name": "selected"}}, "chosen"))
    found = api.kubectl(
        "get", "workflows.avouch.dev", "--field-selector", "spec.contractRef.name=selected", "-o", "name"
    )
    assert found.split() == ["workflow.avouch.dev/chosen"]


def test_explain_answers_for_a_nested_field(api):
    assert "Unique name of the material" in api.kubectl("explain", "contract.spec.materials.name")


def test_columns_show_what_a_user_looks_for(api):
    heads = {
        "contracts": "NAME READY REVISION WORKFLOWS AGE",
        "workflows.avouch.dev": "NAME READY CONTRACT LASTRUN RESULT AGE",
        "integrations.avouch.dev": "NAME READY TYPE AGE",
        "integrationattachments": "NAME READY WORKFLOW INTEGRATION DELIVERING DELIVERED FAILED AGE",
        "organizations": "NAME READY HOME PROJECTS AGE",
        "casbackends": "NAME READY TYPE DEFAULT FALLBACK WRITABLE AGE",
        "policies.chainloop.dev": "NAME READY COMPILED AGE",
        "policygroups": "NAME READY RESOLVED COMPILED AGE",
        "apitokens": "NAME READY SCOPE EXPIRES LASTUSED AGE",
    }
    for manifest in (*GOOD, contract({}, "shown")):
        apply(api, manifest)
    for plural, wanted in heads.items():
        assert api.kubectl("get", plural).splitlines()[0].split() == wanted.split()
