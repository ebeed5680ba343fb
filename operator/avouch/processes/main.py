"""`avouch <process>`: one entry for every container. A process imports its own world only, when it is chosen."""

import argparse
import importlib
import sys
from collections.abc import Sequence

# Process: (module with a `main() -> int`, what it does).
PROCESSES = {
    "controller": ("avouch.processes.controller", "reconcile our kinds and watch Tekton's runs (one active, by Lease)"),
    "server": ("avouch.processes.server", "serve the ingest API, admission and the aggregated runs API"),
    "worker": ("avouch.processes.worker", "judge runs and deliver verdicts"),
    "postgres": ("avouch.processes.postgres", "run an embedded PostgreSQL, for try-outs"),
    "migrate": ("avouch.processes.migrate", "bring the database's schema up to date, then exit"),
    "stand-in": ("avouch.processes.standin", "wait to be stopped, in place of a sidecar whose image cannot be pulled"),
    "uninstall": ("avouch.processes.uninstall", "take away what would hold up others once we are gone, then exit"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process; its settings come from AVOUCH_* variables. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="avouch", description="Contract-based attestations, native to Kubernetes.")
    commands = parser.add_subparsers(dest="process", required=True, metavar="PROCESS")
    for name, (_, summary) in PROCESSES.items():
        commands.add_parser(name, help=summary, description=summary)
    chosen = parser.parse_args(arguments).process
    return int(importlib.import_module(PROCESSES[chosen][0]).main() or 0)


if __name__ == "__main__":
    sys.exit(main())
