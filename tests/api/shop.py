"""What the server stands on: an API server with TaskRuns, pods and tokens, a database with Contract and Workflows."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from avouch import digests, names
from avouch.contract import reading, revisions
from avouch.controlplane.model import contracts as contract_model
from avouch.store import contracts, database, migrate, workflows
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: taskruns.tekton.dev}
spec:
  group: tekton.dev
  scope: Namespaced
  names: {plural: taskruns, kind: TaskRun}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
_TEKTON = "/apis/tekton.dev/v1"
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "note", "type": "STRING"}]},
}


@dataclass(frozen=True)
class Pod:
    """A pod, what it works for, and a token that is bound to it."""

    namespace: str
    name: str
    uid: str
    account: str
    taskrun: str
    taskrun_uid: str
    token: str


class Shop:
    """A real API server with TaskRuns, pods and tokens: two namespaces, `shop` and `other`.

    Asked over HTTP: starting kubectl for each object would be most of what these tests cost.
    """

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        context = ssl.create_default_context(cafile=str(api.ca_file))
        context.load_cert_chain(*api.client_cert("avouch-tests", ["system:masters"]))
        self._client = httpx.Client(base_url=api.url, verify=context, trust_env=False)

    def furnish(self) -> None:
        self.api.apply(CRD)
        self.api.kubectl("wait", "--for=condition=Established", "crd/taskruns.tekton.dev", "--timeout=20s")
        for name in ("shop", "other"):
            self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            self.account("builder", name)
        self.account("signer", "shop")

    def close(self) -> None:
        self._client.close()

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def account(self, name: str, namespace: str = "shop") -> None:
        self.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def uid(self, namespace: str) -> str:
        return str(self.request("GET", f"/api/v1/namespaces/{namespace}")["metadata"]["uid"])

    def taskrun(self, name: str, namespace: str = "shop", *, workflow: str = "release", task: str = "compile") -> str:
        """A new TaskRun's uid."""
        labels = {"avouch.dev/workflow": workflow}
        made = self.request(
            "POST",
            f"{_TEKTON}/namespaces/{namespace}/taskruns",
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "TaskRun",
                "metadata": {"name": name, "labels": labels},
                "spec": {"taskRef": {"name": task}},
            },
        )
        return str(made["metadata"]["uid"])

    def pod(self, taskrun: str, namespace: str = "shop", account: str = "builder", **metadata: Any) -> Pod:
        """A new pod of a TaskRun that exists, as Tekton would make it, but for what `metadata` says otherwise."""
        owner = self.request("GET", f"{_TEKTON}/namespaces/{namespace}/taskruns/{taskrun}")["metadata"]["uid"]
        reference = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": taskrun, "uid": owner}
        name = str(metadata.pop("name", f"{taskrun}-pod"))
        said = {"name": name, "ownerReferences": [{**reference, "controller": True}], **metadata}
        containers = [{"name": "step-build", "image": "example.invalid/x"}]
        spec = {"serviceAccountName": account, "containers": containers}
        made = self.request("POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": said, "spec": spec})
        uid = str(made["metadata"]["uid"])
        token = self.token(name, uid, namespace=namespace, account=account)
        return Pod(namespace, name, uid, account, taskrun, owner, token)

    def delete_pod(self, pod: Pod) -> None:
        """At once, as nothing runs here that could say it has stopped."""
        self.request("DELETE", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", {"gracePeriodSeconds": 0})

    def token(
        self, pod: str, uid: str, *, namespace: str = "shop", account: str = "builder", audience: str = "avouch"
    ) -> str:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        asked = {"spec": {"audiences": [audience], "boundObjectRef": bound}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.request("POST", path, asked)["status"]["token"])


def prepare(postgres: Postgres, shop: Shop) -> None:
    """The schema, and in both namespaces a Contract and three Workflows.

    `audit` covers every TaskRun of the Task `compile`, `release` and `strict` those that are labelled so; `strict` lets
    only the ServiceAccount `signer` attest.
    """
    migrate.migrate(postgres.url)
    uids = {
        name: str(shop.request("GET", f"/api/v1/namespaces/{name}")["metadata"]["uid"]) for name in ("shop", "other")
    }
    asyncio.run(_record(postgres.url, uids))


async def _record(url: str, uids: dict[str, str]) -> None:
    canonical = revisions.canonical(reading.read(CONTRACT))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tasks = {"tekton": {"tasks": [{"name": "compile"}]}}
    specs: dict[str, dict[str, Any]] = {
        "release": {},
        "audit": tasks,
        "strict": {"attesters": {"serviceAccounts": ["signer"]}},
    }
    async with database.Database(url) as opened:
        for namespace, uid in uids.items():
            await contracts.Contracts(opened).record(
                contract_model.ContractRevision(
                    namespace, uid, "evidence", f"contract-{namespace}", 0, digests.of_bytes(canonical), canonical, now
                ),
                epoch=1,
            )
            for name, spec in specs.items():
                await workflows.Workflows(opened).upsert(
                    contract_model.WorkflowRecord(
                        namespace, uid, name, f"{name}-{namespace}", 1,
                        {"contractRef": {"name": "evidence"}, **spec}, {}, namespace, "evidence",
                    ),
                    epoch=1,
                )  # fmt: skip


def rows(postgres: Postgres, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database says."""
    with psycopg.connect(postgres.url, options="-c search_path=avouch", autocommit=True) as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[call-overload,no-any-return]  # a test's own SQL


def waiting(database: Postgres, query: str, count: int = 1) -> bool:
    """Whether so many statements of our processes wait for a lock: each role sees its own alone."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'avouch' AND wait_event_type = 'Lock'"
        " AND query LIKE %s"
    )
    found = 0
    for process in names.DATABASE_ROLES:
        with psycopg.connect(database.url_of(process), autocommit=True) as connection:
            (waits,) = connection.execute(asked, (query,)).fetchone() or (0,)
            found += int(waits)
    return found >= count
