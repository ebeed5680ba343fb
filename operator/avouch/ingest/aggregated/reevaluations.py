"""A request to judge a run again as the Kubernetes object `RunReevaluation`. Pure."""

from typing import Any

from avouch.ingest.aggregated import objects

KIND_NAME = "RunReevaluation"
_ASKED = ("askedBy", "askedAt", "reason")
_ANSWERED = ("state", "message", "answeredAt")


def resource(document: objects.Document) -> dict[str, Any]:
    """What is known of a request. Its name is the run's, whose status shows what becomes of it."""
    return {
        "apiVersion": objects.API_VERSION,
        "kind": KIND_NAME,
        "metadata": {
            "name": document["name"],
            "namespace": document["namespace"],
            "uid": f"{document['id']}.reevaluation",
            "creationTimestamp": document["askedAt"],
        },
        "spec": objects.without_empty({name: document[name] for name in _ASKED}),
        "status": objects.without_empty({name: document[name] for name in _ANSWERED}),
    }
