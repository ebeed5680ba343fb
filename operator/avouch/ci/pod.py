"""The pod around a step of a Tekton TaskRun: its namespace and its labels, from the best source there is.

1. The directory /tekton/results: steps of TaskRuns alone have it.
2. Labels from the downward API, where a volume mounts them (AVOUCH_LABELS_FILE, or /etc/podinfo/labels).
3. Else from the pod's own object, where its ServiceAccount may get pods.
4. Else none: then the TaskRun's name comes from the host's, where that tells it (`tekton.downward`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from avouch import errors, https
from avouch.runners import detection
from avouch.tekton import downward, objects

RESULTS = Path("/tekton/results")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LABELS = "AVOUCH_LABELS_FILE"
_PODINFO = "/etc/podinfo/labels"
_SECONDS = 3.0
_LARGEST = 1024 * 1024  # bytes of a file of Kubernetes'

Get = Callable[[https.Resource, float], https.Answer]


@dataclass(frozen=True, slots=True)
class Places:
    """The files that describe a pod from inside."""

    results: Path = RESULTS
    account: Path = SERVICE_ACCOUNT


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The pod, None outside a step, and a note on what could not be read."""

    pod: detection.Pod | None = None
    note: str = ""


def look(environment: Mapping[str, str], get: Get = https.get, places: Places | None = None) -> PodFacts:
    """The pod around us, for `detection.discover`."""
    where = places or Places()
    if not where.results.is_dir():
        return PodFacts()
    namespace = _read(where.account / "namespace")
    found = downward.parse_labels(_read(Path(environment.get(LABELS) or _PODINFO)))
    if found:
        return PodFacts(detection.Pod(namespace, found))
    try:
        return PodFacts(detection.Pod(namespace, _from_api(environment, namespace, get, where.account)))
    except errors.Unavailable as exc:
        return PodFacts(detection.Pod(namespace), f"the pod's labels are not known: {exc}")


def _from_api(environment: Mapping[str, str], namespace: str, get: Get, account: Path) -> dict[str, str]:
    token, ca = _read(account / "token"), _bytes(account / "ca.crt").decode("utf-8", "surrogateescape")
    host, pod = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("HOSTNAME", "")
    if not (host and token and ca and namespace and pod):
        raise errors.Unavailable("no ServiceAccount token is mounted here")
    answer = get(https.Resource(_url(environment, namespace, pod), _bearer(token), ca), _SECONDS)
    if answer.status != 200:
        raise errors.Unavailable(f"the API server answers {answer.status}; let the ServiceAccount get pods")
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError) as exc:
        raise errors.Unavailable("the API server's answer is not JSON") from exc
    said = objects.mapping(body, "metadata", "labels") if isinstance(body, dict) else {}
    return {str(key): value for key, value in said.items() if isinstance(value, str)}


def _url(environment: Mapping[str, str], namespace: str, pod: str) -> str:
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT") or "443"
    address = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"https://{address}:{port}/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token.isascii() and token.isprintable() else {}


def _read(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8").strip()
    except ValueError:
        return ""


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(_LARGEST)
    except OSError:
        return b""
