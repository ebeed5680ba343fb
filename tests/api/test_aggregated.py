"""kubectl against a real kube-apiserver that proxies to our aggregated API over real TLS; runs are in memory."""

import asyncio
import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avouch import digests, errors
from avouch.attestation import signing, trustroot
from avouch.attestation.keysigned import Family
from avouch.controlplane.model import deletions, reevaluations, selectors
from avouch.ingest.aggregated import app as aggregated
from avouch.ingest.aggregated import policyreviews, tickets
from avouch.kube import connection, reader
from avouch.opa import engine
from avouch.processes import certificates, listeners
from tests.api.served import until
from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl

pytestmark = pytest.mark.apiserver

SETUP = """
apiVersion: v1
kind: Namespace
metadata: {name: avouch}
---
apiVersion: v1
kind: Service
metadata: {name: avouch-runs, namespace: avouch}
spec: {ports: [{name: https, port: 443, targetPort: %(port)d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: avouch-runs, namespace: avouch, labels: {kubernetes.io/service-name: avouch-runs}}
addressType: IPv4
ports: [{name: https, port: %(port)d}]
endpoints: [{addresses: ["%(address)s"], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.runs.avouch.dev}
spec:
  group: runs.avouch.dev
  version: v1alpha1
  groupPriorityMinimum: 1000
  versionPriority: 10
  caBundle: %(ca)s
  service: {name: avouch-runs, namespace: avouch, port: 443}
"""


CLAIM = b'{"claim": 1}'
USED = "sha256:" + "d" * 64


TRUSTED = trustroot.Document().joined(
    [], {Family.PASSED: signing.KeySigner.generate().private_key_pem()}, datetime(2026, 1, 1, tzinfo=UTC)
)


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Views:
    """Three runs; a fourth appears to whoever watches."""

    def __init__(self) -> None:
        self.runs = [document("shop", f"release-{n}", n, "Passed" if n != 2 else "Failed") for n in (1, 2, 3)]

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        fields = {"verdict": "result", "name": "name", "subject": "subjectName"}
        found = [one for one in self.runs if namespace in (None, one["namespace"])]
        for key, field in fields.items():
            found = [one for one in found if selectors.is_wanted(one[field], filters.get(key))]
        if whole:
            found = [await self.view(one["namespace"], one["name"]) or one for one in found]
        start = int(after or 0)
        more = str(start + limit) if len(found) > start + limit else ""
        return found[start : start + limit], more, 3

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        found = (one for one in self.runs if (one["namespace"], one["name"]) == (namespace, name))
        one = next(found, None)
        return one and {
            **one,
            "findings": [
                {
                    "code": "MaterialMissing",
                    "message": "no sbom",
                    "line": "spec.materials[1]",
                    "fix": "add it",
                    "material": "",
                }
            ],
            "materials": [{"name": "sbom", "type": "SARIF", "digest": USED, "uploaded": True}],
        }

    async def signed(self, namespace: str, name: str, document: str, earlier: int = 0) -> bytes | None:
        known = {"statement": b'{"_type": "https://in-toto.io/Statement/v1"}', "vsa": b"{}", "attestation": b"{}"}
        return known[document] if (namespace, name) == ("shop", "release-2") else None

    async def claims(self, namespace: str, name: str) -> Sequence[dict[str, Any]] | None:
        return [{"digest": str(digests.of_bytes(CLAIM)), "size": len(CLAIM)}]

    async def claim(self, namespace: str, name: str, digest: digests.Digest) -> bytes | None:
        return CLAIM if digest == digests.of_bytes(CLAIM) else None

    async def watch(
        self, namespace: str | None, since: int, filters: selectors.Filters, *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        if since > 1000:
            raise errors.Conflict("not of this database")
        yield "ADDED", document("shop", "release-4", 4, "Rejected")
        yield "BOOKMARK", {"resourceVersion": 5}
        await asyncio.Event().wait()


class Revisions:
    """Two revisions of one Contract."""

    def __init__(self) -> None:
        self.found = [revision("evidence", number) for number in (1, 2)]

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        return [one for one in self.found if all(one[key] == value for key, value in filters.items())], "", 3

    async def watch(
        self, namespace: str | None, since: int, filters: selectors.Filters, *, whole: bool = True
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        yield "ADDED", revision("evidence", 3)
        await asyncio.Event().wait()

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        return next((one for one in self.found if one["name"] == name), None)


class Deletions:
    """Deletes nothing, and remembers who asked for it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def ask(self, namespace: str, name: str, asked: deletions.Asked) -> dict[str, Any]:
        run = document(namespace, name, 2, "Failed")
        said = {"deletedBy": asked.by, "reason": asked.reason, "requestedAt": "2026-11-21T11:00:00Z"}
        self.asked.append({**run, **said, "deletedAt": None, "documents": {"vsa": "sha256:1"}})
        return self.asked[-1]

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        return self.asked, "", 3

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        return next((one for one in self.asked if one["name"] == name), None)


class Asking:
    """Judges nothing again, and says who asked."""

    async def ask(
        self, namespace: str, name: str, asked: reevaluations.Asked, *, dry_run: bool = False
    ) -> dict[str, Any]:
        if name != "release-2":
            raise errors.Conflict(f"run {name} has no verdict yet")
        said = {"askedBy": asked.by, "reason": asked.reason, "askedAt": "2026-11-21T11:00:00Z", "answeredAt": None}
        return {**document(namespace, name, 2, "Failed"), **said, "state": "Waiting", "message": ""}


class TicketStore:
    """Tickets in memory."""

    def __init__(self) -> None:
        self.kept: dict[bytes, str] = {}

    async def issue(self, ticket: bytes, run_id: str, artifact: digests.Digest, expires_at: datetime) -> None:
        self.kept[ticket] = str(artifact)

    async def take(self, ticket: bytes, artifact: digests.Digest, now: datetime) -> str | None:
        return "shop-uid" if self.kept.pop(ticket, "") == str(artifact) else None


def revision(contract: str, number: int) -> dict[str, Any]:
    return {
        "name": f"{contract}.{number}",
        "namespace": "shop",
        "uid": f"uid.{number}",
        "contract": contract,
        "revision": number,
        "digest": "sha256:" + str(number) * 64,
        "canonical": "{}",
        "recordedAt": "2026-11-21T11:00:00Z",
        "resourceVersion": number,
    }


def document(namespace: str, name: str, version: int, result: str) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-5000-8000-{version:012d}",
        "name": name,
        "namespace": namespace,
        "workflow": "release",
        "subjectKind": "PipelineRun",
        "subjectName": f"{name}-x",
        "subjectUid": f"uid-of-{name}-x",
        "contract": "evidence",
        "revision": 2,
        "contractDigest": "sha256:" + "a" * 64,
        "result": result,
        "evidence": "sidecar",
        "createdAt": "2026-11-21T11:00:00Z",
        "finishedAt": None,
        "judgedAt": None,
        "labels": {"team": "a"},
        "resourceVersion": version,
        "reason": "MaterialMissing" if result == "Failed" else "",
        "materialsFound": 1,
        "materialsAsked": 2,
    }


class Served:
    """Our listener in a thread with its own loop."""

    def __init__(self, api: ApiServer, folder: Path) -> None:
        self.proxy = certificates.FrontProxy()
        self.folder = folder
        self._api = api
        self.install_certificate("first.example")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(10)

    def install_certificate(self, extra_name: str) -> None:
        certificate, key = self._api.server_cert("avouch-runs.avouch.svc", "127.0.0.1", extra_name)
        (self.folder / "tls.key").write_bytes(key.read_bytes())
        (self.folder / "tls.crt").write_bytes(certificate.read_bytes())

    async def _main(self) -> None:
        link = connection.from_kubeconfig(self._api.kubeconfig)
        await self.proxy.load(reader.ClusterReader(link))
        await link.close()
        self.tls = certificates.Serving(self.folder, client_ca=self.proxy.client_ca)
        self.tickets = TicketStore()
        given = tickets.Tickets(self.tickets, "https://avouch.example.com")
        found = {"AVOUCH_OPA": str(binaries.binary("opa"))}
        reviews = policyreviews.Reviews(lambda: engine.opened(found))
        kept = (Views(), Revisions(), given, Deletions(), Asking(), reviews)
        served = aggregated.Aggregated(*kept, Clock(), lambda: TRUSTED)
        app = aggregated.create(served, self.proxy)
        self.listener = listeners.Listener(app, "", 0, self.tls.context)
        self.port = self.listener.socket.getsockname()[1]
        self.loop = asyncio.get_running_loop()
        self._ready.set()
        await self.listener.run_until_told()

    def stop(self) -> None:
        self.listener.should_exit = True
        self._thread.join(15)


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        yield api


@pytest.fixture(scope="module")
def served(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(api, tmp_path_factory.mktemp("tls"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks for our own address
        address = probe.getsockname()[0]
    ca = base64.b64encode(api.ca_file.read_bytes()).decode()
    api.apply(SETUP % {"port": served.port, "address": address, "ca": ca})
    api.kubectl("create", "namespace", "shop")
    api.kubectl("wait", "--for=condition=Available", "apiservice/v1alpha1.runs.avouch.dev", "--timeout=30s")
    for _ in range(40):
        if "workflowruns" in api.kubectl("api-resources", "--api-group=runs.avouch.dev"):
            break
        time.sleep(0.25)
    yield served
    served.stop()


def test_get_prints_the_columns(api: ApiServer, served: Served) -> None:
    head, *rows = api.kubectl("get", "workflowruns", "-n", "shop").splitlines()
    assert head.split() == ["NAME", "WORKFLOW", "RUN", "OF", "VERDICT", "REASON", "EVIDENCE", "MATERIALS", "AGE"]
    shown = ["release-2", "release", "PipelineRun/release-2-x", "Failed", "MaterialMissing", "sidecar", "1/2"]
    assert rows[1].split()[:7] == shown
    assert "evidence@2" in api.kubectl("get", "workflowruns", "-A", "-o", "wide")
    assert api.kubectl("get", "avrun", "-n", "shop", "-o", "name").count("release-") == 3
    assert "evidence.2" in api.kubectl("get", "avrev", "-n", "shop")


def test_describe_begins_with_the_verdict_and_its_findings_and_shows_nothing_empty(
    api: ApiServer, served: Served
) -> None:
    lines = api.kubectl("describe", "workflowrun", "release-2", "-n", "shop").splitlines()
    begins = [" ".join(line.split()) for line in lines[:6]]
    assert begins == [
        "Name: release-2",
        "Namespace: shop",
        "Labels: team=a",
        "Annotations: avouch.dev/verdict:",
        "Failed",
        "MaterialMissing: no sbom (fix: add it)",
    ]
    told = {line.strip() for line in lines}
    assert {"Verdict:          Failed", "Code:     MaterialMissing"} <= told
    empty = [line for line in lines if line.rstrip().endswith((":", "<nil>")) and not _opens(line, lines)]
    assert empty == []
    assert "Finished At" not in "".join(lines)


def _opens(line: str, lines: list[str]) -> bool:
    """Whether what follows a line lies below it."""
    following = lines[lines.index(line) + 1] if line != lines[-1] else ""
    return len(following) - len(following.lstrip()) > len(line) - len(line.lstrip())


def test_what_a_verdict_signed_is_read_on_request_by_those_who_may(api: ApiServer, served: Served) -> None:
    root = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns"
    statement = json.loads(api.kubectl("get", "--raw", f"{root}/release-2/statement"))
    assert statement == {"_type": "https://in-toto.io/Statement/v1"}
    assert api.kubectl("get", "--raw", f"{root}/release-2/attestation") == "{}"
    assert api.kubectl("get", "--raw", f"{root}/release-2/vsa") == "{}"
    with pytest.raises(Exception, match="has no vsa yet"):
        api.kubectl("get", "--raw", f"{root}/release-1/vsa")
    found = subprocess.run(
        [kubectl(), f"--kubeconfig={api.client_kubeconfig('mallory')}", "get", "--raw", f"{root}/release-2/vsa"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "forbidden" in found.stderr


DELETER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deleter, namespace: shop}
rules:
  - {apiGroups: [runs.avouch.dev], resources: [workflowruns/deletion], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deleter, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deleter}
subjects: [{kind: User, name: cleaner, apiGroup: rbac.authorization.k8s.io}]
"""


def test_who_deletes_a_run_is_on_record_with_the_name_that_the_cluster_knows(api: ApiServer, served: Served) -> None:
    api.apply(DELETER)
    path = f"{RUNS_OF_SHOP}/release-2/deletion"

    def asked(user: str, body: str) -> subprocess.CompletedProcess[str]:
        command = [kubectl(), f"--kubeconfig={api.client_kubeconfig(user)}", "create", "--raw", path, "-f", "-"]
        return subprocess.run(command, input=body, capture_output=True, text=True, check=False)

    until(lambda: "for a reason" in asked("cleaner", "{}").stderr, "the role is known, and a reason demanded")
    said = json.dumps({"spec": {"reason": "holds a password", "deletedBy": "somebody else"}})
    assert "forbidden" in asked("mallory", said).stderr
    done = json.loads(asked("cleaner", said).stdout)
    assert (done["spec"]["deletedBy"], done["spec"]["reason"]) == ("cleaner", "holds a password")
    assert "cleaner" in api.kubectl("get", "rundeletions", "-n", "shop")


ASKER = DELETER.replace("deleter", "asker").replace("workflowruns/deletion", "workflowruns/reevaluation")


def test_who_has_a_run_judged_again_is_known_by_the_name_that_the_cluster_has(api: ApiServer, served: Served) -> None:
    api.apply(ASKER)

    def asked(user: str, run: str, body: str, query: str = "") -> subprocess.CompletedProcess[str]:
        path = f"{RUNS_OF_SHOP}/{run}/reevaluation{query}"
        command = [kubectl(), f"--kubeconfig={api.client_kubeconfig(user)}", "create", "--raw", path, "-f", "-"]
        return subprocess.run(command, input=body, capture_output=True, text=True, check=False)

    until(lambda: "for a reason" in asked("cleaner", "release-2", "{}").stderr, "the role is known")
    said = json.dumps({"spec": {"reason": "it is banned", "askedBy": "somebody else"}})
    assert "forbidden" in asked("mallory", "release-2", said).stderr
    for query in ("", "?dryRun=All"):
        done = json.loads(asked("cleaner", "release-2", said, query).stdout)
        assert (done["kind"], done["spec"]["askedBy"], done["spec"]["reason"]) == (
            "RunReevaluation", "cleaner", "it is banned")  # fmt: skip
    assert "Conflict" in asked("cleaner", "release-1", said).stderr
    assert "workflowruns/reevaluation" in api.kubectl("get", "--raw", "/apis/runs.avouch.dev/v1alpha1")


REVIEW = """
apiVersion: runs.avouch.dev/v1alpha1
kind: PolicyReview
metadata: {name: mine, namespace: shop}
spec:
  type: SARIF
  document: {runs: [{tool: a}]}
  inputs: {most: "0"}
  policy:
    apiVersion: chainloop.dev/v1
    kind: Policy
    metadata: {name: few-runs}
    spec:
      inputs: [{name: most, required: true}]
      policies:
        - kind: SARIF
          embedded: |
            package main
            import rego.v1
            violations contains msg if {
              count(input.runs) > to_number(input.args.most)
              msg := sprintf("%d runs", [count(input.runs)])
            }
"""
REVIEWER = DELETER.replace("deleter", "reviewer").replace("workflowruns/deletion", "policyreviews")


def test_a_policy_is_tried_by_who_may_and_kubectl_explains_how(api: ApiServer, served: Served) -> None:
    api.apply(REVIEWER)

    def tried(user: str) -> subprocess.CompletedProcess[str]:
        # Without --validate=false kubectl would list the cluster's CRDs first, which this user may not.
        flags = ("--validate=false", "-f", "-", "-o", "jsonpath={.status.outcome} {.status.violations[0].message}")
        command = [kubectl(), f"--kubeconfig={api.client_kubeconfig(user)}", "create", *flags]
        return subprocess.run(command, input=REVIEW, capture_output=True, text=True, check=False)

    until(lambda: tried("cleaner").stdout == "Violated 1 runs", "the role is known, and the policy was tried")
    assert "forbidden" in tried("mallory").stderr
    schemas_are_known(api)
    explained = api.kubectl("explain", "policyreviews.spec", "--api-version=runs.avouch.dev/v1alpha1")
    assert "The Policy, whole, as it would be applied." in " ".join(explained.split())
    with pytest.raises(Exception, match="nothing of it is kept"):
        api.kubectl("get", "policyreviews", "-n", "shop")


def test_who_empties_a_namespace_is_offered_nothing_to_delete(api: ApiServer, served: Served) -> None:
    offered = api.kubectl("api-resources", "--api-group=runs.avouch.dev", "--verbs=delete", "-o", "name")
    assert offered.split() == []


def test_the_trust_root_is_one_of_the_cluster(api: ApiServer, served: Served) -> None:
    assert api.kubectl("get", "trustroots", "-o", "name").split() == ["trustroot.runs.avouch.dev/avouch"]
    schemas_are_known(api)
    assert "publicKey" in api.kubectl("explain", "trustroot.spec.keys", "--api-version=runs.avouch.dev/v1alpha1")


def test_chunks_and_selectors(api: ApiServer, served: Served) -> None:
    assert api.kubectl("get", "workflowruns", "-A", "--chunk-size=1", "-o", "name").count("release-") == 3
    selected = api.kubectl("get", "workflowruns", "-A", "--field-selector=status.verdict=Failed", "-o", "name")
    assert selected.split() == ["workflowrun.runs.avouch.dev/release-2"]
    for field, found in (("status.verdict!=Passed", ["2"]), ("spec.subject.name=release-3-x", ["3"])):
        names = api.kubectl("get", "workflowruns", "-A", f"--field-selector={field}", "-o", "name").split()
        assert names == [f"workflowrun.runs.avouch.dev/release-{number}" for number in found]
    for selector in ("--field-selector=status.color=red", "--field-selector=metadata.name"):
        with pytest.raises(Exception, match="cannot select by"):
            api.kubectl("get", "workflowruns", "-A", selector)


ONE_RUN = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: one-run, namespace: shop}
rules:
  - {apiGroups: [runs.avouch.dev], resources: [workflowruns], verbs: [get, list], resourceNames: [release-1]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: one-run, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: one-run}
subjects: [{kind: User, name: auditor, apiGroup: rbac.authorization.k8s.io}]
"""
RUNS_OF_SHOP = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns"
MINE, OTHER = "fieldSelector=metadata.name%3Drelease-1", "fieldSelector=metadata.name%3Drelease-2"


def _asked_by_auditor(api: ApiServer, query: str) -> subprocess.CompletedProcess[str]:
    config = f"--kubeconfig={api.client_kubeconfig('auditor')}"
    return subprocess.run(
        [kubectl(), config, "get", "--raw", f"{RUNS_OF_SHOP}?{query}"], capture_output=True, text=True, check=False
    )


def test_who_may_list_one_run_by_name_is_shown_no_other(api: ApiServer, served: Served) -> None:
    api.apply(ONE_RUN)
    until(lambda: _asked_by_auditor(api, MINE).returncode == 0, "the role is known")
    listed = json.loads(_asked_by_auditor(api, MINE).stdout)["items"]
    assert [one["metadata"]["name"] for one in listed] == ["release-1"]
    for query in ("", OTHER, f"watch=t&{MINE}", f"watch&{MINE}", f"{OTHER}&{MINE}"):
        assert "forbidden" in _asked_by_auditor(api, query).stderr, query
    for query in (f"{MINE}&{OTHER}", f"{MINE}&fieldSelector=", f"watch=false&watch=true&{MINE}"):
        assert "the query parameter stands 2 times" in _asked_by_auditor(api, query).stderr, query
    assert "cannot have two values" in _asked_by_auditor(api, f"{MINE},metadata.name%3Drelease-2").stderr


def test_revisions_of_contracts_are_listed_selected_and_shown(api: ApiServer, served: Served) -> None:
    head, *rows = api.kubectl("get", "contractrevisions", "-n", "shop").splitlines()
    assert head.split() == ["NAME", "CONTRACT", "REVISION", "DIGEST", "AGE"]
    assert rows[1].split()[:4] == ["evidence.2", "evidence", "2", "sha256:222222222222"]
    selected = api.kubectl("get", "contractrevisions", "-A", "--field-selector=spec.contract=other", "-o", "name")
    assert selected == ""
    shown = json.loads(api.kubectl("get", "contractrevision", "evidence.1", "-n", "shop", "-o", "json"))
    assert (shown["spec"]["digest"], shown["spec"]["canonical"]) == ("sha256:" + "1" * 64, "{}")
    schemas_are_known(api)
    assert "canonical form" in api.kubectl("explain", "contractrevisions.spec")


def test_a_ticket_is_given_for_what_the_run_used_to_those_who_may_create_it(api: ApiServer, served: Served) -> None:
    path = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns/release-2/tickets"
    made = json.loads(_created(api.kubeconfig, path, USED).stdout)
    assert made["status"]["url"] == f"https://avouch.example.com/v1/artifacts/{USED}"
    given = tickets.Tickets(served.tickets, "")
    opened = asyncio.run(given.taken(made["status"]["ticket"], digests.Digest.parse(USED), Clock().now()))
    assert opened == "shop-uid"
    with pytest.raises(errors.Unauthenticated):
        asyncio.run(given.taken(made["status"]["ticket"], digests.Digest.parse(USED), Clock().now()))
    assert "stored no artifact with digest" in _created(api.kubeconfig, path, "sha256:" + "0" * 64).stderr
    assert "forbidden" in _created(api.client_kubeconfig("mallory"), path, USED).stderr


def _created(config: Path, path: str, digest: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [kubectl(), f"--kubeconfig={config}", "create", "--raw", path, "-f", "-"],
        input=json.dumps({"spec": {"digest": digest}}), capture_output=True, text=True, check=False,
    )  # fmt: skip


def avouch(api: ApiServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as users start it, with the real kubectl."""
    variables = {
        "PATH": f"{Path(kubectl()).parent}:{os.environ['PATH']}", "KUBECONFIG": str(api.kubeconfig),
        "PYTHONPATH": str(Path(__file__).parents[2] / "operator"), "HOME": "/nonexistent",
    }  # fmt: skip
    command = [sys.executable, "-m", "avouch.processes.main", "-n", "shop", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_finds_runs_and_their_evidence(api: ApiServer, served: Served, tmp_path: Path) -> None:
    listed = avouch(api, "run", "list", "--verdict", "!Passed", "-o", "name")
    assert (listed.returncode, listed.stdout.split()) == (0, ["workflowrun.runs.avouch.dev/release-2"]), listed.stderr
    shown = avouch(api, "run", "show", "pipelinerun/release-2-x")
    assert "MaterialMissing: no sbom" in shown.stdout, shown.stderr
    assert "release-2" in avouch(api, "run", "show", "release-2-x").stdout
    watched = avouch(api, "run", "watch", "release-1")
    assert (watched.returncode, watched.stdout.splitlines()[0]) == (0, "release-1: Passed"), watched.stderr
    assert avouch(api, "run", "watch", "release-2").returncode == 5
    saved = avouch(api, "run", "bundle", "release-2", "--path", str(tmp_path / "evidence"))
    assert saved.returncode == 0, saved.stderr
    assert {path.read_bytes() for path in (tmp_path / "evidence").iterdir()} == {b"{}", b'{"claim": 1}'}
    exported = avouch(api, "trust", "export")
    assert json.loads(exported.stdout)["mediaType"] == trustroot.MEDIA_TYPE, exported.stderr


def test_watch_prints_what_comes(api: ApiServer, served: Served) -> None:
    command = [kubectl(), f"--kubeconfig={api.kubeconfig}", "get", "workflowruns", "-n", "shop", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.terminate()
    assert lines[4].split()[:4] == ["release-4", "release", "PipelineRun/release-4-x", "Rejected"]


def test_errors_are_status_objects(api: ApiServer, served: Served) -> None:
    root = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns"
    with pytest.raises(Exception, match="NotFound"):
        api.kubectl("get", "workflowrun", "nobody", "-n", "shop")
    with pytest.raises(Exception, match=r"MethodNotAllowed|method"):
        api.kubectl("delete", "--raw", f"{root}/release-1")
    old = "WzEsICJ4Il0="  # [1, "x"]: sealed in 1970
    with pytest.raises(Exception, match="too old"):
        api.kubectl("get", "--raw", f"{root}?continue={old}")
    gone = api.kubectl("get", "--raw", f"{root}?watch=true&resourceVersion=9999")
    assert json.loads(gone)["object"]["code"] == 410


def test_rbac_decides(api: ApiServer, served: Served) -> None:
    config = api.client_kubeconfig("mallory")
    done = subprocess.run(
        [kubectl(), f"--kubeconfig={config}", "get", "workflowruns", "-n", "shop"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "forbidden" in done.stderr


def test_without_the_front_proxys_certificate_nobody_gets_in(api: ApiServer, served: Served) -> None:
    context = ssl.create_default_context(cafile=str(api.ca_file))
    with pytest.raises((OSError, ssl.SSLError)):
        _get(served, context)
    context.load_cert_chain(*api.client_cert("front-proxy-client"))  # the right name of the wrong authority
    with pytest.raises((OSError, ssl.SSLError)):
        _get(served, context)


def test_a_client_of_the_right_authority_with_another_name_is_401(
    api: ApiServer, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.proxy, "_names", frozenset({"somebody-else"}))
    context = ssl.create_default_context(cafile=str(api.ca_file))
    context.load_cert_chain(api.folder / "pki/front-proxy-client.crt", api.folder / "pki/front-proxy-client.key")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _get(served, context)


def test_a_new_certificate_counts_from_the_next_connection_on(api: ApiServer, served: Served) -> None:
    before = _serial(served)
    served.install_certificate("second.example")
    assert served.tls.watched.refresh()
    assert _serial(served) != before
    assert api.kubectl("get", "workflowruns", "-n", "shop")


def test_a_broken_certificate_keeps_the_old_one(api: ApiServer, served: Served) -> None:
    before = _serial(served)
    good = (served.folder / "tls.crt").read_bytes()
    (served.folder / "tls.crt").write_bytes(b"half a fi")
    assert not served.tls.watched.refresh()
    assert _serial(served) == before
    (served.folder / "tls.crt").write_bytes(good)


def schemas_are_known(api: ApiServer) -> None:
    """The API server collects schemas in its own time: up to a minute after the APIService appears."""
    deadline = time.monotonic() + 90
    while "apis/runs.avouch.dev/v1alpha1" not in api.kubectl("get", "--raw", "/openapi/v3"):
        assert time.monotonic() < deadline
        time.sleep(1)


def test_explain_teaches_the_fields(api: ApiServer, served: Served) -> None:
    schemas_are_known(api)
    explained = api.kubectl("explain", "workflowruns.status")
    assert "verdict" in explained
    assert "Where the evidence came from" in explained


def _get(served: Served, context: ssl.SSLContext) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(f"https://127.0.0.1:{served.port}/apis", timeout=5) as answer:
        return bytes(answer.read())


def _serial(served: Served) -> str:
    return ssl.get_server_certificate(("127.0.0.1", served.port))
