"""Who may create Contracts where an Organization restricts it: the chart's admission policy, asked by real users."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests import charts, docs
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl
from tests.cluster.processes import clean_environment

pytestmark = pytest.mark.apiserver

ARGO = "system:serviceaccount:argocd:argocd-application-controller"
PATIENCE = 30.0  # seconds until the API server's informers know


class Cluster:
    """An API server with our chart's policies, two organizations and their people."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    def apply(self, *objects: dict[str, Any]) -> None:
        self.api.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def namespace(self, name: str, **labels: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def organization(self, name: str, restricted: bool, **projects: Any) -> None:
        spec = {"homeNamespace": f"{name}-home", "projects": projects}
        settings = {"settings": {"restrictContractCreation": restricted}}
        meta = {"name": name}
        self.apply(
            {
                "apiVersion": "avouch.dev/v1alpha1",
                "kind": "Organization",
                "metadata": meta,
                "spec": {**spec, **settings},
            }
        )

    def grant(self, user: str, *namespaces: str) -> None:
        for namespace in namespaces:
            name = f"edit-{user.replace(':', '-')}"
            arguments = ["--clusterrole=avouch-edit", f"--user={user}", "-n", namespace]
            self.api.kubectl("create", "rolebinding", name, *arguments)

    def tries(self, user: str, namespace: str, *how: str, name: str = "c") -> str:
        """What kubectl says to the user who applies a Contract; empty when it was taken."""
        contract = {
            "apiVersion": "chainloop.dev/v1", "kind": "Contract", "spec": {},
            "metadata": {"name": name, "namespace": namespace},
        }  # fmt: skip
        command = [kubectl(), f"--kubeconfig={self.api.client_kubeconfig(user, ['system:authenticated'])}"]
        done = subprocess.run(
            [*command, *(how or ("apply",)), "-f", "-"], input=json.dumps(contract), env=clean_environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr if done.returncode else ""

    def becomes(self, user: str, namespace: str, refused: bool) -> str:
        """What is said once the API server's own caches know; what a try made is taken away again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            said = self.tries(user, namespace, name="probe")
            self.api.kubectl("delete", "contract", "probe", "-n", namespace, "--ignore-not-found")
            if bool(said) == refused:
                return said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ApiServer() as api:
        cluster = Cluster(api)
        api.kubectl("apply", "--server-side", "-f", str(docs.ROOT / "crds"))
        for template in ("roles", "policies"):
            api.apply(charts.rendered(template))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for name in ("acme-home", "free-home", "named", "outside", "both"):
            cluster.namespace(name)
        cluster.namespace("selected", team="red", tier="prod")
        cluster.namespace("almost", team="red")
        cluster.grant("dev", "named", "selected", "almost", "outside", "both", "free-home")
        cluster.grant("author", "named", "selected", "acme-home")
        cluster.grant(ARGO, "named")
        selector = {"matchLabels": {"team": "red", "tier": "prod"}}
        cluster.organization("acme", True, namespaces=["named", "both"], selector=selector)
        cluster.organization("free", False, namespaces=["both"])
        bare = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Organization", "metadata": {"name": "bare"}}
        cluster.apply({**bare, "spec": {"homeNamespace": "outside"}})  # says nothing of projects and settings
        cluster.becomes("dev", "named", refused=True)
        yield cluster


@pytest.mark.parametrize("namespace", ["named", "selected", "both"])
@pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side"), ("create",)], ids=" ".join)
def test_a_restricted_project_takes_no_contract_of_who_may_not_write_in_its_home(
    cluster: Cluster, namespace: str, how: tuple[str, ...]
) -> None:
    said = cluster.tries("dev", namespace, *how)
    assert "contract creation is restricted: Organization acme lets only those" in said
    assert "in its home namespace acme-home, and dev may not" in said
    assert (
        "kubectl create rolebinding contract-authors -n acme-home --clusterrole=avouch-edit-contracts --user=dev"
        in said
    )


@pytest.mark.parametrize("namespace", ["almost", "outside", "free-home"])
def test_what_no_restricting_organization_claims_is_free(cluster: Cluster, namespace: str) -> None:
    assert cluster.tries("dev", namespace) == ""


@pytest.mark.parametrize("namespace", ["named", "selected", "acme-home"])
def test_who_may_write_in_the_home_namespace_may_in_every_project(cluster: Cluster, namespace: str) -> None:
    assert cluster.tries("author", namespace) == ""


def test_an_author_still_needs_leave_in_the_project_itself(cluster: Cluster) -> None:
    assert "forbidden" in cluster.tries("author", "both").lower()


def test_a_contract_that_is_there_may_be_changed_and_is_kubernetes_matter(cluster: Cluster) -> None:
    assert cluster.tries("author", "named", name="there") == ""
    assert cluster.tries("dev", "named", name="there") == ""


def test_argo_cd_is_the_actor_and_what_the_message_says_helps(cluster: Cluster) -> None:
    said = cluster.tries(ARGO, "named", name="by-argo")
    assert f"and {ARGO} may not" in said
    typed = said[said.index("kubectl create rolebinding") :].split()
    cluster.api.kubectl(*typed[1:])
    assert cluster.tries(ARGO, "named", name="by-argo") == ""


def test_lifting_the_restriction_frees_the_project(cluster: Cluster) -> None:
    cluster.organization("strict", True, namespaces=["late"])
    cluster.namespace("late")
    cluster.grant("dev", "late")
    cluster.becomes("dev", "late", refused=True)
    cluster.organization("strict", False, namespaces=["late"])
    cluster.becomes("dev", "late", refused=False)


def test_right_after_an_install_contracts_are_taken() -> None:
    """The policy names a kind that the API server has only just learnt: nobody may have to wait for that."""
    with ApiServer() as api:
        api.kubectl("apply", "--server-side", "-f", str(docs.ROOT / "crds"))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        api.apply(charts.rendered("policies"))
        contract = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "spec": {}}
        for number in range(40):  # ten seconds, until well after the policy came into force
            named = {**contract, "metadata": {"name": f"c{number}"}}
            api.kubectl("create", "-f", "-", stdin=json.dumps(named))
            time.sleep(0.2)
