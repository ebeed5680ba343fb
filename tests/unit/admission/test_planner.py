"""From the cluster's record and the stored declarations to the decision, without a cluster."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from avouch import digests
from avouch.contract import reading, revisions
from avouch.controlplane.intake import injection, planning
from avouch.controlplane.model import cluster, contracts, runs
from avouch.tekton import injection as tekton_injection
from avouch.tekton import matching, pod
from tests.unit.tekton import pods

PVC = {"persistentVolumeClaim": {"claimName": "c"}}
MANIFEST = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "c"},
    "spec": {
        "materials": [{"name": "image", "type": "CONTAINER_IMAGE"}, {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}]
    },
}
IMAGE = {"name": "image", "task": "build", "result": {"name": "IMAGE_URL", "digest": "IMAGE_DIGEST"}}
SBOM = {"name": "sbom", "task": "build", "workspace": {"name": "source", "path": "sbom.json"}}


TIGHT = {"type": "Container", "max": {"memory": "32Mi"}}


class Cluster(cluster.ClusterReader):
    """A cluster with one PipelineRun, one TaskRun and one claim."""

    def __init__(self, quotas: Sequence[dict[str, Any]] = (), access: str = "ReadWriteOnce", **limit: Any) -> None:
        self.quotas = quotas
        self.access = access
        self.limits = [{"metadata": {"name": "l"}, "spec": {"limits": [limit]}}] if limit else []
        owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "run", "uid": "pr-1", "controller": True}
        self.run = pods.taskrun()
        self.run["metadata"]["ownerReferences"] = [owner]

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.run if name == "build" else None

    async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
        metadata = {"name": "run", "uid": "pr-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {"metadata": metadata, "spec": {"pipelineRef": {"name": "release"}}}

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        return self.quotas

    async def limit_ranges(self, namespace: str) -> Sequence[dict[str, Any]]:
        return self.limits

    async def volume_claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        return {"spec": {"accessModes": [self.access]}}


class GoneCluster(Cluster):
    """Its TaskRun was deleted."""

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return None


class Workflows(contracts.Workflows):
    """One Workflow."""

    def __init__(self, tekton: dict[str, Any], **spec: Any) -> None:
        whole = {"contractRef": {"name": "c"}, "tekton": {"pipelines": [{"name": "release"}], **tekton}, **spec}
        self.one = contracts.WorkflowRecord("ns", "ns-1", "w", "w-1", 1, whole, {}, "ns", "c")

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        return matching.Index([self.one])


class Contracts(contracts.Contracts):
    """One revision; remembers how old it had to be."""

    before: datetime | None = None

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        self.before = before
        canonical = revisions.canonical(reading.read(MANIFEST))
        at = datetime(2025, 1, 1, tzinfo=UTC)
        return contracts.ContractRevision("ns", "ns-1", "c", "c-1", 4, digests.of_bytes(canonical), canonical, at)


class Cuts:
    """Workflows that lost results; counts how often it is asked."""

    def __init__(self, **cut: int) -> None:
        self.cut, self.asked = {name.replace("_", "-"): value for name, value in cut.items()}, 0

    async def of_subject(self, subject_uid: str) -> Sequence[runs.Run]:
        return ()

    async def cut_generations(self, workflow_uids: Sequence[str]) -> dict[str, int]:
        self.asked += 1
        return {uid: self.cut[uid] for uid in workflow_uids if uid in self.cut}


async def decide(
    cluster: Cluster, workflows: Workflows, created: dict[str, Any] | None = None, cuts: Cuts | None = None
) -> injection.Decision:
    planner = injection.InjectionPlanner(cluster, workflows, Contracts(), cuts or Cuts())
    return await planner.plan_for("ns", created or pods.pod(2, {"source": PVC}))


async def test_a_task_that_owes_a_file_gets_the_plan_of_its_own_materials_and_the_workspace() -> None:
    tests = {**SBOM, "task": "test"}
    planned = await decide(Cluster(), Workflows({"materials": [IMAGE, SBOM]}))
    assert isinstance(planned, injection.Planned)
    (owed,) = planned.injection.plans
    assert ([m.name for m in owed.materials], owed.revision) == (["image", "sbom"], 4)
    assert planned.injection.workspaces["source"].path == "/workspace/source"
    elsewhere = await decide(Cluster(), Workflows({"materials": [IMAGE, tests]}))
    assert isinstance(elsewhere, pod.Refusal)
    assert elsewhere.reason is pod.Reason.NOT_NEEDED


class Begun(Cuts):
    """One run that was opened while its Workflow was open."""

    async def of_subject(self, subject_uid: str) -> Sequence[runs.Run]:
        workflows = Workflows({"materials": [IMAGE, SBOM]})
        pipelinerun = await Cluster().pipelinerun("ns", "run")
        (owed,) = await planning.owed_by(await planning.covered("ns", None, pipelinerun, workflows), Contracts())
        return [owed.run(datetime(2026, 1, 1, tzinfo=UTC))] if subject_uid == "pr-1" else []


async def test_a_pod_of_a_run_that_was_opened_gets_its_sidecar_although_the_workflow_is_suspended_since() -> None:
    workflows = Workflows({"materials": [IMAGE, SBOM]})
    workflows.one = replace(workflows.one, open_until=datetime(2025, 1, 1, tzinfo=UTC))
    assert isinstance(await decide(Cluster(), workflows), pod.Refusal)
    assert isinstance(await decide(Cluster(), workflows, cuts=Begun()), injection.Planned)


async def test_the_sidecar_gets_what_the_limitranges_of_the_namespace_allow() -> None:
    limit = {"type": "Container", "min": {"cpu": "50m"}, "max": {"memory": "100Mi"}}
    planned = await decide(Cluster(**limit), Workflows({"materials": [IMAGE, SBOM]}))
    assert isinstance(planned, injection.Planned)
    patch = tekton_injection.patch(planned.injection, pods.SETTINGS, "0123abcd")
    assert isinstance(patch, list)
    resources = patch[0]["value"]["resources"]  # type: ignore[index]
    assert (resources["requests"]["cpu"], resources["limits"]["memory"]) == ("50m", "100Mi")


async def test_the_revision_is_the_newest_before_the_pipelinerun_was_created() -> None:
    contracts = Contracts()
    planner = injection.InjectionPlanner(Cluster(), Workflows({"materials": [IMAGE, SBOM]}), contracts, Cuts())
    await planner.plan_for("ns", pods.pod(1, {"source": PVC}))
    assert contracts.before == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("materials", [[IMAGE, SBOM], [IMAGE]], ids=["named", "wherever it is"])
async def test_a_read_write_once_pod_volume_is_not_mounted_twice_and_this_is_told(
    materials: list[dict[str, Any]],
) -> None:
    planned = await decide(Cluster(access="ReadWriteOncePod"), Workflows({"materials": materials}))
    assert isinstance(planned, injection.Planned)
    assert not planned.injection.workspaces
    (warning,) = planned.warnings
    assert warning.startswith("workspace source is not collected: a ReadWriteOncePod volume (fix: ")
    assert warning.endswith(planned.injection.unmounted["source"])


async def test_the_cluster_is_asked_for_quotas_and_claims_only_where_they_can_matter() -> None:
    cluster = Cluster()
    cluster.resource_quotas = cluster.volume_claim = pytest.fail  # type: ignore[method-assign,assignment]
    elsewhere = [IMAGE, {**SBOM, "task": "test"}]
    refusal = await decide(cluster, Workflows({"materials": elsewhere}))
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.NOT_NEEDED
    planned = await decide(cluster, Workflows({"materials": elsewhere, "inject": "always"}))
    assert isinstance(planned, injection.Planned)
    assert not planned.injection.workspaces


async def test_a_workspace_in_a_volume_of_the_pod_itself_needs_no_claim() -> None:
    planned = await decide(
        Cluster(), Workflows({"materials": [IMAGE, SBOM]}), pods.pod(2, {"source": {"emptyDir": {}}, "other": PVC})
    )
    assert isinstance(planned, injection.Planned)
    assert list(planned.injection.workspaces) == ["source"]
    assert planned.warnings == ()


@pytest.mark.parametrize("change", [{"uid": "made-anew"}, {"name": "gone"}])
async def test_a_pipelinerun_that_is_not_the_taskruns_owner_owes_nothing(change: dict[str, str]) -> None:
    class Other(Cluster):
        async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
            return await super().pipelinerun(namespace, name) if name == "run" else None

    cluster = Other()
    cluster.run["metadata"]["ownerReferences"][0] |= change
    refusal = await decide(cluster, Workflows({"materials": [IMAGE, SBOM]}))
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.NO_WORKFLOW


async def test_a_taskrun_that_stands_alone_owes_all_of_its_materials_and_one_of_a_pipeline_those_of_its_task() -> None:
    tests = {**SBOM, "task": "test"}
    alone = Cluster()
    alone.run["metadata"].pop("ownerReferences")
    alone.run["metadata"]["labels"] = {}
    alone.run["spec"] = {"taskRef": {"name": "release"}, **alone.run["spec"]}
    planned = await decide(alone, Workflows({"tasks": [{"name": "release"}], "materials": [IMAGE, tests]}))
    assert isinstance(planned, injection.Planned)
    (owed,) = planned.injection.plans
    assert [one.name for one in owed.materials] == ["image", "sbom"]


@pytest.mark.parametrize(
    ("cluster", "workflows", "reason"),
    [
        (Cluster(quotas=[{}]), Workflows({"materials": [IMAGE, SBOM]}), pod.Reason.QUOTA),
        (Cluster(), Workflows({"materials": [IMAGE, SBOM], "inject": "never"}), pod.Reason.NEVER),
        (Cluster(**TIGHT), Workflows({"materials": [IMAGE, SBOM]}), pod.Reason.LIMITS),
        (Cluster(**TIGHT), Workflows({"materials": [IMAGE, SBOM], "inject": "always"}), pod.Reason.LIMITS),
        (Cluster(), Workflows({}, suspend=True), pod.Reason.NO_WORKFLOW),
        (Cluster(), Workflows({}, attesters={"serviceAccounts": ["other"]}), pod.Reason.NO_WORKFLOW),
        (Cluster(), Workflows({"pipelines": [{"name": "other"}]}), pod.Reason.NO_WORKFLOW),
    ],
)
async def test_the_reason_not_to_inject_is_named(cluster: Cluster, workflows: Workflows, reason: pod.Reason) -> None:
    refusal = await decide(cluster, workflows)
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is reason


@pytest.mark.parametrize(("field", "value"), [("uid", "forged"), ("name", "gone")])
async def test_an_owner_that_is_not_the_taskrun_of_that_uid_is_refused(field: str, value: str) -> None:
    created = pods.pod()
    created["metadata"]["ownerReferences"][0][field] = value
    refusal = await decide(Cluster(), Workflows({}), created)
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.GONE


async def test_a_pod_of_nobody_is_left_alone() -> None:
    created = pods.pod()
    created["metadata"]["ownerReferences"] = []
    refusal = await decide(Cluster(), Workflows({}), created)
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.NOT_OWNED


async def test_a_pod_whose_taskrun_is_gone_is_left_alone() -> None:
    refusal = await decide(GoneCluster(), Workflows({"materials": [SBOM]}))
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.GONE


async def test_forged_labels_on_the_pod_change_nothing() -> None:
    created = pods.pod()
    created["metadata"]["labels"] |= {"avouch.dev/workflow": "w", "tekton.dev/pipelineTask": "build"}
    refusal = await decide(Cluster(), Workflows({"pipelines": [{"name": "other"}]}), created)
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.NO_WORKFLOW


def scripted(results: str) -> dict[str, Any]:
    """A pod of two steps and two init containers."""
    created = pods.pod(2, {"source": PVC})
    created["spec"]["initContainers"].append({"name": "place-scripts"})
    for container in created["spec"]["containers"]:
        container["args"][0:0] = ["-results", results]
    return created


@pytest.mark.parametrize(
    ("results", "cuts", "refused", "asked"),
    [
        ("a,b", Cuts(), False, 1),
        ("a,b", Cuts(w_1=1), True, 1),
        ("a,b,c,d,e", Cuts(), True, 0),
        ("", Cuts(w_1=1), False, 0),  # nothing can be lost
    ],
)
async def test_a_pod_whose_results_may_not_fit_or_did_not_fit_before_is_left_alone(
    results: str, cuts: Cuts, refused: bool, asked: int
) -> None:
    found = await decide(Cluster(), Workflows({"materials": [IMAGE, SBOM]}), scripted(results), cuts)
    assert isinstance(found, pod.Refusal) is refused
    assert cuts.asked == asked
    if isinstance(found, pod.Refusal):
        assert found.reason is pod.Reason.RESULTS
