"""Lets a process of this machine be a Service: for webhooks and aggregated APIs that a test serves itself."""

import socket
from typing import Any

from tests.cluster.errors import Impossible


def service(name: str, namespace: str, address: str, port: int, service_port: int = 443) -> list[dict[str, Any]]:
    """A Service without pods and the one endpoint behind it."""
    metadata = {"name": name, "namespace": namespace}
    ports = [{"name": "https", "port": service_port, "targetPort": port}]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    ]


def machine_address() -> str:
    """An address of this machine that is not loopback, which Kubernetes takes for no endpoint. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError as error:
            raise Impossible("this machine has no address but loopback, so no Service can lead to a process") from error
        return str(probe.getsockname()[0])
