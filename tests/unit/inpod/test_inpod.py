"""What a pod's ServiceAccount reads of its cluster, and what it is told where it may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import errors, inpod, kubectl
from avouch.cli import ports
from avouch.processes import commandline
from tests import loopback
from tests.loopback import Reply, Server

RUN = {"kind": "WorkflowRun", "metadata": {"name": "r-1"}}
GOOD = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> loopback.Tls:
    return loopback.tls(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def api(secure: loopback.Tls) -> Iterator[Server]:
    with loopback.serving(lambda _: Reply(200, json.dumps(RUN).encode()), secure) as server:
        yield server


@pytest.fixture
def folder(secure: loopback.Tls, tmp_path: Path) -> Path:
    for name, text in (("token", "t0\n"), ("namespace", "shop"), ("ca.crt", secure.authority.read_text())):
        (tmp_path / name).write_text(text)
    return tmp_path


def reading(api: Server, folder: Path, asked: str = "") -> inpod.InPod:
    host, _, port = api.address.rpartition(":")
    return inpod.InPod({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, asked, folder)


def test_an_object_is_read_with_the_token_of_now(api: Server, folder: Path) -> None:
    there = reading(api, folder)
    assert there.get("workflowruns.runs.avouch.dev", "r-1") == RUN
    (folder / "token").write_text("t1")
    there.raw(GOOD, {"fieldSelector": "status.verdict=Failed", "limit": "5"})
    assert [(one.path, one.headers["authorization"]) for one in api.seen] == [
        (f"{GOOD}/r-1", "Bearer t0"),
        (f"{GOOD}?fieldSelector=status.verdict%3DFailed&limit=5", "Bearer t1"),
    ]


def test_the_namespace_is_the_pods_unless_another_one_is_asked_for(api: Server, folder: Path) -> None:
    assert (reading(api, folder).namespace(), reading(api, folder, "other").namespace()) == ("shop", "other")
    reading(api, folder, "other").get("pipelineruns.tekton.dev", "b/../../secrets")
    assert api.seen[0].path == "/apis/tekton.dev/v1/namespaces/other/pipelineruns/b%2F..%2F..%2Fsecrets"


def status(code: int, reason: str) -> Reply:
    said = {"kind": "Status", "message": f"workflowruns {reason}", "code": code}
    return Reply(code, json.dumps(said).encode())


@pytest.mark.parametrize(
    ("reply", "family", "told"),
    [
        (status(401, "unauthorized"), errors.Unauthenticated, "unauthorized"),
        (status(403, "is forbidden"), errors.Denied, "is forbidden"),
        (status(404, "not found"), errors.NotFound, "not found"),
        (Reply(404, b"404 page not found\n"), errors.NotFound, "could not find the requested resource"),
        (Reply(503, b"no"), errors.Unavailable, "the API server answered 503"),
        (Reply(302, b"", {"Location": "https://elsewhere"}), errors.Unavailable, "answered 302"),
        (Reply(200, b"{"), errors.Unavailable, "not answer in JSON"),
        (Reply(200, b"[]"), errors.Unavailable, "not answer with an object"),
    ],
)
def test_what_is_no_answer_is_an_error_of_its_kind(
    api: Server, folder: Path, reply: Reply, family: type[errors.AvouchError], told: str
) -> None:
    api.answers = lambda _: reply
    with pytest.raises(family, match=told):
        reading(api, folder).get("workflowruns.runs.avouch.dev", "r-1")


def test_a_server_of_another_authority_gets_no_token(api: Server, folder: Path, tmp_path: Path) -> None:
    (folder / "ca.crt").write_text(loopback.tls(tmp_path / "other").authority.read_text())
    with pytest.raises(errors.Unavailable):
        reading(api, folder).raw(GOOD)
    assert not api.seen


def test_without_a_mounted_token_it_says_what_to_do(api: Server, folder: Path) -> None:
    (folder / "token").unlink()
    with pytest.raises(errors.Unauthenticated, match="automountServiceAccountToken"):
        reading(api, folder).raw(GOOD)


def test_nothing_is_changed_from_here(api: Server, folder: Path) -> None:
    there = reading(api, folder)
    for call in (
        lambda: there.create(RUN),
        lambda: there.post(GOOD, RUN),
        lambda: there.patch("workflows.avouch.dev", "w", {}),
        lambda: there.apply([RUN]),
    ):
        with pytest.raises(errors.NotInstalled, match="kubectl"):
            call()
    assert not api.seen


def test_only_a_pod_with_a_token_is_one(folder: Path, tmp_path: Path) -> None:
    assert inpod.inside(folder)
    assert not inpod.inside(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("installed", "inside", "asked", "chosen"),
    [
        (False, True, ports.Options(namespace="shop"), inpod.InPod),
        (True, True, ports.Options(), kubectl.Kubectl),
        (False, False, ports.Options(), kubectl.Kubectl),  # it says how to install it
        (False, True, ports.Options(context="other"), kubectl.Kubectl),  # another cluster is meant than this one
        (False, True, ports.Options(kubeconfig="file"), kubectl.Kubectl),
    ],
)
def test_a_pods_own_account_is_used_where_nothing_else_can_be_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: bool, inside: bool, asked: ports.Options, chosen: type
) -> None:
    program = tmp_path / "kubectl"
    if installed:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(inpod, "inside", lambda: inside)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert isinstance(commandline.Adapters().cluster(asked), chosen)
