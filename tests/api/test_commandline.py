"""The command line against a real API server, through the real kubectl, as users start it."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch import errors
from avouch import kubectl as kubectl_adapter
from avouch.contract import reading, revisions
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl

pytestmark = pytest.mark.apiserver

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = REPOSITORY / "tests/assets/seed"
CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


class CommandLine:
    def __init__(self, api: ApiServer, home: Path) -> None:
        self.api = api
        self._env = {
            "PATH": f"{Path(kubectl()).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(api.kubeconfig),
            "PYTHONPATH": str(REPOSITORY / "operator"),
            "HOME": str(home),
        }

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Answer:
        command = [sys.executable, "-m", "avouch.processes.main", *arguments]
        done = subprocess.run(
            command, input=stdin, env=self._env | env, capture_output=True, text=True, check=False, timeout=120
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def good(self, *arguments: str, stdin: str = "") -> str:
        answer = self(*arguments, stdin=stdin)
        assert answer.code == 0, answer
        return answer.out

    def object(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.api.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found


@pytest.fixture(scope="module")
def avouch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with ApiServer() as server:
        for crd in CRDS:
            server.kubectl("apply", "--server-side", "-f", str(crd))
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"-f{crd}" for crd in CRDS))
        server.kubectl("create", "namespace", "skynet")
        yield CommandLine(server, tmp_path_factory.mktemp("home"))


def wrote(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


CONTRACT = """\
apiVersion: chainloop.dev/v1
kind: Contract
metadata:
  name: {name}
  description: What we owe
spec:
  materials:
    - {{type: {type}, name: sbom, skip_upload: true}}
"""


def test_chainloops_files_apply_as_they_are_and_a_second_time_change_nothing(avouch, tmp_path):
    wrote(tmp_path, "a/one.yaml", CONTRACT.format(name="apply-one", type="SBOM_CYCLONEDX_JSON"))
    two = CONTRACT.format(name="apply-two", type="4") + "---\n" + CONTRACT.format(name="apply-three", type="SARIF")
    wrote(tmp_path, "a/b/two.yml", two)
    wrote(tmp_path, "a/note.txt", "not: ours")
    said = avouch.good("apply", "-f", str(tmp_path))
    assert sorted(said.splitlines()) == [
        "contract.chainloop.dev/apply-one created",
        "contract.chainloop.dev/apply-three created",
        "contract.chainloop.dev/apply-two created",
    ]
    again = avouch.good("apply", "-f", str(tmp_path))
    assert {line.split()[1] for line in again.splitlines()} == {"unchanged"}
    stored = avouch.object("contract", "apply-two")
    assert stored["metadata"]["annotations"]["chainloop.dev/description"] == "What we owe"
    assert stored["spec"]["materials"][0]["type"] == "SBOM_CYCLONEDX_JSON"


def test_a_changed_file_is_configured(avouch):
    avouch.good("apply", "-f", "-", stdin=CONTRACT.format(name="changed", type="SARIF"))
    said = avouch.good("apply", "-f", "-", stdin=CONTRACT.format(name="changed", type="ARTIFACT"))
    assert said == "contract.chainloop.dev/changed configured\n"


def test_what_a_dry_run_prints_is_what_kubectl_takes(avouch):
    made = avouch.good("apply", "-f", "-", "--dry-run", "-o", "yaml", stdin=CONTRACT.format(name="dry", type="SARIF"))
    assert avouch("contract", "describe", "dry").code == 1  # nothing was sent
    assert avouch.api.kubectl("apply", "-f", "-", stdin=made) == "contract.chainloop.dev/dry created\n"


def test_a_server_dry_run_asks_the_api_server_and_stores_nothing(avouch):
    text = CONTRACT.format(name="dry-server", type="SARIF")
    assert "created (server dry run)" in avouch.good("apply", "-f", "-", "--dry-run=server", stdin=text)
    assert avouch("contract", "describe", "dry-server").code == 1


def test_one_error_anywhere_and_nothing_is_sent(avouch, tmp_path):
    good = wrote(tmp_path, "good.yaml", CONTRACT.format(name="not-sent", type="SARIF"))
    bad = wrote(tmp_path, "bad.yaml", CONTRACT.format(name="bad", type="SARIFF"))
    answer = avouch("apply", "-f", good, "-f", bad)
    assert answer.code == 1
    assert f"{bad}:8:14: error: spec.materials[0].type" in answer.err
    assert "nothing was done" in answer.err
    assert avouch("contract", "describe", "not-sent").code == 1


def test_the_api_servers_refusal_is_passed_on_word_by_word_and_others_are_applied_still(avouch, tmp_path):
    head = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "Bad"}}
    workflow = {**head, "spec": {"contractRef": {"name": "c"}}}
    wrote(tmp_path, "1.json", json.dumps(workflow))
    wrote(tmp_path, "2.yaml", CONTRACT.format(name="beside-a-bad-one", type="SARIF"))
    answer = avouch("apply", "-f", str(tmp_path))
    assert answer.code == 1
    assert answer.out == "contract.chainloop.dev/beside-a-bad-one created\n"
    assert "Invalid value" in answer.err
    assert "Bad" in answer.err


def test_our_own_kinds_pass_untouched(avouch):
    workflow = {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "through"},
        "spec": {"contractRef": {"name": "c"}, "team": "yes"},
    }
    assert avouch.good("apply", "-f", "-", stdin=json.dumps(workflow)) == "workflow.avouch.dev/through created\n"
    assert avouch.object("workflow", "through")["spec"]["team"] == "yes"


def test_a_legacy_contract_needs_a_name_and_means_the_same(avouch):
    legacy = (SEED / "contract-legacy.yaml").read_text()
    answer = avouch("apply", "-f", "-", stdin=legacy)
    assert answer.code == 1
    assert "fix: say --name" in answer.err
    avouch.good("apply", "-f", str(SEED / "contract-legacy.yaml"), "--name", "from-legacy", "--description", "old")
    stored = avouch.object("contract", "from-legacy")
    assert stored["metadata"]["annotations"]["chainloop.dev/description"] == "old"
    reading.read(stored)


def test_a_contract_is_created_changed_listed_and_described(avouch, tmp_path):
    assert avouch.good("contract", "create", "--name", "life") == "contract.chainloop.dev/life created\n"
    assert avouch.object("contract", "life")["spec"] == {}
    again = avouch("contract", "create", "life")
    assert again.code == 1
    assert 'Error from server (AlreadyExists): error when creating "STDIN"' in again.err
    file = wrote(tmp_path, "life.yaml", CONTRACT.format(name="life", type="SARIF"))
    avouch.api.kubectl("annotate", "contract", "life", "argocd.argoproj.io/tracking-id=x", "version=1")
    assert avouch.good("contract", "update", "--name", "life", "-f", file) == "contract.chainloop.dev/life configured\n"
    stored = avouch.object("contract", "life")
    assert stored["spec"]["materials"][0]["name"] == "sbom"
    assert stored["metadata"]["annotations"] == {
        "argocd.argoproj.io/tracking-id": "x",
        "chainloop.dev/description": "What we owe",
    }
    assert avouch.good("contract", "update", "life", "-f", file) == "contract.chainloop.dev/life unchanged\n"
    listed = avouch.good("workflow", "contract", "ls").splitlines()
    assert listed[0].split() == ["NAME", "REVISION", "WORKFLOWS", "READY", "CREATED", "DESCRIPTION"]
    assert any(line.startswith("life ") and line.endswith("What we owe") for line in listed)
    described = avouch.good("workflow", "contract", "describe", "--name", "life")
    assert "Ready:        not seen by avouch's controller yet" in described
    written = yaml.safe_load(described.split("\n\n", 1)[1])
    assert written["metadata"]["description"] == "What we owe"


def test_an_update_of_what_kubectl_applied_leaves_what_kubectl_would_have_left(avouch, tmp_path):
    """Otherwise kubectl's next apply would not take away what the update added, and the source digest would lie."""
    for name in ("by-apply", "by-update"):
        avouch.good("apply", "-f", "-", stdin=CONTRACT.format(name=name, type="SARIF"))
    file = wrote(tmp_path, "new.yaml", CONTRACT.format(name="by-update", type="JUNIT_XML"))
    assert avouch.good("contract", "update", "by-update", "-f", file).endswith("configured\n")
    avouch.good("apply", "-f", "-", stdin=CONTRACT.format(name="by-apply", type="JUNIT_XML"))
    key = "kubectl.kubernetes.io/last-applied-configuration"
    by_apply, by_update = (
        avouch.object("contract", name)["metadata"]["annotations"][key] for name in ("by-apply", "by-update")
    )
    assert by_update == by_apply.replace("by-apply", "by-update")
    assert avouch.good("apply", "-f", file).endswith("unchanged\n")


def test_an_update_of_what_somebody_else_changed_in_between_is_refused(avouch, monkeypatch):
    avouch.good("contract", "create", "raced")
    read = avouch.object("contract", "raced")
    avouch.api.kubectl("label", "contract", "raced", "team=a")
    monkeypatch.setenv("PATH", str(Path(kubectl()).parent))
    client = kubectl_adapter.Kubectl(print, kubeconfig=str(avouch.api.kubeconfig))
    change = {"metadata": {"resourceVersion": read["metadata"]["resourceVersion"]}, "spec": {"envAllowList": ["A"]}}
    with pytest.raises(errors.Conflict, match="the object has been modified"):
        client.patch("contract.chainloop.dev", "raced", change)


REVISIONS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: contractrevisions.runs.avouch.dev}
spec:
  group: runs.avouch.dev
  scope: Namespaced
  names: {kind: ContractRevision, plural: contractrevisions, singular: contractrevision}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def test_revisions_are_shown_and_compared_as_recorded_and_never_where_they_are_not_what_they_say(avouch):
    """A CRD stands in for our aggregated API, whose objects tests/api/test_aggregated.py shows to kubectl."""
    avouch.api.kubectl("apply", "-f", "-", stdin=REVISIONS)
    avouch.api.kubectl("wait", "--for=condition=Established", "crd/contractrevisions.runs.avouch.dev")
    digests = []
    for number, kind in enumerate(("SARIF", "JUNIT_XML"), 1):
        read = reading.read(yaml.safe_load(CONTRACT.format(name="revised", type=kind)))
        canonical, digest = revisions.canonical(read).decode(), str(revisions.digest(read))
        digests.append(digest)
        record(avouch, f"revised.{number}", canonical, digest)
    record(avouch, "revised.3", canonical.replace("JUNIT", "FAKED"), digest)
    shown = yaml.safe_load(avouch.good("contract", "describe", "revised", "--revision", "1", "-o", "yaml"))
    assert str(revisions.digest(reading.read(shown))) == digests[0]
    assert f"Digest:    {digests[1]}" in avouch.good("contract", "describe", "revised", "--revision", "2")
    changes = avouch.good("contract", "describe", "revised", "--diff", "1", "2")
    assert changes == "~ material sbom: type SARIF -> JUNIT_XML\n"
    assert avouch.good("contract", "describe", "revised", "--diff", "2", "2") == "no difference in meaning\n"
    faked = avouch("contract", "describe", "revised", "--revision", "3")
    assert (faked.code, faked.out) == (1, "")
    assert "revision revised.3 is said to be sha256:" in faked.err
    absent = avouch("contract", "describe", "revised", "--revision", "4")
    assert (absent.code, '"revised.4" not found' in absent.err) == (1, True)


def record(avouch: CommandLine, name: str, canonical: str, digest: str) -> None:
    spec = {"contract": "revised", "revision": int(name[-1]), "digest": digest, "canonical": canonical}
    head = {"apiVersion": "runs.avouch.dev/v1alpha1", "kind": "ContractRevision", "metadata": {"name": name}}
    avouch.api.kubectl("create", "-f", "-", stdin=json.dumps({**head, "spec": spec}))


def test_a_workflow_is_created_as_in_chainloops_guide(avouch):
    said = avouch.good(
        "workflow", "create", "--name", "build-and-test", "--project", "skynet", "--team", "cyberdyne core",
        "--contract", "skynet-contract",
    )  # fmt: skip
    assert said == "workflow.avouch.dev/build-and-test created\n"
    assert avouch.object("workflow", "build-and-test", "skynet")["spec"] | {"suspend": False} == {
        "team": "cyberdyne core",
        "contractRef": {"name": "skynet-contract"},
        "suspend": False,
    }
    avouch.good("workflow", "update", "build-and-test", "-n", "skynet", "--contract", "other")
    stored = avouch.object("workflow", "build-and-test", "skynet")
    assert (stored["spec"]["contractRef"], stored["spec"]["team"]) == ({"name": "other"}, "cyberdyne core")
    again = avouch.good("workflow", "update", "build-and-test", "-n", "skynet", "--team", "cyberdyne core")
    assert again.endswith("unchanged\n")
    listed = avouch.good("workflow", "list", "-A").splitlines()
    assert any(line.split()[:2] == ["skynet", "build-and-test"] for line in listed)
    assert "Team:      cyberdyne core" in avouch.good("workflow", "describe", "build-and-test", "-n", "skynet")
    assert avouch.good("-n", "skynet", "workflow", "list", "-o", "name") == "workflow.avouch.dev/build-and-test\n"


def test_a_workflow_needs_no_contract(avouch):
    assert avouch.good("workflow", "create", "--name", "without") == "workflow.avouch.dev/without created\n"
    assert "contractRef" not in avouch.object("workflow", "without")["spec"]


def test_a_workflow_with_a_file_creates_both(avouch):
    said = avouch.good("workflow", "create", "both", "--contract", str(SEED / "contract-legacy.yaml"))
    assert said.splitlines() == ["contract.chainloop.dev/both created", "workflow.avouch.dev/both created"]
    assert avouch.object("workflow", "both")["spec"]["contractRef"] == {"name": "both"}


def test_a_dry_run_of_every_create_is_yaml_that_kubectl_takes(avouch):
    made = avouch.good("workflow", "create", "gitops", "--contract", "c", "-n", "skynet", "--dry-run", "-o", "yaml")
    assert avouch.api.kubectl("apply", "-f", "-", stdin=made) == "workflow.avouch.dev/gitops created\n"
    made = avouch.good("contract", "create", "gitops", "-n", "skynet", "--dry-run=client", "-o", "json")
    assert avouch.api.kubectl("apply", "-f", "-", stdin=made) == "contract.chainloop.dev/gitops created\n"


def test_what_is_not_there_and_where_no_server_answers_is_said_in_kubectls_words(avouch):
    absent = avouch("workflow", "describe", "nobody")
    assert absent.code == 1
    assert absent.err == 'error: Error from server (NotFound): workflows.avouch.dev "nobody" not found\n'
    down = avouch("workflow", "list", "--kubeconfig", "/nowhere")
    assert down.code == 1
    assert "/nowhere" in down.err


def test_without_kubectl_it_says_what_is_missing_and_how_to_get_it(avouch, tmp_path):
    answer = avouch("workflow", "list", PATH=str(tmp_path))
    assert answer.code == 1
    assert answer.err.startswith("error: kubectl is not on PATH")
    assert "fix: install kubectl" in answer.err


def plugin(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """kubectl itself, with our two programs on its PATH as pip installs them."""
    for name, function in (("kubectl-avouch", "main"), ("kubectl_complete-avouch", "complete")):
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nfrom avouch.processes.main import {function}\nraise SystemExit({function}())\n"
        )
        program.chmod(0o755)
    env = {
        "PATH": f"{folder}:{Path(kubectl()).parent}", "PYTHONPATH": str(REPOSITORY / "operator"), "HOME": str(folder)
    }  # fmt: skip
    return subprocess.run([kubectl(), *arguments], env=env, capture_output=True, text=True, check=False)


def test_as_a_plugin_it_is_called_by_kubectl_itself_and_speaks_of_itself_so(tmp_path):
    done = plugin(tmp_path, "avouch", "workflow", "lst")
    assert done.returncode == 2
    assert "Usage: kubectl avouch workflow" in done.stderr
    assert "Did you mean 'list'?" in done.stderr


def test_kubectl_completes_our_commands(tmp_path):
    done = plugin(tmp_path, "__complete", "avouch", "contract", "l")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["lint\tCheck contract and policy files, without a cluster.", "list\tList Contracts."]
    assert lines[-1] == ":4"


class TestTokens:
    def controller(self, avouch, name: str, text: str) -> None:
        """What avouch's controller does, once the APIToken is there."""
        for _ in range(200):
            found = json.loads(avouch.api.kubectl("get", "apitokens", "-o", "json"))["items"]
            if name in [each["metadata"]["name"] for each in found]:
                break
            time.sleep(0.1)
        data = base64.b64encode(text.encode()).decode()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s-{name}"}, "data": {"token": data}}
        avouch.api.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
        self.status(
            avouch, name, secretName=f"s-{name}", tokens=[{"id": "a" * 16, "createdAt": "2026-01-01T00:00:00Z"}]
        )

    def status(self, avouch, name: str, **more: Any) -> None:
        stored = avouch.object("apitoken", name)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Issued",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        status = {"observedGeneration": stored["metadata"]["generation"], "conditions": [ready], **more}
        avouch.api.kubectl(
            "patch", "apitoken", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
        )

    def test_a_token_is_printed_once_it_is_there_and_revoked_once_that_is_confirmed(self, avouch):
        played = threading.Thread(target=self.controller, args=(avouch, "ci", "avouch_abc"))
        played.start()
        answer = avouch("api-token", "create", "--name", "ci", "--lifetime", "720h")
        played.join()
        assert (answer.code, answer.out.splitlines()[-1]) == (0, "avouch_abc")
        assert "will not be printed again" in answer.err
        assert "720h" in json.dumps(avouch.object("apitoken", "ci")["spec"])
        waiting = avouch("api-token", "revoke", "ci", "--timeout", "1")
        assert waiting.code == 1
        assert "may still work" in waiting.err
        self.status(avouch, "ci", tokens=[])
        assert avouch.good("api-token", "revoke", "ci") == "apitoken.avouch.dev/ci revoked\n"
        assert any("revoked" in line for line in avouch.good("org", "api-token", "list").splitlines())

    def test_a_token_that_nobody_makes_is_an_error_in_time(self, avouch):
        answer = avouch("api-token", "create", "never", "--timeout", "1")
        assert answer.code == 1
        assert "is avouch's controller running?" in answer.err
