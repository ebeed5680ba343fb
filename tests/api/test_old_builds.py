"""A cluster full of old builds, controllers that come and go, and a database that is lost: nothing old is judged."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from avouch.store import migrate
from tests import postgres
from tests.api.test_controller import CONTRACT, PIPELINERUN, ROOT, TEKTON, WORKFLOW, Bench
from tests.cluster.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

OLD = 25  # builds that were over before their Workflow was there


class Cluster(Bench):
    """One namespace with a Workflow `release` of Pipeline `build`."""

    namespace_ = "shop"

    def build(self, *names: str) -> None:
        documents = [PIPELINERUN.format(name=name, namespace=self.namespace_) for name in names]
        self.api.apply("---".join(documents))

    def end(self, *names: str) -> None:
        over = {"type": "Succeeded", "status": "True"}
        for name in names:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.status("pipelinerun", name, self.namespace_, {"conditions": [over], "completionTime": now})

    def runs(self) -> dict[str, bool]:
        """Which builds have a run, and whether it has ended."""
        query = "select subject_name, finished_at is not null from avouch.runs where namespace = 'shop'"
        found = self.rows(query)
        assert len({name for name, _ in found}) == len(found)
        return dict(found)

    def opening(self) -> tuple[str, str]:
        status = self.get("workflow", "release", self.namespace_).get("status", {})
        return status.get("openSince", ""), status.get("openUntil", "")

    def after(self, second: str) -> None:
        """Until what is created is younger than that."""
        self.becomes(lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") > second, True)

    def seen(self, name: str) -> None:
        """Until the controller has looked at every build: the youngest one has its run."""
        self.build(name)
        self.becomes(lambda: name in self.runs(), True)
        self.end(name)
        self.becomes(lambda: self.runs()[name], True)

    def reasons(self, namespace: str) -> set[str]:
        listed = json.loads(self.api.kubectl("get", "events.events.k8s.io", "-n", namespace, "-o", "json"))["items"]
        return {event["reason"] for event in listed}

    def suspend(self, on: bool) -> None:
        self.api.kubectl("patch", "workflow.avouch.dev", "release", "-n", self.namespace_, "--type=merge", "-p",
                         json.dumps({"spec": {"suspend": on}}))  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "audit.log").touch()
    with postgres.running() as database, ApiServer() as api:
        migrate.migrate(database.url)
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        for kind in ("PipelineRun", "TaskRun"):
            api.apply(TEKTON.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for namespace in ("avouch", "shop"):
            api.kubectl("create", "namespace", namespace)
        yield Cluster(api, database, tmp_path)


def test_old_builds_are_never_judged_however_often_the_controller_restarts_and_when_the_database_is_lost(
    cluster: Cluster,
) -> None:
    old = [f"old-{number}" for number in range(OLD)]
    cluster.build(*old, "still-works")
    cluster.end(*old)
    cluster.after(cluster.get("pipelinerun", "still-works", "shop")["metadata"]["creationTimestamp"])
    with cluster.controller():
        cluster.api.apply(CONTRACT.format(name="build", namespace="shop"))
        cluster.api.apply(WORKFLOW.format(name="release", namespace="shop", contract="build"))
        cluster.ready("workflow", "release", "shop")
        since, until = cluster.opening()
        assert since
        assert not until
        cluster.seen("first")
        cluster.build("works")
        cluster.suspend(True)
        cluster.becomes(lambda: cluster.opening()[1] != "", True)
        cluster.after(cluster.opening()[1])
        cluster.build("while-suspended")
        cluster.end("while-suspended", "works")  # what was opened is judged all the same
        cluster.becomes(lambda: cluster.runs(), {"first": True, "works": True})
        cluster.after(cluster.get("pipelinerun", "while-suspended", "shop")["metadata"]["creationTimestamp"])
        cluster.suspend(False)
        cluster.becomes(lambda: cluster.opening()[1], "")
        assert cluster.opening()[0] > since
        cluster.end("still-works")
        cluster.becomes(lambda: "NotAttested" in cluster.reasons("shop"), True)
    expected = {"first": True, "works": True}
    since = cluster.opening()[0]
    for number in range(5):
        with cluster.controller():
            cluster.seen(f"after-{number}")
            expected[f"after-{number}"] = True
            assert cluster.runs() == expected
    assert cluster.opening()[0] == since, "a restart opens no Workflow anew"
    cluster.build("across")
    cluster.after(cluster.get("pipelinerun", "across", "shop")["metadata"]["creationTimestamp"])
    with psycopg.connect(cluster.database.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA avouch CASCADE")
    migrate.migrate(cluster.database.url)
    for number in range(2):
        with cluster.controller():
            cluster.seen(f"then-{number}")
            cluster.becomes(lambda: "across" in cluster.runs(), True)
            if number == 0:
                cluster.end("across")
                cluster.becomes(lambda: cluster.runs()["across"], True)
            assert cluster.runs().keys() == {"across", *(f"then-{n}" for n in range(number + 1))}
    assert cluster.opening()[0] == since, "nor does a database that was lost"
    assert "DatabaseReplaced" in cluster.reasons("avouch")
    told = (
        "select document ->> 'interrupted' from avouch.snapshots join avouch.runs on id = run_id"
        " where subject_name = '{}'"
    )
    for name, interrupted in (("across", "the database was made at "), ("then-0", "")):
        ((said,),) = cluster.rows(told.format(name))
        assert said.startswith(interrupted)
        assert bool(said) is bool(interrupted)
