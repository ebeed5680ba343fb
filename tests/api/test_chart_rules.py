"""What the chart lets processes and people do: roles, named Secrets and NetworkPolicies, taken by a real API server."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from avouch import names
from tests import charts
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

WRITES = "rbac.authorization.k8s.io/aggregate-to-edit"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        for name in ("avouch", "team-a"):
            api.kubectl("create", "namespace", name)
        yield api


def documents(template: str, **values: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(charts.rendered(template, **values)) if each]


def may(api: ApiServer, account: str, verb: str, what: str, namespace: str) -> bool:
    """Whether RBAC lets one of our ServiceAccounts do something."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:avouch:{account}",
            "resourceAttributes": {"verb": verb, "resource": "secrets", "name": what, "namespace": namespace},
        },
    }
    said = json.loads(api.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))
    return bool(said["status"]["allowed"])


def test_server_and_worker_read_the_secrets_that_their_values_name_and_no_others(api: ApiServer) -> None:
    named = {"artifacts.secrets[0].namespace": "team-a", "artifacts.secrets[0].name": "bucket"}
    named |= {"integrations.secrets[0].namespace": "team-a", "integrations.secrets[0].name": "hooks"}
    api.apply(charts.rendered("rbac", **named))
    asked = [(account, name) for account in ("avouch-server", "avouch-worker") for name in ("bucket", "hooks", "other")]
    allowed = {one for one in asked if may(api, one[0], "get", one[1], "team-a")}
    assert allowed == {("avouch-server", "bucket"), ("avouch-worker", "hooks")}
    assert not any(may(api, account, verb, "", "team-a") for account, _ in asked for verb in ("get", "list", "watch"))


@pytest.mark.parametrize("value", ["artifacts", "integrations"])
@pytest.mark.parametrize(("given", "missing"), [("name", "namespace"), ("namespace", "name")])
def test_a_secret_is_named_with_its_namespace(value: str, given: str, missing: str) -> None:
    assert f"{value}.secrets needs {missing}" in charts.refused("rbac", **{f"{value}.secrets[0].{given}": "x"})


@pytest.mark.parametrize(
    ("values", "editing"),
    [
        ({}, {"avouch-view", "avouch-artifact-reader", "avouch-edit-workflows"}),
        ({"rbac.editors": "{}"}, {"avouch-view", "avouch-artifact-reader"}),
        (
            {"rbac.editors": "{contracts,workflows}"},
            {"avouch-view", "avouch-artifact-reader", "avouch-edit-workflows", "avouch-edit-contracts"},
        ),
        ({"rbac.aggregateClusterRoles": "false"}, set()),
    ],
)
def test_who_builds_writes_workflows_and_who_audits_writes_contracts(values: dict[str, str], editing: set[str]) -> None:
    roles = documents("roles", **values)
    assert {role["metadata"]["name"] for role in roles if WRITES in role["metadata"]["labels"]} == editing
    of = {role["metadata"]["name"]: [rule["apiGroups"] for rule in role.get("rules", ())] for role in roles}
    assert of["avouch-edit-contracts"] == [["chainloop.dev"], ["runs.avouch.dev"]]  # the second: to try policies
    assert of["avouch-edit-workflows"] == [["avouch.dev"]]


def test_no_role_writes_runs_or_a_status() -> None:
    tickets, reviews, again = ["workflowruns/tickets"], ["policyreviews"], ["workflowruns/reevaluation"]
    made = {
        "avouch-run-deleter": [["workflowruns/deletion"]],
        "avouch-artifact-reader": [tickets],
        "avouch-edit-contracts": [reviews],
        "avouch-edit": [reviews, tickets],
        "avouch-admin": [reviews, tickets, again],
        "avouch-run-reevaluator": [again],
    }
    for role in documents("roles"):
        creating = []
        for rule in role.get("rules", ()):
            if rule["apiGroups"] == ["runs.avouch.dev"]:
                assert set(rule["verbs"]) <= {"get", "list", "watch", "create"}
                creating += [rule["resources"]] if "create" in rule["verbs"] else []
            assert not [each for each in rule["resources"] if each.endswith("/status")]
        assert creating == made.get(role["metadata"]["name"], [])


def test_network_policies_are_off_unless_they_are_asked_for() -> None:
    assert "could not find template" in charts.refused("networkpolicies")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"postgres.embedded": "true", r"networkPolicies.metrics.kubernetes\.io/metadata\.name": "monitoring"},
        {"networkPolicies.apiServer": "{10.0.0.0/28,fd00::/64}", "networkPolicies.databasePort": "6432"},
        {"networkPolicies.egress.worker[0].to[0].ipBlock.cidr": "203.0.113.7/32"},
    ],
)
def test_every_network_policy_is_one_that_kubernetes_takes(api: ApiServer, values: dict[str, str]) -> None:
    api.apply(charts.rendered("networkpolicies", **{"networkPolicies.enabled": "true", **values}))


def policies(**values: str) -> dict[str, dict[str, Any]]:
    found = documents("networkpolicies", **{"networkPolicies.enabled": "true", **values})
    return {policy["metadata"]["name"]: policy["spec"] for policy in found}


def test_the_embedded_database_hears_our_four_processes_and_says_nothing_by_itself() -> None:
    found = policies(**{"postgres.embedded": "true"})["avouch-postgres"]
    heard = [who["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for who in found["ingress"][0]["from"]]
    assert heard == ["controller", "migrator", "server", "worker"]
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in found


def test_the_worker_hears_nobody_but_who_reads_metrics_and_speaks_where_it_may() -> None:
    values = {
        r"networkPolicies.metrics.kubernetes\.io/metadata\.name": "monitoring",
        "networkPolicies.apiServer": "{10.0.0.1/32}",
        "networkPolicies.egress.worker[0].to[0].ipBlock.cidr": "203.0.113.7/32",
    }
    worker = policies(**values)["avouch-worker"]
    assert worker["ingress"] == [
        {
            "ports": [{"port": "metrics"}],
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        }
    ]
    anywhere = [rule["ports"] for rule in worker["egress"] if "to" not in rule]
    assert anywhere == [[{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}], [{"port": 5432}]]
    assert {"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}]} in worker["egress"]


def test_every_deployment_of_ours_has_a_policy() -> None:
    components = set()
    for template in ("controller", "migrator", "server", "worker", "postgres"):
        for one in documents(template, **{"postgres.embedded": "true"}):
            if one["kind"] in ("Deployment", "StatefulSet"):
                components.add(one["metadata"]["name"])
    assert components <= policies(**{"postgres.embedded": "true"}).keys()


def database_keys(**values: str) -> dict[str, tuple[str, str]]:
    """Container -> (Secret, key) of its database's URL."""
    found = {}
    for template in ("migrator", "controller", "server", "worker"):
        (made,) = [one for one in documents(template, **values) if one["kind"] == "Deployment"]
        pod = made["spec"]["template"]["spec"]
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            (url,) = [one for one in container["env"] if one["name"] == "AVOUCH_DATABASE_URL"]
            reference = url["valueFrom"]["secretKeyRef"]
            found[container["name"]] = (reference["name"], reference["key"])
    return found


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, ("avouch-database", "url", "url", "url", "url")),
        ({"database.roleKeys.worker": "w"}, ("avouch-database", "url", "url", "url", "w")),
        ({"postgres.embedded": "true"}, ("avouch-postgres", "url", "url-controller", "url-server", "url-worker")),
    ],
)
def test_only_who_migrates_has_the_url_of_the_owner_where_there_are_others(
    values: dict[str, str], keys: tuple[str, ...]
) -> None:
    secret, *expected = keys
    containers = ("migrator", "controller", "server", "worker")
    assert database_keys(**values) == dict(zip(containers, [(secret, key) for key in expected], strict=True))


def test_who_owns_the_schema_is_nobody_in_the_cluster_and_reaches_the_database_alone() -> None:
    (made,) = documents("migrator")
    assert made["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    rules = policies(**{"postgres.embedded": "true"})["avouch-migrator"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[53, 53], [5432]]


def embedded() -> dict[str, str]:
    (secret,) = [one for one in documents("postgres", **{"postgres.embedded": "true"}) if one["kind"] == "Secret"]
    found: dict[str, str] = secret["stringData"]
    return found


def test_each_process_is_a_user_of_the_embedded_database_with_a_password_of_its_own() -> None:
    held = embedded()
    users = {key: urlsplit(held[key]) for key in ("url", *(f"url-{process}" for process in names.DATABASE_ROLES))}
    assert [each.username for each in users.values()] == ["avouch", *names.DATABASE_ROLES.values()]
    assert len({each.password for each in users.values()}) == len(users)
    for process in names.DATABASE_ROLES:
        assert users[f"url-{process}"].password == held[f"password-{process}"]
    assert {each.query for each in users.values()} == {"sslmode=verify-full&sslrootcert=/etc/avouch/postgres/ca.crt"}


def test_the_embedded_database_proves_its_name_to_who_has_our_authority(tmp_path: Path) -> None:
    held = embedded()
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).write_text(held[name])
    assert held["ca.crt"] != held["tls.crt"]
    host = str(urlsplit(held["url"]).hostname)
    assert _proven(tmp_path, host) == ""
    assert "CERTIFICATE_VERIFY_FAILED" in _proven(tmp_path, "localhost")


def _proven(folder: Path, host: str) -> str:
    """Why a client that checks authority and name refuses the server; "" where it does not."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(back, there, server_hostname=host)
    answers = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (asks, answers):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as exc:
                return str(exc)
    return ""


def test_authorities_of_a_company_are_trusted_beside_those_of_the_image(api: ApiServer) -> None:
    for process in ("server", "worker"):
        said = charts.rendered(
            process, **{"trustedAuthorities.configMap": "company-ca", "trustedAuthorities.key": "all.pem"}
        )
        deployment = next(each for each in yaml.safe_load_all(said) if each and each["kind"] == "Deployment")
        api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(deployment))
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        named = {each["name"]: each.get("value") for each in container["env"]}
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "authorities"]
        assert named["SSL_CERT_FILE"] == f"{mount['mountPath']}/ca.crt"
        (volume,) = [each for each in pod["volumes"] if each["name"] == "authorities"]
        assert volume["configMap"] == {"name": "company-ca", "items": [{"key": "all.pem", "path": "ca.crt"}]}
