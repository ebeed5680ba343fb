"""Policies and groups on a real API server, compiled by the real OPA; the controller is the chart's ServiceAccount."""

import asyncio
import json
import subprocess
import textwrap
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch import destinations, digests, webfiles
from avouch.oci import client
from avouch.processes import policyfetching
from avouch.store import database, fetches
from tests import loopback
from tests.api import installed
from tests.api.test_controller import CONTRACT, ORGANIZATION, Bench
from tests.cluster import binaries

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres, pytest.mark.opa]

POLICY = "policies.chainloop.dev"
GOOD = """\
package main

import rego.v1

violations contains msg if {
    count(input.components) == 0
    msg := "there is nothing in it"
}
"""
BAD = GOOD.replace("count(input.components)", "counted(input.components)")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with installed.bench(tmp_path_factory.mktemp("policies")) as bench:
        yield bench


def started(bench: Bench, **more: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return installed.started(bench, **{"AVOUCH_OPA": str(binaries.binary("opa")), **more})


def policy(namespace: str, name: str, *scripts: str, **spec: Any) -> str:
    said = [{"kind": "SBOM_CYCLONEDX_JSON", "embedded": script} for script in scripts]
    return declared("Policy", namespace, name, {"policies": said, **spec} if scripts else spec)


def declared(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> str:
    meta = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "chainloop.dev/v1", "kind": kind, "metadata": meta, "spec": spec})


def said(bench: Bench, kind: str, name: str, namespace: str, condition: str) -> tuple[str, str]:
    found = bench.condition(kind, name, namespace, condition)
    return found.get("status", ""), found.get("reason", "")


def writes(bench: Bench, namespace: str) -> dict[str, str]:
    """What tells how often each was written: its resourceVersion."""
    listed = json.loads(bench.api.kubectl("get", f"{POLICY},policygroups", "-n", namespace, "-o", "json"))["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in listed}


def test_a_policy_that_compiles_is_ready_and_one_that_does_not_names_file_line_and_column_until_it_is_fixed(
    bench: Bench, namespace: str
) -> None:
    with started(bench) as _:
        bench.api.apply(policy(namespace, "good", GOOD))
        bench.api.apply(policy(namespace, "bad", GOOD, BAD))
        bench.ready(POLICY, "good", namespace)
        assert said(bench, POLICY, "good", namespace, "PolicyCompiled") == ("True", "Compiled")
        opa = binaries.PROGRAMS["opa"].version.removeprefix("v")
        assert bench.condition(POLICY, "good", namespace, "PolicyCompiled")["message"] == f"compiled by OPA {opa}"
        digest = bench.get(POLICY, "good", namespace)["status"]["digest"]
        assert digest.startswith("sha256:")
        bench.becomes(lambda: said(bench, POLICY, "bad", namespace, "Stalled"), ("True", "DoesNotCompile"))
        for condition in ("PolicyCompiled", "Ready"):
            assert said(bench, POLICY, "bad", namespace, condition) == ("False", "DoesNotCompile")
            told = bench.condition(POLICY, "bad", namespace, condition)["message"]
            assert told == "spec.policies[1].embedded:6:5: undefined function counted"
        before = bench.get(POLICY, "bad", namespace)["status"]["digest"]
        bench.api.apply(policy(namespace, "bad", GOOD, GOOD))
        bench.ready(POLICY, "bad", namespace)
        assert said(bench, POLICY, "bad", namespace, "PolicyCompiled") == ("True", "Compiled")
        assert bench.condition(POLICY, "bad", namespace, "Stalled") == {}
        assert len({digest, before, bench.get(POLICY, "bad", namespace)["status"]["digest"]}) == 3
        columns = bench.api.kubectl("get", POLICY, "good", "-n", namespace).split("\n")[0].split()
        assert columns == ["NAME", "READY", "COMPILED", "AGE"]


def test_a_contract_is_held_to_the_policies_that_compiled_and_says_which_one_does_not(
    bench: Bench, namespace: str
) -> None:
    attached = {"policies": {"attestation": [{"ref": "judge"}]}}
    with started(bench) as _:
        bench.api.apply(policy(namespace, "judge", GOOD))
        bench.api.apply(declared("Contract", namespace, "c", attached))
        bench.ready("contract", "c", namespace)
        bench.api.apply(policy(namespace, "judge", GOOD, BAD))
        bench.ready("contract", "c", namespace, "False")
        told = bench.condition("contract", "c", namespace)["message"]
        assert told == (
            'spec.policies.attestation[ref="judge"]: policy judge does not compile: spec.policies[1].embedded:6:5: '
            "undefined function counted (fix: correct the script)"
        )
        assert held_to(bench, "c", namespace) == 1
        bench.api.apply(policy(namespace, "judge", GOOD, GOOD))
        bench.ready("contract", "c", namespace)
        assert held_to(bench, "c", namespace) == 2


def test_what_settled_is_written_once_and_a_restart_writes_nothing(bench: Bench, namespace: str) -> None:
    with started(bench) as _:
        bench.api.apply(policy(namespace, "good", GOOD))
        bench.api.apply(policy(namespace, "bad", BAD))
        bench.api.apply(declared("PolicyGroup", namespace, "all", {"policies": {"attestation": [{"ref": "good"}]}}))
        bench.ready("policygroup", "all", namespace)
        bench.ready(POLICY, "bad", namespace, "False")
        before = writes(bench, namespace)
        managed = bench.get(POLICY, "bad", namespace)["status"]["conditions"]
    with started(bench) as _:
        bench.api.apply(policy(namespace, "later", GOOD))
        bench.ready(POLICY, "later", namespace)  # its turn comes after theirs
    after = writes(bench, namespace)
    assert {name: version for name, version in after.items() if name in before} == before
    assert bench.get(POLICY, "bad", namespace)["status"]["conditions"] == managed


def config_map(namespace: str, name: str = "avouch-policies", **files: str) -> str:
    data = {name.replace("_", "."): text for name, text in files.items()}
    meta = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def test_a_file_is_a_key_of_the_one_config_map_that_the_controller_may_read(bench: Bench, namespace: str) -> None:
    file = json.dumps({**json.loads(policy(namespace, "filed")), "spec": {"policies": [{"path": "sbom.rego"}]}})
    attached = {"policies": {"attestation": [{"ref": "file://sbom.yaml"}]}}
    with started(bench) as _:
        bench.api.apply(policy(namespace, "elsewhere", path="sbom.rego"))
        bench.api.apply(declared("Contract", namespace, "build", attached))
        bench.becomes(
            lambda: said(bench, POLICY, "elsewhere", namespace, "PolicyCompiled"), ("False", "ScriptNotFound")
        )
        bench.api.apply(config_map(namespace, "other", sbom_yaml=file, sbom_rego=GOOD))
        bench.ready("contract", "build", namespace, "False")
        told = bench.condition("contract", "build", namespace)["message"]
        assert f"ConfigMap avouch-policies of namespace {namespace} has no sbom.yaml" in told
        bench.api.apply(config_map(namespace, sbom_yaml=file, sbom_rego=GOOD))
        bench.ready(POLICY, "elsewhere", namespace)
        bench.ready("contract", "build", namespace)
        before = bench.get(POLICY, "elsewhere", namespace)["status"]["digest"]
        revision = bench.get("contract", "build", namespace)["status"]["revision"]
        bench.api.apply(config_map(namespace, sbom_yaml=file, sbom_rego=f"{GOOD}\n"))
        bench.becomes(lambda: bench.get("contract", "build", namespace)["status"]["revision"], revision + 1)
        bench.becomes(lambda: bench.get(POLICY, "elsewhere", namespace)["status"]["digest"] != before, wanted=True)
        bench.api.apply(config_map(namespace, sbom_yaml=file, sbom_rego=BAD))
        bench.becomes(lambda: said(bench, POLICY, "elsewhere", namespace, "Stalled"), ("True", "DoesNotCompile"))
        bench.api.kubectl("delete", "configmap", "avouch-policies", "-n", namespace)
        bench.ready("contract", "build", namespace, "False")
        assert bench.get("contract", "build", namespace)["status"]["revision"] >= revision + 1


def test_a_controller_without_opa_says_so_and_works_on(bench: Bench, namespace: str, tmp_path: Path) -> None:
    opa = tmp_path / "opa"
    with started(bench, AVOUCH_OPA=str(opa)) as controller:
        bench.api.apply(policy(namespace, "good", GOOD))
        bench.becomes(lambda: said(bench, POLICY, "good", namespace, "PolicyCompiled"), ("Unknown", "EngineMissing"))
        assert said(bench, POLICY, "good", namespace, "Ready") == ("False", "DependencyNotReady")
        told = bench.condition(POLICY, "good", namespace)["message"]
        assert str(opa) in told
        assert "fix: install OPA" in told
        bench.api.apply(CONTRACT.format(name="build", namespace=namespace))
        bench.ready("contract", "build", namespace)
        assert controller.poll() is None
        opa.symlink_to(binaries.binary("opa"))
        bench.api.apply(policy(namespace, "good", GOOD + "\n"))
        bench.ready(POLICY, "good", namespace)


def test_a_group_waits_for_its_policies_and_is_ready_when_each_is_there_and_compiles(
    bench: Bench, namespace: str
) -> None:
    home = bench.namespace(f"{namespace[:40]}-home")
    bench.api.apply(ORGANIZATION.format(name=f"{namespace[:40]}-org", home=home, projects=namespace))
    attached = [{"ref": "own"}, {"ref": "chainloop://common"}]
    with started(bench) as _:
        bench.api.apply(declared("PolicyGroup", namespace, "all", {"policies": {"attestation": attached}}))
        bench.becomes(lambda: said(bench, "policygroup", "all", namespace, "RefsResolved"), ("False", "PolicyNotFound"))
        told = bench.condition("policygroup", "all", namespace)["message"]
        assert (
            f"spec.policies.attestation[1].ref: Policy common does not exist in namespace {namespace} or {home}" in told
        )
        bench.api.apply(policy(home, "common", GOOD))
        bench.api.apply(policy(namespace, "own", BAD))
        bench.becomes(lambda: said(bench, "policygroup", "all", namespace, "RefsResolved"), ("True", "Resolved"))
        assert said(bench, "policygroup", "all", namespace, "PolicyCompiled") == ("False", "PolicyNotReady")
        bench.api.apply(policy(namespace, "own", GOOD))
        bench.ready("policygroup", "all", namespace)
        pinned = bench.get(POLICY, "own", namespace)["status"]["digest"]
        attached[0]["ref"] = f"own@{pinned}"
        bench.api.apply(declared("PolicyGroup", namespace, "all", {"policies": {"attestation": attached}}))
        bench.becomes(lambda: bench.get("policygroup", "all", namespace)["status"]["observedGeneration"], 2)
        bench.ready("policygroup", "all", namespace)
        bench.api.apply(policy(namespace, "own", GOOD + "\n"))
        bench.becomes(lambda: said(bench, "policygroup", "all", namespace, "RefsResolved"), ("False", "DigestDiffers"))


def test_a_contract_shows_what_it_owes_with_its_groups_looked_up_and_a_restart_writes_nothing(
    bench: Bench, namespace: str
) -> None:
    material = {"name": "scan", "type": "SBOM_CYCLONEDX_JSON", "policies": [{"ref": "good", "gate": True}]}
    inputs = {"severity": "x" * 500}
    attached = {"policies": {"attestation": [{"ref": "good", "with": inputs}]}, "policyGroups": [{"ref": "all"}]}
    with started(bench) as _:
        bench.api.apply(policy(namespace, "good", GOOD))
        bench.api.apply(declared("PolicyGroup", namespace, "all", {"policies": {"materials": [material]}}))
        bench.api.apply(declared("Contract", namespace, "owing", attached))
        bench.ready(POLICY, "good", namespace)
        bench.ready("contract", "owing", namespace)
        before = bench.get("contract", "owing", namespace)
    shown, digest = before["status"]["resolved"], bench.get(POLICY, "good", namespace)["status"]["digest"]
    line = 'spec.policyGroups[ref="all"].materials[0]'
    assert shown["materials"] == [{"name": "scan", "type": "SBOM_CYCLONEDX_JSON", "line": line, "policyGroup": "all"}]
    own, of_group = shown["policies"]  # by their lines
    assert of_group == {
        "name": "good", "digest": digest, "reference": "good", "line": line, "policyGroup": "all",
        "material": "scan", "gate": True, "gateBy": "attachment",
    }  # fmt: skip
    assert (own["attestation"], own["gate"], own["gateBy"]) == (True, False, "organization")
    assert own["inputs"]["severity"].endswith("...")
    with started(bench) as _:
        bench.api.apply(policy(namespace, "later", GOOD))
        bench.ready(POLICY, "later", namespace)  # its turn comes after the contract's
    assert (
        bench.get("contract", "owing", namespace)["metadata"]["resourceVersion"]
        == before["metadata"]["resourceVersion"]
    )


def test_what_breaks_chainloops_rules_beyond_the_schema_is_stalled(bench: Bench, namespace: str) -> None:
    odd = json.loads(policy(namespace, "odd", GOOD))
    odd["metadata"]["annotations"] = {"chainloop.dev/finding_type": "BUG"}
    with started(bench) as _:
        bench.api.apply(json.dumps(odd))
        bench.api.apply(declared("PolicyGroup", namespace, "odd", {"policies": {"attestation": [{"ref": "ftp://x"}]}}))
        for kind, words in (
            (POLICY, "use one of VULNERABILITY, SAST, LICENSE_VIOLATION"),
            ("policygroup", "unsupported protocol: ftp"),
        ):
            bench.becomes(lambda kind=kind: said(bench, kind, "odd", namespace, "Stalled"), ("True", "InvalidPolicy"))
            assert words in bench.condition(kind, "odd", namespace, "Stalled")["message"]


# In each form that Chainloop's schema has, as people write it in files for Chainloop's own tools.
FORMS = {
    "older": f"""
apiVersion: chainloop.dev/v1
kind: Policy
metadata:
  name: older
  annotations: {{category: SBOM}}
spec:
  type: SBOM_CYCLONEDX_JSON
  embedded: |
{textwrap.indent(GOOD, " " * 4)}
""",
    "attestation": f"""
apiVersion: chainloop.dev/v1
kind: Policy
metadata:
  name: attestation
  annotations: {{chainloop.dev/finding_type: VULNERABILITY}}
spec:
  inputs:
    - {{name: severity, description: the least one, default: HIGH}}
    - {{name: owner, required: true}}
  policies:
    - kind: ATTESTATION
      attestation_phases: [INIT, PUSH]
      embedded: |
{textwrap.indent(GOOD, " " * 8)}
    - kind: SARIF
      embedded: |
{textwrap.indent(GOOD, " " * 8)}
""",
    "group": """
apiVersion: chainloop.dev/v1
kind: PolicyGroup
metadata:
  name: group
spec:
  inputs: [{name: sbom_name, required: true}]
  policies:
    attestation:
      - ref: attestation
        with: {owner: platform}
    materials:
      - name: "{{ inputs.sbom_name }}"
        type: SBOM_CYCLONEDX_JSON
        optional: true
        match_mode: PREFIX
        policies:
          - ref: older
            gate: true
            requirements: [framework/requirement]
""",
}


def test_each_form_of_chainloops_is_taken_as_it_is_and_compiled(bench: Bench, namespace: str) -> None:
    with started(bench) as _:
        for name, text in FORMS.items():
            bench.api.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
            kind = {"Policy": POLICY, "PolicyGroup": "policygroup"}[yaml.safe_load(text)["kind"]]
            bench.ready(kind, name, namespace)
            assert said(bench, kind, name, namespace, "PolicyCompiled") == ("True", "Compiled")


class Fetching:
    """The worker's part, with the worker's rights in the database, trusting the authority of a test."""

    def __init__(self, bench: Bench, secure: loopback.Tls, allowed: str = "127.0.0.0/8,::1/128") -> None:
        self._url, self._tls = bench.database.url_of("worker"), secure.trusting()
        self._allowed = destinations.Destinations.parse(allowed, "AVOUCH_DESTINATIONS")
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)

    async def _run(self) -> None:
        async with database.Database(self._url) as opened, webfiles.WebFiles(self._allowed, self._tls) as files:
            fetching = policyfetching.Fetching(fetches.Fetches(opened), files, client.Options)
            while not self._over.is_set():
                await fetching.step()
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> loopback.Tls:
    return loopback.tls(tmp_path_factory.mktemp("web"))


def held_to(bench: Bench, name: str, namespace: str) -> int | None:
    revision: int | None = bench.get("contract", name, namespace)["status"].get("revision")
    return revision


def on_the_web(namespace: str, name: str, reference: str) -> str:
    return declared("Contract", namespace, name, {"policies": {"attestation": [{"ref": reference}]}})


def organized(bench: Bench, namespace: str, *hosts: str) -> None:
    said = yaml.safe_load(ORGANIZATION.format(name=namespace, home=namespace, projects=namespace))
    said["spec"]["settings"] = {"policiesAllowedHostnames": list(hosts)}
    bench.api.apply(json.dumps(said))


def test_a_policy_of_the_web_is_fetched_by_the_worker_pinned_and_followed_and_stops_nobody_where_it_is_not(
    bench: Bench, namespace: str, secure: loopback.Tls
) -> None:
    file = json.dumps({**json.loads(policy(namespace, "web")), "spec": {"policies": [{"path": "web.rego"}]}}).encode()
    pages = {"/web.yaml": file, "/web.rego": GOOD.encode(), "/other.yaml": b"other"}

    def answers(request: loopback.Request) -> loopback.Reply:
        if request.path == "/moved.yaml":
            return loopback.Reply(302, headers={"Location": "/web.yaml"})
        return loopback.Reply(200, pages[request.path]) if request.path in pages else loopback.Reply(404)

    with started(bench) as _, loopback.serving(answers, secure) as web, Fetching(bench, secure):
        url = web.url
        pin = digests.of_bytes(file)
        bench.api.apply(on_the_web(namespace, "pinned", f"{url}/web.yaml@{pin}"))
        bench.ready("contract", "pinned", namespace, "False")
        told = bench.condition("contract", "pinned", namespace)["message"]
        assert f"policies of namespace {namespace} may not come from localhost" in told
        assert "settings.policiesAllowedHostnames of the Organization" in told
        organized(bench, namespace, "localhost")
        bench.ready("contract", "pinned", namespace)
        assert held_to(bench, "pinned", namespace) == 1
        for name, words in (
            ("moved", "redirected, and redirects are not followed"),
            ("gone", "answered 404: there is no such file"),
            ("other", "digest mismatch: got sha256:"),
        ):
            reference = f"{url}/{name}.yaml{f'@{pin}' if name == 'other' else ''}"
            bench.api.apply(on_the_web(namespace, name, reference))
            bench.becomes(
                lambda name=name, words=words: words in bench.condition("contract", name, namespace).get("message", ""),
                wanted=True,
            )
            assert bench.condition("contract", name, namespace)["status"] == "False"
        bench.api.apply(on_the_web(namespace, "pinned", f"{url}/gone.yaml"))
        bench.ready("contract", "pinned", namespace, "False")
        assert held_to(bench, "pinned", namespace) == 1  # it stays in force
        bench.api.apply(CONTRACT.format(name="plain", namespace=namespace))
        bench.ready("contract", "plain", namespace)
        assert [request.path for request in web.seen].count("/web.yaml") == 1
    kept = [bytes(document) for (document,) in bench.rows("SELECT document FROM avouch.policy_documents")]
    assert any(b'"name":"web"' in each and b"there is nothing in it" in each for each in kept)


def test_a_private_address_is_refused_where_the_operator_does_not_list_it(
    bench: Bench, namespace: str, secure: loopback.Tls
) -> None:
    organized(bench, namespace, "localhost")
    with started(bench) as _, loopback.serving(secure=secure) as web, Fetching(bench, secure, allowed=""):
        url = web.url
        bench.api.apply(on_the_web(namespace, "private", f"{url}/web.yaml"))
        words = "localhost is not at a public address"
        bench.becomes(
            lambda: words in bench.condition("contract", "private", namespace).get("message", ""), wanted=True
        )
        assert web.connections == 0


def test_a_tenant_that_asks_for_thousands_delays_nobody(bench: Bench, namespace: str, secure: loopback.Tls) -> None:
    file = json.dumps({**json.loads(policy(namespace, "web", GOOD))}).encode()
    greedy = bench.namespace(f"{namespace[:40]}-greedy")
    for each in (namespace, greedy):
        organized(bench, each, "localhost")
    with started(bench) as _, loopback.serving(lambda _: loopback.Reply(200, file), secure) as web:
        url = web.url
        for number in range(40):
            attached = [{"ref": f"{url}/{number}-{each}.yaml"} for each in range(50)]
            bench.api.apply(declared("Contract", greedy, f"c{number}", {"policies": {"attestation": attached}}))
        with Fetching(bench, secure):
            bench.api.apply(on_the_web(namespace, "modest", f"{url}/web.yaml"))
            bench.ready("contract", "modest", namespace)
            told = bench.condition("contract", "c39", greedy)
            assert "its namespace asks for more than 64 files on the web" in told["message"]
        rows = bench.rows("SELECT count(*) FROM avouch.policy_fetches WHERE failure = '' GROUP BY namespace_uid")
        assert max(number for (number,) in rows) <= 64
