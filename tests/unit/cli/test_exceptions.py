"""Exceptions from policies on the command line."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from avouch import rfc3339
from avouch.controlplane.model import policyexceptions
from avouch.reconcilers import policyexceptions as reconciler
from tests.unit.cli import line

WANTED = ("exception", "create", "e", "--policy", "banned", "--workflow", "build", "--reason", "no fix is out yet")


class Cluster:
    """An API server that takes us for ada."""

    def __init__(self, *exceptions: dict[str, Any]) -> None:
        self.created: list[dict[str, Any]] = []
        self.exceptions = list(exceptions)

    def create(self, manifest: dict[str, Any], *flags: str) -> dict[str, Any]:
        self.created.append(manifest)
        return dict(manifest)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        return {**body, "status": {"userInfo": {"username": "ada@example.com"}}}

    def list(self, kind: str, *, everywhere: bool = False) -> list[dict[str, Any]]:
        assert kind == "policyexceptions.avouch.dev"
        return self.exceptions


def record(found: dict[str, Any]) -> policyexceptions.PolicyException:
    meta = {"name": "e", "namespace": "team", "creationTimestamp": rfc3339.to_seconds(datetime.now(UTC))}
    obj = {**found, "metadata": meta}
    return reconciler.record_of(obj, "uid", rfc3339.read(found["spec"]["expiresAt"], "spec.expiresAt"))


def test_an_exception_is_granted_by_whom_the_cluster_takes_us_for_and_ends() -> None:
    cluster = Cluster()
    answer = line.run(*WANTED, "--material", "sbom", adapters=line.Adapters(cluster=cluster))
    assert (answer.code, answer.out) == (0, "policyexception.avouch.dev/e created\n")
    made = record(cluster.created[0])
    assert (made.granted_by, made.policy, made.workflows) == ("ada@example.com", "banned", ("build",))
    assert (made.materials, made.digest, made.reason) == (("sbom",), "", "no fix is out yet")
    left = made.expires_at - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


def test_one_that_is_to_be_granted_by_another_is_only_printed() -> None:
    cluster = Cluster()
    asked = (*WANTED, "--digest", f"sha256:{'a' * 64}", "--lifetime", "1h", "--dry-run", "-o", "yaml")
    answer = line.run(*asked, adapters=line.Adapters(cluster=cluster))
    assert (answer.code, cluster.created) == (0, [])
    made = record(yaml.safe_load(answer.out))
    assert (made.digest, made.materials) == (f"sha256:{'a' * 64}", ())
    assert made.expires_at - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize("left_out", ["--policy", "--workflow", "--reason"])
def test_nothing_of_it_is_guessed(left_out: str) -> None:
    at = WANTED.index(left_out)
    answer = line.run(*WANTED[:at], *WANTED[at + 2 :], adapters=line.Adapters(cluster=Cluster()))
    assert (answer.code, f"Missing option '{left_out}'" in answer.err) == (2, True)


def test_a_list_says_who_granted_what_until_when() -> None:
    cluster = Cluster()
    line.run(*WANTED, adapters=line.Adapters(cluster=cluster))
    answer = line.run("exception", "ls", adapters=line.Adapters(cluster=Cluster(*cluster.created)))
    assert answer.out.splitlines()[0].split("  ")[0] == "NAME"
    assert all(text in answer.out for text in ("banned", "build", "ada@example.com", "no fix is out yet"))
