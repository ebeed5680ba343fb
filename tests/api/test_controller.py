"""The controller as a process of its own against a real API server and a real PostgreSQL."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avouch.attestation import keysigned, trustroot
from avouch.processes import permissions
from avouch.store import migrate
from tests import postgres
from tests.cluster.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds
AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
"""
TEKTON = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.tekton.dev}}
spec:
  group: tekton.dev
  names: {{plural: {plural}, singular: {singular}, kind: {kind}}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
    subresources: {{status: {{}}}}
"""
CONTRACT = """
apiVersion: chainloop.dev/v1
kind: Contract
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  materials:
  - {{type: JUNIT_XML, name: tests}}
"""
WORKFLOW = """
apiVersion: avouch.dev/v1alpha1
kind: Workflow
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  contractRef: {{name: {contract}}}
  tekton:
    pipelines: [{{name: build}}]
"""
ORGANIZATION = """
apiVersion: avouch.dev/v1alpha1
kind: Organization
metadata: {{name: {name}}}
spec: {{homeNamespace: {home}, projects: {{namespaces: [{projects}]}}}}
"""
ENDPOINTS = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: avouch-runs-1
  namespace: avouch
  labels: {{kubernetes.io/service-name: avouch-runs}}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
  conditions: {{ready: {ready}}}
ports: [{{port: 8444}}]
"""
PIPELINERUN = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{pipelineRef: {{name: build}}}}
"""


TASKRUN = """
apiVersion: tekton.dev/v1
kind: TaskRun
metadata:
  name: {name}
  namespace: {namespace}
  ownerReferences: [{{apiVersion: tekton.dev/v1, kind: PipelineRun, name: {owner}, uid: {uid}, controller: true}}]
spec: {{taskRef: {{name: compile}}}}
"""


POD = """
apiVersion: v1
kind: ServiceAccount
metadata: {{name: default, namespace: {namespace}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{tekton.dev/taskRunUID: {uid}}}
  ownerReferences: [{{apiVersion: tekton.dev/v1, kind: TaskRun, name: {owner}, uid: {uid}, controller: true}}]
spec:
  automountServiceAccountToken: false
  initContainers: [{{name: avouch-sidecar, image: example.com/avouch, restartPolicy: Always}}]
  containers: [{{name: step-a, image: example.com/build}}]
"""


class Bench:
    """One API server, one database, and controllers started at will."""

    def __init__(self, api: ApiServer, database: postgres.Postgres, folder: Path) -> None:
        self.api, self.database, self.folder = api, database, folder
        self.audit = folder / "audit.log"
        self.log = folder / "none"
        self._count = 0

    @contextlib.contextmanager
    def controller(self, module: str = "avouch.processes.controller", **env: str) -> Iterator[subprocess.Popen[bytes]]:
        self._count += 1
        log = self.log = self.folder / f"controller-{self._count}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "AVOUCH_KUBECONFIG": str(self.api.client_kubeconfig(f"controller-{self._count}", ["system:masters"])),
            "AVOUCH_DATABASE_URL": self.database.url_of("controller"),
            "AVOUCH_HEALTH_PORT": "0",
            "AVOUCH_CERTIFICATES": "false",
            "AVOUCH_AGGREGATED_API": "false",
            "AVOUCH_NAMESPACE": "avouch",
            "POD_NAME": f"controller-{self._count}",
            **env,
        }
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=out, stderr=out)
        try:
            yield process
        except BaseException:
            print(log.read_text()[-6000:], self.database.log[-2000:], sep="\n")
            raise
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(20)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.api.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def status(self, kind: str, name: str, namespace: str, status: dict[str, Any]) -> None:
        body = json.dumps({"status": status})
        where = (kind, name, "-n", namespace, "--subresource=status", "--type=merge")
        self.api.kubectl("patch", *where, "-p", body)

    def condition(self, kind: str, name: str, namespace: str, wanted: str = "Ready") -> dict[str, str]:
        listed = self.get(kind, name, namespace).get("status", {}).get("conditions", [])
        return next((c for c in listed if c["type"] == wanted), {})

    def becomes(self, look: Callable[[], Any], wanted: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while (found := look()) != wanted:
            assert time.monotonic() < deadline, f"still {found!r}, not {wanted!r}"
            time.sleep(0.2)

    def ready(self, kind: str, name: str, namespace: str, status: str = "True") -> None:
        self.becomes(lambda: self.condition(kind, name, namespace).get("status"), status)

    def writes(self, user: str) -> list[str]:
        """Requests of a user that changed something of ours, from the API server's audit log."""
        lines = map(json.loads, self.audit.read_text().splitlines())
        return [
            f"{line['verb']} {line['requestURI'].split('?')[0]}"
            for line in lines
            if line["user"]["username"] == user and line["objectRef"]["resource"] not in ("leases", "events")
        ]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(query).fetchall()

    def grant(self, user: str, granted: permissions.Permissions) -> None:
        """What the chart does with the table."""
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        for kind, rules in (("ClusterRole", granted.cluster), ("Role", granted.namespace)):
            meta = {"name": user, **({"namespace": "avouch"} if kind == "Role" else {})}
            role = {"metadata": meta, "rules": [rule.to_json() for rule in rules]}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user}
            binding = {"metadata": meta, "subjects": [subject], "roleRef": reference}
            for name, body in ((kind, role), (f"{kind}Binding", binding)):
                document = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": name, **body}
                self.api.apply(json.dumps(document))

    def namespace(self, name: str) -> str:
        self.api.kubectl("create", "namespace", name)
        return name


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("controller")
    (folder / "audit.yaml").write_text(AUDIT)
    flags = [f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]
    with postgres.running() as database, ApiServer(flags) as api:
        migrate.migrate(database.url)
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        for kind in ("PipelineRun", "TaskRun", "Pipeline", "Task"):
            api.apply(TEKTON.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        api.kubectl("create", "namespace", "avouch")
        yield Bench(api, database, folder)


def test_a_contract_is_ready_after_one_patch_and_a_restart_writes_nothing(bench: Bench) -> None:
    namespace = bench.namespace("one-patch")
    with bench.controller() as _:
        user = f"controller-{bench._count}"
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.ready("contract", "build", namespace)
        status = bench.get("contract", "build", namespace)["status"]
        assert status["revision"] == 1
        assert status["digest"].startswith("sha256:")
        assert status["observedGeneration"] == 1
        bench.api.apply(CONTRACT.format(name="next", namespace=namespace))
        bench.ready("contract", "next", namespace)  # what the first patch brought back was looked at before
        path = f"/apis/chainloop.dev/v1/namespaces/{namespace}/contracts/build/status"
        assert [w for w in bench.writes(user) if "/build/" in w] == [f"patch {path}"]
    with bench.controller() as _:
        user = f"controller-{bench._count}"
        bench.api.apply(CONTRACT.format(name="later", namespace=namespace))  # ready = the resync of all is done
        bench.ready("contract", "later", namespace)
        assert [w for w in bench.writes(user) if "/build/" in w] == []


def test_a_workflow_waits_for_its_contract_and_heals_when_it_appears(bench: Bench) -> None:
    namespace = bench.namespace("heals")
    with bench.controller() as _:
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="late"))
        bench.ready("workflow", "release", namespace, "False")
        assert bench.condition("workflow", "release", namespace)["reason"] == "DependencyNotReady"
        assert bench.condition("workflow", "release", namespace, "Reconciling")["status"] == "True"
        assert bench.condition("workflow", "release", namespace, "Stalled") == {}
        bench.api.apply(CONTRACT.format(name="late", namespace=namespace))
        bench.ready("workflow", "release", namespace)
        assert bench.condition("workflow", "release", namespace, "Reconciling") == {}
        assert bench.get("workflow", "release", namespace)["status"]["contractRevision"] == 1


def test_a_contract_counts_one_less_when_a_workflow_of_another_project_goes(bench: Bench) -> None:
    home, project = bench.namespace("count-home"), bench.namespace("count-project")
    bench.api.apply(ORGANIZATION.format(name="count", home=home, projects=f"{home}, {project}"))
    for namespace in (home, project):
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="build, scope: Organization"))
    with bench.controller() as _:
        bench.becomes(lambda: bench.condition("workflow", "release", project).get("reason"), "DependencyNotReady")
        bench.api.apply(CONTRACT.format(name="build", namespace=home))
        bench.ready("workflow", "release", project)
        assert bench.get("contract", "build", home)["status"]["workflows"] == 2
        bench.api.kubectl("delete", "workflow", "release", "-n", project)
        bench.becomes(lambda: bench.get("contract", "build", home)["status"]["workflows"], 1)


def test_a_workflow_deleted_while_no_controller_ran_leaves_the_database(bench: Bench) -> None:
    namespace = bench.namespace("downtime")
    look = f"select name from avouch.workflows where namespace = '{namespace}'"  # noqa: S608 - ours
    with bench.controller() as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="build"))
        bench.ready("workflow", "release", namespace)
        assert bench.rows(look) == [("release",)]
    bench.api.kubectl("delete", "workflow", "release", "-n", namespace)
    with bench.controller() as _:
        bench.becomes(lambda: bench.rows(look), [])


def test_a_killed_leader_is_replaced_with_a_higher_epoch(bench: Bench) -> None:
    namespace = bench.namespace("takeover")

    def spec() -> dict[str, Any]:
        found: dict[str, Any] = bench.get("lease", "avouch-controller", "avouch")["spec"]
        return found

    with bench.controller() as first, bench.controller() as second:
        bench.api.apply(CONTRACT.format(name="before", namespace=namespace))
        bench.ready("contract", "before", namespace)
        leader = spec()
        number = int(leader["holderIdentity"].split("_")[0].removeprefix("controller-"))
        victim = second if number == bench._count else first
        victim.send_signal(signal.SIGKILL)
        victim.wait(10)
        bench.api.apply(CONTRACT.format(name="after", namespace=namespace))
        bench.ready("contract", "after", namespace)
        assert spec()["leaseTransitions"] == leader["leaseTransitions"] + 1
    assert spec()["holderIdentity"] == ""  # SIGTERM gives the Lease back


def test_the_listed_permissions_suffice_and_certificates_and_webhook_are_made(bench: Bench) -> None:
    namespace = bench.namespace("least")
    bench.grant("least-privilege", permissions.CONTROLLER)
    kubeconfig = str(bench.api.client_kubeconfig("least-privilege"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    everything = {"AVOUCH_CERTIFICATES": "true", "AVOUCH_AGGREGATED_API": "true", "AVOUCH_HEALTH_PORT": port}
    with bench.controller(KUBECONFIG=kubeconfig, **everything) as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.ready("contract", "build", namespace)
        bench.becomes(lambda: len(bench.api.kubectl("get", "secrets", "-n", "avouch", "-o", "name").split()), 3)
        bench.becomes(
            lambda: bench.api.kubectl("get", "mutatingwebhookconfigurations", "-o", "name").strip(),
            "mutatingwebhookconfiguration.admissionregistration.k8s.io/avouch-pods",
        )
        asked = "{.webhooks[*].clientConfig.service.name} {.webhooks[*].clientConfig.service.port}"
        said = bench.api.kubectl("get", "mutatingwebhookconfiguration", "avouch-pods", "-o", f"jsonpath={asked}")
        assert said == "avouch-admission 443"
        where = ("get", "configmap", "avouch-trust", "-n", "avouch", "--ignore-not-found", "-o")
        bench.becomes(lambda: bool(bench.api.kubectl(*where, "name")), True)
        listed = trustroot.Document.parse(bench.api.kubectl(*where, r"jsonpath={.data.trust\.json}").encode())
        assert (len(listed.authorities), {key.family for key in listed.keys}) == (1, set(keysigned.Family))
        endpoints = ENDPOINTS.format(ready="true")
        bench.api.apply(endpoints)
        bench.becomes(lambda: "v1alpha1.runs.avouch.dev" in bench.api.kubectl("get", "apiservices", "-o", "name"), True)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            figures = answer.read().decode()
        assert 'avouch_certificate_expiry_timestamp_seconds{certificate="avouch-server-tls/tls.crt"}' in figures
        assert 'avouch_reconcile_seconds_count{kind="Contract",result="ok"}' in figures
        assert "Forbidden" not in bench.log.read_text()
        assert "forbidden" not in bench.log.read_text()
    with bench.controller(AVOUCH_CERTIFICATES="true") as _:  # switched off: it goes
        user = f"controller-{bench._count}"
        bench.becomes(
            lambda: "v1alpha1.runs.avouch.dev" in bench.api.kubectl("get", "apiservices", "-o", "name"), False
        )
        assert [w for w in bench.writes(user) if "secrets" in w or "webhook" in w or "configmaps" in w] == []


def test_the_database_knows_a_namespace_before_anything_is_declared_in_it_and_that_it_is_gone(bench: Bench) -> None:
    namespace = bench.namespace("known-early")
    look = f"select uid from avouch.namespaces where name = '{namespace}'"  # noqa: S608 - ours
    gone = "insert into avouch.namespaces values ('gone-meanwhile', 'its-uid') returning name"
    assert bench.rows(gone) == [("gone-meanwhile",)]
    with bench.controller() as _:
        uid = bench.api.kubectl("get", "namespace", namespace, "-o", "jsonpath={.metadata.uid}")
        bench.becomes(lambda: bench.rows(look), [(uid,)])
        bench.becomes(lambda: bench.rows("select uid from avouch.namespaces where name = 'gone-meanwhile'"), [("",)])
        _finalized(bench, namespace)
        bench.becomes(lambda: bench.rows(look), [("",)])
        again = bench.api.kubectl("create", "namespace", namespace, "-o", "jsonpath={.metadata.uid}")
        assert again != uid
        bench.becomes(lambda: bench.rows(look), [(again,)])


def _finalized(bench: Bench, namespace: str) -> None:
    """Delete an empty namespace, without the controller that does it in a cluster."""
    bench.api.kubectl("delete", "namespace", namespace, "--wait=false")
    body = json.loads(bench.api.kubectl("get", "namespace", namespace, "-o", "json"))
    body["spec"]["finalizers"] = []
    bench.api.kubectl("replace", "--raw", f"/api/v1/namespaces/{namespace}/finalize", "-f", "-", stdin=json.dumps(body))


def test_a_pipelinerun_opens_a_run_and_its_end_is_stored_once_with_the_listed_permissions(bench: Bench) -> None:
    namespace = bench.namespace("pipelines")
    bench.grant("run-keeper", permissions.CONTROLLER)
    look = f"select subject_name, finished_at is not null from avouch.runs where namespace = '{namespace}'"  # noqa: S608 - ours
    with bench.controller(AVOUCH_KUBECONFIG=str(bench.api.client_kubeconfig("run-keeper"))) as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="build"))
        bench.ready("workflow", "release", namespace)
        bench.api.apply(PIPELINERUN.format(name="run-1", namespace=namespace))
        bench.becomes(lambda: bench.rows(look), [("run-1", False)])
        uid = bench.get("pipelinerun", "run-1", namespace)["metadata"]["uid"]
        bench.api.apply(TASKRUN.format(name="run-1-build", namespace=namespace, owner="run-1", uid=uid))
        over = {"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": "2026-01-01T00:00:00Z"}
        bench.status("taskrun", "run-1-build", namespace, {**over, "podName": "run-1-build-pod"})
        children = [{"kind": "TaskRun", "name": "run-1-build"}]
        bench.status("pipelinerun", "run-1", namespace, {**over, "childReferences": children})
        bench.becomes(lambda: bench.rows(look), [("run-1", True)])
        bench.becomes(
            lambda: bench.rows("select count(*) from avouch.procrastinate_jobs where queue_name = 'judge'"), [(1,)]
        )


PIPELINE = """
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{tasks: [{{name: compile, taskRef: {{name: go}}}}]}}
"""
TASK = """
apiVersion: tekton.dev/v1
kind: Task
metadata: {{name: go, namespace: {namespace}}}
spec: {{results: [{{name: {result}}}], steps: [{{name: s, image: i, script: a long one}}]}}
"""


def test_a_workflow_says_what_its_pipeline_lacks_and_heals_with_it_with_the_listed_permissions(bench: Bench) -> None:
    namespace = bench.namespace("typos")
    bench.grant("looker", permissions.CONTROLLER)
    source = "{name: testz, task: compile, result: {name: digest}}"

    def found() -> str:
        return bench.condition("workflow", "release", namespace, "ReferencesFound").get("reason", "")

    with bench.controller(AVOUCH_KUBECONFIG=str(bench.api.client_kubeconfig("looker"))) as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        workflow = WORKFLOW.format(name="release", namespace=namespace, contract="build")
        bench.api.apply(f"{workflow}    materials: [{source}]\n")
        bench.ready("workflow", "release", namespace)
        assert "(fix: write tests)" in bench.condition("workflow", "release", namespace, "MaterialsKnown")["message"]
        bench.becomes(found, "PipelineNotFound")
        bench.api.apply(PIPELINE.format(name="build", namespace=namespace))
        bench.becomes(found, "NotChecked")
        bench.api.apply(TASK.format(namespace=namespace, result="digets"))
        bench.becomes(found, "ResultNotFound")
        assert "(fix: write digets)" in bench.condition("workflow", "release", namespace, "ReferencesFound")["message"]
        bench.api.apply(TASK.format(namespace=namespace, result="digest"))
        bench.becomes(found, "")
        bench.api.kubectl("delete", "pipeline", "build", "-n", namespace)
        bench.becomes(found, "PipelineNotFound")
        assert bench.condition("workflow", "release", namespace)["status"] == "True"


LABELLED = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: labelled, namespace: {namespace}, labels: {{avouch.dev/workflow: {workflow}}}}}
spec: {{pipelineSpec: {{tasks: []}}}}
"""


def test_a_pipelinerun_whose_label_names_no_workflow_says_so(bench: Bench) -> None:
    namespace = bench.namespace("labels")

    def events() -> list[str]:
        found = json.loads(bench.api.kubectl("get", "events.events.k8s.io", "-n", namespace, "-o", "json"))["items"]
        return [each["note"] for each in found if each["regarding"]["name"] == "labelled"]

    with bench.controller() as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="build"))
        bench.ready("workflow", "release", namespace)
        bench.api.apply(LABELLED.format(namespace=namespace, workflow="relase"))
        note = "label avouch.dev/workflow names Workflow relase, which is not in this namespace"
        bench.becomes(events, [f"{note} (fix: write release)"])


def test_a_run_is_stored_when_the_watch_tells_that_its_sidecar_ended_and_its_pod_cannot_be_hidden(bench: Bench) -> None:
    namespace = bench.namespace("sidecars")
    look = f"select finished_at is not null from avouch.runs where namespace = '{namespace}'"  # noqa: S608 - ours
    stored = "select document -> 'injected', document -> 'ended' from avouch.snapshots where document::text like '%{}%'"
    with bench.controller() as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.api.apply(WORKFLOW.format(name="release", namespace=namespace, contract="build"))
        bench.ready("workflow", "release", namespace)
        bench.api.apply(PIPELINERUN.format(name="run-1", namespace=namespace))
        bench.becomes(lambda: bench.rows(look), [(False,)])
        uid = bench.get("pipelinerun", "run-1", namespace)["metadata"]["uid"]
        bench.api.apply(TASKRUN.format(name="run-1-build", namespace=namespace, owner="run-1", uid=uid))
        owner = bench.get("taskrun", "run-1-build", namespace)["metadata"]["uid"]
        bench.api.apply(POD.format(name="run-1-build-pod", namespace=namespace, owner="run-1-build", uid=owner))
        pod = bench.get("pod", "run-1-build-pod", namespace)["metadata"]["uid"]
        bench.status("pod", "run-1-build-pod", namespace, {"phase": "Running"})
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        over = {"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": now}
        bench.status("taskrun", "run-1-build", namespace, {**over, "podName": "run-1-build-pod"})
        children = [{"kind": "TaskRun", "name": "run-1-build"}]
        bench.status("pipelinerun", "run-1", namespace, {**over, "childReferences": children})
        bench.api.apply(PIPELINERUN.format(name="run-2", namespace=namespace))  # what came before was seen by then
        bench.becomes(lambda: bench.rows(look), [(False,), (False,)])
        bench.status("pod", "run-1-build-pod", namespace, {"phase": "Succeeded"})
        bench.becomes(lambda: sorted(bench.rows(look)), [(False,), (True,)])
        assert bench.rows(stored.format(pod)) == [([pod], [pod])]


def test_runs_whose_taskruns_end_while_no_controller_runs_are_finished_by_the_next_one(bench: Bench) -> None:
    namespace = bench.namespace("away")
    look = (
        f"select workflow, finished_at is not null from avouch.runs where namespace = '{namespace}' order by workflow"  # noqa: S608 - ours
    )
    with bench.controller() as _:
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        for name in ("kept", "deleted"):
            bench.api.apply(WORKFLOW.format(name=name, namespace=namespace, contract="build"))
            bench.ready("workflow", name, namespace)
        bench.api.apply(PIPELINERUN.format(name="run-1", namespace=namespace))
        bench.becomes(lambda: bench.rows(look), [("deleted", False), ("kept", False)])
    bench.api.kubectl("delete", "workflow", "deleted", "-n", namespace)
    over = {"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": "2026-01-01T00:00:00Z"}
    bench.status("pipelinerun", "run-1", namespace, over)
    with bench.controller() as _:
        bench.becomes(lambda: bench.rows(look), [("deleted", True), ("kept", True)])
