"""examples/ci: each file's own commands, run as its CI would run them, outside the cluster, against the real server."""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.quickstart import install
from tests import docs
from tests.cluster.choice import AnyCluster
from tests.e2e import external, runners
from tests.e2e.stage import SHELL, Stage, codes, said

pytestmark = pytest.mark.cluster

APPLICATION = install.ROOT / "examples/quickstart/app"
WORKFLOW = "build-and-test"
BROKEN = "def test_it_breaks() -> None:\n    assert 1 == 2\n"


@dataclass(frozen=True)
class Ended:
    """A job that is over: whether it went well, and all that its steps printed."""

    well: bool
    told: str


@dataclass(frozen=True)
class Ci:
    """A project on the cluster, and a machine to run jobs on."""

    stage: Stage
    machine: external.Machine
    given: runners.Given

    def run(self, system: runners.System, *, test: str = "", **differs: str) -> tuple[Ended, dict[str, Any]]:
        """One job of a system, from a fresh checkout; its end, and the run that it opened."""
        before = {run["metadata"]["name"] for run in self.stage.get("workflowruns")["items"]}
        checkout, commit = self._checkout(system, test)
        variables = {
            name: commit if value == runners.COMMIT else value
            for name, value in {**system.variables, **differs}.items()
        }
        ended = self._steps(system, checkout, variables)
        after = [run["metadata"]["name"] for run in self.stage.get("workflowruns")["items"]]
        new = [name for name in after if name not in before]
        assert len(new) <= 1, ended.told
        return ended, self.stage.get("workflowrun", new[0]) if new else {"told": ended.told}

    def _checkout(self, system: runners.System, test: str) -> tuple[Path, str]:
        kept = system is runners.JENKINS  # which leaves a job's files where they are from build to build
        where = (self.machine.folder / "jobs" if kept else self.machine.job(system.name)) / "project"
        shutil.copytree(APPLICATION, where, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        if test:
            (where / "test_app.py").write_text(test)
        author = "-c user.name=avouch -c user.email=avouch@example.com"
        git = f"git init -q -b main && git add *.py *.txt && git {author} commit -qm 'an application' --allow-empty"
        shell = self.machine.terminal("checkout", where)
        assert shell(git).code == 0
        return where, shell("git rev-parse HEAD").output.strip()

    def _steps(self, system: runners.System, checkout: Path, variables: Mapping[str, str]) -> Ended:
        """As CI systems do: every step in a shell of its own, none after a failure."""
        where = runners.WORKSPACE.get(system.name)
        job = {**variables, **({where: str(checkout)} if where else {})}
        if system is runners.CIRCLECI:
            job["BASH_ENV"] = str(checkout.parent / "environment.sh")
            Path(job["BASH_ENV"]).touch()
        well, told = True, []
        for number, step in enumerate(system.steps(self.given)):
            if not well:
                break
            shell = self.machine.terminal(f"{system.name}-{number}", checkout, **{**job, **step.environment})
            answer = shell(step.command, options=step.options)
            told.append(answer.output)
            well = answer.code == 0
        return Ended(well, "\n".join(told))


@pytest.fixture(scope="module")
def ci(cluster: AnyCluster, machine: external.Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ci]:
    stage = Stage(cluster, "skynet")
    stage.kubectl("delete", "namespace", "skynet", "--ignore-not-found", "--wait=true", "--timeout=90s")
    operator = external.with_kubectl(cluster, tmp_path_factory.mktemp("operator") / "bin", machine.environment["PATH"])
    shell = machine.terminal("operator", docs.ROOT, **operator)
    for block in docs.blocks(runners.FILES / "README.md"):
        for command in block.commands():
            answer = shell(command)
            assert answer.code == 0, f"{command}\n{answer.output}"
    secret = {name: base64.b64decode(value) for name, value in stage.get("secret", "avouch-token-ci")["data"].items()}
    ca = machine.folder / "avouch-ca.pem"
    ca.write_bytes(secret["ca.crt"])
    yield Ci(stage, machine, runners.Given(secret["server"].decode(), secret["token"].decode(), ca))
    stage.close()


def ask_for_runner(ci: Ci, runner: str) -> None:
    """Change the contract, and wait until runs are opened under it."""
    change = json.dumps([{"op": "add", "path": "/spec/runner", "value": {"type": runner}}] if runner else
                        [{"op": "remove", "path": "/spec/runner"}])  # fmt: skip
    before = ci.stage.get("contract", WORKFLOW)["status"]["digest"]
    ci.stage.kubectl("patch", "contract", WORKFLOW, "--type=json", "-p", change)
    ci.stage.until(lambda: ci.stage.get("contract", WORKFLOW)["status"]["digest"] != before, "the new revision")


@pytest.mark.parametrize("system", runners.ALL, ids=lambda system: system.name)
def test_the_file_of_a_ci_attests_its_build(ci: Ci, system: runners.System) -> None:
    ended, run = ci.run(system)
    assert ended.well, ended.told
    assert said(run) == ("Passed", "cli"), run["status"].get("findings")
    runner = run["spec"].get("runner", {})
    assert (runner.get("type", ""), runner.get("url", "")) == (system.runner, system.url)
    assert runner.get("authenticated", False) is False
    recorded = run["status"].get("env", {})
    assert set(system.records) <= set(recorded)
    shown = {name: system.variables[name] for name in system.records if system.variables[name] != runners.COMMIT}
    assert shown.items() <= recorded.items()
    subjects = [subject["name"] for subject in ci.stage.statement(run)["subject"]]
    assert {"app.tar.gz", "git.head"} <= set(subjects)
    assert ci.given.token not in json.dumps(run)
    assert ci.given.token not in ended.told


def test_what_a_runner_cannot_prove_is_said_and_breaks_nothing(ci: Ci) -> None:
    ended, run = ci.run(runners.GITLAB)
    assert ended.well, ended.told
    assert "this server does not trust the issuer of the runner's own token" in ended.told
    assert run["spec"]["runner"].get("authenticated", False) is False


@pytest.mark.parametrize("system", runners.ONE_COMMAND, ids=lambda system: system.name)
def test_a_build_that_breaks_before_it_attests_leaves_no_run(ci: Ci, system: runners.System) -> None:
    ended, run = ci.run(system, test=BROKEN)
    assert not ended.well
    assert "assert 1 == 2" in ended.told
    assert list(run) == ["told"]


def test_a_build_in_steps_that_breaks_ends_its_run_as_failed(ci: Ci) -> None:
    ended, run = ci.run(runners.IN_STEPS, test=BROKEN)
    assert not ended.well
    assert "assert 1 == 2" in ended.told
    assert run["status"]["verdict"] == "Failed"
    assert codes(run) == ["RunFailed"]
    assert "materials" not in run["status"]


@pytest.mark.parametrize(
    ("system", "variable"), [(runners.GITHUB, "RUNNER_NAME"), (runners.GITLAB, "GITLAB_USER_EMAIL")], ids=["hub", "lab"]
)
def test_a_job_without_a_variable_that_its_runner_must_have_attests_nothing(
    ci: Ci, system: runners.System, variable: str
) -> None:
    ended, run = ci.run(system, **{variable: ""})
    assert not ended.well
    assert f'required env variables not present "{variable}"' in ended.told
    assert run["status"]["verdict"] == "Failed"


@pytest.mark.parametrize("system", [runners.GITHUB, runners.IN_STEPS], ids=lambda system: system.name)
def test_a_contract_of_another_runner_lets_no_run_begin(ci: Ci, system: runners.System) -> None:
    ask_for_runner(ci, "JENKINS_JOB")
    try:
        ended, run = ci.run(system)
        assert not ended.well
        assert 'expects the attestation to be crafted in a runner of type "JENKINS_JOB"' in ended.told
        assert "recognised by JENKINS_HOME and BUILD_URL" in ended.told
        assert list(run) == ["told"]  # none was opened
    finally:
        ask_for_runner(ci, "")


def test_a_contract_of_a_runner_that_nothing_proves_fails_and_says_how_to_prove_it(ci: Ci) -> None:
    ask_for_runner(ci, "JENKINS_JOB")
    try:
        ended, run = ci.run(runners.JENKINS)
        assert "the run cannot pass" in ended.told
        assert (said(run), codes(run)) == (("Failed", "cli"), ["RunnerMismatch"])
        assert "https://ISSUER=JENKINS_JOB" in run["status"]["findings"][0]["fix"]
    finally:
        ask_for_runner(ci, "")


def test_a_tekton_step_attests_with_an_api_token(ci: Ci, cluster: AnyCluster) -> None:
    ours = install.kubectl(
        cluster, "-n", "avouch", "get", "deployment", "avouch-server", "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
    )  # fmt: skip
    task = yaml.safe_load((runners.FILES / "tekton.yaml").read_text())
    build, attest = task["spec"]["steps"]
    assert "busybox" in build["image"]
    build["image"], attest["image"] = SHELL, ours
    run_of = {"taskRef": {"name": task["metadata"]["name"]}}
    taskrun = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "by-hand"}, "spec": run_of}
    ci.stage.apply(task, taskrun)

    def ended() -> Any:
        conditions = ci.stage.get("taskrun", "by-hand").get("status", {}).get("conditions") or [{}]
        return conditions[0] if conditions[0].get("status") in ("True", "False") else None

    condition = ci.stage.until(ended, "the end of TaskRun by-hand")
    logs = ci.stage.kubectl("logs", "by-hand-pod", "--all-containers", "--tail=60")
    assert condition["status"] == "True", logs
    (run,) = [
        run
        for run in ci.stage.get("workflowruns")["items"]
        if run["spec"].get("runner", {}).get("type") == "TEKTON_PIPELINE"
    ]
    run = ci.stage.get("workflowrun", run["metadata"]["name"])
    assert (said(run), codes(run)) == (("Passed", "cli"), [])
    assert run["spec"]["attester"] == {"type": "AUTH_TYPE_API_TOKEN", "id": "skynet/ci"}
    assert run["spec"]["runner"]["url"] == "tekton://skynet/taskruns/by-hand"
    assert run["status"]["env"]["TEKTON_TASK_NAME"] == "build-and-test"
    results = {each["name"]: each["value"] for each in ci.stage.get("taskrun", "by-hand")["status"]["results"]}
    assert "Verdict: Passed" in results["attestation-report"]
