"""Ways into the server from outside the cluster: what the chart makes of them is what a real API server takes."""

import json
from collections.abc import Iterator

import pytest

from tests import charts
from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

PUBLIC = {"public.url": "https://avouch.example.com"}
GATEWAY = {**PUBLIC, "gateway.enabled": "true", "gateway.parentRefs[0].name": "public"}


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """An API server that knows the Gateway API."""
    folder = binaries.sources("gateway", "sigs.k8s.io/gateway-api") / "config" / "crd" / "experimental"
    with ApiServer() as api:
        api.kubectl("create", "namespace", "avouch")
        for name in ("httproutes", "tlsroutes", "backendtlspolicies"):
            api.kubectl("apply", "--server-side", "-f", str(folder / f"gateway.networking.k8s.io_{name}.yaml"))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield api


def said(api: ApiServer, resource: str, path: str) -> str:
    return api.kubectl("-n", "avouch", "get", resource, "avouch-server", "-o", f"jsonpath={path}")


def test_an_ingress_leads_to_the_ingest_api_and_to_nothing_else(api: ApiServer) -> None:
    more = {"ingress.enabled": "true", "ingress.className": "nginx", "ingress.tlsSecret": "public-tls"}
    annotation = {r"ingress.annotations.nginx\.ingress\.kubernetes\.io/backend-protocol": "HTTPS"}
    api.apply(charts.rendered("ingress", **PUBLIC, **more, **annotation))
    assert said(api, "ingress", "{.spec.rules[*].host} {.spec.rules[*].http.paths[*].path}") == "avouch.example.com /v1"
    assert said(api, "ingress", "{.spec.tls[0].secretName} {.spec.tls[0].hosts[0]}") == "public-tls avouch.example.com"
    assert "HTTPS" in said(api, "ingress", "{.metadata.annotations}")


def test_a_gateway_that_ends_tls_speaks_tls_to_the_server_and_believes_our_authority(api: ApiServer) -> None:
    api.apply(charts.rendered("gateway", **GATEWAY))
    rule = "{.spec.hostnames[0]} {.spec.rules[0].matches[0].path.value} {.spec.rules[0].backendRefs[0].name}"
    assert said(api, "httproute", rule) == "avouch.example.com /v1 avouch-server"
    believed = "{.spec.validation.hostname} {.spec.validation.caCertificateRefs[0].name}"
    assert said(api, "backendtlspolicy", believed) == "avouch-server.avouch.svc avouch-server"


def test_a_gateway_that_passes_tls_through_needs_no_policy(api: ApiServer) -> None:
    text = charts.rendered("gateway", **GATEWAY, **{"gateway.kind": "TLSRoute"})
    assert "BackendTLSPolicy" not in text
    api.apply(text)
    assert said(api, "tlsroute", "{.spec.hostnames[0]}") == "avouch.example.com"


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_admission_has_a_service_that_nothing_outside_leads_to(api: ApiServer, kind: str) -> None:
    api.apply(charts.rendered("server", **{"server.service.type": kind}))
    services = json.loads(api.kubectl("-n", "avouch", "get", "services", "-o", "json"))["items"]
    ports = {one["metadata"]["name"]: [port["targetPort"] for port in one["spec"]["ports"]] for one in services}
    assert ports == {"avouch-server": ["https"], "avouch-runs": ["runs"], "avouch-admission": ["admission"]}
    inside = {one["metadata"]["name"] for one in services if one["spec"]["type"] == "ClusterIP"}
    assert inside == {"avouch-runs", "avouch-admission"}


@pytest.mark.parametrize(
    ("template", "values", "why"),
    [
        ("ingress", {"ingress.enabled": "true"}, "public.url is required"),
        ("validate", {**PUBLIC, "gateway.enabled": "true"}, "gateway.parentRefs is required"),
        ("gateway", {**GATEWAY, "gateway.kind": "GRPCRoute"}, "gateway/kind"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(template: str, values: dict[str, str], why: str) -> None:
    assert why in charts.refused(template, **values)
