"""From a TaskRun to its committed verdict: what the whole way costs, and how many go through in a second.

Real: kube-apiserver and etcd, PostgreSQL, `avouch controller`, `avouch worker`. N TaskRuns with their pods appear, then
all become Done as fast as 8 connections can say so; a run counts when its verdict is committed. CPU is that of each
process with its children. The API server is shown apart: it also does what Tekton asks of it here. The rate is that of
the time from the first Done to the last verdict, with all of it on the same cores.

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
        "PYTHONPATH": str(stage.ROOT / "operator"),
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
    runs.until(database, "SELECT count(*) FROM avouch.snapshots", count, patience)
    looks.append(costs.look())
    runs.until(database, _VERDICTS, count, patience)
    return [*looks, costs.look()]


def report(looks: list[runs.Spent], count: int) -> None:
    """CPU of each process for one run, by phase, and of one idle second; then the rate."""
    before, first, middle, stored, last = looks
    rows = []
    for name in first.seconds:
        idle = (first.seconds[name] - before.seconds[name]) / (first.at - before.at)
        phases = ((first, middle), (middle, stored), (stored, last), (first, last))
        spent = [(until.seconds[name] - since.seconds[name]) / count for since, until in phases]
        rows.append([name, *(f"{1000 * one:.2f}" for one in spent), f"{1000 * idle:.0f}"])
    ours = sum(last.seconds[name] - first.seconds[name] for name in first.seconds if name.startswith(_OURS))
    rows.append(["ours and PostgreSQL", "", "", "", f"{1000 * ours / count:.2f}", ""])
    measure.table(("CPU ms for one run", "appears", "Done, stored", "judged", "all", "idle, ms a second"), rows)
    print(f"{count / (last.at - middle.at):.0f} runs/s from the first Done to the last verdict")


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
        url, api = stack.enter_context(stage.postgres()), stack.enter_context(ApiServer(flags))
        runs.furnish(api)
        bench = workflows_to_ready.Bench(api, url, folder)
        controller = stack.enter_context(bench.controller()).pid
        workers = [stack.enter_context(worker(api, url, folder / f"worker-{n}")) for n in range(options.workers)]
        bench.create(runs.NAMESPACE, [runs.CONTRACT, runs.workflow("release", tasks=[{"name": "build"}])])
        database = stack.enter_context(psycopg.connect(url, autocommit=True))
        runs.until(database, "SELECT count(*) FROM avouch.workflows WHERE contract_name <> ''", 1, 60)
        costs = runs.Costs(controller=controller, PostgreSQL=runs.postmaster(url))
        costs.pids |= {f"worker {n}": pid for n, pid in enumerate(workers, 1)}
        costs.pids["(kube-apiserver)"] = runs.started_from(api.folder, "kube-apiserver")
        report(once(api, database, costs, count), count)
        passed = database.execute("SELECT count(*) FROM avouch.runs WHERE result = 'Passed'").fetchone()
        print(f"{passed[0] if passed else 0} of {count} Passed")


if __name__ == "__main__":
    main()
