"""Where a cluster keeps its files: what can be made again in the cache, what belongs to one cluster in the state."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]


def cache() -> Path:
    """Binaries and images, shared by all clusters and kept until somebody deletes them."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avouch"


def clusters() -> Path:
    """One folder per cluster, named like it; gone when the cluster is down."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state.resolve() / "avouch/clusters"  # as the kernel names it: its mounts are looked up by this path
