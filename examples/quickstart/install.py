"""Put avouch on a cluster as a user would: images from the real Dockerfile, then the chart with Helm."""

import fcntl
import hashlib
import subprocess
from pathlib import Path

from tests.cluster import binaries, images
from tests.cluster.choice import AnyCluster
from tests.cluster.commands import run
from tests.cluster.progress import stage

ROOT = Path(__file__).parents[2]
NAMESPACE = "avouch"
SERVER = "localhost/avouch"
SIDECAR = "localhost/avouch-sidecar:0.1.0"
TOOLS = "localhost/quickstart-tools:1"
NODE_PORT = 30443


def build_images() -> str:
    """Build what changed since the last time. Returns the tag of the server image: a hash of what is in it.

    One at a time: two that collect wheels into one folder would build an image with half of them.
    """
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with stage("collect wheels"):
            subprocess.run(["make", "--silent", "wheelhouse"], cwd=ROOT, check=True)
        tag = _content_tag()
        for target, name in (("avouch", f"{SERVER}:{tag}"), ("sidecar", SIDECAR)):
            stamp = images.archive_of(name).with_suffix(".made-from")
            if not (images.archive_of(name).exists() and stamp.exists() and stamp.read_text() == tag):
                images.build(ROOT / "build", ROOT / "Dockerfile", name, target)
                stamp.write_text(tag)
    return tag


def _content_tag() -> str:
    content = hashlib.sha256((ROOT / "Dockerfile").read_bytes())
    content.update((ROOT / "requirements/opa/go.sum").read_bytes())
    for wheel in sorted((ROOT / "build" / "wheelhouse" / "server").glob("*.whl")):
        content.update(wheel.name.encode())
    for source in sorted((ROOT / "operator").rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            content.update(source.read_bytes())
    return content.hexdigest()[:12]


def load_images(cluster: AnyCluster, tag: str) -> None:
    """Make our images known to the cluster's nodes."""
    for name in (f"{SERVER}:{tag}", SIDECAR):
        with stage(f"load {name}"):
            cluster.load_image(images.archive_of(name))


def helm(cluster: AnyCluster, *arguments: str) -> str:
    """What Helm prints, on this cluster."""
    return run(binaries.binary("helm"), f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}", *arguments)


def kubectl(cluster: AnyCluster, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints, on this cluster."""
    return run(binaries.kubectl(), f"--kubeconfig={cluster.kubeconfig}", *arguments, stdin=stdin)


def public_url(cluster: AnyCluster) -> str:
    """Where CI outside the cluster reaches the server: the node's own address."""
    node = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    return f"https://{kubectl(cluster, 'get', 'nodes', '-o', node)}:{NODE_PORT}"


def install(cluster: AnyCluster, tag: str, pod_security: str = "restricted") -> None:
    """Install or upgrade the chart in a namespace that enforces this level of Pod Security; return when it is ready."""
    namespace = NAMESPACE_MANIFEST.format(name=NAMESPACE, level=pod_security)
    kubectl(cluster, "apply", "--server-side", "-f", "-", stdin=namespace)
    with stage("helm install"):
        helm(
            cluster,
            *("upgrade", "--install", "avouch", str(ROOT / "charts" / "avouch"), "--wait", "--timeout=240s"),
            *("--set", "verifierId=https://avouch.example.com/verifier", "--set", "postgres.embedded=true"),
            *("--set", f"image.repository={SERVER}", "--set", f"image.tag={tag}", "--set", f"sidecar.image={SIDECAR}"),
            *("--set", "server.replicas=1", "--set", "controller.replicas=1"),
            *("--set", f"public.url={public_url(cluster)}"),
            *("--set", "destinations={receiver.quickstart.svc}"),
            *("--set", "server.service.type=NodePort", "--set", f"server.service.nodePort={NODE_PORT}"),
        )


NAMESPACE_MANIFEST = """
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    pod-security.kubernetes.io/enforce: {level}
"""
