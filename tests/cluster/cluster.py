"""One whole cluster on this machine: up, down, and what a test needs of it."""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from tests.cluster import audit, cgroups, exposure, images, network, packages, places, sweep, tekton
from tests.cluster.addresses import Addresses
from tests.cluster.binaries import PROGRAMS, binary, kubectl
from tests.cluster.commands import run
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError, Impossible
from tests.cluster.node import Node
from tests.cluster.processes import Process, inside
from tests.cluster.progress import say, stage

PROCESSES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "tekton-webhook",
    "tekton-controller",
)
"""All that runs beside the pods, in the order of starting."""

_WITHOUT_CLUSTER = {"helm", "registry", "registry-with-referrers", "tekton-resolvers", "versitygw"}


class Cluster:
    """A Kubernetes with one node and Tekton, known by its name."""

    def __init__(self, name: str = "dev") -> None:
        self.addresses = Addresses.of(name)
        self.name = name
        self.folder = places.clusters() / name
        self.kubeconfig = self.folder / "kubeconfig"
        """The administrator's kubeconfig file."""
        self.host_ip = self.addresses.host
        """Where pods and the API server reach a process of this machine that listens on all addresses."""

    def up(self) -> None:
        """Bring the cluster up.

        One that is up stays as it is, one that lost processes gets them back, and one that was never complete or has
        lost its network (the machine was restarted) is made anew.
        """
        require_possible()
        with self._alone():
            if self.running():
                say(f"cluster {self.name} is up already")
                return
            packages.ensure()
            for program in sorted(set(PROGRAMS) - _WITHOUT_CLUSTER, key=list(PROGRAMS).index):
                binary(program)
            if self._repaired():
                return
            sweep.sweep(self.addresses, self.folder)
            for part in ("_plane", "_node", "_tekton"):  # they remember keys and files that are gone now
                self.__dict__.pop(part, None)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._start()
            self._complete.touch()
            say(f"cluster {self.name} is up: node {self.addresses.node}, this machine is {self.host_ip} for its pods")

    def down(self) -> None:
        """Delete the pods, stop every process and leave nothing on the machine."""
        with self._alone():
            if self._healthy("kubelet") and self._plane.process("kube-apiserver").pid:
                with stage("delete all pods"):
                    self._delete_pods()
            with stage("stop all processes and remove what is left"):
                sweep.sweep(self.addresses, self.folder)

    def running(self) -> bool:
        """Whether every process of the cluster is there and healthy."""
        return all(self._healthy(name) for name in PROCESSES)

    def status(self) -> list[tuple[str, int | None, bool]]:
        """Every process with its pid and whether it is healthy."""
        return [(name, Process(name, self.folder).pid, self._healthy(name)) for name in PROCESSES]

    def start_resolvers(self) -> None:
        """Start Tekton's remote resolvers as well; few tests need them, and they take minutes to compile."""
        if Process(tekton.RESOLVERS, self.folder).pid is None:
            objects = tekton.manifests("config/resolvers")
            self.apply(tekton.as_yaml([each for each in objects if each["kind"] == "Namespace"]))
            self.apply(tekton.as_yaml([each for each in objects if each["kind"] != "Namespace"]))
            self._tekton.start_resolvers()

    def load_image(self, archive: Path) -> None:
        """Make the image of an OCI archive known to the node, under the name that is in the archive."""
        self._node.containerd.load(archive)

    def name_by_digest(self, image: str) -> str:
        """Give a loaded image the name that it has where it was pulled: REPOSITORY@DIGEST."""
        return self._node.containerd.name_by_digest(image)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints as administrator; a failure is an error with its words."""
        return run(kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments, stdin=stdin)

    def apply(self, manifest: str) -> str:
        """Apply YAML text on the server's side."""
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    def expose(self, name: str, namespace: str, port: int) -> None:
        """Make a Service lead to a port of this machine, on which a process listens on all addresses."""
        self.apply(tekton.as_yaml(exposure.service(name, namespace, self.host_ip, port)))

    @cached_property
    def _plane(self) -> ControlPlane:
        return ControlPlane(
            folder=self.folder,
            address=self.addresses.node,
            services=self.addresses.services,
            wrap=lambda command: inside(self.addresses.namespace, command),
            extra=audit.flags(self.folder),
        )

    @cached_property
    def _node(self) -> Node:
        return Node(self._plane, self.addresses)

    @cached_property
    def _tekton(self) -> tekton.Tekton:
        return tekton.Tekton(self._plane, self.addresses)

    @property
    def _complete(self) -> Path:
        """There is such a file once the cluster was up."""
        return self.folder / "complete"

    def _starters(self) -> dict[str, Callable[[], None]]:
        """How each process is started, in the order of starting."""
        return {
            "etcd": self._plane.start_etcd,
            "kube-apiserver": self._start_apiserver,
            "kube-controller-manager": lambda: self._plane.start_manager(self.addresses.pods),
            "kube-scheduler": self._plane.start_scheduler,
            "containerd": self._node.containerd.start,
            "kubelet": self._node.start_kubelet,
            "kube-proxy": self._node.start_proxy,
            "tekton-webhook": self._tekton.start_webhook,
            "tekton-controller": self._tekton.start_controller,
        }

    def _start_apiserver(self) -> None:
        audit.write_policy(self.folder)
        self._plane.start_apiserver()

    def _repaired(self) -> bool:
        """Start the processes that are missing; False where that does not make the cluster whole again."""
        if not (self._complete.exists() and network.exists(self.addresses)):
            return False
        try:
            for name, start in self._starters().items():
                if not self._healthy(name):
                    with stage(f"{name} is gone: start it again"):
                        Process(name, self.folder).kill()
                        start()
                        self._wait(name, partial(self._healthy, name), "it was healthy")
            self._wait("kubelet", self._node_ready, "the node was ready")
        except ClusterError as error:
            say(f"cannot be repaired, so it is made anew: {error}")
            return False
        return True

    def _start(self) -> None:
        starters = self._starters()
        with stage("network, store and API server"):
            network.create(self.addresses)
            cgroups.create(self.addresses.cgroup)
            for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
                starters[name]()
        with stage("container runtime and images"):
            starters["containerd"]()
            for archive in images.helpers():
                self.load_image(archive)
        with stage("node and cluster DNS"):
            starters["kubelet"]()
            starters["kube-proxy"]()
            self.apply(self._node.dns_manifest())
            self._wait("kubelet", self._node_ready, "the node was ready")
            self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")
        with stage("Tekton"):
            self._start_tekton()

    def _start_tekton(self) -> None:
        objects = tekton.manifests()
        first = {"Namespace", "CustomResourceDefinition"}
        self.apply(tekton.as_yaml([each for each in objects if each["kind"] in first]))
        self.apply(tekton.as_yaml([each for each in objects if each["kind"] not in first]))
        self.apply(tekton.as_yaml(self._tekton.webhook_manifests()))
        self._tekton.start_webhook()
        self._tekton.start_controller()
        self._wait("tekton-webhook", self._webhook_known, "the API server knew the webhook's certificate")
        self._wait("tekton-controller", lambda: self._healthy("tekton-controller"), "it was ready")

    def _wait(self, process: str, ready: Callable[[], bool], what: str) -> None:
        Process(process, self.folder).wait_until(ready, 90, what)

    def _node_ready(self) -> bool:
        path = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "nodes", "-o", f"jsonpath={path}") == "True"

    def _webhook_known(self) -> bool:
        configuration = json.loads(
            self.kubectl(
                "get", "validatingwebhookconfiguration", "validation.webhook.pipeline.tekton.dev", "-o", "json"
            )
        )
        bundles = [webhook["clientConfig"].get("caBundle") for webhook in configuration["webhooks"]]
        return all(bundles) and self._listens(tekton.WEBHOOK_PORT)

    def _delete_pods(self) -> None:
        """Nothing may start new pods while the old ones end, so what does is stopped first."""
        for name in ("tekton-controller", "tekton-webhook", "kube-controller-manager"):
            Process(name, self.folder).kill()
        delete = ("delete", "pods", "--all", "--all-namespaces", "--grace-period=1", "--timeout=30s")
        run(kubectl(), f"--kubeconfig={self.kubeconfig}", *delete, tolerate=True)
        deadline = time.monotonic() + 10
        while self._node.containerd.ctr("tasks", "list", "--quiet", tolerate=True) and time.monotonic() < deadline:
            time.sleep(0.2)

    def _healthy(self, name: str) -> bool:
        """The process is there and its port or socket takes connections."""
        if Process(name, self.folder).pid is None:
            return False
        if name == "containerd":
            return self._node.containerd.socket.is_socket()
        ports = {"kube-apiserver": 6443, "kubelet": 10250, "tekton-webhook": tekton.WEBHOOK_PORT}
        ports["tekton-controller"] = tekton.CONTROLLER_PROBES_PORT
        return name not in ports or self._listens(ports[name])

    def _listens(self, port: int) -> bool:
        try:
            with socket.create_connection((self.addresses.node, port), timeout=1):
                return True
        except OSError:
            return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let two commands for the same cluster wait for each other."""
        places.clusters().mkdir(parents=True, exist_ok=True)
        with (places.clusters() / f".{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def require_possible() -> None:
    """Say in one line why a whole cluster cannot run here, if it cannot."""
    if sys.platform != "linux":
        raise Impossible("a local cluster needs Linux; elsewhere use kind or AVOUCH_KUBECONFIG")
    if os.geteuid() != 0:
        raise Impossible(
            "a local cluster needs root (network namespaces and containers); else kind or AVOUCH_KUBECONFIG"
        )
