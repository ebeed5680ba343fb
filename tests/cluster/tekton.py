"""Tekton Pipelines: its manifests from its own Go module, its controller and webhook as processes beside the node."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import exposure, images
from tests.cluster.addresses import Addresses
from tests.cluster.binaries import binary, module_folder
from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import Process, inside

NAMESPACE = "tekton-pipelines"
RESOLVERS = "tekton-resolvers"
WEBHOOK_PORT = 8443
CONTROLLER_PROBES_PORT = 8091
_PROCESS_FOLDERS = ("100-namespace", "300-crds")


def manifests(folder: str = "config") -> list[dict[str, Any]]:
    """Every object of a folder of Tekton's own manifests but the workloads: those run as processes here."""
    config = module_folder("tekton-controller") / folder
    files = sorted(
        [*config.glob("*.yaml"), *(file for name in _PROCESS_FOLDERS for file in (config / name).glob("*.yaml"))]
    )
    found = [document for file in files for document in documents(file.read_text(encoding="utf-8"))]
    unwanted = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    return [document for document in found if document["kind"] not in unwanted]


def crds() -> list[dict[str, Any]]:
    """Tekton's CRDs for an API server alone: without the conversion that its webhook would have to do."""
    found = [document for document in manifests() if document["kind"] == "CustomResourceDefinition"]
    for crd in found:
        crd["spec"].pop("conversion", None)
    return found


def documents(text: str) -> list[dict[str, Any]]:
    """Every object of a stream of YAML."""
    return [document for document in yaml.safe_load_all(text) if document]


def as_yaml(objects: list[dict[str, Any]]) -> str:
    """All objects as one stream."""
    return yaml.safe_dump_all(objects)


@dataclass(frozen=True)
class Tekton:
    """The two processes of Tekton Pipelines for one cluster."""

    plane: ControlPlane
    addresses: Addresses

    def webhook_manifests(self) -> list[dict[str, Any]]:
        """A Service that leads to the webhook's process."""
        return exposure.service("tekton-pipelines-webhook", NAMESPACE, self.addresses.node, WEBHOOK_PORT)

    def start_webhook(self) -> None:
        """Start what validates, converts and defaults Tekton's objects."""
        self._start(
            "tekton-webhook",
            [],
            {
                "WEBHOOK_SERVICE_NAME": "tekton-pipelines-webhook",
                "WEBHOOK_SECRET_NAME": "webhook-certs",
                "WEBHOOK_ADMISSION_CONTROLLER_NAME": "webhook.pipeline.tekton.dev",
                "WEBHOOK_PORT": str(WEBHOOK_PORT),
                "PROBES_PORT": "8090",
                "PROFILING_PORT": "8018",
                "METRICS_PROMETHEUS_PORT": "9190",
            },
        )

    def start_controller(self) -> None:
        """Start what turns TaskRuns into pods."""
        helpers = {name: images.tekton(name) for name in ("entrypoint", "nop", "sidecarlogresults", "workingdirinit")}
        named = helpers | {"shell": images.SHELL, "shell-image-win": "unused"}
        flags = [f"-{name if name.endswith('win') else name + '-image'}={image}" for name, image in named.items()]
        ports = {
            "PROBES_PORT": str(CONTROLLER_PROBES_PORT),
            "PROFILING_PORT": "8019",
            "METRICS_PROMETHEUS_PORT": "9191",
        }
        self._start("tekton-controller", ["-disable-ha", *flags], ports)

    def start_resolvers(self) -> None:
        """Start what fetches Tasks and Pipelines from elsewhere: other namespaces, https, git, bundles, hubs."""
        own = {
            "SYSTEM_NAMESPACE": f"{NAMESPACE}-resolvers",
            "METRICS_DOMAIN": "tekton.dev/resolution",
            "CONFIG_LEADERELECTION_NAME": "config-leader-election-resolvers",
            "PROBES_PORT": "8092",
            "PROFILING_PORT": "8020",
            "METRICS_PROMETHEUS_PORT": "9192",
        }
        self._start(RESOLVERS, [], own)

    def _start(self, name: str, flags: list[str], environment: dict[str, str]) -> None:
        command: list[str | Path] = [binary(name), f"-kubeconfig={self.plane.kubeconfig}", *flags]
        common = {
            "SYSTEM_NAMESPACE": NAMESPACE,
            "POD_NAME": "local",
            "KUBERNETES_MIN_VERSION": "v1.28.0",
            "KUBE_API_QPS": "200",
            "KUBE_API_BURST": "400",
            "METRICS_DOMAIN": "tekton.dev/pipeline",
            "CONFIG_LOGGING_NAME": "config-logging",
            "CONFIG_OBSERVABILITY_NAME": "config-observability",
            "CONFIG_LEADERELECTION_NAME": f"config-leader-election-{name.removeprefix('tekton-')}",
            "CONFIG_DEFAULTS_NAME": "config-defaults",
            "CONFIG_FEATURE_FLAGS_NAME": "feature-flags",
            "CONFIG_SPIRE": "config-spire",
            "CONFIG_TRACING_NAME": "config-tracing",
            "CONFIG_EVENTS_NAME": "config-events",
            "CONFIG_WAIT_EXPONENTIAL_BACKOFF_NAME": "config-wait-exponential-backoff",
        }
        Process(name, self.plane.folder).start(inside(self.addresses.namespace, command), common | environment)
