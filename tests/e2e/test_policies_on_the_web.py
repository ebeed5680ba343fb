"""Policies on a web server inside the cluster, whose certificate is of the company's own authority."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.quickstart import demo, install
from tests.charts import CHART
from tests.cluster import pki
from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

NAMESPACE = "policies-on-the-web"
HOST = f"company.{NAMESPACE}.svc"
RECEIVER = "destinations={receiver.quickstart.svc}"
LISTED = f"destinations={{receiver.quickstart.svc,{HOST}}}"
SERVE = """\
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
class Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *given): super().__init__(*given, directory="/files")
server = http.server.ThreadingHTTPServer(("", 8443), Files)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
ASKING = f"""\
package main

import rego.v1

banned := http.send({{"method": "GET", "url": "https://{HOST}/banned.json", "force_json_decode": true}}).body

violations contains sprintf("%s is banned by the company", [name]) if {{
	some name in {{component.name | some component in input.components}}
	name in banned
}}
"""
SBOM = {"name": "report", "type": "SBOM_CYCLONEDX_JSON"}
LIES = {"name": "report", "workspace": {"name": "work", "path": "sbom.json"}}


def policy() -> Json:
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": "company-ban"},
        "spec": {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "path": "ban.rego"}]},
    }


def server(secret: str) -> tuple[Json, ...]:
    labels = {"app": "company"}
    volumes = [
        {"name": "files", "configMap": {"name": "files"}},
        {"name": "tls", "secret": {"secretName": secret}},
    ]
    container = {
        "name": "web",
        "image": demo.TOOLS,
        "command": ["python3", "-c", SERVE],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes],
    }
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    service = {"selector": labels, "ports": [{"port": 443, "targetPort": 8443}]}
    return (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "company"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "company"}, "spec": service},
    )


@pytest.fixture(scope="module")
def place(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = Stage(cluster, NAMESPACE).open(**{"avouch.dev/inject": "enabled"})
    company = pki.Authority(tmp_path_factory.mktemp("company"), "company")
    pair = company.issue("web", "web", names=[HOST])
    place.kubectl("create", "secret", "tls", "web", f"--cert={pair.cert}", f"--key={pair.key}")
    content = {"company-ban.yaml": json.dumps(policy()), "ban.rego": ASKING, "banned.json": '["left-pad"]'}
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": content}, *server("web")
    )
    place.kubectl("rollout", "status", "deployment/company", "--timeout=120s")
    with trusting(cluster, company.pair.cert):
        place.apply(
            {
                "apiVersion": "avouch.dev/v1alpha1",
                "kind": "Organization",
                "metadata": {"name": NAMESPACE},
                "spec": {"homeNamespace": NAMESPACE, "settings": {"policiesAllowedHostnames": [HOST]}},
            },
            made.contract(
                "web", SBOM, policies={"materials": [{"ref": f"https://{HOST}/company-ban.yaml", "gate": True}]}
            ),
            made.workflow("web", "web", LIES),
        )
        yield place
    place.close()


@contextmanager
def trusting(cluster: AnyCluster, authority: Path) -> Iterator[None]:
    """With avouch set up by an operator who lists the company's authority and its host."""
    here = Stage(cluster, install.NAMESPACE)
    here.kubectl("create", "configmap", "company-ca", f"--from-file=company.pem={authority}")
    upgrade(cluster, "trustedAuthorities.configMap=company-ca", "trustedAuthorities.key=company.pem", LISTED)
    try:
        yield
    finally:
        upgrade(cluster, "trustedAuthorities.configMap=", "trustedAuthorities.key=ca.crt", RECEIVER)
        here.kubectl("delete", "configmap", "company-ca")


def upgrade(cluster: AnyCluster, *values: str) -> None:
    given = [word for value in values for word in ("--set", value)]
    install.helm(cluster, "upgrade", "avouch", str(CHART), "--reuse-values", "--wait", "--timeout=240s", *given)


def build(place: Stage, name: str, component: str) -> Json:
    found = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": component}]}
    script = f"echo '{json.dumps(found)}' > $(workspaces.work.path)/sbom.json"
    place.apply(made.pipelinerun(name, made.task("make", script), workflow="web"))
    return place.verdict(name)


def test_a_policy_of_the_company_s_own_server_judges_and_asks_it(place: Stage) -> None:
    place.kubectl("wait", "--for=condition=Ready", "contract/web", "workflows.avouch.dev/web", "--timeout=90s")
    assert stage.said(build(place, "clean", "right-pad")) == ("Passed", "sidecar")
    run = build(place, "banned", "left-pad")
    assert (stage.said(run)[0], stage.codes(run)) == ("Failed", ["PolicyViolated"])
    assert "left-pad is banned by the company" in run["status"]["findings"][0]["message"]


def test_where_the_server_is_down_what_was_fetched_judges_and_what_must_be_asked_is_an_error(place: Stage) -> None:
    place.kubectl("scale", "deployment/company", "--replicas=0")
    place.kubectl("wait", "--for=delete", "pod", "-l", "app=company", "--timeout=90s")
    run = build(place, "in-the-dark", "right-pad")
    assert stage.said(run)[0] == "Error"
    (said,) = run["status"]["policies"]
    assert (said["name"], said["status"]) == ("company-ban", "Error")
    assert f"{HOST} was not reached" in run["status"]["findings"][0]["message"]
