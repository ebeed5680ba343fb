"""The pure middles: from what was gathered to what a status should say."""

import dataclasses
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import digests, errors
from avouch.api import organization as organization_kind
from avouch.attestation import trustroot
from avouch.contract import mapping
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import identities, runs, verdicts
from avouch.controlplane.model.opening import Opening
from avouch.integrations import registry
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import attachments, conditions, contracts, kinds, organizations, specs, workflows
from avouch.reconcilers.installation import apiservice, certificates, image_pull

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def obj(name: str, namespace: str = "team", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}
    return {"metadata": meta, "spec": spec}


def revision(number: int = 1) -> contract_model.ContractRevision:
    digest = digests.of_bytes(b"x")
    return contract_model.ContractRevision("team", "u", "build", "uid", number, digest, b"x", NOW)


def says(desired: conditions.Desired) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in desired.conditions}


ALL = (
    conditions.succeeded("x"),
    conditions.progressing("x"),
    conditions.waiting("x"),
    conditions.retrying("x"),
    conditions.stalled("Invalid", "x"),
    conditions.suspended({}),
)


@pytest.mark.parametrize("desired", ALL)
def test_no_verb_sets_stalled_and_reconciling_together_or_ready_true_with_either(desired: conditions.Desired) -> None:
    kinds = {c.type: c.status for c in desired.conditions}
    assert not {"Stalled", "Reconciling"} <= kinds.keys()
    assert kinds["Ready"] != "True" or kinds.keys() == {"Ready"}
    assert all(c["observedGeneration"] == 7 for c in desired.status(7)["conditions"])


def test_more_conditions_and_fields_take_nothing_away() -> None:
    whole = dataclasses.replace(conditions.waiting("x", recheck=3.0), requeue_dependents=True)
    more = whole.having(conditions.Condition("Known", "False", "R", "m"), a=1, b=None)
    assert (more.recheck, more.requeue_dependents, more.fields) == (3.0, True, {"a": 1})
    assert more.conditions[:-1] == whole.conditions


def test_a_missing_contract_is_waited_for_and_named() -> None:
    workflow = obj("w", contractRef={"name": "build"})
    desired = workflows.decide(workflow, workflows.Bound("build", "team"), None, Opening())
    assert says(desired) == {
        "Ready": ("False", "DependencyNotReady"),
        "Reconciling": ("True", "DependencyNotReady"),
    }
    assert "Contract build does not exist in namespace team" in desired.conditions[0].message


@pytest.mark.parametrize("result", [verdicts.VerdictResult.FAILED, verdicts.VerdictResult.REJECTED])
def test_a_red_run_leaves_the_workflow_ready(result: verdicts.VerdictResult) -> None:
    run = runs.Run(
        id=runs.RunKey("w", "s").id, name="w-1", key=runs.RunKey("w", "s"), namespace="team", namespace_uid="u",
        workflow="w", subject_kind="PipelineRun", subject_name="p", contract="build", revision=1, contract_digest="",
        plan="", created_at=NOW, result=result, finished_at=NOW,
    )  # fmt: skip
    bound = workflows.Bound("build", "team", obj("build"), revision(3))
    desired = workflows.decide(obj("w", contractRef={"name": "build"}), bound, run, Opening())
    assert says(desired) == {"Ready": ("True", "Succeeded"), "LastRunPassed": ("False", str(result))}
    assert desired.fields["lastRun"] == {"name": "w-1", "verdict": str(result), "finishedAt": "2026-01-01T00:00:00Z"}
    assert desired.fields["contractRevision"] == 3


def test_an_unreadable_contract_is_stalled_with_the_line_and_keeps_its_revision() -> None:
    problem = errors.Invalid("unknown", field="spec.materials[1].type", fix="write JUNIT_XML")
    desired = contracts.decide(obj("c"), contracts.Recorded(revision(2), problem=problem), 0)
    assert says(desired)["Stalled"] == ("True", "InvalidContract")
    assert desired.conditions[0].message.startswith("spec.materials[1].type: unknown (fix:")
    assert desired.fields["revision"] == 2


def test_two_organizations_that_claim_a_namespace_are_both_stalled() -> None:
    namespaces = [
        {"metadata": {"name": n, "labels": {"org": "a"} if n == "shared" else {}}} for n in ("a", "b", "shared")
    ]
    one = obj("one", "", homeNamespace="a", projects={"selector": {"matchLabels": {"org": "a"}}})
    two = obj("two", "", homeNamespace="b", projects={"namespaces": ["shared"]})
    for organization in (one, two):
        desired = organizations.decide(organization, [one, two], namespaces)
        assert says(desired)["Stalled"] == ("True", "InvalidProjects")
        assert "namespace shared is also claimed" in desired.conditions[0].message


def test_organization_scope_resolves_to_the_home_of_the_one_that_claims_the_namespace() -> None:
    cache = ObjectCache()
    cache.put(Key("Organization", "", "one"), obj("one", "", homeNamespace="home", projects={"namespaces": ["team"]}))
    assert organizations.home_of(cache, "team") == "home"
    with pytest.raises(errors.NotFound):
        organizations.home_of(cache, "stranger")


def test_an_attachment_names_the_end_that_is_missing_and_records_no_secret() -> None:
    attachment = obj("a", integrationRef={"name": "hook"}, workflowRef={"name": "w"}, on=["Failed"])
    hook = obj("hook", type="webhook", webhook={"url": "https://x"}, secretRef={"name": "s", "key": "k"})
    missing = attachments.decide(attachment, attachments.Ends(None, True, "team"), attachments.Counts())
    assert "Integration hook does not exist" in missing.conditions[0].message
    record = attachments.record_of(attachment, hook, registry.Types())
    assert record.secret == b""
    assert record.config["secretRef"] == {"name": "s", "key": "k", "namespace": "team"}
    whole = attachments.decide(attachment, attachments.Ends(hook, True, "team"), attachments.Counts(1, 2, 0, ""))
    assert says(whole) == {"Ready": ("True", "Succeeded"), "Delivering": ("True", "Delivered")}
    assert whole.recheck is not None


def test_errors_become_conditions_by_whose_fault_they_are() -> None:
    retried = kinds.desired_of("Contract", errors.Unavailable("db"))
    assert says(retried)["Reconciling"] == ("True", "ProgressingWithRetry")
    assert "secret" not in kinds.desired_of("Contract", errors.AvouchError("secret")).conditions[0].message


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_what_is_invalid_has_its_kinds_own_reason_which_the_docs_name(kind: str) -> None:
    reason = says(kinds.desired_of(kind, errors.Invalid("no", field="spec.x")))["Stalled"][1]
    assert (reason == "InvalidContract") == (kind == "Contract")
    assert f"| `{reason}` |" in (ROOT / "docs/operations.md").read_text()


WRONG = mapping.Problem("UnknownMaterial", "spec.tekton.materials", "Contract build does not ask for it", "write sbom")


def test_what_the_contract_does_not_know_is_said_and_leaves_the_workflow_ready() -> None:
    bound = workflows.Bound("build", "team", obj("build"), revision(3), unknown=[WRONG])
    desired = workflows.decide(obj("w", contractRef={"name": "build"}), bound, None, Opening())
    assert says(desired) == {"Ready": ("True", "Succeeded"), "MaterialsKnown": ("False", "UnknownMaterial")}
    assert desired.conditions[1].message == str(WRONG)


@pytest.mark.parametrize(
    ("looked", "said"),
    [
        (mapping.Looked(), None),
        (mapping.Looked((dataclasses.replace(WRONG, reason="TaskNotFound"),)), ("False", "TaskNotFound")),
        (mapping.Looked((dataclasses.replace(WRONG, reason="TaskNotFound"),), ("why",)), ("False", "TaskNotFound")),
        (mapping.Looked(unchecked=("what a resolver fetches is not known",)), ("Unknown", "NotChecked")),
    ],
)
def test_what_pipelines_and_tasks_do_not_have_is_said_and_leaves_the_workflow_ready(
    looked: mapping.Looked, said: tuple[str, str] | None
) -> None:
    bound = workflows.Bound("build", "team", obj("build"), revision(3), looked=looked)
    told = says(workflows.decide(obj("w", contractRef={"name": "build"}), bound, None, Opening()))
    assert told.pop("Ready") == ("True", "Succeeded")
    assert told == ({"ReferencesFound": said} if said else {})


def test_until_pipelines_were_listed_a_status_says_of_them_what_it_said() -> None:
    before = {"type": "ReferencesFound", "status": "False", "reason": "TaskNotFound", "message": "m"}
    bound = workflows.Bound("build", "team", obj("build"), revision(3))
    known = {**obj("w", contractRef={"name": "build"}), "status": {"conditions": [before]}}
    assert says(workflows.decide(known, bound, None, Opening()))["ReferencesFound"] == ("False", "TaskNotFound")
    assert "ReferencesFound" not in says(workflows.decide(obj("w"), bound, None, Opening()))


@given(st.booleans(), st.booleans(), st.booleans(), st.floats(0, 120))
def test_the_apiservice_never_outlives_its_servers_by_more_than_the_grace(
    ready: bool, right: bool, exists: bool, unready: float
) -> None:
    step = apiservice.decide(ready=ready, right=right, exists=exists, unready_for=unready)
    assert (step is apiservice.Step.REMOVE) == (not ready and exists and unready >= apiservice.GRACE)
    assert (step is apiservice.Step.CREATE) == (ready and not right)


def pending(reason: str, name: str = "avouch-sidecar") -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "team", "uid": "u"},
        "spec": {"initContainers": [{"name": "prepare", "image": "t"}, {"name": name, "image": "ours"}]},
        "status": {
            "phase": "Pending",
            "initContainerStatuses": [{"name": name, "state": {"waiting": {"reason": reason}}}],
        },
    }


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (pending("ImagePullBackOff"), True),
        (pending("InvalidImageName"), True),
        (pending("PodInitializing"), False),
        (pending("ImagePullBackOff", name="prepare"), False),
        ({**pending("ErrImagePull"), "status": {"phase": "Running"}}, False),
    ],
)
def test_only_our_own_image_that_does_not_come_is_stuck(pod: dict[str, Any], expected: bool) -> None:
    assert image_pull.stuck(pod) is expected


def test_the_rescue_touches_our_container_only_and_only_once() -> None:
    pod = pending("ErrImagePull")
    assert image_pull.rescue_patch(pod, "spare") == [
        {"op": "test", "path": "/spec/initContainers/1/name", "value": "avouch-sidecar"},
        {"op": "replace", "path": "/spec/initContainers/1/image", "value": "spare"},
    ]
    assert image_pull.rescue_patch(pod, "ours") is None


def test_certificates_are_kept_until_due_and_the_bundle_trusts_old_and_new() -> None:
    names = certificates.dns_names("avouch-server", "avouch")
    first = certificates.serving({}, names, NOW)
    assert certificates.serving(first, names, NOW + timedelta(days=30)) == first
    renewed = certificates.serving(first, names, NOW + timedelta(days=70))
    assert renewed["ca.crt"] == first["ca.crt"]
    assert renewed["tls.crt"] != first["tls.crt"]
    rotated = certificates.serving(first, names, NOW + timedelta(days=3400))
    assert rotated["ca.crt"].startswith(first["ca.crt"])
    assert rotated["ca.crt"].count(b"BEGIN CERTIFICATE") == 2
    for public in ("avouch.example.com", "192.0.2.7", "2001:db8::1"):
        wider = certificates.serving(first, (*names, public), NOW)
        assert wider["tls.crt"] != first["tls.crt"]
        assert certificates.serving(wider, (*names, public), NOW) == wider


BOUND = workflows.Bound("build", "team", obj("build"), revision(3))
MADE, LATER = "2025-12-31T23:00:00Z", "2025-12-31T23:30:00Z"


def workflow(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    made = obj("w", contractRef={"name": "build"}, **spec)
    return {**made, "metadata": {**made["metadata"], "creationTimestamp": MADE}, "status": status}


def ready(reason: str = "Succeeded", status: str = "True") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": LATER}]}


OPEN, NEW, SINCE = Opening(datetime.fromisoformat(LATER)), Opening(NOW), {"openSince": LATER}
CLOSED = Opening(datetime.fromisoformat(LATER), NOW)
OPENINGS = {
    "that is new is open as of now": (workflow({}), BOUND, NEW),
    "that was edited stays open": (workflow({**SINCE, "observedGeneration": 1}, team="another"), BOUND, OPEN),
    "that is open since the second in which it was made stays open":
        (workflow({"openSince": MADE}), BOUND, Opening(datetime.fromisoformat(MADE))),
    "of before it was written is open since it is Ready": (workflow(ready()), BOUND, OPEN),
    "of before it was written that was suspended is open as of now": (workflow(ready("Suspended")), BOUND, NEW),
    "of before it was written that was not Ready is open as of now": (workflow(ready(status="False")), BOUND, NEW),
    "that is suspended is closed as of now": (workflow(SINCE, suspend=True), BOUND, CLOSED),
    "that was suspended and goes on is open as of now":
        (workflow({**SINCE, "openUntil": LATER}), BOUND, NEW),
    "whose Contract is gone is closed as of now": (workflow(SINCE), workflows.Bound("build", "team"), CLOSED),
    "whose Contract is in the way is closed": (workflow(SINCE), workflows.Bound("build", problem="x"), CLOSED),
    "whose Contract is not recorded yet stays as it was":
        (workflow(SINCE), workflows.Bound("build", "team", obj("build")), OPEN),
    "that is new and whose Contract is not recorded yet is not open yet":
        (workflow({}), workflows.Bound("build", "team", obj("build")), Opening()),
    "with the status of a predecessor is open as of now": (workflow({"openSince": "2025-12-31T22:59:59Z"}), BOUND, NEW),
    "with a time that lies ahead is open as of now": (workflow({"openSince": "2026-01-01T00:00:01Z"}), BOUND, NEW),
    "with a time that is none is open as of now": (workflow({"openSince": "yesterday"}), BOUND, NEW),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "bound", "opening"), OPENINGS.values(), ids=OPENINGS)
def test_a_workflow(declared: dict[str, Any], bound: workflows.Bound, opening: Opening) -> None:
    assert workflows.opening_of(declared, bound, NOW) == opening
    said = workflows.decide(declared, bound, None, opening).fields
    times = [datetime.fromisoformat(said[name]) if name in said else None for name in ("openSince", "openUntil")]
    assert Opening(*times) == opening
    assert workflows.record_of(declared, "u", bound, opening).opening == opening


def test_a_workflow_is_not_open_before_it_was_made_whatever_our_clock_says() -> None:
    made = datetime.fromisoformat(MADE)
    assert workflows.opening_of(workflow({}), BOUND, made - timedelta(seconds=9)) == Opening(made)


def test_what_a_status_says_of_the_future_counts_from_the_whole_second_of_now_on() -> None:
    ahead = workflow({"openSince": "2026-01-01T00:00:01Z"})
    assert workflows.opening_of(ahead, BOUND, NOW + timedelta(milliseconds=900)) == NEW


def test_signing_keys_are_never_replaced() -> None:
    keys = certificates.signing_keys({})
    assert set(keys) == {"attestation.pem", "passed.pem", "failed.pem"}
    assert len(set(keys.values())) == 3
    assert certificates.signing_keys(keys) == keys


def test_the_record_of_an_unresolved_workflow_names_no_contract() -> None:
    record = workflows.record_of(obj("w", contractRef={"name": "c"}), "u", workflows.Bound("c", "team"), Opening())
    assert (record.contract_name, record.contract_namespace) == ("", "")
    assert dataclasses.replace(record).namespace_uid == "u"


def test_the_record_of_a_workflow_names_a_contract_that_is_not_recorded_yet_and_has_its_own_generation() -> None:
    declared = obj("w", contractRef={"name": "c"})
    declared["metadata"]["generation"] = 7
    record = workflows.record_of(declared, "u", workflows.Bound("c", "team", obj("c")), Opening())
    assert (record.contract_name, record.contract_namespace, record.generation) == ("c", "team", 7)


class Recorded:
    """What an Organization's reconcile wrote down."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[identities.Organization, list[str]]] = {}

    async def record(self, organization: identities.Organization, projects: list[str], *, epoch: int) -> None:
        self.rows[organization.name] = (organization, projects)


async def test_an_organization_is_recorded_with_the_namespaces_that_it_alone_claims() -> None:
    cache, recorded = ObjectCache(), Recorded()
    for name, labels in (("a", {}), ("red", {"team": "red"}), ("shared", {})):
        cache.put(Key("Namespace", "", name), {"metadata": {"name": name, "labels": labels}})
    settings = {"skipRunnerVariables": True, "quotas": {"artifactBytes": 0, "openRuns": 7}}
    projects = {"namespaces": ["shared"], "selector": {"matchLabels": {"team": "red"}}}
    one = obj("one", "", homeNamespace="a", projects=projects, settings=settings)
    two = obj("two", "", homeNamespace="b", projects={"namespaces": ["shared"]})
    for organization in (one, two):
        cache.put(Key("Organization", "", organization["metadata"]["name"]), organization)
    there: Any = types.SimpleNamespace(cache=cache, organizations=recorded, epoch=lambda: 1)
    for organization in (one, two):
        await organizations.reconcile(there, Key("Organization", "", ""), organization)
    kept, namespaces = recorded.rows["one"]
    assert namespaces == ["a", "red"]
    assert (kept.home, kept.skip_runner_variables) == ("a", True)
    assert kept.quotas == {"artifactBytes": 0, "openRuns": 7}
    assert recorded.rows["two"][1] == ["b"]
    recorded.rows.clear()
    await organizations.reconcile(there, Key("Organization", "", ""), obj("one", "", homeNamespace="x", suspend=True))
    assert recorded.rows == {}


@pytest.mark.parametrize("setting", organization_kind.Settings.model_fields)
def test_every_setting_of_an_organization_is_read_by_somebody(setting: str) -> None:
    root, spelt = Path(organizations.__file__).parents[3], str(organization_kind.Settings.model_fields[setting].alias)
    texts = [path.read_text() for path in Path(organizations.__file__).parent.glob("*.py")]
    chart = (root / "charts/avouch/templates/policies.yaml").read_text()
    assert spelt in chart or any(f".{setting}" in text for text in texts), f"{spelt} does nothing: take it out"


async def test_a_workflow_that_cannot_be_read_says_which_field_and_is_not_recorded() -> None:
    there: Any = types.SimpleNamespace(workflows=None)  # whoever records is told that there is nobody
    with pytest.raises(errors.Invalid, match="Workflow w: ") as refused:
        await workflows.reconcile(there, Key("Workflow", "team", "w"), obj("w", suspend="true"))
    assert refused.value.field == "spec.suspend"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"homeNamespace": 7}, "spec.homeNamespace"),
        ({"homeNamespace": "home", "settings": {"restrictContractCreation": "yes"}},
         "spec.settings.restrictContractCreation"),
        ({"homeNamespace": "home", "projects": {"namespaces": "team"}}, "spec.projects.namespaces"),
    ],
)  # fmt: skip
def test_an_organization_that_cannot_be_read_claims_and_allows_nothing_quietly(
    said: dict[str, Any], field: str
) -> None:
    cache = ObjectCache()
    cache.put(Key("Organization", "", "one"), obj("one", "", **said))
    asking = (organizations.home_of, organizations.settings_of, organizations.restricts_contracts)
    for ask in asking:
        with pytest.raises(errors.Invalid, match="Organization one: ") as refused:
            ask(cache, "team")
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "said", "filed"),
    [
        ("Workflow", {"contractRef": {"name": "c"}}, "contract/c"),
        ("Workflow", {}, "contract/x"),
        ("Workflow", {"contractRef": "c"}, ""),
        ("IntegrationAttachment", {"integrationRef": {"name": "hook"}}, "integration/hook"),
        ("IntegrationAttachment", {"integrationRef": {"name": 7}}, ""),
    ],
)
def test_what_cannot_be_read_is_filed_by_its_namespace_alone(kind: str, said: dict[str, Any], filed: str) -> None:
    assert set(specs.INDEXERS[kind](obj("x", **said))) == {"namespace/team", *filter(None, (filed,))}


def test_the_trust_root_keeps_what_a_rotation_replaced():
    pods, keys = certificates.pod_authority({}, NOW), certificates.signing_keys({})
    first = certificates.trusted(None, pods, keys, NOW)
    again = {"data": {certificates.TRUST_FILE: first}}
    assert certificates.trusted(again, pods, keys, NOW + timedelta(days=1)) == first
    later = NOW + timedelta(days=3400)
    rotated = certificates.trusted(again, certificates.pod_authority(pods, later), certificates.signing_keys({}), later)
    listed = trustroot.Document.parse(rotated.encode())
    assert (len(listed.authorities), len(listed.keys)) == (2, 6)
    assert listed.authorities[0] == pods["ca.crt"].decode()
    with pytest.raises(errors.Invalid):
        certificates.trusted({"data": {certificates.TRUST_FILE: "{}"}}, pods, keys, NOW)
