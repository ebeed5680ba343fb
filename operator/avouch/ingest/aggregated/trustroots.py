"""The trust root as the Kubernetes object `TrustRoot`: one of the cluster, for everybody who may log in. Pure."""

from datetime import datetime
from typing import Any

from avouch.attestation import trustroot
from avouch.ingest.aggregated import objects

NAME = "avouch"
_COLUMNS = (
    objects.Column("Name", "avouch: there is one.", format="name"),
    objects.Column("Authorities", "Certificates of authorities that certified attesters.", kind="integer"),
    objects.Column("Keys", "Public keys that signed verdicts and attestations.", kind="integer"),
)


def document(found: trustroot.Document) -> dict[str, Any]:
    """What is shown of it."""
    return {"resourceVersion": "1", "root": found.to_json()}


def _body(shown: objects.Document) -> dict[str, Any]:
    return {"metadata": {"name": NAME, "resourceVersion": str(shown["resourceVersion"])}, "spec": shown["root"]}


def _cells(shown: objects.Document, now: datetime) -> list[Any]:
    return [NAME, len(shown["root"]["authorities"]), len(shown["root"]["keys"])]


KIND = objects.Kind("TrustRoot", "trustroots", _COLUMNS, _body, _cells)
