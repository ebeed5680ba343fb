"""From a TaskRun to its committed verdict: what the whole way costs, and how many go through in a second.

Real: kube-apiserver and etcd, PostgreSQL, `avouch controller`, `avouch worker`. N TaskRuns with their pods appear, then
all become Done as fast as 8 connections can say so; a run counts when its verdict is committed. CPU is that of each
process with its children, the Events about verdicts included. The API server is shown apart: it also does what Tekton
asks of it here, which bounds the rate, for all of it shares the same cores.

In a burst, the controller is away while its TaskRuns become Done, and then finds all of them: the API server only
answers what avouch asks, so the rate from the first Done that is seen to the last verdict is what avouch can do.

Run: python -m bench.end_to_end [--runs 3000] [--workers 1] [--quick]
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench import measure, runs, stage, workflows_to_ready
from tests.cluster.apiserver import ApiServer

QUICK = 20
PATIENCE = 0.2  # for one run, at most: after that something hangs
_IDLE = 5.0  # seconds
_OURS = ("controller", "worker", "PostgreSQL")
_VERDICTS = "SELECT count(*) FROM avouch.verdicts"
_SNAPSHOTS = "SELECT count(*) FROM avouch.snapshots"


@contextlib.contextmanager
def worker(api: ApiServer, database_url: str, folder: Path) -> Iterator[int]:
    """An `avouch worker` with keys of its own; its process id."""
    folder.mkdir()
    for name in ("attestation", "passed", "failed"):
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(pem)
    stage.new_authority(folder)
    (folder / "pods.crt").write_bytes((folder / "ca/ca.crt").read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": stage.MODULES,
        "AVOUCH_NAMESPACE": "avouch",
        "AVOUCH_DATABASE_URL": database_url,
        "AVOUCH_VERIFIER_ID": "https://avouch.example/bench",
        "AVOUCH_KEYS_DIR": str(folder),
        "AVOUCH_CA_DIR": str(folder),
        "AVOUCH_KUBECONFIG": str(api.kubeconfig),
        "AVOUCH_HOST": "127.0.0.1",
        "AVOUCH_HEALTH_PORT": str(stage.free_port()),
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "avouch.processes.main", "worker"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        stage.until_ready(process, int(environment["AVOUCH_HEALTH_PORT"]), folder / "log")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def once(api: ApiServer, database: psycopg.Connection[object], costs: runs.Costs, count: int) -> list[runs.Spent]:
    """Nothing for a while, then all appear, all end. Returns what had been spent before and after each phase."""
    tekton, patience = runs.Tekton(api), 60 + count * PATIENCE
    looks = [costs.look()]
    time.sleep(_IDLE)
    looks.append(costs.look())
    tekton.appear(count)
    runs.until(database, "SELECT count(*) FROM avouch.runs", count, patience)
    looks.append(costs.look())
    tekton.end(count)
    runs.until(database, _SNAPSHOTS, count, patience)
    looks.append(costs.look())
    runs.until(database, _VERDICTS, count, patience)
    return [*looks, costs.look()]


def report(looks: list[runs.Spent], count: int) -> None:
    """CPU of each process for one run, by phase, and of one idle second; then the rate."""
    before, first, middle, stored, last = looks
    rows = []
    for name in first.seconds:
        idle = (first.seconds[name] - before.seconds[name]) / (first.at - before.at)
        phases = ((first, middle), (middle, stored), (stored, last), (middle, last))
        spent = [(until.seconds[name] - since.seconds[name]) / count for since, until in phases]
        rows.append([name, *(f"{1000 * one:.2f}" for one in spent), f"{1000 * idle:.0f}"])
    ways = (_ours(first, middle), _ours(middle, last))
    rows.append(["ours and PostgreSQL", f"{1000 * ways[0] / count:.2f}", "", "", f"{1000 * ways[1] / count:.2f}", ""])
    columns = ("CPU ms for one run", "appears", "Done, stored", "judged", "Done to verdict", "idle, ms a second")
    measure.table(columns, rows)
    print(f"{count / (last.at - middle.at):.0f} runs/s from the first Done to the last verdict")


def _ours(since: runs.Spent, until: runs.Spent) -> float:
    return sum(until.seconds[name] - since.seconds[name] for name in since.seconds if name.startswith(_OURS))


def burst(bench: workflows_to_ready.Bench, database: psycopg.Connection[object], costs: runs.Costs, count: int) -> None:
    """So many more become Done while no controller runs; then one starts. Prints what that took, its start included."""
    tekton, patience, known = runs.Tekton(bench.api, "burst"), 60 + count * PATIENCE, _number(database, _VERDICTS)
    with bench.controller():
        tekton.appear(count)
        runs.until(database, "SELECT count(*) FROM avouch.runs", known + count, patience)
    tekton.end(count)
    del costs.pids["controller"]
    before = costs.look()
    with bench.controller() as controller:
        costs.pids["controller"] = controller.pid
        while _number(database, _SNAPSHOTS) == known:
            time.sleep(0.01)
        began = time.perf_counter()
        runs.until(database, _VERDICTS, known + count, patience)
        seconds = time.perf_counter() - began
        bench.settle()  # Events are told after the verdicts
        after = costs.look()
    spent = {name: after.seconds[name] - before.seconds.get(name, 0.0) for name in after.seconds}
    rows = [[name, f"{1000 * one / count:.2f}"] for name, one in spent.items()]
    ours = sum(one for name, one in spent.items() if name.startswith(_OURS))
    measure.table(("a burst: CPU ms for one run", ""), [*rows, ["ours and PostgreSQL", f"{1000 * ours / count:.2f}"]])
    print(f"{count / seconds:.0f} runs/s from the first that is seen Done to the last verdict")


def _number(database: psycopg.Connection[object], query: str) -> int:
    found: Any = database.execute(query.encode()).fetchone()
    return int(found[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3000, help="TaskRuns (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that judge (%(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} TaskRuns: whether it works, not how fast")
    options = parser.parse_args()
    count = QUICK if options.quick else options.runs
    print(measure.machine())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flags = workflows_to_ready.audited(folder)
        started, api = stack.enter_context(stage.database_server()), stack.enter_context(ApiServer(flags))
        url = started.socket_url
        runs.furnish(api)
        bench = workflows_to_ready.Bench(api, url, folder)
        with bench.controller() as controller:
            workers = [stack.enter_context(worker(api, url, folder / f"worker-{n}")) for n in range(options.workers)]
            bench.create(runs.NAMESPACE, [runs.CONTRACT, runs.workflow("release", tasks=[{"name": "build"}])])
            database = stack.enter_context(psycopg.connect(url, autocommit=True))
            runs.until(database, "SELECT count(*) FROM avouch.workflows WHERE open_since IS NOT NULL", 1, 60)
            costs = runs.Costs(controller=controller.pid, PostgreSQL=stage.postmaster(started))
            costs.pids |= {f"worker {n}": pid for n, pid in enumerate(workers, 1)}
            costs.pids["(kube-apiserver)"] = runs.started_from(api.folder, "kube-apiserver")
            report(once(api, database, costs, count), count)
        burst(bench, database, costs, count)
        passed = _number(database, "SELECT count(*) FROM avouch.runs WHERE result = 'Passed'")
        print(f"{passed} of {2 * count} Passed")


if __name__ == "__main__":
    main()
