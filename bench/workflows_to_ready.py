"""From creating Workflows to all of them Ready, and what the controller wrote for it.

A real kube-apiserver and PostgreSQL, the real controller process. One Contract stands; then N Workflows are created as
fast as 16 connections can, which is included in the time. What was written is read from the API server's audit log:
every change by the controller's user except its Lease and its Events, the Contract's own status (which counts its
Workflows, half a minute later) included. Then the controller is started again, lists and
reconciles everything while nothing has changed, and its writes are counted once more: a quiet resync. In between the
Contract asks for one material more: every Workflow's status then names the new revision.

Each round has a namespace of its own, and each start a user of its own.

Run: python -m bench.workflows_to_ready [--rounds 3] [--count 200] [--quick]
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avouch.kube import client, connection, resources
from bench import measure, stage
from tests.cluster.apiserver import ApiServer

AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
"""
CONTRACT: dict[str, Any] = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"type": "JUNIT_XML", "name": "tests"}]},
}
CREATORS = 16  # connections that create
LEISURE = 31.0  # seconds after which a Contract's count of its Workflows and a Workflow's last run are written
QUIET = 3.0  # seconds without a write after which none is expected any more
PATIENCE = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed."""

    created: float  # seconds until the last create was answered
    ready: float  # seconds until all were Ready
    patches: float  # writes per object, the Contract included
    cpu: float  # seconds of the controller, per Workflow
    change: float  # seconds of the controller for a new revision of the Contract, per Workflow
    resync: int  # writes of a quiet resync


class Bench:
    """API server, database, and controllers started at will."""

    def __init__(self, api: ApiServer, database_url: str, folder: Path) -> None:
        self.api, self.url, self.folder = api, database_url, folder
        self._count = 0
        self._user = ""
        self._health = 0
        self._log = folder / "none"

    @contextlib.contextmanager
    def controller(self) -> Iterator[subprocess.Popen[bytes]]:
        """A controller that leads and has listed everything."""
        self._count += 1
        self._user, self._health = f"controller-{self._count}", stage.free_port()
        self._log = self.folder / f"{self._user}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": stage.MODULES,
            "AVOUCH_KUBECONFIG": str(self.api.client_kubeconfig(self._user, ["system:masters"])),
            "AVOUCH_DATABASE_URL": self.url,
            "AVOUCH_HEALTH_PORT": str(self._health),
            "AVOUCH_CERTIFICATES": "false",
            "AVOUCH_AGGREGATED_API": "false",
            "AVOUCH_NAMESPACE": "avouch",
            "POD_NAME": self._user,
        }
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "avouch.processes.controller"], env=environment, stdout=log, stderr=log
            )
        try:
            self._until(lambda: self._get("/readyz") == "ok" and self._figure("avouch_leader") == 1.0, "the controller")
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def once(self, count: int) -> Round:
        """Create, wait, count; then restart and count again."""
        namespace = f"round-{self._count + 1}"
        self.api.kubectl("create", "namespace", namespace)
        with self.controller() as process:
            self.create(namespace, [CONTRACT])
            self._until(lambda: asyncio.run(self._ready(namespace, resources.CONTRACTS)) == 1, "Contract")
            before, began = stage.cpu_of(process.pid), time.perf_counter()
            self.create(namespace, [_workflow(number) for number in range(count)])
            created = time.perf_counter() - began
            self._until(lambda: asyncio.run(self._ready(namespace)) == count, "the Workflows")
            ready = time.perf_counter() - began
            self.settle()
            cpu = (stage.cpu_of(process.pid) - before) / count
            self._until(lambda: asyncio.run(self._counted(namespace)) == count, "the Contract's count")
            self.settle()
            writes = sum(f"/{namespace}/" in write for write in self.writes())
            change = self._change(namespace, count, process.pid)
        with self.controller():
            self.settle()
            resync = self.writes()
        if resync:
            print("\n".join(resync[:5]))
        return Round(created, ready, writes / (count + 1), cpu, change, len(resync))

    def _change(self, namespace: str, count: int, pid: int) -> float:
        """CPU seconds per Workflow from a change of the Contract until every Workflow says its new revision."""
        material = {"type": "SBOM_CYCLONEDX_JSON", "name": "sbom"}
        changed = {**CONTRACT, "spec": {"materials": [*CONTRACT["spec"]["materials"], material]}}
        before = stage.cpu_of(pid)
        where = ("apply", "--server-side", "--force-conflicts", "-n", namespace, "-f", "-")
        self.api.kubectl(*where, stdin=json.dumps(changed))
        self._until(lambda: asyncio.run(self._revised(namespace)) == count, "the new revision")
        self.settle()
        return (stage.cpu_of(pid) - before) / count

    def create(self, namespace: str, documents: list[dict[str, Any]]) -> None:
        """Create objects as fast as 16 connections can."""
        asyncio.run(self._create(namespace, documents))

    async def _create(self, namespace: str, documents: list[dict[str, Any]]) -> None:
        api = connection.from_kubeconfig(self.api.kubeconfig)
        waiting = iter(documents)

        async def creator() -> None:
            for document in waiting:
                plural = f"{document['kind'].lower()}s"
                await api.post(f"/apis/{document['apiVersion']}/namespaces/{namespace}/{plural}", document)

        await asyncio.gather(*(creator() for _ in range(CREATORS)))
        await api.close()

    async def _revised(self, namespace: str) -> int:
        """How many Workflows say the second revision of their Contract."""
        items = await self._listed(resources.WORKFLOWS, namespace)
        return sum((item.get("status") or {}).get("contractRevision") == 2 for item in items)

    async def _ready(self, namespace: str, resource: resources.Resource = resources.WORKFLOWS) -> int:
        return sum(map(_is_ready, await self._listed(resource, namespace)))

    async def _listed(self, resource: resources.Resource, namespace: str) -> list[dict[str, Any]]:
        """By pages: thousands of objects at once are more than the API server answers in time while it is busy."""
        api = connection.from_kubeconfig(self.api.kubeconfig)
        try:
            return (await client.KubeClient(api).list_all(resource, namespace))[0]
        finally:
            await api.close()

    async def _counted(self, namespace: str) -> int:
        """How many Workflows the Contract says it has: this catches up at leisure, 30 seconds later."""
        api = connection.from_kubeconfig(self.api.kubeconfig)
        found = await api.get(f"/apis/chainloop.dev/v1/namespaces/{namespace}/contracts/evidence")
        await api.close()
        return int(((found or {}).get("status") or {}).get("workflows") or 0)

    def settle(self) -> None:
        """Until nothing waits in the controller and it has written nothing for a while."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET:
            now = len(self.writes())
            if now != last or self._figure("avouch_objects_waiting"):
                last, since = now, time.monotonic()
            time.sleep(0.2)

    def writes(self) -> list[str]:
        """What the controller's present user changed, Lease and Events aside."""
        lines = map(json.loads, (self.folder / "audit.log").read_text().splitlines())
        return [
            f"{line['verb']} {line['requestURI'].partition('?')[0]}"
            for line in lines
            if line["user"]["username"] == self._user and line["objectRef"]["resource"] not in ("leases", "events")
        ]

    def _until(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            asked = time.monotonic()
            if holds():
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not become ready:\n{self._log.read_text()[-3000:]}")
            time.sleep(max(0.1, 2 * (time.monotonic() - asked)))  # a list of thousands is work for others, too

    def _figure(self, name: str) -> float:
        lines = (line.split() for line in self._get("/metrics").splitlines())
        found = [float(words[1]) for words in lines if len(words) == 2 and words[0] == name]
        if not found:
            raise RuntimeError(f"the controller tells no {name}")
        return found[0]

    def _get(self, path: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self._health}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""


def audited(folder: Path) -> list[str]:
    """Flags of an API server that writes down every change in this folder."""
    (folder / "audit.yaml").write_text(AUDIT)
    return [f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _workflow(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"workflow-{number}"},
        "spec": {"contractRef": {"name": "evidence"}, "tekton": {"pipelines": [{"name": f"pipeline-{number}"}]}},
    }


def main() -> None:
    parser = measure.arguments(__doc__, rounds=3)
    parser.add_argument("--count", type=int, default=200, help="Workflows in each round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one round of 5: whether it works, not how fast")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.count = 1, 5
    print(measure.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.postgres() as url, ApiServer(audited(folder)) as api:
            api.kubectl("apply", "--server-side", "-f", str(stage.ROOT / "crds"))
            api.install_tekton_crds()
            api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
            api.kubectl("create", "namespace", "avouch")
            bench = Bench(api, url, folder)
            rounds = [bench.once(options.count) for _ in range(options.rounds)]
    figures = (
        ("seconds to create all", [one.created for one in rounds], ".2f"),
        ("seconds to all Ready", [one.ready for one in rounds], ".2f"),
        ("Workflows a second", [options.count / one.ready for one in rounds], ".0f"),
        ("PATCHes per object", [one.patches for one in rounds], ".3f"),
        ("controller CPU per Workflow, ms", [one.cpu * 1000 for one in rounds], ".1f"),
        ("controller CPU per Workflow for a new revision, ms", [one.change * 1000 for one in rounds], ".1f"),
        ("writes of a quiet resync", [float(one.resync) for one in rounds], ".0f"),
    )
    rows = [[what, measure.spread(values, form)] for what, values, form in figures]
    measure.table((f"{options.count} Workflows, median (range)", f"{options.rounds} rounds"), rows)


if __name__ == "__main__":
    main()
