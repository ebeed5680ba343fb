"""The pod that a Tekton step runs in: its namespace from the ServiceAccount's files, its labels from the API.

Labels are a nicety: without leave to `get pods`, or without an API server that answers, there are none.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

from avouch.tekton import labels

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 3.0
_LIMIT = 4 * 1024 * 1024  # bytes; etcd keeps objects below 1.5 MiB


def namespace(account: Path = SERVICE_ACCOUNT) -> str:
    """The pod's namespace, empty where it cannot be read."""
    return read(account / "namespace")


def labels_of(
    environment: Mapping[str, str], namespace: str, pod: str, account: Path = SERVICE_ACCOUNT
) -> dict[str, str]:
    """The pod's labels, or none."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    token, ca = read(account / "token"), read(account / "ca.crt")
    if not (host and token and ca and namespace and pod):
        return {}
    try:
        connection = http.client.HTTPSConnection(
            host,
            int(environment.get("KUBERNETES_SERVICE_PORT") or 443),
            timeout=_SECONDS,
            context=ssl.create_default_context(cadata=ca),
        )
        connection.request(
            "GET", f"/api/v1/namespaces/{namespace}/pods/{pod}", headers={"Authorization": f"Bearer {token}"}
        )
        answer = connection.getresponse()
        body = answer.read(_LIMIT)
        found = labels.of(json.loads(body)) if answer.status == 200 else {}
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return {str(key): str(value) for key, value in found.items()}


def read(path: Path) -> str:
    """A small file's text, empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
