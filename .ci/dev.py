"""`make dev`: avouch on the local cluster, its processes run from this working tree and restarted on every change.

The chart is installed as for anybody; then its Deployments get the tree mounted over the package of their image. The
sidecar keeps the package of its image: run `make dev` again after a change in `operator/avouch/sidecar`. Ctrl-C ends
the watching; the cluster stays up (`make cluster-down`).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import watchfiles

from examples.quickstart.install import NAMESPACE, ROOT, build_images, install, kubectl, load_images
from tests.cluster.choice import AnyCluster, choose
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError, Impossible, exit_code
from tests.cluster.progress import say, stage

TREE = ROOT / "operator"
PROCESSES = ("migrator", "controller", "server", "worker")


def mounted(process: str) -> dict[str, Any]:
    """The patch that lets one Deployment run the tree; as its owner, who may read it."""
    owner = TREE.stat()
    container = {
        "name": process,
        "env": [{"name": "PYTHONPATH", "value": "/tree:/opt/avouch"}],
        "volumeMounts": [{"name": "tree", "mountPath": "/tree", "readOnly": True}],
    }
    pod = {
        "securityContext": {"runAsNonRoot": owner.st_uid != 0, "runAsUser": owner.st_uid, "runAsGroup": owner.st_gid},
        "containers": [container],
        "volumes": [{"name": "tree", "hostPath": {"path": str(TREE), "type": "Directory"}}],
    }
    return {"spec": {"template": {"spec": pod}}}


def deploy(cluster: AnyCluster) -> None:
    """Cluster, images and chart, then the tree in place of the package."""
    cluster.up()
    tag = build_images()
    load_images(cluster, tag)
    install(cluster, tag, pod_security="privileged")  # a hostPath is what `restricted` forbids first
    for process in PROCESSES:
        kubectl(
            cluster, "-n", NAMESPACE, "patch", "deployment", f"avouch-{process}", "-p", json.dumps(mounted(process))
        )
    ready(cluster)


def ready(cluster: AnyCluster) -> None:
    """Wait until every process runs what is in the tree now; say which does not."""
    for process in PROCESSES:
        try:
            kubectl(cluster, "-n", NAMESPACE, "rollout", "status", f"deployment/avouch-{process}", "--timeout=60s")
        except ClusterError:
            log = kubectl(cluster, "-n", NAMESPACE, "logs", f"deployment/avouch-{process}", "--tail=15")
            say(f"avouch-{process} does not become ready with this tree; its last words:\n{log}")


def reload(cluster: AnyCluster, changed: Iterable[Path]) -> None:
    """Restart all processes."""
    names = ", ".join(sorted(str(path.relative_to(TREE)) for path in changed))
    with stage(f"reload: {names}"):
        deployments = [f"deployment/avouch-{process}" for process in PROCESSES]
        kubectl(cluster, "-n", NAMESPACE, "rollout", "restart", *deployments)
        ready(cluster)


def run(name: str) -> None:
    """Deploy, then reload for ever."""
    cluster = choose(name)
    if not isinstance(cluster, Cluster):
        raise Impossible("`make dev` mounts this folder into pods, so the cluster has to run on this machine itself")
    started = time.monotonic()
    deploy(cluster)
    say(f"up in {time.monotonic() - started:.0f} s; export KUBECONFIG={cluster.kubeconfig}")
    say(f"watching {TREE.relative_to(ROOT)}/ (Ctrl-C to end; the cluster stays)")
    for changes in watchfiles.watch(TREE, watch_filter=watchfiles.PythonFilter(), raise_interrupt=False):
        reload(cluster, {Path(path) for _, path in changes})


def main() -> int:
    """Do it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="dev", help="name of the cluster (default: %(default)s)")
    name = parser.parse_args().name
    return exit_code(lambda: run(name))


if __name__ == "__main__":
    sys.exit(main())
