"""What planning one pod's admission costs, with 1 and with 5,000 Workflows in its namespace.

A real PostgreSQL, the catalog that the server uses, the planner of the webhook. The pod's TaskRun is given, not read
from an API server: reading it costs the same however many Workflows there are. The sides take turns: the catalog, and a
reading of all Workflows for each pod. CPU of this process and of PostgreSQL, for one pod.

Run: python -m bench.admission [--rounds 5] [--workflows 5000] [--pods 200] [--quick]
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from avouch import digests
from avouch.contract import reading, revisions
from avouch.controlplane.intake import injection
from avouch.controlplane.model import cluster as cluster_model
from avouch.controlplane.model import contracts as contract_model
from avouch.store import catalog, contracts, database, workflows
from avouch.store import runs as run_store
from avouch.tekton import matching
from bench import measure, runs, stage
from tests.unit.tekton import pods

_EPOCH = 1
_QUICK = (1, 20, 5)  # rounds, Workflows, pods
_LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "image", "type": "CONTAINER_IMAGE"}, {"name": "report", "type": "SARIF"}]},
}


class Cluster:
    """One TaskRun without a PipelineRun, and no quota: all that this pod is asked about."""

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return {**pods.taskrun(""), "spec": {"taskRef": {"name": "build-0"}}}

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        return []

    async def limit_ranges(self, namespace: str) -> Sequence[dict[str, Any]]:
        return []


class EveryTime:
    """Reads all Workflows of the namespace for each pod."""

    def __init__(self, opened: database.Database) -> None:
        self._workflows = workflows.Workflows(opened)

    async def index(self, namespace: str) -> matching.Index[contract_model.WorkflowRecord]:
        return matching.Index((await self._workflows.changed_since(namespace, None)).workflows)


@dataclass(frozen=True, slots=True)
class Side:
    """One way to know the Workflows of one namespace."""

    name: str
    planner: injection.InjectionPlanner
    namespace: str


def _workflow(number: int) -> dict[str, Any]:
    report = {"name": "report", "workspace": {"name": "source", "path": "report.json"}}
    spec: dict[str, Any] = runs.workflow("w", tasks=[{"name": f"build-{number}"}], materials=[report])["spec"]
    return spec


async def _fill(opened: database.Database, namespace: str, count: int) -> None:
    canonical = revisions.canonical(reading.read(CONTRACT))
    uid, digest = f"{namespace}-uid", digests.of_bytes(canonical)
    revision = contract_model.ContractRevision(namespace, uid, "evidence", "c", 0, digest, canonical, _LONG_AGO)
    await contracts.Contracts(opened).record(revision, epoch=_EPOCH)
    store = workflows.Workflows(opened)
    records = [
        contract_model.WorkflowRecord(
            namespace, uid, f"w{n}", f"{namespace}-{n}", 1, _workflow(n), {}, namespace, "evidence"
        )
        for n in range(count)
    ]
    for start in range(0, count, 1000):
        await asyncio.gather(*(store.upsert(one, epoch=_EPOCH) for one in records[start : start + 1000]))
    await store.close()


async def _once(side: Side, count: int, postmaster: int) -> tuple[float, float]:
    """(CPU ms of ours, of PostgreSQL) for one pod; the first one fills the catalog and does not count."""
    pod = pods.pod(2, {"source": {"emptyDir": {}}})
    planned = await side.planner.plan_for(side.namespace, pod)
    if not isinstance(planned, injection.Planned):
        raise RuntimeError(f"no sidecar would be injected: {planned}")
    ours, theirs = time.process_time(), measure.tree_cpu(postmaster)
    for _ in range(count):
        await side.planner.plan_for(side.namespace, pod)
    mine = time.process_time() - ours
    return 1000 * mine / count, 1000 * (measure.tree_cpu(postmaster) - theirs) / count


async def measured(url: str, postmaster: int, rounds: int, many: int, turns: int) -> None:
    async with database.Database(url) as opened:
        known, revisions_read = catalog.Catalog(opened), contracts.Contracts(opened)
        listening = asyncio.create_task(known.run())
        for namespace, count in (("few", 1), ("many", many)):
            await _fill(opened, namespace, count)
        cluster = cast(cluster_model.ClusterReader, Cluster())
        stored = run_store.Runs(opened)
        slow = injection.InjectionPlanner(cluster, EveryTime(opened), revisions_read, stored)
        fast = injection.InjectionPlanner(cluster, known, known, stored)
        sides = [
            Side(f"{name}, {count} Workflows", planner, namespace)
            for namespace, count in (("few", 1), ("many", many))
            for name, planner in (("catalog", fast), ("read each time", slow))
        ]
        found: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                count = turns if side.planner is fast else max(1, turns // 20)
                found[side.name].append(await _once(side, count, postmaster))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    rows = [
        [name, *(measure.spread([one[place] for one in figures]) for place in (0, 1))]
        for name, figures in found.items()
    ]
    measure.table(("CPU ms for one pod, median (range)", "ours", "PostgreSQL"), rows)
    few, lots = (statistics.median(one[0] for one in found[f"catalog, {count} Workflows"]) for count in (1, many))
    print(f"catalog, {many} Workflows over 1: {lots / few:.2f}x")


def main() -> None:
    parser = measure.arguments(__doc__, rounds=5)
    parser.add_argument("--workflows", type=int, default=5000, help="in the larger namespace (%(default)s)")
    parser.add_argument("--pods", type=int, default=200, help="planned in each turn (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few of all: whether it works, not how fast")
    options = parser.parse_args()
    sizes = _QUICK if options.quick else (options.rounds, options.workflows, options.pods)
    print(measure.machine())
    with stage.database_server() as started:
        asyncio.run(measured(started.socket_url, stage.postmaster(started), *sizes))


if __name__ == "__main__":
    main()
