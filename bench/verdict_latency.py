"""From a TaskRun's completion to its verdict, with three policies and without, on a real cluster.

Each TaskRun writes an SBOM of 1,000 components, which the sidecar delivers. Two sides take turns, some at once:

  none    the contract asks for the SBOM, and nothing else
  three   three embedded policies judge it, each with a gate; every SBOM differs from the others

Completion is when a watch tells of it; the verdict is looked for ten times a second. With `--known` all SBOMs are the
same, as they are where a pipeline builds again what did not change.

Wants a cluster with Tekton and avouch (for instance `python -m examples.quickstart.demo up`) and an image with a shell
that its nodes have. Leaves nothing behind.

Run: python -m bench.verdict_latency --kubeconfig FILE [--rounds 10] [--at-once 4] [--known] [--image IMAGE]
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.kube import connection, resources
from bench import measure, policies, realcluster

SIDES = ("none", "three")
NAME = "bench"
_LOOK = 0.1  # seconds
_RUNS = "/apis/runs.avouch.dev/v1alpha1/namespaces/{}/workflowruns"
_COMPOSE = """#!/bin/sh
awk -v said="{said}" -v most={components} 'BEGIN {{
  printf "{{\\"bomFormat\\": \\"CycloneDX\\", \\"specVersion\\": \\"1.6\\", \\"version\\": 1, \\"components\\": ["
  for (at = 0; at < most; at++)
    printf "%s{{\\"type\\": \\"library\\", \\"name\\": \\"component-%d\\", \\"version\\": \\"1.%s\\"}}",
      at ? "," : "", at, said
  print "]}}"
}}' > $(workspaces.work.path)/sbom.json
"""


@dataclass(slots=True)
class Side:
    """When TaskRuns of one side were seen to be completed, and their verdicts, by name; seconds of one clock."""

    completed: dict[str, float] = field(default_factory=dict)
    judged: dict[str, float] = field(default_factory=dict)

    def took(self) -> list[float]:
        """Seconds from completion to verdict."""
        return [max(0.0, self.judged[name] - at) for name, at in self.completed.items()]


class Bench:
    """One cluster, two namespaces."""

    def __init__(self, api: connection.Connection, image: str, known: bool) -> None:
        self._api, self._image, self._known = api, image, known
        self._cluster = realcluster.Cluster(api)
        self._number = 0

    async def measured(self, rounds: int, at_once: int) -> Mapping[str, Side]:
        """All TaskRuns, after some of each side that do not count."""
        found = {side: Side() for side in SIDES}
        async with self._cluster.removed(SIDES):
            for side in SIDES:
                labels = {"avouch.dev/inject": "enabled"}
                await self._cluster.prepare(side, labels, _contract(side == "three"), _WORKFLOW)
            for number in range(rounds + 1):
                for side in SIDES:
                    await self._turn(side, at_once, found[side] if number else Side())
        return found

    async def _turn(self, side: str, at_once: int, seen: Side) -> None:
        namespace = self._cluster.namespace(side)
        names = [self._next() for _ in range(at_once)]
        watching = asyncio.create_task(self._completed(namespace, set(names), seen))
        await asyncio.sleep(0.2)  # the watch stands before there is anything to see
        for name in names:
            said = "0" if self._known else name.rpartition("-")[2]
            await self._api.post(resources.TASKRUNS.path(namespace), _taskrun(name, self._image, said))
        async with asyncio.timeout(realcluster.PATIENCE):
            await asyncio.gather(watching, self._judged(namespace, set(names), seen))

    def _next(self) -> str:
        self._number += 1
        return f"run-{self._number}"

    async def _completed(self, namespace: str, names: set[str], seen: Side) -> None:
        listed = await self._api.get(resources.TASKRUNS.path(namespace))
        since = str((listed or {})["metadata"]["resourceVersion"])
        query = {"fieldSelector": f"metadata.namespace={namespace}"}
        patience = realcluster.PATIENCE
        async for event in self._cluster.client.watch(resources.TASKRUNS, since, inactivity=patience, query=query):
            run, now = event["object"], time.monotonic()
            name = run["metadata"].get("name", "")
            conditions = (run.get("status") or {}).get("conditions") or [{}]
            if name in names and conditions[0].get("status") in ("True", "False"):
                if conditions[0]["status"] == "False":
                    raise RuntimeError(f"{namespace}/{name} failed: {conditions[0].get('message')}")
                seen.completed.setdefault(name, now)
                if names <= seen.completed.keys():
                    return
        raise errors.Unavailable("the watch ended before the TaskRuns did")

    async def _judged(self, namespace: str, names: set[str], seen: Side) -> None:
        while not names <= seen.judged.keys():
            await asyncio.sleep(_LOOK)
            listed = await self._api.get(_RUNS.format(namespace))
            for run in (listed or {}).get("items") or ():
                name, verdict = run["spec"]["subject"]["name"], (run.get("status") or {}).get("verdict", "Pending")
                if name in names and name not in seen.judged and verdict != "Pending":
                    if verdict != "Passed":
                        raise RuntimeError(f"{namespace}/{name} is {verdict}, not Passed")
                    seen.judged[name] = time.monotonic()


def _contract(judged: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {"materials": [{"type": "SBOM_CYCLONEDX_JSON", "name": "sbom"}]}
    if judged:
        spec["policies"] = {"materials": [_attached(number, one) for number, one in enumerate(policies.SCRIPTS)]}
    return {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": NAME}, "spec": spec}


def _attached(number: int, script: str) -> dict[str, Any]:
    spec = {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "embedded": script}]}
    named = {"apiVersion": "chainloop.dev/v1", "kind": "Policy", "metadata": {"name": f"policy-{number}"}}
    return {"embedded": {**named, "spec": spec}, "gate": True}


_WORKFLOW: Mapping[str, Any] = {
    "apiVersion": "avouch.dev/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": NAME},
    "spec": {
        "contractRef": {"name": NAME},
        "tekton": {"materials": [{"name": "sbom", "workspace": {"name": "work", "path": "sbom.json"}}]},
    },
}


def _taskrun(name: str, image: str, said: str) -> dict[str, Any]:
    script = _COMPOSE.format(said=said, components=policies.COMPONENTS)
    step = {"name": "compose", "image": image, "imagePullPolicy": "IfNotPresent", "script": script}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": name, "labels": {"avouch.dev/workflow": NAME}},
        "spec": {
            "taskSpec": {"workspaces": [{"name": "work"}], "steps": [step]},
            "workspaces": [{"name": "work", "emptyDir": {}}],
        },
    }


async def compare(kubeconfig: Path, image: str, rounds: int, at_once: int, known: bool) -> Mapping[str, Side]:
    """All sides in turns."""
    api = connection.from_kubeconfig(kubeconfig)
    try:
        return await Bench(api, image, known).measured(rounds, at_once)
    finally:
        await api.close()


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def main() -> None:
    """Measure and print."""
    parser = measure.arguments(__doc__, rounds=10)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of a cluster with Tekton and avouch")
    parser.add_argument("--at-once", type=int, default=4, help="TaskRuns of a turn (%(default)s)")
    parser.add_argument("--known", action="store_true", help="every TaskRun delivers the same SBOM")
    parser.add_argument("--image", default="localhost/busybox:1", help="has a shell; the nodes have it (%(default)s)")
    options = parser.parse_args()
    print(measure.machine())
    found = asyncio.run(compare(options.kubeconfig, options.image, options.rounds, options.at_once, options.known))
    rows = [(side, measure.spread(seen.took()), f"{_p95(seen.took()):.2f}") for side, seen in found.items()]
    measure.table(("completion to verdict, s", "median (range)", "p95"), rows)


if __name__ == "__main__":
    main()
