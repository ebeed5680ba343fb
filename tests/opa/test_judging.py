"""Runs of contracts with policies, judged with the real OPA: what passes, what fails, and what stops nothing else."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from avouch import digests, errors
from avouch.attestation import signing
from avouch.contract import owed, policies, reading
from avouch.controlplane.judging import documents, examination, verdict
from avouch.controlplane.judging import policies as judging
from avouch.controlplane.model import artifacts, policyexceptions, verdicts
from avouch.controlplane.model import policies as policy_model
from avouch.opa import engine, memo
from avouch.policy import documents as shown
from avouch.policy import evaluation, identity, rego, resolution
from tests.opa import engines
from tests.unit.controlplane.judging import tekton_cases as cases

pytestmark = pytest.mark.opa

KEYS = documents.Keys(*(signing.KeySigner.generate() for _ in range(3)), "https://verifier.example.com")
HEAD = "package main\n\nimport rego.v1\n\n"
PASSING = HEAD + "violations contains msg if { some c in input.components; c.bad; msg := c.name }\n"
SBOM = b'{"bomFormat": "CycloneDX", "components": [{"name": "left-pad", "bad": true}, {"name": "ok", "bad": false}]}'
CLEAN = b'{"bomFormat": "CycloneDX", "components": [{"name": "ok", "bad": false}]}'


def policy(name: str, rego: str, kind: str = cases.SBOM, **script: Any) -> dict[str, Any]:
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": name},
        "spec": {"policies": [{"kind": kind, "embedded": rego, **script}]},
    }


class Cluster:
    """Implements `resolution.Policies`, `policies.Policies` and `artifacts.Content` over a few objects."""

    def __init__(self, *objects: dict[str, Any], content: bytes | None = CLEAN) -> None:
        self.objects = {one["metadata"]["name"]: one for one in objects}
        self.content = content
        self.form = b""
        self.kept: dict[str, bytes] = {}
        self.exceptions: list[policyexceptions.PolicyException] = []

    def policy(self, reference: str) -> Any:
        found = self.objects[reference]
        return policies.read(found)

    group = policy

    def attach(self, gate: bool = True, **said: Any) -> None:
        spec = {"policies": {"materials": [{"ref": name, "gate": gate} for name in self.objects]}} | said
        self.attach_all(spec)

    def attach_all(self, spec: dict[str, Any], hosts: Sequence[str] = ()) -> None:
        manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}
        found = resolution.resolve(reading.read(manifest), self, hosts=hosts)
        assert isinstance(found, resolution.Resolved), found
        self.form, self.kept = owed.canonical(found.owed), dict(found.documents)

    async def resolved(self, revision: policy_model.Revision) -> bytes | None:
        return self.form or None

    async def documents(self, digests: frozenset[str]) -> Mapping[str, bytes]:
        return {digest: text for digest, text in self.kept.items() if digest in digests}

    async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
        return [one for one in self.exceptions if one.namespace_uid == namespace_uid and workflow in one.workflows]

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance) -> bytes:
        return shown.of_material(type_, content)

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        if self.content is None:
            raise errors.NotFound("nothing")
        yield self.content


def case() -> examination.Case:
    plan = replace(cases.planned(cases.asked()), has_policies=True)
    return cases.case(plan, cases.snapshot(cases.taskrun()), cases.said(cases.file()))


async def judged(running: evaluation.Engine, cluster: Cluster) -> verdicts.Verdict:
    found = verdict.judge(case(), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    use = judging.Evaluating(cluster, cluster, running, cluster, cluster)
    whole = replace(case(), evaluations=await use.evaluated(case(), found, KEYS))
    again = verdict.judge(replace(whole, exceptions=await use.declared(whole)), cases.LATER)
    assert isinstance(again, verdicts.Verdict)
    return again


async def test_a_run_passes_that_no_policy_finds_anything_in(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING))
    cluster.attach()
    found = await judged(running, cluster)
    assert (found.result, found.findings) == (verdicts.VerdictResult.PASSED, ())
    (said,) = found.evaluations
    assert (said.policy, said.material, said.status) == ("components", "sbom", policy_model.Status.PASSED)


async def test_a_violation_fails_the_run_where_there_is_a_gate(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=SBOM)
    cluster.attach(gate=True)
    found = await judged(running, cluster)
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.FAILED, ["PolicyViolated"])
    assert "policy components on material sbom: left-pad" in found.findings[0].message
    assert found.findings[0].line == 'spec.policies.materials[ref="components"]'


async def test_an_evaluation_names_the_scripts_that_judged_and_what_their_author_says_of_them(
    running: engine.Engine,
) -> None:
    said = policy("components", PASSING)
    said["spec"]["policies"].insert(0, {"kind": "SARIF", "embedded": PASSING})
    said["metadata"]["annotations"] = {"chainloop.dev/description": "Nothing is bad"}
    cluster = Cluster(said, content=SBOM)
    cluster.attach()
    found = await judged(running, cluster)
    assert found.evaluations[0].scripts == ("spec.policies[1].embedded",)
    assert found.evaluations[0].description == "Nothing is bad"
    assert found.findings[0].fix.endswith("what policy components asks for: Nothing is bad")


async def test_a_violation_without_a_gate_is_a_note(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=SBOM)
    cluster.attach(gate=False)
    found = await judged(running, cluster)
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.PASSED, ["PolicyViolatedUngated"])
    assert found.evaluations[0].status is policy_model.Status.VIOLATED


WRONG = {
    "undefined": HEAD + 'ignore if input.never\nresult := {"violations": input.never}\n',
    "failing": HEAD + "violations contains 1 / count(input.nothing)\n" + "x := 1 / 0\nviolations contains x\n",
    "malformed": HEAD + 'result := {"violations": "none", "skipped": false}\n',
    "answering-nothing": HEAD + "result := {}\n",
    "of-conftest": HEAD + 'deny contains "a" if true\n',
    "not-an-object": HEAD + "result := true\n",
    "not-text": HEAD + "violations contains 7\n",
    "not-compiling": HEAD + "violations contains nothing\n",
    "asking-the-network": HEAD
    + 'violations contains "a" if { http.send({"url": "http://10.0.0.1", "method": "GET"}) }\n',
    "asking-chainloop": HEAD + 'violations contains "a" if { chainloop.discover("sha256:a", "") }\n',
    "endless": HEAD
    + 'violations contains "n" if { numbers.range(0, 200000)[_] * numbers.range(0, 200000)[_] == 0.5 }\n',
}


async def test_a_script_asks_the_hosts_that_its_revision_allows_and_no_other(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = 'violations contains m if { m := http.send({"method": "get", "url": "https://a.example/"}).raw_body }\n'
    cluster = Cluster(policy("asking", HEAD + asking))
    spec = {"policies": {"materials": [{"ref": "asking", "gate": True}]}}
    setting = r"no host may be asked \(fix: list the hosts in spec.settings.policiesAllowedHostnames"
    for hosts, words in (((), setting), (("b.example",), "may not ask a.example"), (("a.example",), "not at a public")):
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", _inside)
        cluster.attach_all(spec, hosts)
        found = await judged(running, cluster)
        assert found.result is verdicts.VerdictResult.ERROR
        assert re.search(words, found.evaluations[0].reason), found.evaluations[0].reason


async def _inside(loop: asyncio.BaseEventLoop, host: str, port: int, **said: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.96.0.1", port))]


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("how", WRONG)
async def test_a_policy_that_cannot_be_evaluated_never_passes(running: engine.Engine, how: str, gate: bool) -> None:
    cluster = Cluster(policy("broken", WRONG[how]))
    cluster.attach(gate=gate)
    found = await judged(running, cluster)
    (said,) = found.evaluations
    assert said.status is policy_model.Status.ERROR
    assert said.reason
    if gate:
        assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.ERROR, ["PolicyNotEvaluated"])
    else:
        assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.PASSED, ["PolicyNotEvaluatedUngated"])


async def test_a_bad_policy_stops_no_other(running: engine.Engine) -> None:
    cluster = Cluster(*(policy(name, rego) for name, rego in WRONG.items() if name != "endless"), policy("z", PASSING))
    cluster.attach(gate=False)
    found = await judged(running, cluster)
    assert {one.policy: one.status.value for one in found.evaluations}["z"] == "Passed"
    assert len(found.evaluations) == len(WRONG)


async def test_a_skipped_policy_is_neither_a_pass_nor_a_failure(running: engine.Engine) -> None:
    cluster = Cluster(policy("odd", HEAD + "violations contains input.never\nvalid_input if input.never\n"))
    cluster.attach()
    found = await judged(running, cluster)
    (said,) = found.evaluations
    assert (said.status, said.reason) == (policy_model.Status.SKIPPED, "the file content is not recognized")
    assert found.result is verdicts.VerdictResult.PASSED


async def test_material_that_nobody_kept_is_not_passed(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=None)
    cluster.attach()
    found = await judged(running, cluster)
    assert cases.codes(found) == ["PolicyNotEvaluated"]
    assert "the content of material sbom is not kept" in found.findings[0].message


async def test_many_violations_are_counted_and_some_kept(running: engine.Engine) -> None:
    many = HEAD + 'violations contains msg if { some i in numbers.range(1, 10000); msg := sprintf("%05d", [i]) }\n'
    cluster = Cluster(policy("many", many))
    cluster.attach()
    found = await judged(running, cluster)
    (said,) = found.evaluations
    assert (len(said.violations), said.more) == (policy_model.MOST, 10_000 - policy_model.MOST)
    assert found.findings[0].message.endswith("and 9995 more")


async def test_long_messages_are_cut_and_what_cannot_be_stored_is_replaced(running: engine.Engine) -> None:
    cluster = Cluster(policy("long", HEAD + 'violations contains concat("", ["a\\u0000b", sprintf("%01000d", [1])])\n'))
    cluster.attach()
    (said,) = (await judged(running, cluster)).evaluations
    message = said.violations[0].message
    assert "\0" not in message
    assert message.endswith("(503 more characters)")


async def test_a_policy_on_the_attestation_sees_it_with_what_was_said_of_its_materials(running: engine.Engine) -> None:
    rego = HEAD + (
        "violations contains msg if {\n"
        "  some name, said in input.predicate.policyEvaluations\n"
        '  msg := sprintf("%s: %s has %d materials", [name, input.predicate.metadata.contractName,'
        " count(input.predicate.materials)])\n}\n"
    )
    cluster = Cluster(policy("components", PASSING), policy("whole", rego, "ATTESTATION"))
    cluster.attach_all(
        {"policies": {"materials": [{"ref": "components"}], "attestation": [{"ref": "whole", "gate": True}]}}
    )
    found = await judged(running, cluster)
    assert [(one.policy, one.material) for one in found.evaluations] == [("components", "sbom"), ("whole", "")]
    assert "policy whole: sbom: contract has 2 materials" in found.findings[0].message


async def test_a_script_of_the_beginning_does_not_judge_the_end(running: engine.Engine) -> None:
    both = policy("both", HEAD + 'violations contains "at the end"\n', "ATTESTATION")
    both["spec"]["policies"].append(
        {"kind": "ATTESTATION", "embedded": HEAD + 'violations contains "early"\n', "attestationPhases": ["INIT"]}
    )
    cluster = Cluster(both)
    cluster.attach_all({"policies": {"attestation": [{"ref": "both"}]}})
    (said,) = (await judged(running, cluster)).evaluations
    assert [one.message for one in said.violations] == ["at the end"]


@pytest.mark.parametrize("phases", [["INIT"], ["PUSH"], ["INIT", "PUSH"]])
@pytest.mark.parametrize("kind", [cases.SBOM, "ATTESTATION"])
async def test_phases_are_of_the_attestation_and_keep_no_script_from_judging_a_material(
    running: engine.Engine, kind: str, phases: list[str]
) -> None:
    cluster = Cluster(policy("components", PASSING, kind, attestationPhases=phases), content=SBOM)
    cluster.attach(gate=True)
    plan = replace(cases.planned(cases.asked(type_=kind)), has_policies=True)
    told = cases.said(cases.file(type_=kind))
    fine = {(cases.FILE, kind): artifacts.Checked(True)}
    cluster.show = _as_it_is  # type: ignore[method-assign]
    said = await said_of(running, cluster, cases.case(plan, cases.snapshot(cases.taskrun()), told, documents=fine))
    assert [(one.status.value, [each.message for each in one.violations]) for one in said] == [
        ("Violated", ["left-pad"])
    ]


async def _as_it_is(_type: str, content: bytes, **_: Any) -> bytes:
    return content


async def test_inputs_reach_the_script_and_the_verdict(running: engine.Engine) -> None:
    rego = HEAD + 'violations contains sprintf("%v", [input.args])\n'
    cluster = Cluster(policy("args", rego))
    cluster.attach_all({"policies": {"materials": [{"ref": "args", "with": {"names": "a,b", "one": "1"}}]}})
    (said,) = (await judged(running, cluster)).evaluations
    assert said.violations[0].message == '{"names": ["a", "b"], "one": "1"}'
    assert said.inputs == (("names", "a,b"), ("one", "1"))


async def test_a_script_sees_the_materials_descriptor(running: engine.Engine) -> None:
    rego = HEAD + 'violations contains input.chainloop_metadata.annotations["chainloop.material.name"]\n'
    cluster = Cluster(policy("named", rego))
    cluster.attach()
    (said,) = (await judged(running, cluster)).evaluations
    assert said.violations[0].message == "sbom"


async def test_the_pinned_policy_decides_whatever_became_of_the_object(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=SBOM)
    cluster.attach()
    cluster.objects.clear()
    assert (await judged(running, cluster)).result is verdicts.VerdictResult.FAILED


@pytest.mark.parametrize("lost", ["form", "document"])
async def test_what_the_run_is_held_to_has_to_be_kept(running: engine.Engine, lost: str) -> None:
    cluster = Cluster(policy("components", PASSING))
    cluster.attach()
    if lost == "form":
        cluster.form = b""
    else:
        cluster.kept.clear()
    with pytest.raises(errors.Corrupt):
        await judged(running, cluster)


async def test_what_revisions_are_held_to_is_read_once_and_what_is_recorded_now_counts(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=SBOM)
    cluster.attach(gate=True)
    use = judging.Evaluating(cluster, cluster, running, cluster, cluster)
    found = verdict.judge(case(), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    first = await use.evaluated(case(), found, KEYS)
    documents, cluster.kept = cluster.kept, {}
    again = judging.Evaluating(cluster, cluster, running, cluster, cluster, pins=use.pins)
    assert await again.evaluated(case(), found, KEYS) == first
    cluster.kept = documents
    cluster.attach(gate=False)  # as in a database that was restored: the same revision is held to something else
    assert [one.gate for one in await again.evaluated(case(), found, KEYS)] == [False]
    cluster.form = b""
    with pytest.raises(errors.Corrupt):
        await again.evaluated(case(), found, KEYS)


async def test_runs_that_deliver_the_same_have_the_verdict_of_the_first(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), policy("broken", WRONG["failing"]), content=SBOM)
    cluster.attach(gate=True)
    without = await judged(running, cluster)
    remembering = memo.Remembering(running)
    assert [await judged(remembering, cluster) for _ in range(2)] == [without] * 2
    cluster.content = CLEAN
    assert [await judged(remembering, cluster) for _ in range(2)] == [await judged(running, cluster)] * 2


async def test_the_policies_of_one_run_have_so_much_time_together(running: engine.Engine) -> None:
    cluster = Cluster(policy("a", PASSING), policy("b", PASSING))
    cluster.attach()
    compiling = [0.0, 0.0, 0.0, 0.0]  # both have the same script
    times = iter([*compiling, 1.0, judging.ALLOWED + 1])
    found = verdict.judge(case(), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    use = judging.Evaluating(cluster, cluster, running, cluster, cluster, clock=lambda: next(times))
    said = await use.evaluated(case(), found, KEYS)
    assert [one.status.value for one in said] == ["Passed", "Error"]
    assert "seconds together" in said[1].reason


class Busy(engines.Front[evaluation.Engine]):
    """Each document waits for longer than a run has for policies."""

    def __init__(self, running: evaluation.Engine) -> None:
        super().__init__(running)
        self.now = 0.0

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        async with super().document(tenant, content) as asked:
            self.now += judging.ALLOWED + 1
            asked.waited = judging.ALLOWED + 1  # type: ignore[misc]
            yield asked


@pytest.mark.parametrize("memory", [lambda busy: busy, memo.Remembering])
async def test_a_run_loses_no_time_while_others_keep_it_waiting(
    running: engine.Engine, memory: Callable[[evaluation.Engine], evaluation.Engine]
) -> None:
    cluster = Cluster(policy("a", PASSING), policy("b", PASSING), policy("whole", PASSING, "ATTESTATION"))
    both = [{"ref": name, "gate": True} for name in ("a", "b")]
    cluster.attach_all({"policies": {"materials": both, "attestation": [{"ref": "whole"}]}})
    busy, found = Busy(running), verdict.judge(case(), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    use = judging.Evaluating(cluster, cluster, memory(busy), cluster, cluster, clock=lambda: busy.now)
    said = await use.evaluated(case(), found, KEYS)
    assert [one.status.value for one in said] == ["Passed"] * 3
    assert busy.now > 2 * judging.ALLOWED


async def test_what_was_said_is_in_the_signed_attestation(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), policy("broken", WRONG["undefined"]), content=SBOM)
    cluster.attach(gate=True)
    found = await judged(running, cluster)
    signed = documents.seal(replace(case(), evaluations=found.evaluations), found, KEYS)
    predicate = json.loads(signed.document(verdicts.ATTESTATION).statement)["predicate"]
    by_name = {one["name"]: one for one in predicate["policyEvaluations"]["sbom"]}
    assert by_name["components"]["violations"] == [{"subject": "components", "message": "left-pad"}]
    assert by_name["components"]["policyReference"]["digest"] == {
        "sha256": str(identity.digest(policies.read(cluster.objects["components"]))).removeprefix("sha256:")
    }
    assert by_name["broken"]["violations"][0]["message"].startswith("not evaluated: ")
    assert predicate["policyAttBlocked"] is True
    assert (predicate["policyEvaluationsCount"], predicate["policyViolationsCount"]) == (2, 2)


async def test_an_exception_that_is_taken_away_excepts_the_next_run_no_more(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING), content=SBOM)
    cluster.attach(gate=True)
    run, ends = case().run, cases.LATER + timedelta(days=1)
    cluster.exceptions = [
        policyexceptions.PolicyException(
            run.namespace, run.namespace_uid, "e", "components", (run.workflow,), "why", "ada", ends
        )
    ]
    found = await judged(running, cluster)
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.PASSED, ["PolicyExcepted"])
    assert "left-pad; excepted by PolicyException e of ada" in found.findings[0].message
    cluster.exceptions.clear()
    assert (await judged(running, cluster)).result is verdicts.VerdictResult.FAILED


async def test_nobody_is_asked_for_exceptions_of_a_run_that_needs_none(running: engine.Engine) -> None:
    class Unasked(Cluster):
        async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
            raise AssertionError("nothing is excepted here")

    cluster = Unasked(policy("components", PASSING))
    cluster.attach()
    assert (await judged(running, cluster)).result is verdicts.VerdictResult.PASSED


async def test_a_verdict_waits_for_exceptions_that_cannot_be_read(running: engine.Engine) -> None:
    class Lost(Cluster):
        async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
            raise errors.Unavailable("the database is away")

    cluster = Lost(policy("components", PASSING), content=SBOM)
    cluster.attach(gate=True)
    with pytest.raises(errors.Unavailable):
        await judged(running, cluster)


SAYING = HEAD + "violations contains msg if { msg := input.components[0].name }\n"


class Asked(Cluster):
    """Keeps under whose name it was asked for what."""

    def __init__(self, *objects: dict[str, Any], content: bytes | None = CLEAN) -> None:
        super().__init__(*objects, content=content)
        self.revisions: list[policy_model.Revision] = []
        self.namespaces: list[str] = []
        self.allowances: list[artifacts.Allowance] = []

    async def resolved(self, revision: policy_model.Revision) -> bytes | None:
        self.revisions.append(revision)
        return await super().resolved(revision)

    async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
        self.namespaces.append(namespace_uid)
        return await super().of_workflow(namespace_uid, workflow)

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance) -> bytes:
        self.namespaces.append(namespace_uid)
        self.allowances.append(allowance)
        return await super().show(type_, content, namespace_uid=namespace_uid, allowance=allowance)

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        self.namespaces.append(namespace_uid)
        async for piece in super().get(digest, namespace_uid=namespace_uid):
            yield piece


class Through(engines.Front[evaluation.Engine]):
    """Keeps whose documents it held, and fails as it is told."""

    def __init__(self, running: evaluation.Engine, fails: Exception | None = None) -> None:
        super().__init__(running)
        self._fails = fails
        self.tenants: list[str] = []

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        if self._fails is not None:
            raise self._fails
        return await super().compiled(source)

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        self.tenants.append(tenant)
        async with super().document(tenant, content) as asked:
            yield asked


async def said_of(
    running: evaluation.Engine, cluster: Cluster, made: examination.Case
) -> tuple[policy_model.Evaluation, ...]:
    found = verdict.judge(made, cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    return await judging.Evaluating(cluster, cluster, running, cluster, cluster).evaluated(made, found, KEYS)


@pytest.mark.parametrize(("home", "uid"), [("", "ns-uid"), ("home-uid", "home-uid")])
async def test_a_contract_may_be_another_namespaces_and_all_else_is_asked_for_in_the_runs_own(
    running: engine.Engine, home: str, uid: str
) -> None:
    whole = policy("whole", HEAD + 'violations contains "bad"\n', "ATTESTATION")
    cluster, through = Asked(policy("components", PASSING), whole, content=SBOM), Through(running)
    cluster.attach_all(
        {"policies": {"materials": [{"ref": "components", "gate": True}], "attestation": [{"ref": "whole"}]}}
    )
    made = replace(case(), plan=replace(case().plan, contract_namespace_uid=home))
    said = await said_of(through, cluster, made)
    assert cluster.revisions == [policy_model.Revision(uid, "contract", 3)]
    await judging.Evaluating(cluster, cluster, running, cluster, cluster).declared(replace(made, evaluations=said))
    assert cluster.namespaces == ["ns-uid"] * 3, "its evidence, how it is shown, and its exceptions"
    assert through.tenants == ["ns-uid"] * 2, "the processes of OPA"


async def test_the_materials_of_one_run_share_one_allowance_to_be_read(running: engine.Engine) -> None:
    cluster = Asked(policy("components", PASSING))
    cluster.attach()
    plan = replace(cases.planned(cases.asked(), cases.asked("other")), has_policies=True)
    told = cases.said(cases.file(), cases.file(name="other"))
    said = await said_of(running, cluster, cases.case(plan, cases.snapshot(cases.taskrun()), told))
    assert {one.material for one in said} == {"other", "sbom"}
    assert cluster.allowances[0] is cluster.allowances[1]


class Away(Cluster):
    """Its evidence cannot be read now."""

    def __init__(self, where: str) -> None:
        super().__init__(policy("components", PASSING))
        self._where = where

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        if self._where == "store":
            raise errors.Unavailable("the store is away")
        yield CLEAN

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance) -> bytes:
        if self._where == "reader":
            raise errors.Unavailable("no process starts")
        return content


@pytest.mark.parametrize("where", ["store", "reader", "engine"])
async def test_what_cannot_answer_now_is_no_verdict(running: engine.Engine, where: str) -> None:
    cluster = Away(where)
    cluster.attach()
    away = errors.Unavailable("OPA does not start") if where == "engine" else None
    with pytest.raises(errors.Unavailable):
        await judged(Through(running, away), cluster)


async def test_what_nobody_thought_of_is_an_error_of_its_policy_and_never_a_pass(running: engine.Engine) -> None:
    cluster = Cluster(policy("components", PASSING))
    cluster.attach()
    found = await judged(Through(running, ZeroDivisionError("a mistake of ours")), cluster)
    assert (found.result, found.evaluations[0].status) == (verdicts.VerdictResult.ERROR, policy_model.Status.ERROR)
    assert found.evaluations[0].reason == "the evaluation failed: ZeroDivisionError"


@pytest.mark.parametrize("script", [{"kind": cases.SBOM}, {"attestationPhases": ["INIT"]}])
async def test_a_policy_on_the_attestation_that_does_not_judge_it_is_an_error(
    running: engine.Engine, script: dict[str, Any]
) -> None:
    cluster = Cluster(policy("components", PASSING, **{"kind": "ATTESTATION", **script}))
    cluster.attach_all({"policies": {"attestation": [{"ref": "components", "gate": True}]}})
    found = await judged(running, cluster)
    assert found.result is verdicts.VerdictResult.ERROR
    assert found.evaluations[0].reason == "none of its scripts judges ATTESTATION"


async def test_what_an_attestation_holds_of_a_material_is_judged_and_of_no_other(running: engine.Engine) -> None:
    cluster = Cluster(policy("saying", SAYING), content=None)
    cluster.attach()
    contents = {name: b'{"bomFormat": "CycloneDX", "components": [{"name": "%s"}]}' % name.encode() for name in "ab"}
    held = {name: str(digests.of_bytes(content)) for name, content in contents.items()}
    plan = replace(cases.planned(*map(cases.asked, held)), has_policies=True)
    told = cases.said(*(cases.file(held[name], name, content=content) for name, content in contents.items()))
    documents = cases.fine(*held.values())
    made = cases.case(plan, cases.snapshot(cases.taskrun()), told, documents=documents)
    said = await said_of(running, cluster, made)
    assert [(one.material, one.violations[0].message) for one in said] == [("a", "a"), ("b", "b")]


async def test_a_run_has_so_many_evaluations_and_the_others_have_not_passed(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "EVALUATIONS", 1)
    cluster = Cluster(policy("a", PASSING), policy("b", PASSING))
    cluster.attach()
    found = await judged(running, cluster)
    assert [one.status.value for one in found.evaluations] == ["Passed", "Error"]
    assert (
        found.evaluations[1].reason
        == "not evaluated, neither here nor on what comes after it: a run has at most 1 evaluations"
    )


async def test_a_verdict_keeps_so_many_violations_of_all_policies_and_counts_the_others(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "VIOLATIONS", 3)
    three = HEAD + 'violations contains msg if { some i in numbers.range(1, 2); msg := sprintf("%d", [i]) }\n'
    cluster = Cluster(*(policy(name, three) for name in "abc"))
    cluster.attach()
    found = await judged(running, cluster)
    assert [(len(one.violations), one.more) for one in found.evaluations] == [(2, 0), (1, 1), (0, 2)]
    assert {one.status for one in found.evaluations} == {policy_model.Status.VIOLATED}
    assert found.result is verdicts.VerdictResult.FAILED
