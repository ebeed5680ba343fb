"""While steps run the sidecar costs memory in every pod: what it may load then is a short list."""

import json
import re
from pathlib import Path

from tests.unit.sidecar import life

FORBIDDEN = {
    "argparse", "asyncio", "base64", "concurrent", "cryptography", "dataclasses", "email", "hashlib", "http",
    "inspect", "json", "kubernetes", "logging", "msgspec", "pydantic", "random", "re", "socket", "ssl", "starlette",
    "subprocess", "tempfile", "threading", "typing", "urllib", "yaml",
}  # fmt: skip
OURS = {"avouch", "avouch.sidecar", "avouch.sidecar.__main__", "avouch.sidecar.lastword"}
LIMIT = 8 * 1024  # KiB of anonymous memory


def anonymous(pid: int) -> int:
    """KiB."""
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_while_waiting_it_loads_next_to_nothing_and_stays_small(tmp_path: Path) -> None:
    env = life.environment(tmp_path, 3, AVOUCH_SERVER="https://x", AVOUCH_PLAN=json.dumps([]))
    with life.running(env, flags=("-S", "-E", "-X", "importtime")) as process:
        told = life.until(process, "waiting")
        memory = anonymous(process.pid)
        code, rest = life.stop(process)
    assert code == 0
    loaded = set(re.findall(r"^import time:.*\|\s+(\S+)$", told + rest, re.MULTILINE))
    assert "avouch.sidecar" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in FORBIDDEN}
    assert {name for name in loaded if name.startswith("avouch")} <= OURS
    assert memory <= LIMIT, f"{memory} KiB of anonymous memory"
