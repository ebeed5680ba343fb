"""Which pod this is: by the downward API where it was injected, else by the API where the pod may ask it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch.sidecar import discover
from tests import loopback

LABELS = {"tekton.dev/pipelineTask": "build", "tekton.dev/pipelineRun": "run"}
POD = json.dumps({"metadata": {"labels": LABELS}}).encode()


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The files of a ServiceAccount, without the CA."""
    for name, text in {"token": "its-token\n", "namespace": "ns\n"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def api(account: Path) -> Iterator[loopback.Server]:
    """An API server of the CA that the pod was given; it knows one pod."""
    secure = loopback.tls(account)
    (account / "ca.crt").write_bytes(secure.authority.read_bytes())
    with loopback.serving(lambda _: loopback.Reply(200, POD), secure) as server:
        yield server


def asking(api: loopback.Server, account: Path, **environment: str | None) -> discover.Place:
    host, _, port = api.address.partition(":")
    known = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "HOSTNAME": "build-pod", **environment}
    return discover.discover(
        {key: value for key, value in known.items() if value is not None}, account / "labels", account
    )


def test_the_downward_api_is_believed_and_nobody_is_asked(api: loopback.Server, account: Path) -> None:
    (account / "labels").write_text('tekton.dev/pipelineTask="other"\n')
    found = asking(api, account, POD_NAME="named", POD_NAMESPACE="other-ns")
    assert found == discover.Place("other-ns", "named", {"tekton.dev/pipelineTask": "other"})
    assert api.seen == []


def test_a_step_that_was_started_by_hand_asks_the_api_for_the_labels_of_its_own_pod(
    api: loopback.Server, account: Path
) -> None:
    assert asking(api, account) == discover.Place("ns", "build-pod", LABELS)
    (asked,) = api.seen
    assert (asked.method, asked.path) == ("GET", "/api/v1/namespaces/ns/pods/build-pod")
    assert asked.headers["authorization"] == "Bearer its-token"


@pytest.mark.parametrize(
    "reply",
    [
        loopback.Reply(403, POD),
        loopback.Reply(200, b"no json"),
        loopback.Reply(200, b"[]"),
        loopback.Reply(0),
    ],
    ids=["not allowed", "no JSON", "no object", "hangs up"],
)
def test_an_api_that_does_not_answer_leaves_the_labels_unknown(
    api: loopback.Server, account: Path, reply: loopback.Reply
) -> None:
    api.answers = lambda _: reply
    assert asking(api, account) == discover.Place("ns", "build-pod", {})
    assert len(api.seen) == 1


def test_without_a_port_the_api_is_looked_for_where_https_is(api: loopback.Server, account: Path) -> None:
    for port in (None, "", "no number"):
        assert asking(api, account, KUBERNETES_SERVICE_PORT=port).labels == {}
    assert api.seen == []


@pytest.mark.parametrize("lacks", ["token", "ca.crt", "namespace"])
def test_without_all_that_a_question_needs_the_api_is_not_asked(
    api: loopback.Server, account: Path, lacks: str
) -> None:
    (account / lacks).unlink()
    assert asking(api, account).labels == {}
    assert api.seen == []


@pytest.mark.parametrize("value", ["", None], ids=["empty", "not set"])
@pytest.mark.parametrize("lacks", ["HOSTNAME", "KUBERNETES_SERVICE_HOST"])
def test_a_process_that_is_in_no_pod_asks_nobody(
    api: loopback.Server, account: Path, lacks: str, value: str | None
) -> None:
    assert asking(api, account, **{lacks: value}).labels == {}
    assert api.seen == []


def test_a_server_of_another_authority_learns_no_token(api: loopback.Server, account: Path) -> None:
    (account / "other").mkdir()
    (account / "ca.crt").write_bytes(loopback.tls(account / "other").authority.read_bytes())
    assert asking(api, account).labels == {}
    assert api.seen == []


def test_each_variable_of_the_runner_is_a_label_that_tekton_wrote_or_what_the_pod_knows() -> None:
    labels = {
        "tekton.dev/taskRun": "run-build",
        "tekton.dev/task": "build",
        "tekton.dev/pipeline": "pipeline",
        "tekton.dev/pipelineRun": "run",
        "tekton.dev/pipelineTask": "step",
        "app": "none of Tekton's",
    }
    place = discover.Place("ns", "other-pod", labels)
    assert place.variables() == {
        "HOSTNAME": "other-pod",
        "TEKTON_NAMESPACE": "ns",
        "TEKTON_PIPELINERUN_NAME": "run",
        "TEKTON_PIPELINE_NAME": "pipeline",
        "TEKTON_PIPELINE_TASK_NAME": "step",
        "TEKTON_TASKRUN_NAME": "run-build",
        "TEKTON_TASK_NAME": "build",
    }
    assert place.task == "step"


@pytest.mark.parametrize(
    ("labels", "pod", "link"),
    [
        ({"tekton.dev/pipelineRun": "r", "tekton.dev/taskRun": "t"}, "p", "pipelineruns/r"),
        ({"tekton.dev/taskRun": "t"}, "p", "taskruns/t"),
        ({"tekton.dev/pipelineRun": "r"}, "p", "pipelineruns/r"),
        ({}, "t-pod", "taskruns/t"),
    ],
)
def test_the_link_is_to_the_whole_run_where_that_is_known(labels: dict[str, str], pod: str, link: str) -> None:
    place = discover.Place("ns", pod, labels)
    assert place.url("") == f"tekton://ns/{link}"
    assert place.url("https://dash/") == f"https://dash/#/namespaces/ns/{link}"


def test_where_nothing_tells_the_run_there_is_no_link() -> None:
    place = discover.Place("ns", "p", {})
    assert (place.task, place.url(""), place.url("https://dash")) == ("", "", "")
    assert place.variables() == {"HOSTNAME": "p", "TEKTON_NAMESPACE": "ns"}
    assert discover.Place("", "", {}).variables() == {}
