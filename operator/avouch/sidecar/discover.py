"""Who and where we are: the downward API where we were injected, the pod's own API where we were started by hand.

By hand it degrades as Chainloop's runner does: without leave to `get pods` the name comes from the host, the namespace
from the ServiceAccount's files, and the rest stays unknown.
"""

import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avouch import errors, pem
from avouch.tekton import downward, labels

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 3.0

_VARIABLES = {
    "TEKTON_TASKRUN_NAME": labels.TASKRUN,
    "TEKTON_TASK_NAME": labels.TASK,
    "TEKTON_PIPELINE_NAME": labels.PIPELINE,
    "TEKTON_PIPELINERUN_NAME": labels.PIPELINERUN,
    "TEKTON_PIPELINE_TASK_NAME": labels.PIPELINE_TASK,
}


@dataclass(frozen=True, slots=True)
class Place:
    """This pod, as far as it is known. All of it is a hint: the server identifies the pod by its token."""

    namespace: str
    pod: str
    labels: Mapping[str, str]

    @property
    def task(self) -> str:
        """The task of the Pipeline that runs here."""
        return self.labels.get(labels.PIPELINE_TASK, "")

    def variables(self) -> dict[str, str]:
        """The runner's environment, under the names that Chainloop uses."""
        found = {name: self.labels.get(label, "") for name, label in _VARIABLES.items()}
        found["TEKTON_TASKRUN_NAME"] = found["TEKTON_TASKRUN_NAME"] or downward.task_run_of(self.pod)
        found |= {"TEKTON_NAMESPACE": self.namespace, "HOSTNAME": self.pod}
        return {name: value for name, value in sorted(found.items()) if value}

    def url(self, dashboard: str) -> str:
        """A link to the run; `tekton://` where there is no dashboard; empty where nothing tells which run it is."""
        run, task_run = self.labels.get(labels.PIPELINERUN, ""), self.variables().get("TEKTON_TASKRUN_NAME", "")
        if not (run or task_run):
            return ""
        path = f"pipelineruns/{run}" if run else f"taskruns/{task_run}"
        if dashboard:
            return f"{dashboard.rstrip('/')}/#/namespaces/{self.namespace}/{path}"
        return f"tekton://{self.namespace}/{path}"


def discover(environment: Mapping[str, str], labels_file: Path, account: Path = SERVICE_ACCOUNT) -> Place:
    """This pod, from the best source there is."""
    pod = environment.get("POD_NAME") or environment.get("HOSTNAME", "")
    namespace = environment.get("POD_NAMESPACE") or _read(account / "namespace")
    found = downward.parse_labels(_read(labels_file))
    return Place(namespace, pod, found or _from_api(environment, namespace, pod, account))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _from_api(environment: Mapping[str, str], namespace: str, pod: str, account: Path) -> dict[str, str]:
    """The pod's labels from the API, or nothing: they are optional."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    token, authority = _read(account / "token"), account / "ca.crt"
    if not (host and token and namespace and pod):
        return {}
    address = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    try:
        port = int(environment.get("KUBERNETES_SERVICE_PORT") or 443)
        context = ssl.create_default_context(cadata=pem.certificates(authority.read_bytes(), str(authority)))
        with contextlib.closing(http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)) as api:
            api.request("GET", address, headers={"Authorization": f"Bearer {token}"})
            answer = api.getresponse()
            body = answer.read(4 * 1024 * 1024)
        return dict(labels.of(json.loads(body))) if answer.status == 200 else {}
    except (OSError, ValueError, errors.Invalid, http.client.HTTPException):
        return {}
