"""What a user of the namespace can forge, and what it gets: labels, TaskRuns made by hand, pods with a chosen owner."""

from collections.abc import Iterator
from typing import Any

import pytest

from examples.quickstart import install
from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, step, task
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

LIE = "report=/tmp/forged"
FORGE = f"""
echo forged > /tmp/forged
exec python3 -S -m avouch.sidecar --step --material {LIE}
"""


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    """While a PipelineRun works, others are made that look as if they belonged to it."""
    place = Stage(cluster, "forgeries").open(**{"avouch.dev/inject": "enabled"})
    place.apply(*made.gate(), stage.authority(cluster))
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(pipelinerun("victim", task("make", f"sleep 8\n{REPORT}")))
    (theirs,) = place.until(lambda: place.pods("victim"), "the victim's pod")
    labels = theirs["metadata"]["labels"]
    owner = theirs["metadata"]["ownerReferences"][0]
    place.apply(
        pod("impostor", {"labels": labels}),
        pod("adopted", {"labels": labels, "ownerReferences": [owner]}),
        lookalike({key: labels[key] for key in labels if "/pipeline" in key}),
    )
    for name in ("impostor", "adopted"):
        place.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=120s")
    place.kubectl("wait", "--for=condition=Succeeded", "taskrun/lookalike", "--timeout=120s")
    yield place
    place.close()


def pod(name: str, metadata: Json) -> Json:
    """A pod made by hand that attests with a good token."""
    fields = {"POD_NAME": "name", "POD_NAMESPACE": "namespace", "POD_UID": "uid"}
    environment: list[Json] = [{"name": "AVOUCH_SERVER", "value": "https://avouch-server.avouch.svc"}]
    for variable, field in fields.items():
        environment.append({"name": variable, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}})
    token = {"audience": "avouch", "expirationSeconds": 600, "path": "token"}
    labels = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    sources: list[Any] = [{"serviceAccountToken": token}, {"downwardAPI": labels}, {"configMap": {"name": "avouch-ca"}}]
    container = {
        "name": "step-lie",
        "image": install.SIDECAR,
        "command": ["sh", "-c", FORGE],
        "env": environment,
        "volumeMounts": [{"name": "avouch", "mountPath": "/var/run/avouch"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "avouch", "projected": {"sources": sources}}],
        },
    }


def lookalike(labels: Json) -> Json:
    """A TaskRun made by hand that is labelled as one of the victim's."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "lookalike", "labels": labels},
        "spec": {"taskSpec": {"steps": [{"name": "s0", **step("true")}]}},
    }


@pytest.mark.parametrize("name", ["impostor", "adopted"])
def test_a_pod_made_by_hand_is_nobody_to_us_whatever_its_labels_and_owner(place: Stage, name: str) -> None:
    said = place.kubectl("logs", name)
    assert "401" in said
    assert "is stored" not in said


def test_a_taskrun_made_by_hand_opens_no_run_and_gets_no_sidecar(place: Stage) -> None:
    uid = place.get("taskrun", "lookalike")["metadata"]["uid"]
    assert uid not in [run["spec"]["subject"]["uid"] for run in place.get("workflowruns")["items"]]
    assert not stage.carries_sidecar(place.get("pod", "lookalike-pod"))


def test_the_run_that_they_pretend_to_belong_to_does_not_notice(place: Stage) -> None:
    run = place.verdict("victim")
    assert stage.said(run) == ("Passed", "sidecar")
    assert len(place.get("workflowruns")["items"]) == 1
