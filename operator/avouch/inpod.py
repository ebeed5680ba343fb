"""Kubernetes as the ServiceAccount of a pod reads it: for steps of pipelines, whose images have no kubectl.

It reads and nothing else; what changes something needs kubectl. The token is read again for each request, because the
kubelet replaces it every hour.
"""

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from avouch import errors, https

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 30.0  # for one answer
_MOST = 64 * 1024 * 1024  # bytes of one answer: a page of runs
_VERSIONS = {"runs.avouch.dev": "v1alpha1", "avouch.dev": "v1alpha1", "chainloop.dev": "v1", "tekton.dev": "v1"}
_NO_KIND = "the server could not find the requested resource"  # as kubectl says it
_FAMILIES: Mapping[int, type[errors.AvouchError]] = {
    400: errors.Invalid,
    401: errors.Unauthenticated,
    403: errors.Denied,
    404: errors.NotFound,
}


@dataclass(frozen=True, slots=True)
class InPod:
    """The API server of the pod's cluster. `asked`: a namespace other than the pod's own."""

    environment: Mapping[str, str]
    asked: str = ""
    folder: Path = SERVICE_ACCOUNT

    def namespace(self) -> str:
        """The namespace that commands are about."""
        return self.asked or self._file("namespace")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object; NotFound where there is none."""
        return _object(self.raw(f"{self._collection(kind)}/{urllib.parse.quote(name, safe='')}"))

    def list(self, kind: str, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """All objects of a kind, in this namespace or in all."""
        return list(_object(self.raw(self._collection(kind, everywhere=everywhere))).get("items") or ())

    def raw(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> str:
        """What a path of the Kubernetes API answers."""
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        host, port = (self.environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
        place = f"[{host}]" if ":" in host else host
        headers = {"Authorization": f"Bearer {self._file('token')}", "Accept": "application/json"}
        wanted = https.Resource(f"https://{place}:{port}{path}{asked}", headers, self._file("ca.crt"), limit=_MOST)
        answer = https.get(wanted, _SECONDS)
        if answer.status != 200:
            raise _failure(answer)
        return answer.body.decode("utf-8", "replace")

    def create(self, manifest: Mapping[str, Any], *flags: str) -> NoReturn:
        """Not from here."""
        _refuse()

    def post(self, path: str, body: Mapping[str, Any]) -> NoReturn:
        """Not from here."""
        _refuse()

    def patch(self, kind: str, name: str, change: Mapping[str, Any], *flags: str) -> NoReturn:
        """Not from here."""
        _refuse()

    def apply(self, manifests: Sequence[Mapping[str, Any]], *flags: str) -> NoReturn:
        """Not from here."""
        _refuse()

    def _collection(self, kind: str, *, everywhere: bool = False) -> str:
        plural, _, group = kind.partition(".")
        if group not in _VERSIONS:
            raise errors.Invalid(f"{kind} cannot be read without kubectl", fix="put kubectl into the image")
        place = "" if everywhere else f"/namespaces/{self.namespace()}"
        return f"/apis/{group}/{_VERSIONS[group]}{place}/{plural}"

    def _file(self, name: str) -> str:
        try:
            return (self.folder / name).read_text("utf-8").strip()
        except OSError as exc:
            fix = "let the pod mount its ServiceAccount's token: automountServiceAccountToken: true"
            text = f"{self.folder / name} cannot be read: {exc.strerror}"
            raise errors.Unauthenticated(errors.with_fix(text, fix)) from exc


def inside(folder: Path = SERVICE_ACCOUNT) -> bool:
    """Whether this is a pod that may speak with its cluster."""
    return (folder / "token").exists()


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise errors.Unavailable("the API server did not answer in JSON") from exc
    if not isinstance(found, dict):
        raise errors.Unavailable("the API server did not answer with an object")
    return found


def _refuse() -> NoReturn:
    raise errors.NotInstalled("kubectl is not on PATH, and only it changes something", fix="put it into the image")


def _failure(answer: https.Answer) -> errors.AvouchError:
    family = _FAMILIES.get(answer.status, errors.Unavailable)
    try:
        said = str(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError):
        said = _NO_KIND if answer.status == 404 else f"the API server answered {answer.status}"
    return family(said[:1000])
