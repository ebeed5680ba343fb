"""What a restart of the controller costs while nothing has changed.

A real kube-apiserver with etcd, PostgreSQL, the real controller and worker. W Workflows in one namespace are Ready and
N TaskRuns in it are Done and judged. Then the controller is started again: its CPU until it has led and settled, and
every write it made (audit log of the API server, Lease and Events aside), are what is measured.

Run: python -m bench.restart [--workflows 5000] [--runs 3000] [--quick]
"""

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import psycopg

from bench import end_to_end, measure, runs, stage, workflows_to_ready
from tests.cluster.apiserver import ApiServer

_QUICK = (10, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflows", type=int, default=5000, help="in the namespace (%(default)s)")
    parser.add_argument("--runs", type=int, default=3000, help="TaskRuns that are Done (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few of both: whether it works, not how fast")
    options = parser.parse_args()
    workflows, count = _QUICK if options.quick else (options.workflows, options.runs)
    print(measure.machine())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(stage.postgres())
        api = stack.enter_context(ApiServer(workflows_to_ready.audited(folder)))
        database = stack.enter_context(psycopg.connect(url, autocommit=True))
        runs.furnish(api)
        bench = workflows_to_ready.Bench(api, url, folder)
        with bench.controller(), end_to_end.worker(api, url, folder / "worker"):
            others = [runs.workflow(f"workflow-{n}", pipelines=[{"name": f"p{n}"}]) for n in range(workflows - 1)]
            bench.create(runs.NAMESPACE, [runs.CONTRACT, runs.workflow("release", tasks=[{"name": "build"}]), *others])
            ready = "SELECT count(*) FROM avouch.workflows WHERE open_since IS NOT NULL"
            runs.until(database, ready, workflows, 60 + workflows * end_to_end.PATIENCE)
            tekton = runs.Tekton(api)
            tekton.appear(count)
            tekton.end(count)
            runs.until(database, "SELECT count(*) FROM avouch.verdicts", count, 60 + count * end_to_end.PATIENCE)
            time.sleep(workflows_to_ready.LEISURE)  # counts in statuses catch up at leisure
            bench.settle()
        began = time.perf_counter()
        with bench.controller() as process:
            bench.settle()
            spent, seconds = stage.cpu_of(process.pid), time.perf_counter() - began
            writes = bench.writes()
            memory = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    rows = [
        ["CPU of the controller, s", f"{spent:.1f}"],
        ["until quiet, s", f"{seconds - workflows_to_ready.QUIET:.1f}"],
        ["writes", str(len(writes))],
        ["memory, MB", f"{int(memory) * 4096 / 1e6:.0f}"],
    ]
    measure.table((f"restart with {workflows} Workflows, {count} Done TaskRuns", ""), rows)
    print("\n".join(writes[:5]))


if __name__ == "__main__":
    main()
