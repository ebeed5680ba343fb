"""AdmissionReview v1, read and written (k8s.io/api/admission/v1)."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avouch import errors
from avouch.tekton import objects

API_VERSION = "admission.k8s.io/v1"
MAX_ITEMS = 200_000  # of JSON: a pod of 1.5 MiB has some 10,000; each takes memory far beyond its bytes
MAX_WARNING = 256  # characters: the API server cuts the sum of all warnings at 4,096


@dataclass(frozen=True, slots=True)
class PodRequest:
    """The creation of one pod."""

    uid: str
    namespace: str
    operation: str
    pod: Mapping[str, Any]
    dry_run: bool = False


def read(body: bytes) -> PodRequest:
    """Read a review.

    Raises:
        Invalid: not an AdmissionReview v1 about a pod.
        TooLarge: of more parts than any review.
    """
    review = _loaded(body)
    uid = objects.text(review, "request", "uid")
    if objects.text(review, "apiVersion") != API_VERSION or not uid:
        raise errors.Invalid(f"not an AdmissionReview of {API_VERSION}", field="apiVersion")
    if objects.text(review, "request", "kind", "kind") != "Pod":
        raise errors.Invalid("not about a Pod", field="request.kind.kind")
    pod = objects.mapping(review, "request", "object")
    namespace = objects.text(review, "request", "namespace") or objects.text(pod, "metadata", "namespace")
    dry_run = objects.mapping(review, "request").get("dryRun") is True
    return PodRequest(uid, namespace, objects.text(review, "request", "operation"), pod, dry_run)


def uid_of(body: bytes) -> str:
    """The request's uid, as far as it can be read: an answer without it is an error to the API server."""
    try:
        return objects.text(_loaded(body), "request", "uid")
    except errors.AvouchError:
        return ""


def _loaded(body: bytes) -> Any:
    if sum(map(body.count, (b",", b"{", b"["))) > MAX_ITEMS:
        raise errors.TooLarge(f"the AdmissionReview has more than {MAX_ITEMS} parts")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise errors.Invalid("not JSON") from exc


def allow(
    uid: str, patch: Sequence[Mapping[str, object]] | None = None, warnings: Sequence[str] = ()
) -> dict[str, object]:
    """The answer: always allowed, with an optional patch and warnings."""
    response: dict[str, object] = {"uid": uid, "allowed": True}
    if patch:
        encoded = base64.b64encode(json.dumps(patch, separators=(",", ":")).encode()).decode("ascii")
        response |= {"patchType": "JSONPatch", "patch": encoded}
    if warnings:
        response["warnings"] = [warning[:MAX_WARNING] for warning in warnings]
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}
