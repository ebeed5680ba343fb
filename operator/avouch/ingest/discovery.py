"""What the aggregation layer and kubectl ask before they ask for a run: groups, resources, schemas. Constants only."""

import functools
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import digests
from avouch.api import workflowrun
from avouch.ingest import workflowruns as runs

_VERBS = ["get", "list", "watch"]
_KIND = {"group": runs.GROUP, "version": runs.VERSION, "kind": runs.KIND}
_VERSION = {"groupVersion": runs.API_VERSION, "version": runs.VERSION}
_GROUP = {"name": runs.GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ROOT = f"/apis/{runs.API_VERSION}"


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
    found = {
        "name": runs.PLURAL,
        "singularName": "workflowrun",
        "namespaced": True,
        "kind": runs.KIND,
        "verbs": _VERBS,
        "categories": ["avouch"],
    }
    return _json(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": runs.API_VERSION, "resources": [found]}
    )


async def openapi_index(request: Request) -> Response:
    """`GET /openapi/v3`."""
    digest = digests.of_bytes(_openapi()).hex
    return _json({"paths": {_ROOT[1:]: {"serverRelativeURL": f"/openapi/v3{_ROOT}?hash={digest}"}}})


async def openapi(request: Request) -> Response:
    """`GET /openapi/v3/apis/<group>/<version>`: what `kubectl explain` reads."""
    return Response(_openapi(), media_type="application/json")


def _aggregated() -> dict[str, Any]:
    resource = {
        "resource": runs.PLURAL,
        "responseKind": _KIND,
        "scope": "Namespaced",
        "singularResource": "workflowrun",
        "verbs": _VERBS,
        "categories": ["avouch"],
    }
    version = {"version": runs.VERSION, "resources": [resource], "freshness": "Current"}
    item = {"metadata": {"name": runs.GROUP, "creationTimestamp": None}, "versions": [version]}
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [item]}


@functools.cache
def _openapi() -> bytes:
    (one,), schemas = msgspec.json.schema_components(
        [workflowrun.WorkflowRun], ref_template="#/components/schemas/{name}"
    )
    schemas["WorkflowRun"]["x-kubernetes-group-version-kind"] = [_KIND]
    listed = {"type": "object", "properties": {"items": {"type": "array", "items": one}}}
    paths = {
        f"{_ROOT}/{runs.PLURAL}": _get("list", listed),
        f"{_ROOT}/namespaces/{{namespace}}/{runs.PLURAL}": _get("list", listed, "namespace"),
        f"{_ROOT}/namespaces/{{namespace}}/{runs.PLURAL}/{{name}}": _get("get", one, "namespace", "name"),
    }
    document = {
        "openapi": "3.0.0",
        "info": {"title": "avouch runs", "version": runs.VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(document)


def _get(action: str, schema: dict[str, Any], *parameters: str) -> dict[str, Any]:
    return {
        "get": {
            "operationId": "_".join([action, *parameters, runs.KIND]),
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
            ],
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _KIND,
        }
    }


def _json(body: dict[str, Any], media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(body), headers={"Content-Type": media_type})
