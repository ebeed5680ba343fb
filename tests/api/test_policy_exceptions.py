"""Who may except violations from a policy, and for how long: a real API server with the chart's roles and policies."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avouch import rfc3339
from avouch.kubectl import Kubectl
from tests import charts
from tests.api.served import until
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl
from tests.cluster.processes import clean_environment
from tests.unit.cli import line

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[2] / "crds"
ADA, BOB, EDITOR, OWNER = "ada@example.com", "bob@example.com", "editor", "owner"
REFUSED = "spec.grantedBy is bob@example.com, and ada@example.com applies it"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.kubectl("apply", "--server-side", "-f", str(CRDS))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        api.kubectl("create", "namespace", "shop")
        for template in ("policies", "roles"):
            api.apply(charts.rendered(template))
        for user, role in (
            (ADA, "exception-approver"),
            (BOB, "exception-approver"),
            (EDITOR, "edit"),
            (OWNER, "admin"),
        ):
            bound = (f"--clusterrole=avouch-{role}", f"--user={user}", "-n", "shop")
            api.kubectl("create", "rolebinding", f"{user.partition('@')[0]}-{role}", *bound)
        until(lambda: tried(api, ADA, exception(by=ADA)) == "", "the binding is known")
        until(lambda: REFUSED in tried(api, ADA, exception(by=BOB)), "the admission policy is known")
        yield api


def exception(name: str = "until-friday", by: str = ADA, days: float = 1, **spec: Any) -> dict[str, Any]:
    said = {
        "policy": {"name": "banned"},
        "workflows": ["build"],
        "reason": "no fix is out yet",
        "grantedBy": by,
        "expiresAt": rfc3339.to_seconds(datetime.now(UTC) + timedelta(days=days)),
        **spec,
    }
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "avouch.dev/v1alpha1", "kind": "PolicyException", "metadata": meta, "spec": said}


def tried(api: ApiServer, user: str, found: dict[str, Any], *how: str) -> str:
    """What kubectl says to the user who applies it; empty when it was taken."""
    command = [kubectl(), f"--kubeconfig={api.client_kubeconfig(user, ['system:authenticated'])}"]
    done = subprocess.run(
        [*command, *(how or ("apply", "-f", "-"))], input=json.dumps(found), env=clean_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def test_who_writes_workflows_and_contracts_grants_himself_nothing(api: ApiServer) -> None:
    for user in (EDITOR, OWNER):
        said = tried(api, user, exception("self-service", by=user))
        assert "cannot create resource" in said or "cannot get resource" in said


def test_who_grants_exceptions_writes_no_workflows_by_that(api: ApiServer) -> None:
    workflow = {**exception(), "kind": "Workflow", "spec": {}}
    assert "cannot get resource" in tried(api, ADA, workflow)
    assert tried(api, EDITOR, workflow) == ""


def test_nobody_grants_in_the_name_of_another(api: ApiServer) -> None:
    said = tried(api, ADA, exception("forged", by=BOB))
    assert f"{REFUSED}; fix: write grantedBy: {ADA}" in said
    assert tried(api, BOB, exception("forged", by=BOB)) == ""


def test_who_changes_what_another_granted_signs_for_it(api: ApiServer) -> None:
    assert tried(api, ADA, exception("changed", by=ADA)) == ""
    assert "and bob@example.com applies it" in tried(
        api, BOB, exception("changed", by=ADA, workflows=["build", "other"])
    )
    label = ("label", "policyexceptions", "changed", "-n", "shop", "seen=yes")
    assert tried(api, BOB, {}, *label) == ""
    assert tried(api, BOB, exception("changed", by=BOB, workflows=["build", "other"])) == ""


def test_an_exception_lasts_for_ninety_days_at_most_from_its_creation(api: ApiServer) -> None:
    assert "at most 90 days from its creation" in tried(api, ADA, exception("long", days=90.1))
    assert tried(api, ADA, exception("long", days=89.9)) == ""
    assert "at most 90 days from its creation" in tried(api, ADA, exception("long", days=90.1))


def test_the_command_grants_in_the_name_that_the_cluster_knows_us_by(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(kubectl()).parent))
    kubeconfig = str(api.client_kubeconfig(ADA, ["system:authenticated"]))
    adapters = line.Adapters(cluster=Kubectl(lambda _: None, kubeconfig=kubeconfig, namespace="shop"))
    wanted = ("--policy", "banned", "--workflow", "build", "--reason", "no fix is out yet", "--lifetime", "72h")
    answer = line.run("exception", "create", "by-command", "-n", "shop", *wanted, adapters=adapters)
    assert (answer.err, answer.out) == ("", "policyexception.avouch.dev/by-command created\n")
    assert ADA in line.run("exception", "list", "-n", "shop", adapters=adapters).out


NONE = {
    "of no Workflow": ({"workflows": []}, "spec.workflows"),
    "of all Workflows": ({"workflows": ["*"]}, "spec.workflows"),
    "for ever": ({"expiresAt": None}, "spec.expiresAt"),
    "until some day": ({"expiresAt": "some day"}, "spec.expiresAt"),
    "without a reason": ({"reason": " "}, "the reason is empty"),
    "of no policy": ({"policy": {}}, "spec.policy.name"),
    "of nobody": ({"grantedBy": None}, "spec.grantedBy"),
}


@pytest.mark.parametrize(("change", "told"), NONE.values(), ids=NONE)
def test_an_exception_says_all_that_a_verdict_tells_of_it(api: ApiServer, change: dict[str, Any], told: str) -> None:
    found = exception("vague", **change)
    found["spec"] = {key: value for key, value in found["spec"].items() if value is not None}
    said = tried(api, ADA, found)
    assert told in said
