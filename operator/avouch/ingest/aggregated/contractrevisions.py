"""A recorded revision of a Contract as the Kubernetes object `ContractRevision`, and as a row of a table. Pure.

Its name is `<contract>.<revision>`: no name of a Contract has a dot.
"""

from datetime import datetime
from typing import Any

from avouch.ingest.aggregated import objects

_COLUMNS = (
    objects.Column("Name", "Contract and revision.", format="name"),
    objects.Column("Contract", "Contract that it is a revision of."),
    objects.Column("Revision", "Number of the revision.", kind="integer"),
    objects.Column("Digest", "Digest of the canonical form: what the revision is."),
    objects.Column("Age", "Time since it was recorded."),
)


def _body(document: objects.Document) -> dict[str, Any]:
    shown = ("contract", "revision", "digest", "sourceDigest", "canonical", "resolved")
    return {
        "metadata": {
            "name": document["name"],
            "namespace": document["namespace"],
            "uid": document["uid"],
            "resourceVersion": str(document["resourceVersion"]),
            "creationTimestamp": document["recordedAt"],
        },
        "spec": {key: document[key] for key in shown if document.get(key)},
    }


def _cells(document: objects.Document, now: datetime) -> list[Any]:
    passed = now - datetime.fromisoformat(document["recordedAt"])
    digest = str(document["digest"])
    return [document["name"], document["contract"], document["revision"], digest[:19], objects.age(passed)]


KIND = objects.Kind("ContractRevision", "contractrevisions", _COLUMNS, _body, _cells, short=("avrev",))
