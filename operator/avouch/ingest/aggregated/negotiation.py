"""Which of the forms of the Kubernetes API a client accepts: the object, a Table, or metadata alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

from avouch.ingest import problems
from avouch.ingest.aggregated import objects

_PARTIAL = ("PartialObjectMetadata", "PartialObjectMetadataList")
Documents = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of one kind of document: `kind` is "", Table or PartialObjectMetadata."""

    of: objects.Kind
    kind: str = ""
    include: str = "Metadata"

    @property
    def whole(self) -> bool:
        """Whether whole objects are written, not only columns and metadata."""
        return not self.kind or (self.kind == "Table" and self.include == "Object")

    def listing(self, found: Documents, listed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """A list in this form; `listed` is its ListMeta."""
        if self.kind == "Table":
            return self.of.table(found, listed, now, self.include)
        if self.kind:
            items, kind, version = [self.of.partial(one) for one in found], f"{self.kind}List", "meta.k8s.io/v1"
        else:
            items, kind, version = [self.of.resource(one) for one in found], f"{self.of.kind}List", objects.API_VERSION
        return {"apiVersion": version, "kind": kind, "metadata": dict(listed), "items": items}

    def single(self, found: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """One object in this form."""
        if self.kind == "Table":
            return self.of.table([found], {"resourceVersion": str(found["resourceVersion"])}, now, self.include)
        return self.of.partial(found) if self.kind else self.of.resource(found)

    def bookmark(self, version: int, *, initial_end: bool) -> dict[str, Any]:
        """An object that says nothing but how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.kind == "Table":
            # kubectl reads the version from the row's object, as kube-apiserver writes it.
            inner = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}
            table = self.of.table([], {"resourceVersion": str(version)}, datetime.min)
            return {**table, "rows": [{"cells": [""] * len(self.of.columns), "object": inner}]}
        kind = ("meta.k8s.io/v1", self.kind) if self.kind else (objects.API_VERSION, self.of.kind)
        return {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata}


def form(request: Request, of: objects.Kind) -> Form:
    """The first form of the Accept header that we write; no header takes anything.

    Raises:
        NotAcceptable: the client accepts no form that this API has.
    """
    include = request.query_params.get("includeObject", "Metadata")
    ranges = ",".join(request.headers.getlist("accept")) or "*/*"
    for one in ranges.split(","):
        media_type, *rest = [part.strip() for part in one.split(";")]
        wanted = dict(part.partition("=")[::2] for part in rest)
        found = _known(media_type, wanted)
        if found is not None:
            return Form(of, found, include)
    raise problems.NotAcceptable("this resource is available as application/json only")


def _known(media_type: str, wanted: Mapping[str, str]) -> str | None:
    if media_type not in ("application/json", "application/*", "*/*"):
        return None
    kind = wanted.get("as", "")
    if not kind:
        return ""
    if (wanted.get("g"), wanted.get("v")) != ("meta.k8s.io", "v1"):
        return None
    if kind == "Table":
        return "Table"
    return "PartialObjectMetadata" if kind in _PARTIAL else None
