"""Resident memory of controller, server and worker that are ready and have nothing to do.

Real processes with a real PostgreSQL and kube-apiserver; nothing is declared. They import what is in their image, not
what only tests install. `anonymous` is what the process alone holds; the rest are pages of files, which processes of
one node share.

Run: python -m bench.idle_memory [--rounds 3] [--quick]
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import end_to_end, measure, runs, stage, workflows_to_ready
from tests.cluster.apiserver import ApiServer

GOAL = 100.0  # MB
_SETTLE = 15.0  # seconds: the first lists, checks and looks at the database are over


def held(pid: int) -> tuple[float, float]:
    """Resident and anonymous memory of a process, in MB of 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    resident, anonymous = (int(found[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "RssAnon"))
    return resident, anonymous


@contextlib.contextmanager
def started(api: ApiServer, url: str, folder: Path) -> Iterator[dict[str, int]]:
    """One of each, ready; their process ids."""
    with contextlib.ExitStack() as stack:
        stage.new_authority(folder)
        server = stack.enter_context(stage.serving(api, url, folder))
        worker = stack.enter_context(end_to_end.worker(api, url, folder / "worker"))
        controller = stack.enter_context(workflows_to_ready.Bench(api, url, folder).controller())
        yield {"controller": controller.pid, "server": server.process.pid, "worker": worker}


def main() -> None:
    parser = measure.arguments(__doc__, rounds=3)
    parser.add_argument("--quick", action="store_true", help="one round, and no time to settle")
    options = parser.parse_args()
    rounds, settle = (1, 0.0) if options.quick else (options.rounds, _SETTLE)
    print(measure.machine())
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name, stage.postgres() as url, ApiServer() as api:
        runs.furnish(api)
        for number in range(rounds):
            (folder := Path(name) / str(number)).mkdir()
            with started(api, url, folder) as processes:
                time.sleep(settle)
                for process, pid in processes.items():
                    found.setdefault(process, []).append(held(pid))
    rows = [
        [
            process,
            measure.spread([resident for resident, _ in each], ".0f"),
            measure.spread([anonymous for _, anonymous in each], ".0f"),
            f"<= {GOAL:.0f}",
            "yes" if max(resident for resident, _ in each) <= GOAL else "no",
        ]
        for process, each in found.items()
    ]
    measure.table(("idle, MB, median (range)", "resident", "anonymous", "goal", "holds"), rows)


if __name__ == "__main__":
    main()
