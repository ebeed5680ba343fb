"""External runs on the real server, when things go wrong: what a build sees, and what is recorded."""

import base64
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.quickstart import install
from tests.cluster.choice import AnyCluster
from tests.cluster.errors import ClusterError
from tests.e2e import external, made
from tests.e2e.stage import Stage, codes
from tests.terminal import Answer, Terminal

pytestmark = pytest.mark.cluster

ASSETS = install.ROOT / "tests/assets/materials/SBOM_CYCLONEDX_JSON"
SBOM = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}
NOTE = {"name": "note", "type": "STRING"}
_RUN = re.compile(r"^Run: +(\S+)", re.M)


@dataclass(frozen=True)
class ExternalStage:
    """A project, a machine, and the way to the server."""

    stage: Stage
    machine: external.Machine
    access: dict[str, str]
    operator: Terminal

    def job(self, name: str, **differs: str) -> "Job":
        """A job of its own, in a folder of its own."""
        return Job(self.stage, self.machine.terminal(name, self.machine.job(name), **{**self.access, **differs}))

    def token(self, name: str) -> str:
        """A new API token."""
        answer = self.operator(f"kubectl avouch api-token create --name {name} -n {self.stage.namespace} -o token")
        assert answer.code == 0, answer.output
        return answer.output.strip()


@dataclass(frozen=True)
class Job:
    """Commands of one build."""

    stage: Stage
    shell: Terminal

    def __call__(self, command: str) -> Answer:
        return self.shell(f"avouch attestation {command}")

    def good(self, command: str) -> str:
        answer = self(command)
        assert answer.code == 0, f"{command}\n{answer.output}"
        return answer.output

    def begin(self, workflow: str) -> str:
        """Open a run; its name."""
        found = _RUN.search(self.good(f"init --workflow {workflow}"))
        assert found is not None
        return found[1]

    def run(self, name: str) -> dict[str, Any]:
        return self.stage.get("workflowrun", name)

    def becomes(self, name: str, verdict: str, seconds: float = 60) -> dict[str, Any]:
        """The run, once it is judged so."""

        def look() -> dict[str, Any] | None:
            try:
                found = self.run(name)
            except ClusterError:  # the API of runs is away while its only server is replaced
                return None
            return found if found["status"]["verdict"] == verdict else None

        return self.stage.until(look, f"run {name} {verdict}", seconds)


def workflow(name: str, *materials: Any, **spec: Any) -> tuple[Any, Any]:
    """A contract, and a Workflow outside Tekton that answers to it."""
    about = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name}}
    return made.contract(name, *materials), {**about, "spec": spec}


@pytest.fixture(scope="module")
def project(
    cluster: AnyCluster, machine: external.Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExternalStage]:
    stage = Stage(cluster, "external").open()
    stage.apply(
        *workflow("release", NOTE),
        *workflow("gate", SBOM, gate=True),
        *workflow("no-gate", SBOM),
        *workflow("brief", NOTE, runExpiry="1m"),
    )
    stage.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    kubectl = external.with_kubectl(cluster, tmp_path_factory.mktemp("operator") / "bin", machine.environment["PATH"])
    operator = machine.terminal("operator", machine.folder, **kubectl)
    found = ExternalStage(stage, machine, {}, operator)
    token = found.token("ci")
    secret = stage.get("secret", "avouch-token-ci")["data"]
    said = {"AVOUCH_SERVER": secret["server"], "AVOUCH_CA": secret["ca.crt"]}
    access = {name: base64.b64decode(value).decode() for name, value in said.items()}
    yield ExternalStage(stage, machine, {**access, "AVOUCH_TOKEN": token, "AVOUCH_NAMESPACE": "external"}, operator)
    stage.close()


@pytest.fixture(scope="module")
def forgotten(project: ExternalStage) -> tuple[Job, str]:
    """A run that nobody ends: its minute passes while the other tests run."""
    job = project.job("forgotten")
    return job, job.begin("brief")


@pytest.mark.usefixtures("forgotten")
def test_a_reset_run_is_canceled_and_its_attestation_is_gone(project: ExternalStage) -> None:
    job = project.job("reset")
    name = job.begin("release")
    job.good("add --name note --value hello")
    assert "Canceled" in job.good("reset --trigger cancellation --reason 'a newer commit'")
    run = job.becomes(name, "Canceled")
    assert run["status"]["findings"][0]["message"] == "a newer commit"
    late = job("add --name note --value again")
    assert late.code == 1
    assert "attestation init" in late.output  # what to do instead
    assert job.begin("release") != name


def test_a_gate_ends_the_build_with_4_and_says_what_is_wrong(project: ExternalStage) -> None:
    job = project.job("gate")
    name = job.begin("gate")
    job.good(f"add --name sbom --value {ASSETS / 'bad-component.json'}")
    answer = job("push")
    assert answer.code == 4, answer.output
    assert "Verdict: Failed" in answer.output
    assert 'contract: spec.materials[name="sbom"]' in answer.output
    assert "the workflow gate is a gate, and its verdict is Failed" in answer.output
    assert codes(job.run(name)) == ["MaterialTypeMismatch"]


def test_without_a_gate_the_build_goes_on_and_is_told_loudly(project: ExternalStage) -> None:
    job = project.job("no-gate")
    name = job.begin("no-gate")
    job.good(f"add --name sbom --value {ASSETS / 'bad-component.json'}")
    assert "ATTENTION: the verdict is FAILED; the workflow is not a gate, so the build continues" in job.good("push")
    assert job.run(name)["status"]["verdict"] == "Failed"


def test_a_backend_of_the_projects_own_takes_what_its_builds_deliver(project: ExternalStage) -> None:
    meta, spec = {"name": "small"}, {"inline": {}, "default": True}
    project.stage.apply({"apiVersion": "avouch.dev/v1alpha1", "kind": "CASBackend", "metadata": meta, "spec": spec})
    project.stage.kubectl("wait", "--for=condition=Ready", "casbackend/small", "--timeout=60s")
    try:
        job = project.job("backend")
        assert re.search("^Stored in: +small$", job.good("init --workflow gate"), re.M)
        job.good(f"add --name sbom --value {ASSETS / 'good-1.7.json'}")
        assert "Verdict: Passed" in job.good("push")
    finally:
        project.stage.kubectl("delete", "casbackend", "small")


def test_a_token_that_is_revoked_in_the_middle_ends_the_attestation_there(project: ExternalStage) -> None:
    job = project.job("revoked", AVOUCH_TOKEN=project.token("leaked"))
    name = job.begin("release")
    job.good("add --name note --value hello")
    revoked = project.operator("kubectl avouch api-token revoke leaked -n external")
    assert revoked.code == 0, revoked.output
    answer = job("push")
    assert answer.code == 1
    assert "neither revoked nor expired" in answer.output
    assert job.run(name)["status"]["verdict"] == "Pending"
    other = project.job("revoked", **{})  # the same folder, and so the same attestation, with a token of another name
    assert other("push").code == 1
    assert job.run(name)["status"]["verdict"] == "Pending"


def test_a_build_goes_on_without_the_server_where_it_was_told_to(project: ExternalStage) -> None:
    nowhere = {"AVOUCH_SERVER": "https://127.0.0.1:9", "AVOUCH_GRACEFUL_EXIT": "1"}
    job = project.job("graceful", **nowhere)
    began = time.monotonic()
    for command in ("init --workflow release", "add --name note --value hello", "push", "reset"):
        assert "ATTENTION: this failed, and exits with 0 only because of --graceful-exit" in job.good(command)
    assert time.monotonic() - began < 60  # it does not hold the build up either
    strict = project.job("strict", AVOUCH_SERVER="https://127.0.0.1:9")
    answer = strict("init --workflow release")
    assert answer.code == 1
    assert "https://127.0.0.1:9 cannot be reached" in answer.output


def test_a_server_that_is_another_than_it_says_gets_no_token(project: ExternalStage, tmp_path: Path) -> None:
    answer = project.job("stranger", AVOUCH_CA="")("init --workflow release")
    assert answer.code == 1
    assert "is not trusted" in answer.output
    assert "AVOUCH_CA" in answer.output


def test_a_server_that_is_killed_between_add_and_push_loses_nothing(
    project: ExternalStage, cluster: AnyCluster
) -> None:
    job = project.job("replaced")
    name = job.begin("release")
    job.good("add --name note --value hello")
    servers = ("pods", "-l", "app.kubernetes.io/component=server", "--force", "--grace-period=0")
    install.kubectl(cluster, "-n", "avouch", "delete", *servers)
    assert "Verdict: Passed" in job.good("push --wait 120")
    job.becomes(name, "Passed")


def test_what_is_pushed_while_servers_are_replaced_one_by_one_is_kept(
    project: ExternalStage, cluster: AnyCluster
) -> None:
    replicas(cluster, 2)
    try:
        jobs = [project.job(f"rolling-{number}") for number in range(3)]
        pushed: list[tuple[Job, str]] = []
        failures: list[str] = []
        over = threading.Event()

        def build(job: Job) -> None:
            while not over.is_set():
                try:
                    name = job.begin("release")
                    job.good("add --name note --value hello")
                    job.good("push")
                    pushed.append((job, name))
                except AssertionError as exc:
                    failures.append(str(exc))
                    job("reset")

        builders = [threading.Thread(target=build, args=(job,)) for job in jobs]
        for builder in builders:
            builder.start()
        server = ("-n", "avouch", "rollout")
        install.kubectl(cluster, *server, "restart", "deployment/avouch-server")
        install.kubectl(cluster, *server, "status", "deployment/avouch-server", "--timeout=180s")
        over.set()
        for builder in builders:
            builder.join()
        assert failures == []
        assert len(pushed) >= len(jobs)
        for job, name in pushed:
            assert job.becomes(name, "Passed")["status"]["materialsFound"] == 1
    finally:
        replicas(cluster, 1)


def test_a_run_that_nobody_ends_expires(forgotten: tuple[Job, str]) -> None:
    job, name = forgotten
    run = job.becomes(name, "Expired", seconds=150)
    assert codes(run) == ["RunExpired"]
    assert "spec.runExpiry" in run["status"]["findings"][0]["fix"]
    late = job("add --name note --value hello")
    assert late.code == 0  # a text is kept here until the push
    answer = job("push")
    assert answer.code == 1
    assert f"run {name} has ended: open a new one with attestation init" in answer.output


def replicas(cluster: AnyCluster, number: int) -> None:
    server = "deployment/avouch-server"
    install.kubectl(cluster, "-n", "avouch", "scale", server, f"--replicas={number}")
    install.kubectl(cluster, "-n", "avouch", "rollout", "status", server, "--timeout=180s")
