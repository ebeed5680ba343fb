"""`avouch`: one entry for the processes of every container and for people, who also call it `kubectl avouch`.

A process or a command imports its own adapters only, when it is chosen.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # 30 ms (click) that processes do not pay
    from avouch.cli import tree

# Process: (module with a `main() -> int`, what it does).
PROCESSES = {
    "controller": (
        "avouch.processes.controller",
        "reconcile avouch's kinds and watch Tekton's runs (one active, by Lease)",
    ),
    "server": ("avouch.processes.server", "serve the ingest API, admission and the aggregated runs API"),
    "worker": ("avouch.processes.worker", "judge runs and deliver verdicts"),
    "postgres": ("avouch.processes.postgres", "run an embedded PostgreSQL, for trials"),
    "migrate": ("avouch.processes.migrate", "bring the database's schema up to date, then exit"),
    "migrator": ("avouch.processes.migrator", "keep the database's schema at this version, as its owner"),
    "database-roles": (
        "avouch.processes.database_roles",
        "print SQL that creates the processes' roles in PostgreSQL, for who may, then exit",
    ),
    "stand-in": ("avouch.processes.standin", "wait to be stopped, in place of a sidecar whose image cannot be pulled"),
    "uninstall": ("avouch.processes.uninstall", "remove the APIService and webhook configuration, then exit"),
}
_SECTION = "Processes (in containers; settings come from AVOUCH_* variables)"
_BRIEF = (["attestation"], ["att"], ["attest"])  # of so short a life that looking for garbage never pays (8 % of it)
_PLUGIN = "kubectl-avouch"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process or one command. Returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) == 1 and given[0] in PROCESSES:
        return int(importlib.import_module(PROCESSES[given[0]][0]).main() or 0)
    if given[:1] not in _BRIEF:
        return _command(given)
    gc.disable()  # before anything is imported
    try:
        return _command(given)
    finally:
        gc.enable()


def complete(arguments: Sequence[str] | None = None) -> int:
    """What kubectl completes `kubectl avouch` with."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    from avouch.cli import completion  # lazy: 5 ms, for completion only
    from avouch.processes import commandline

    for line in completion.for_kubectl(top(), given, commandline.Adapters()):
        sys.stdout.write(f"{line}\n")
    return 0


def top() -> tree.Tree:
    """All commands, the processes among them."""
    from avouch.cli import app, tree

    return app.root(
        {
            name: tree.Entry(f"{said[0].upper()}{said[1:]}.", f"{module}:main", _SECTION, process=True)
            for name, (module, said) in PROCESSES.items()
        }
    )


def _command(given: Sequence[str]) -> int:
    from avouch.cli import app
    from avouch.processes import commandline

    atexit.register(gc.freeze)  # the interpreter looks for garbage once more when it ends: 4 ms
    return app.run(top(), given, _program(), commandline.Adapters())


def _program() -> str:
    return "kubectl avouch" if os.path.basename(sys.argv[0]) == _PLUGIN else "avouch"


if __name__ == "__main__":
    sys.exit(main())
