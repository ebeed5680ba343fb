"""The MutatingWebhookConfiguration of injection: written by the controller, so that GitOps never sees a drift.

It cannot hold up a pod: `Ignore`, two seconds, creation of TaskRun pods in opted-in namespaces only, never our own.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from avouch.kube import resources
from avouch.kube.client import Json
from avouch.tekton import labels

NAME = "avouch-pods"
PATH = "/admission/pods"

Decide = Callable[[Mapping[str, bytes]], dict[str, bytes]]


def configuration(namespace: str, service: str, ca_bundle: bytes) -> Json:
    """The configuration as it should be."""
    return {
        "apiVersion": resources.MUTATING_WEBHOOKS.api_version,
        "kind": resources.MUTATING_WEBHOOKS.kind,
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "avouch-controller"}},
        "webhooks": [
            {
                "name": "pods.avouch.dev",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {
                    "service": {"namespace": namespace, "name": service, "path": PATH, "port": 443},
                    "caBundle": base64.b64encode(ca_bundle).decode(),
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                        "scope": "Namespaced",
                    }
                ],
                "objectSelector": {"matchExpressions": [{"key": labels.TASKRUN_UID, "operator": "Exists"}]},
                "namespaceSelector": {
                    "matchLabels": {labels.INJECT: "enabled"},
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "NotIn",
                            "values": [namespace, "kube-system"],
                        }
                    ],
                },
                "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent",
                "reinvocationPolicy": "Never",
                "sideEffects": "NoneOnDryRun",  # an Event says why a pod that comes to be got no sidecar
                "timeoutSeconds": 2,
            }
        ],
    }


def says(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether the API server holds what is wanted; it may hold more, by its own defaults."""
    return found is not None and found.get("webhooks") == wanted["webhooks"]
