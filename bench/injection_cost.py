"""What injection adds to a TaskRun, on a real cluster with Tekton and avouch.

One-step TaskRuns in turns, nothing else differs:

  plain     in a namespace that is not labelled: avouch's webhook is not even asked
  injected  in a labelled namespace, a Workflow with `inject: always`
  auto      in a labelled namespace, a Workflow whose evidence is a Task result: `auto` leaves the pod alone

Start is from the TaskRun's creation to the step's first act, end is from the step's last act to the TaskRun's
completion as a watch sees it. The step itself writes both moments into its results, by the kernel's uptime in
hundredths of a second, because the API's own times have whole seconds only. So this must run on the node's machine.

Wants a cluster with avouch installed (for instance `python -m examples.quickstart.demo up`) and an image with a shell
that its nodes have. Leaves nothing behind.

Run: python -m bench.injection_cost --kubeconfig FILE [--rounds 8] [--image localhost/busybox:1]
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.kube import connection, resources
from bench import measure, realcluster

SIDES = ("plain", "injected", "auto")
CONTRACT = "bench"
_CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": CONTRACT},
    "spec": {"materials": [{"type": "STRING", "name": "note"}]},
}
_RUN = "/apis/tekton.dev/v1/namespaces/{}/taskruns"
_WORK = """cut -d' ' -f1 /proc/uptime > $(results.began.path)
echo nothing much > $(results.note.path)
cut -d' ' -f1 /proc/uptime > $(results.ended.path)
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one TaskRun, and whether its pod had our sidecar."""

    start: float
    end: float
    injected: bool


class Bench:
    """One cluster, three namespaces."""

    def __init__(self, api: connection.Connection, image: str) -> None:
        self._cluster, self._image = realcluster.Cluster(api), image
        self._api, self._client = api, self._cluster.client
        self._count = 0

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """Namespaces, Contract and Workflows; all of it goes with the namespaces."""
        async with self._cluster.removed(SIDES):
            for side in SIDES:
                labels = {} if side == "plain" else {"avouch.dev/inject": "enabled"}
                await self._cluster.prepare(
                    side, labels, _CONTRACT, _workflow("always" if side == "injected" else "auto")
                )
            yield

    async def once(self, side: str) -> Took:
        """Create one TaskRun and follow it to its end."""
        self._count += 1
        namespace, name = self._cluster.namespace(side), f"run-{self._count}"
        seen = asyncio.create_task(self._done(namespace, name))
        await asyncio.sleep(0.2)  # the watch stands before there is anything to see
        created = _uptime()
        await self._api.post(_RUN.format(namespace), _taskrun(name, self._image))
        run, completed = await asyncio.wait_for(seen, realcluster.PATIENCE)
        said = {result["name"]: result["value"] for result in run["status"].get("results") or ()}
        if "ended" not in said:
            raise RuntimeError(f"{namespace}/{name} failed: {json.dumps(run['status'].get('conditions'))}")
        pod = await self._api.get(f"/api/v1/namespaces/{namespace}/pods/{run['status']['podName']}")
        inits = ((pod or {}).get("spec") or {}).get("initContainers") or ()
        return Took(
            float(said["began"]) - created,
            completed - float(said["ended"]),
            any(one["name"] == "avouch-sidecar" for one in inits),
        )

    async def _done(self, namespace: str, name: str) -> tuple[Mapping[str, Any], float]:
        """The finished TaskRun, and when the watch told of it."""
        listed = await self._api.get(_RUN.format(namespace))
        since = str((listed or {})["metadata"]["resourceVersion"])
        query = {"fieldSelector": f"metadata.namespace={namespace}"}
        async for event in self._client.watch(resources.TASKRUNS, since, inactivity=realcluster.PATIENCE, query=query):
            run, now = event["object"], _uptime()
            conditions = (run.get("status") or {}).get("conditions") or [{}]
            if run["metadata"].get("name") == name and conditions[0].get("status") in ("True", "False"):
                return run, now
        raise errors.Unavailable("the watch ended before the TaskRun did")


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _workflow(inject: str) -> dict[str, Any]:
    note = {"name": "note", "result": {"name": "note"}}
    return {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": CONTRACT},
        "spec": {"contractRef": {"name": CONTRACT}, "tekton": {"inject": inject, "materials": [note]}},
    }


def _taskrun(name: str, image: str) -> dict[str, Any]:
    results = [{"name": result} for result in ("began", "ended", "note")]
    step = {"name": "work", "image": image, "imagePullPolicy": "IfNotPresent", "script": f"#!/bin/sh\n{_WORK}"}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": name, "labels": {"avouch.dev/workflow": CONTRACT}},
        "spec": {"taskSpec": {"results": results, "steps": [step]}},
    }


async def compare(kubeconfig: Path, image: str, rounds: int) -> dict[str, list[Took]]:
    """All sides in turns, after one TaskRun each that does not count."""
    api = connection.from_kubeconfig(kubeconfig)
    bench = Bench(api, image)
    found: dict[str, list[Took]] = {side: [] for side in SIDES}
    try:
        async with bench.prepared():
            for number in range(rounds + 1):
                for side in SIDES:
                    took = await bench.once(side)
                    if took.injected is not (side == "injected"):
                        raise RuntimeError(f"{side}: the pod {'has' if took.injected else 'lacks'} our sidecar")
                    found[side] += [took] if number else []
    finally:
        await api.close()
    return found


def main() -> None:
    parser = measure.arguments(__doc__, rounds=8)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of a cluster with Tekton and avouch")
    parser.add_argument("--image", default="localhost/busybox:1", help="has a shell; the nodes have it (%(default)s)")
    options = parser.parse_args()
    print(measure.machine())
    found = asyncio.run(compare(options.kubeconfig, options.image, options.rounds))
    rows = [
        [side, measure.spread([one.start for one in took]), measure.spread([one.end for one in took])]
        for side, took in found.items()
    ]
    measure.table((f"{options.rounds} rounds, s, median (range)", "creation to step", "step to completion"), rows)


if __name__ == "__main__":
    main()
