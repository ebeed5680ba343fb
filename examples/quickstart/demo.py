"""`make demo`: the main job on a real cluster: a good run, and three that do not pass.

Repeatable: a second `up` runs the pipelines again on the cluster that is there; `down` leaves nothing.
"""

import argparse
import base64
import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.quickstart.install import ROOT, build_images, helm, install, kubectl, load_images
from tests.cluster import binaries, images
from tests.cluster.choice import AnyCluster, choose
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError, exit_code
from tests.cluster.progress import stage

HERE = Path(__file__).parent
POLICY = ROOT / "examples" / "policies" / "components-banned.yaml"
NAMESPACE = "quickstart"
TOOLS = "localhost/quickstart-tools:1"
DEADLINE = 240.0  # seconds for one PipelineRun and its verdict


@dataclass(frozen=True)
class Scene:
    """One run of the demo: its file, the PipelineRun in it, and the verdict it must get."""

    file: str
    run: str
    verdict: str
    what: str


SCENES = (
    Scene("run-good.yaml", "good", "Passed", "a good run"),
    Scene("run-without-sbom.yaml", "without-sbom", "Failed", "a run that does not deliver its SBOM"),
    Scene("run-with-a-banned-component.yaml", "banned", "Failed", "a run with a component that a policy bans"),
    Scene("run-that-lies.yaml", "lying", "Rejected", "a run with a step that claims another image digest"),
)


NEXT = (
    f"kubectl -n {NAMESPACE} describe workflowruns",
    f"kubectl -n {NAMESPACE} get workflows.avouch.dev,contracts,integrationattachments",
    f"kubectl -n {NAMESPACE} get events --field-selector involvedObject.kind=PipelineRun",
)


def build_tools() -> None:
    """The image of the example's steps: pytest, cyclonedx-py and crane, as anybody's builder image would hold them."""
    context = ROOT / "build" / "quickstart-tools"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "-w", str(context / "wheelhouse"),
        "-r", str(HERE / "tools" / "requirements.txt"), "pip")  # fmt: skip
    shutil.copy(binaries.binary("crane"), context / "crane")
    images.build(context, HERE / "tools" / "Dockerfile", TOOLS)


def prepare(cluster: AnyCluster) -> None:
    """Everything of the example but the runs."""
    kubectl(cluster, "apply", "-f", str(HERE / "namespace.yaml"))
    ensure_hmac_key(cluster)
    for name, files in (("app-source", sorted((HERE / "app").iterdir())), ("receiver", [HERE / "receiver.py"])):
        flags = [f"--from-file={file}" for file in files if file.is_file()]
        made = kubectl(cluster, "create", "configmap", name, "-n", NAMESPACE, *flags, "--dry-run=client", "-o", "yaml")
        kubectl(cluster, "apply", "-f", "-", stdin=made)
    publish_ca(cluster)
    kubectl(cluster, "apply", "-n", NAMESPACE, "-f", str(POLICY))
    for file in ("registry", "receiver", "contract", "workflow", "integration", "pipeline"):
        kubectl(cluster, "apply", "-f", str(HERE / f"{file}.yaml"))
    for deployment in ("registry", "receiver"):
        kubectl(cluster, "-n", NAMESPACE, "rollout", "status", f"deployment/{deployment}", "--timeout=120s")
    for kind in ("policies", "contracts", "workflows.avouch.dev", "integrations.avouch.dev", "integrationattachments"):
        kubectl(cluster, "-n", NAMESPACE, "wait", "--for=condition=Ready", kind, "--all", "--timeout=60s")


def ensure_hmac_key(cluster: AnyCluster) -> None:
    """A random signing key for the receiver, made once."""
    if kubectl(cluster, "-n", NAMESPACE, "get", "secret", "receiver-hmac", "--ignore-not-found").strip():
        return
    literal = f"--from-literal=key={secrets.token_urlsafe(32)}"
    kubectl(cluster, "-n", NAMESPACE, "create", "secret", "generic", "receiver-hmac", literal)


def publish_ca(cluster: AnyCluster) -> None:
    """Give the explicit attesting step our server's certificate authority (an injected sidecar brings its own copy)."""
    secret = json.loads(kubectl(cluster, "-n", "avouch", "get", "secret", "avouch-server-tls", "-o", "json"))
    authority = base64.b64decode(secret["data"]["ca.crt"]).decode()
    literal = f"--from-literal=ca.crt={authority}"
    made = kubectl(
        cluster, "create", "configmap", "avouch-ca", "-n", NAMESPACE, literal, "--dry-run=client", "-o", "yaml"
    )
    kubectl(cluster, "apply", "-f", "-", stdin=made)


def play(cluster: AnyCluster, scene: Scene) -> dict[str, Any]:
    """Run one scene afresh and return its WorkflowRun once it is judged."""
    kubectl(cluster, "delete", "-f", str(HERE / scene.file), "--ignore-not-found", "--wait=true")
    kubectl(cluster, "apply", "-f", str(HERE / scene.file))
    uid = read(cluster, "pipelinerun", scene.run)["metadata"]["uid"]
    return wait_for(lambda: judged(cluster, uid), f"the verdict on PipelineRun {scene.run}")


def judged(cluster: AnyCluster, subject_uid: str) -> dict[str, Any] | None:
    """The judged WorkflowRun about this PipelineRun, if there is one."""
    for item in read(cluster, "workflowruns")["items"]:
        if item["spec"]["subject"].get("uid") == subject_uid and item["status"]["verdict"] != "Pending":
            return read(cluster, "workflowruns", item["metadata"]["name"])
    return None


def read(cluster: AnyCluster, *what: str) -> dict[str, Any]:
    """Objects of the example's namespace, as kubectl reads them."""
    found: dict[str, Any] = json.loads(kubectl(cluster, "-n", NAMESPACE, "get", *what, "-o", "json"))
    return found


def wait_for(look: Callable[[], dict[str, Any] | None], what: str) -> dict[str, Any]:
    """Look every half second until there is something to see."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.5)
    raise ClusterError(f"waited {DEADLINE:.0f} s for {what}")


def show(cluster: AnyCluster, scene: Scene, found: dict[str, Any]) -> None:
    """Print a verdict as a user sees it."""
    print(f"\n--- {scene.what}: PipelineRun {scene.run}")
    print(kubectl(cluster, "-n", NAMESPACE, "get", "workflowruns", found["metadata"]["name"]).rstrip())
    for finding in found["status"].get("findings", []):
        print(f"  {finding['code']}: {finding['message']}")
        if finding.get("line"):
            print(f"    asked by  {finding['line']}")
        if finding.get("fix"):
            print(f"    fix       {finding['fix']}")


def up(name: str) -> int:
    """Cluster, Tekton, avouch, the example and its four runs."""
    started = time.monotonic()
    cluster = choose(name)
    with stage("cluster with Tekton"):
        cluster.up()
    tag = build_images()
    build_tools()
    load_images(cluster, tag)
    for image in (TOOLS, "localhost/registry:v0.20.6"):
        cluster.load_image(images.archive_of(image))
    install(cluster, tag)
    with stage("the example"):
        prepare(cluster)
    wrong = []
    for scene in SCENES:
        with stage(scene.what):
            found = play(cluster, scene)
        show(cluster, scene, found)
        if found["status"]["verdict"] != scene.verdict:
            wrong.append(f"{scene.run}: expected {scene.verdict}, got {found['status']['verdict']}")
    print("\n--- all runs, and what the receiver got")
    print(kubectl(cluster, "-n", NAMESPACE, "get", "workflowruns").rstrip())
    print(kubectl(cluster, "-n", NAMESPACE, "logs", "deployment/receiver").rstrip())
    print(f"\n{time.monotonic() - started:.0f} s in all. export KUBECONFIG={cluster.kubeconfig}, and type next:")
    for command in NEXT:
        print(f"  {command}")
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


def down(name: str) -> int:
    """Remove all that the demo made: on a cluster of ours, the cluster; on a given one, the example and avouch."""
    cluster = choose(name)
    if type(cluster).__name__ == "GivenCluster":
        kubectl(cluster, "delete", "namespace", NAMESPACE, "--ignore-not-found")
        helm(cluster, "uninstall", "avouch", "--wait", "--ignore-not-found")
    cluster.down()
    return 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--name", default="demo", help="name of the cluster (default: demo)")
    arguments = parser.parse_args()
    command = up if arguments.command == "up" else down
    return exit_code(lambda: command(arguments.name))


if __name__ == "__main__":
    sys.exit(main())
