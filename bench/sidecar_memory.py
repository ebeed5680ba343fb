"""Anonymous memory of a sidecar while steps run. Goal: 8 MB. Run: python bench/sidecar_memory.py"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "operator"
RUNS = 5


def once(root: str) -> tuple[int, int]:
    """(anonymous, resident) KiB of one waiting sidecar."""
    env = {"AVOUCH_STEPS": "3", "AVOUCH_TEKTON": root, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-E", "-m", "avouch.sidecar"]
    with subprocess.Popen(command, env=env, cwd=PACKAGE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        process.send_signal(signal.SIGTERM)
    anonymous, resident = (re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE) for name in ("Anonymous", "Rss"))
    assert anonymous is not None
    assert resident is not None
    return int(anonymous[1]), int(resident[1])


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        found = sorted(once(root) for _ in range(RUNS))
    anonymous, resident = found[RUNS // 2]
    print(
        f"waiting sidecar, median of {RUNS}: anonymous {anonymous / 1024:.1f} MiB, resident {resident / 1024:.1f} MiB"
    )


if __name__ == "__main__":
    main()
