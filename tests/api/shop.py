"""What the server stands on: an API server with TaskRuns, pods and tokens, a database with Contract and Workflows."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from avouch import digests
from avouch.contract import reading, revisions
from avouch.controlplane import values
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
TASKRUN = """
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {{name: {name}, namespace: {namespace}, labels: {{avouch.dev/workflow: {workflow}}}}}
spec: {{taskRef: {{name: {task}}}}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {metadata}
spec: {{serviceAccountName: {account}, containers: [{{name: step-build, image: example.invalid/x}}]}}
"""
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
    """A real API server with TaskRuns, pods and tokens: two namespaces, `shop` and `other`."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    def furnish(self) -> None:
        self.api.apply(CRD)
        self.api.kubectl("wait", "--for=condition=Established", "crd/taskruns.tekton.dev", "--timeout=20s")
        for namespace in ("shop", "other"):
            self.api.kubectl("create", "namespace", namespace)
            self.api.kubectl("create", "serviceaccount", "builder", "-n", namespace)

    def uid(self, kind: str, name: str, namespace: str = "shop") -> str:
        return self.api.kubectl("get", kind, name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")

    def taskrun(self, name: str, namespace: str = "shop", *, workflow: str = "release", task: str = "compile") -> str:
        """A new TaskRun's uid."""
        self.api.apply(TASKRUN.format(name=name, namespace=namespace, workflow=workflow, task=task))
        return self.uid("taskrun", name, namespace)

    def pod(self, taskrun: str, namespace: str = "shop", account: str = "builder", **metadata: Any) -> Pod:
        """A new pod of a TaskRun that exists, as Tekton would make it, but for what `metadata` says otherwise."""
        owner_uid = self.uid("taskrun", taskrun, namespace)
        name = str(metadata.pop("name", f"{taskrun}-pod"))
        owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": taskrun, "uid": owner_uid}
        said = {"name": name, "namespace": namespace, "ownerReferences": [{**owner, "controller": True}], **metadata}
        manifest = POD.format(metadata=json.dumps(said), account=account)
        uid = json.loads(self.api.kubectl("create", "-f", "-", "-o", "json", stdin=manifest))["metadata"]["uid"]
        return Pod(
            namespace,
            name,
            uid,
            account,
            taskrun,
            owner_uid,
            self.token(name, uid, namespace=namespace, account=account),
        )

    def token(
        self, pod: str, uid: str, *, namespace: str = "shop", account: str = "builder", audience: str = "avouch"
    ) -> str:
        return self.api.kubectl(
            "create", "token", account, "-n", namespace, f"--audience={audience}",
            "--bound-object-kind=Pod", f"--bound-object-name={pod}", f"--bound-object-uid={uid}",
        ).strip()  # fmt: skip


def prepare(postgres: Postgres, shop: Shop) -> None:
    """The schema, and in both namespaces a Contract and three Workflows.

    `audit` covers every TaskRun of the Task `compile`, `release` and `strict` those that are labelled so; `strict` lets
    only the ServiceAccount `signer` attest.
    """
    migrate.migrate(postgres.url)
    uids = {name: shop.api.kubectl("get", "ns", name, "-o", "jsonpath={.metadata.uid}") for name in ("shop", "other")}
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
                values.ContractRevision(
                    namespace, uid, "evidence", f"contract-{namespace}", 0, digests.of_bytes(canonical), canonical, now
                ),
                epoch=1,
            )
            for name, spec in specs.items():
                await workflows.Workflows(opened).upsert(
                    values.WorkflowRecord(
                        namespace, uid, name, f"{name}-{namespace}", 1,
                        {"contractRef": {"name": "evidence"}, **spec}, {}, namespace, "evidence",
                    ),
                    epoch=1,
                )  # fmt: skip


def rows(postgres: Postgres, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database says."""
    with psycopg.connect(postgres.url, options="-c search_path=avouch", autocommit=True) as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[call-overload,no-any-return]  # a test's own SQL
