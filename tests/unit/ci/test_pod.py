from pathlib import Path
from typing import Any

import pytest

from avouch import https
from avouch.ci import pod
from avouch.runners import detection
from tests import loopback
from tests.unit.ci.forges import Forge

LABELS = {"tekton.dev/taskRun": "build-1", "tekton.dev/pipelineRun": "run"}
OBJECT = "/api/v1/namespaces/ci/pods/build-1-pod"


@pytest.fixture
def places(served: Forge, tmp_path: Path) -> pod.Places:
    """A step's files, with a ServiceAccount that may ask."""
    found = pod.Places(tmp_path / "results", tmp_path / "account")
    found.results.mkdir()
    found.account.mkdir()
    for name, text in (("namespace", "ci\n"), ("token", "sa-token\n"), ("ca.crt", served.ca)):
        (found.account / name).write_text(text)
    return found


def environment(served: Forge, **said: str) -> dict[str, str]:
    host, _, port = served.server.address.partition(":")
    return {"HOSTNAME": "build-1-pod", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, **said}


def look(served: Forge, places: pod.Places, **said: str) -> pod.PodFacts:
    return pod.look({"AVOUCH_LABELS_FILE": "/nowhere", **environment(served, **said)}, served.get, places)


def test_outside_a_step_there_is_no_pod(served: Forge, places: pod.Places) -> None:
    places.results.rmdir()
    assert look(served, places) == pod.PodFacts()
    assert served.asked == []


def test_labels_come_from_the_downward_api_where_it_is_mounted(
    served: Forge, places: pod.Places, tmp_path: Path
) -> None:
    mounted = tmp_path / "labels"
    mounted.write_text('tekton.dev/taskRun="build-1"\n')
    found = look(served, places, AVOUCH_LABELS_FILE=str(mounted))
    assert found == pod.PodFacts(detection.Pod("ci", {"tekton.dev/taskRun": "build-1"}))
    assert served.asked == []


def test_else_from_the_pods_own_object(served: Forge, places: pod.Places) -> None:
    served.pages[OBJECT] = {"metadata": {"labels": LABELS}}
    assert look(served, places) == pod.PodFacts(detection.Pod("ci", LABELS))
    assert served.server.seen[0].headers["authorization"] == "Bearer sa-token"


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_without_leave_only_the_namespace_is_known(served: Forge, places: pod.Places, status: int) -> None:
    served.statuses[OBJECT] = status
    found = look(served, places)
    assert found.pod == detection.Pod("ci")
    assert f"answers {status}; let the ServiceAccount get pods" in found.note
    runner = detection.discover(environment(served), found.pod)
    assert dict(runner.variables)["TEKTON_TASKRUN_NAME"] == "build-1"


@pytest.mark.parametrize(
    "body", [[], {"metadata": []}, {"metadata": {"labels": []}}, {"metadata": {"labels": {"a": 1}}}]
)
def test_an_object_of_another_form_has_no_labels(served: Forge, places: pod.Places, body: Any) -> None:
    served.pages[OBJECT] = body
    assert look(served, places).pod == detection.Pod("ci")


def test_an_api_server_that_hangs_is_left(served: Forge, places: pod.Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod, "_SECONDS", 0.3)
    served.pages[OBJECT] = loopback.Reply(200, drips=True)
    assert "no answer" in look(served, places).note


def test_an_api_server_of_another_authority_gets_no_token(served: Forge, places: pod.Places, tmp_path: Path) -> None:
    (places.account / "ca.crt").write_text(loopback.tls(tmp_path / "other").authority.read_text())
    assert "was not reached" in look(served, places).note
    assert served.asked == []


def test_without_a_mounted_account_nothing_is_asked(served: Forge, places: pod.Places) -> None:
    for name in ("token", "ca.crt", "namespace"):
        (places.account / name).unlink()
    found = look(served, places)
    assert found == pod.PodFacts(
        detection.Pod(), "the pod's labels are not known: no ServiceAccount token is mounted here"
    )


@pytest.mark.parametrize(
    ("host", "address"), [("fd00::1", "[fd00::1]"), ("[fd00::1]", "[fd00::1]"), ("10.0.0.1", "10.0.0.1")]
)
def test_an_address_of_ipv6_stands_in_brackets(places: pod.Places, host: str, address: str) -> None:
    asked: list[str] = []

    def get(request: https.Resource, seconds: float) -> https.Answer:
        asked.append(request.url)
        return https.Answer(200, {}, b"{}")

    pod.look({"KUBERNETES_SERVICE_HOST": host, "HOSTNAME": "../x", "AVOUCH_LABELS_FILE": "/nowhere"}, get, places)
    assert asked == [f"https://{address}:443/api/v1/namespaces/ci/pods/..%2Fx"]
