"""Programs of our users: the official Python client, typed and dynamic, against our kinds and the aggregated API."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import exceptions

from tests.api import test_aggregated
from tests.api.served import until
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

ROOT = Path(__file__).parents[2]
CONTRACTS = ("chainloop.dev", "v1", "shop", "contracts")
RUNS = ("runs.avouch.dev", "v1alpha1", "shop", "workflowruns")
OUTDATED = "WzEsICJ4Il0="  # [1, "x"]: a continue token that was sealed in 1970

api, served = test_aggregated.api, test_aggregated.served  # one API server, and our listener behind it


@pytest.fixture(scope="module")
def connected(api: ApiServer, served: test_aggregated.Served) -> Iterator[client.ApiClient]:
    """The client as a kubeconfig sets it up; no proxy of this machine is on the way."""
    crds = sorted((ROOT / "crds").glob("*.yaml"))
    api.kubectl("apply", "--server-side", *(f"--filename={path}" for path in crds))
    names = [f"crd/{path.stem.partition('_')[2]}.{path.stem.partition('_')[0]}" for path in crds]
    api.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    configuration = client.Configuration()
    config.load_kube_config(str(api.kubeconfig), client_configuration=configuration)
    configuration.proxy = None
    with client.ApiClient(configuration) as connected:
        yield connected


@pytest.fixture
def custom(connected: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(connected)


@pytest.fixture
def anything(connected: client.ApiClient, tmp_path: Path) -> dynamic.DynamicClient:
    return dynamic.DynamicClient(connected, cache_file=str(tmp_path / "discovery"))


@pytest.fixture
def contracts(custom: client.CustomObjectsApi) -> Iterator[list[str]]:
    """Five contracts, gone afterwards."""
    names = [f"c{number}" for number in range(5)]
    for name in names:
        custom.create_namespaced_custom_object(*CONTRACTS, contract(name))
    yield names
    for name in names:
        with suppress(ApiException):
            custom.delete_namespaced_custom_object(*CONTRACTS, name)


def contract(name: str, *materials: str) -> dict[str, Any]:
    listed = [{"name": each, "type": "SBOM_CYCLONEDX_JSON"} for each in materials]
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Contract",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"materials": listed},
    }


def pages(ask: Callable[..., dict[str, Any]], limit: int) -> list[list[str]]:
    """The names on each page, as a program turns them."""
    found, token = [], None
    while True:
        page = ask(limit=limit, **({"_continue": token} if token else {}))
        found.append([item["metadata"]["name"] for item in page["items"]])
        token = page["metadata"].get("continue")
        if not token:
            return found


class TestOurKinds:
    def test_pages_of_a_list_hold_every_object_once(
        self, custom: client.CustomObjectsApi, contracts: list[str]
    ) -> None:
        found = pages(lambda **asked: custom.list_namespaced_custom_object(*CONTRACTS, **asked), 2)
        assert found == [contracts[:2], contracts[2:4], contracts[4:]]

    def test_a_patch_changes_what_it_names_and_is_checked(
        self, custom: client.CustomObjectsApi, contracts: list[str]
    ) -> None:
        body = {"spec": {"materials": [{"name": "sbom", "type": "SARIF"}]}}
        changed = custom.patch_namespaced_custom_object(*CONTRACTS, "c0", body)
        assert (changed["spec"]["materials"][0]["type"], changed["metadata"]["generation"]) == ("SARIF", 2)
        with pytest.raises(ApiException) as refused:
            custom.patch_namespaced_custom_object(
                *CONTRACTS, "c0", {"spec": {"materials": [{"name": "sbom", "type": "SBOM"}]}}
            )
        assert refused.value.status == 422
        assert "Unsupported value" in refused.value.body

    def test_an_older_resource_version_is_a_conflict(
        self, custom: client.CustomObjectsApi, contracts: list[str]
    ) -> None:
        old = custom.get_namespaced_custom_object(*CONTRACTS, "c0")
        custom.patch_namespaced_custom_object(*CONTRACTS, "c0", {"spec": {"suspend": True}})
        with pytest.raises(ApiException) as refused:
            custom.replace_namespaced_custom_object(*CONTRACTS, "c0", {**old, "spec": {"suspend": False}})
        assert refused.value.status == 409

    def test_a_watch_from_a_list_tells_what_changed_since(
        self, custom: client.CustomObjectsApi, contracts: list[str]
    ) -> None:
        since = custom.list_namespaced_custom_object(*CONTRACTS)["metadata"]["resourceVersion"]
        custom.create_namespaced_custom_object(*CONTRACTS, contract("new"))
        custom.patch_namespaced_custom_object(*CONTRACTS, "new", {"spec": {"suspend": True}})
        custom.delete_namespaced_custom_object(*CONTRACTS, "new")
        watching, seen = watch.Watch(), []
        for event in watching.stream(
            custom.list_namespaced_custom_object, *CONTRACTS, resource_version=since, timeout_seconds=20
        ):
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if event["type"] == "DELETED":
                watching.stop()
        assert seen == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]

    def test_server_side_apply_by_two_managers_names_who_owns_a_field(self, anything: dynamic.DynamicClient) -> None:
        kind = anything.resources.get(api_version="chainloop.dev/v1", kind="Contract")
        applied = kind.server_side_apply(contract("applied", "sbom"), field_manager="argocd")
        assert applied.spec.materials[0].name == "sbom"
        other = contract("applied", "sbom")
        other["spec"]["materials"][0]["type"] = "SARIF"
        with pytest.raises(exceptions.ConflictError, match="argocd"):
            kind.server_side_apply(other, field_manager="somebody")
        forced = kind.server_side_apply(other, field_manager="somebody", force_conflicts=True)
        assert forced.spec.materials[0].type == "SARIF"
        kind.delete(namespace="shop", name="applied")

    def test_every_kind_is_discovered_with_its_short_name_and_category(self, anything: dynamic.DynamicClient) -> None:
        for version, kind in (
            ("chainloop.dev/v1", "Contract"),
            ("chainloop.dev/v1", "Policy"),
            ("chainloop.dev/v1", "PolicyGroup"),
            ("avouch.dev/v1alpha1", "Organization"),
            ("avouch.dev/v1alpha1", "Workflow"),
            ("avouch.dev/v1alpha1", "CASBackend"),
            ("avouch.dev/v1alpha1", "Integration"),
            ("avouch.dev/v1alpha1", "IntegrationAttachment"),
            ("avouch.dev/v1alpha1", "APIToken"),
        ):
            found = anything.resources.get(api_version=version, kind=kind)
            assert (found.categories or []) == ([] if kind == "Organization" else ["avouch"])  # which users may list
            assert found.subresources["status"]

    def test_an_object_with_a_field_that_left_its_kind_stays_readable_and_writable(
        self, api: ApiServer, custom: client.CustomObjectsApi
    ) -> None:
        """An Organization of the version before: what the schema no longer has is dropped, the rest is kept."""
        crd = yaml.safe_load((ROOT / "crds/avouch.dev_organizations.yaml").read_text())
        before = copy.deepcopy(crd)
        spec = before["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        spec["settings"]["properties"]["blockReleasedVersions"] = {"type": "boolean", "description": "Gone."}
        settings = {"blockReleasedVersions": True, "skipRunnerVariables": True}
        place = ("avouch.dev", "v1alpha1", "organizations")
        body = {
            "apiVersion": "avouch.dev/v1alpha1",
            "kind": "Organization",
            "metadata": {"name": "old"},
            "spec": {"homeNamespace": "shop", "settings": settings},
        }

        def written() -> dict[str, Any]:
            api.apply(json.dumps(body))
            return dict(custom.get_cluster_custom_object(*place, "old"))

        api.apply(json.dumps(before))
        until(lambda: written()["spec"]["settings"] == settings)
        api.apply(json.dumps(crd))
        kept = {"skipRunnerVariables": True}
        until(lambda: custom.get_cluster_custom_object(*place, "old")["spec"]["settings"] == kept)
        changed = custom.patch_cluster_custom_object(*place, "old", {"spec": {"suspend": True}})
        assert changed["spec"] == {"homeNamespace": "shop", "settings": kept, "suspend": True}


class TestRuns:
    def test_pages_of_a_list_hold_every_run_once(self, custom: client.CustomObjectsApi) -> None:
        found = pages(lambda **asked: custom.list_namespaced_custom_object(*RUNS, **asked), 2)
        assert found == [["release-1", "release-2"], ["release-3"]]
        whole = custom.list_cluster_custom_object("runs.avouch.dev", "v1alpha1", "workflowruns")
        assert (whole["kind"], len(whole["items"])) == ("WorkflowRunList", 3)
        assert whole["metadata"]["resourceVersion"].isdigit()

    def test_a_token_that_is_too_old_is_gone(self, custom: client.CustomObjectsApi) -> None:
        with pytest.raises(ApiException) as refused:
            custom.list_namespaced_custom_object(*RUNS, limit=1, _continue=OUTDATED)
        assert (refused.value.status, refused.value.reason) == (410, "Gone")
        assert '"reason":"Expired"' in refused.value.body.replace(" ", "")

    def test_fields_select(self, custom: client.CustomObjectsApi) -> None:
        found = custom.list_namespaced_custom_object(*RUNS, field_selector="status.verdict=Failed")
        assert [item["metadata"]["name"] for item in found["items"]] == ["release-2"]

    def test_one_run_has_its_findings(self, custom: client.CustomObjectsApi) -> None:
        run = custom.get_namespaced_custom_object(*RUNS, "release-2")
        assert (run["apiVersion"], run["kind"]) == ("runs.avouch.dev/v1alpha1", "WorkflowRun")
        assert run["status"]["findings"][0]["code"] == "MaterialMissing"
        with pytest.raises(ApiException) as refused:
            custom.get_namespaced_custom_object(*RUNS, "nobody")
        assert refused.value.status == 404

    def test_a_watch_goes_on_after_a_list_and_ends_when_its_time_is_over(self, custom: client.CustomObjectsApi) -> None:
        since = custom.list_namespaced_custom_object(*RUNS)["metadata"]["resourceVersion"]
        stream = watch.Watch().stream(
            custom.list_namespaced_custom_object, *RUNS, resource_version=since, timeout_seconds=2
        )
        assert [(event["type"], event["object"]["metadata"]["name"]) for event in stream] == [("ADDED", "release-4")]

    def test_who_asks_for_bookmarks_gets_them(self, custom: client.CustomObjectsApi) -> None:
        stream = watch.Watch().stream(
            custom.list_namespaced_custom_object,
            *RUNS,
            resource_version="3",
            timeout_seconds=2,
            allow_watch_bookmarks=True,
        )
        assert [event["type"] for event in stream] == ["ADDED", "BOOKMARK"]

    def test_a_watch_from_another_databases_version_is_gone(self, custom: client.CustomObjectsApi) -> None:
        stream = watch.Watch().stream(
            custom.list_namespaced_custom_object, *RUNS, resource_version="9999", timeout_seconds=5
        )
        with pytest.raises(ApiException) as refused:
            list(stream)
        assert refused.value.status == 410

    def test_the_dynamic_client_discovers_lists_and_watches_them(self, anything: dynamic.DynamicClient) -> None:
        kind = anything.resources.get(api_version="runs.avouch.dev/v1alpha1", kind="WorkflowRun")
        assert (kind.namespaced, set(kind.verbs)) == (True, {"get", "list", "watch"})
        listed = kind.get(namespace="shop", limit=2)
        assert [run.metadata.name for run in listed.items] == ["release-1", "release-2"]
        assert kind.get(namespace="shop", name="release-2").status.verdict == "Failed"
        event = next(kind.watch(namespace="shop", timeout=10, resource_version=listed.metadata.resourceVersion))
        assert event["object"].kind == "WorkflowRun"

    def test_nobody_writes_a_run(self, anything: dynamic.DynamicClient) -> None:
        kind = anything.resources.get(api_version="runs.avouch.dev/v1alpha1", kind="WorkflowRun")
        with pytest.raises(exceptions.MethodNotAllowedError):
            kind.delete(namespace="shop", name="release-1")

    def test_revisions_of_contracts_are_read_alike(self, anything: dynamic.DynamicClient) -> None:
        kind = anything.resources.get(api_version="runs.avouch.dev/v1alpha1", kind="ContractRevision")
        assert [each.spec.revision for each in kind.get(namespace="shop").items] == [1, 2]

    def test_the_typed_client_is_refused_as_everybody_else(self, api: ApiServer) -> None:
        configuration = client.Configuration()
        config.load_kube_config(str(api.client_kubeconfig("mallory")), client_configuration=configuration)
        configuration.proxy = None
        with client.ApiClient(configuration) as mallory:
            with pytest.raises(ApiException) as refused:
                client.CustomObjectsApi(mallory).list_namespaced_custom_object(*RUNS)
            assert refused.value.status == 403
            with pytest.raises(ApiException) as refused:
                client.CoreV1Api(mallory).list_namespace(limit=1)
            assert refused.value.status == 403


def test_the_typed_client_pages_through_what_kubernetes_has(connected: client.ApiClient) -> None:
    core = client.CoreV1Api(connected)
    first = core.list_namespace(limit=1)
    rest = core.list_namespace(_continue=first.metadata._continue)
    names = {each.metadata.name for page in (first, rest) for each in page.items}
    assert {"shop", "avouch", "default"} <= names
