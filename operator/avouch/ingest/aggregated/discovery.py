"""What the aggregation layer and kubectl ask before they ask for a run: groups, resources, schemas. Constants only."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import digests
from avouch.api import contractrevision, policyreview, rundeletion, trustroot, workflowrun
from avouch.ingest.aggregated import (
    contractrevisions,
    objects,
    policyreviews,
    reevaluations,
    rundeletions,
    trustroots,
    workflowruns,
)

_VERSION = {"groupVersion": objects.API_VERSION, "version": objects.VERSION}
_GROUP = {"name": objects.GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
ROOT = f"/apis/{objects.API_VERSION}"
TICKETS = "tickets"  # subresource of a run: one download
# Subresource of a run: its deletion. Not the verb delete: who empties a namespace uses it on whatever has it, without
# a reason, and would wait for ever.
DELETION = "deletion"
REEVALUATION = "reevaluation"  # subresource of a run: having it judged again
CLAIMS = "claims"  # subresource of a run: what its jobs signed, as a list, and one by one
SIGNED = ("attestation", "statement", "vsa")  # subresources of a run: what its verdict signed


@dataclass(frozen=True, slots=True)
class Served:
    """One resource that we serve. `schema` is the kind's as kubectl explains it."""

    kind: objects.Kind
    singular: str
    verbs: tuple[str, ...]
    schema: type[msgspec.Struct]
    namespaced: bool = True

    @property
    def group_version_kind(self) -> dict[str, str]:
        """As discovery spells it."""
        return {"group": objects.GROUP, "version": objects.VERSION, "kind": self.kind.kind}


RESOURCES = (
    Served(workflowruns.KIND, "workflowrun", ("get", "list", "watch"), workflowrun.WorkflowRun),
    Served(contractrevisions.KIND, "contractrevision", ("get", "list", "watch"), contractrevision.ContractRevision),
    Served(rundeletions.KIND, "rundeletion", ("get", "list"), rundeletion.RunDeletion),
    Served(policyreviews.KIND, "policyreview", ("create",), policyreview.PolicyReview),
    Served(trustroots.KIND, "trustroot", ("get", "list"), trustroot.TrustRoot, namespaced=False),
)
_SUBRESOURCES = (
    (TICKETS, "create", "Ticket"),
    (CLAIMS, "get", "ClaimList"),
    (DELETION, "create", "RunDeletion"),
    (REEVALUATION, "create", reevaluations.KIND_NAME),
    *((name, "get", name.title()) for name in SIGNED),
)


async def groups(request: Request) -> Response:
    """`GET /apis`: aggregated discovery where the client knows it, which saves it a request."""
    accepted = ",".join(request.headers.getlist("accept")).replace(" ", "")
    if _AGGREGATED in accepted:
        return _json(_aggregated(), _AGGREGATED)
    return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]})


async def group(request: Request) -> Response:
    """`GET /apis/<group>`."""
    return _json({"kind": "APIGroup", "apiVersion": "v1", **_GROUP})


async def resources(request: Request) -> Response:
    """`GET /apis/<group>/<version>`: also the probe that decides whether the APIService is Available."""
    found: list[dict[str, Any]] = [
        {
            "name": one.kind.plural,
            "singularName": one.singular,
            "namespaced": one.namespaced,
            "kind": one.kind.kind,
            "verbs": one.verbs,
            "shortNames": one.kind.short,
            "categories": ["avouch"] if one.kind is workflowruns.KIND else [],
        }
        for one in RESOURCES
    ]
    for name, verb, kind in _SUBRESOURCES:
        below = {"name": f"{workflowruns.KIND.plural}/{name}", "singularName": "", "namespaced": True}
        found.append({**below, "kind": kind, "verbs": [verb]})
    return _json(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": objects.API_VERSION, "resources": found}
    )


async def openapi_index(request: Request) -> Response:
    """`GET /openapi/v3`."""
    digest = digests.of_bytes(_openapi()).hex
    return _json({"paths": {ROOT[1:]: {"serverRelativeURL": f"/openapi/v3{ROOT}?hash={digest}"}}})


async def openapi(request: Request) -> Response:
    """`GET /openapi/v3/apis/<group>/<version>`: what `kubectl explain` reads."""
    return Response(_openapi(), media_type="application/json")


def _aggregated() -> dict[str, Any]:
    found = [
        {
            "resource": one.kind.plural,
            "responseKind": one.group_version_kind,
            "scope": "Namespaced" if one.namespaced else "Cluster",
            "singularResource": one.singular,
            "verbs": one.verbs,
            "shortNames": one.kind.short,
            **({"categories": ["avouch"], "subresources": _subresources()} if one.kind is workflowruns.KIND else {}),
        }
        for one in RESOURCES
    ]
    version = {"version": objects.VERSION, "resources": found, "freshness": "Current"}
    item = {"metadata": {"name": objects.GROUP, "creationTimestamp": None}, "versions": [version]}
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [item]}


def _subresources() -> list[dict[str, Any]]:
    version = {"group": objects.GROUP, "version": objects.VERSION}
    return [
        {"subresource": name, "responseKind": {**version, "kind": kind}, "verbs": [verb]}
        for name, verb, kind in _SUBRESOURCES
    ]


@functools.cache
def _openapi() -> bytes:
    kinds, schemas = msgspec.json.schema_components(
        [one.schema for one in RESOURCES], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Any] = {}
    for one, reference in zip(RESOURCES, kinds, strict=True):
        schemas[one.kind.kind]["x-kubernetes-group-version-kind"] = [one.group_version_kind]
        listed = {"type": "object", "properties": {"items": {"type": "array", "items": reference}}}
        if one.verbs == ("create",):
            paths[f"{ROOT}/namespaces/{{namespace}}/{one.kind.plural}"] = _post(one, reference)
            continue
        paths[f"{ROOT}/{one.kind.plural}"] = _get(one, "list", listed)
        if not one.namespaced:
            paths[f"{ROOT}/{one.kind.plural}/{{name}}"] = _get(one, "get", reference, "name")
            continue
        below = f"{ROOT}/namespaces/{{namespace}}/{one.kind.plural}"
        paths[below] = _get(one, "list", listed, "namespace")
        paths[f"{below}/{{name}}"] = _get(one, "get", reference, "namespace", "name")
    document = {
        "openapi": "3.0.0",
        "info": {"title": "avouch runs", "version": objects.VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(document)


def _get(one: Served, action: str, schema: dict[str, Any], *parameters: str) -> dict[str, Any]:
    return {"get": _operation(one, action, "200", schema, parameters)}


def _post(one: Served, schema: dict[str, Any]) -> dict[str, Any]:
    sent = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return {"post": {**_operation(one, "post", "201", schema, ("namespace",)), **sent}}


def _operation(
    one: Served, action: str, code: str, schema: dict[str, Any], parameters: Sequence[str]
) -> dict[str, Any]:
    return {
        "operationId": "_".join([action, *parameters, one.kind.kind]),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
        ],
        "responses": {code: {"description": "OK", "content": {"application/json": {"schema": schema}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": one.group_version_kind,
    }


def _json(body: dict[str, Any], media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(body), headers={"Content-Type": media_type})
