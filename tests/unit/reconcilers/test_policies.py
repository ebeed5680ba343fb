"""What a Policy's status says, from what the compiler said; the compiler itself is in tests/opa and tests/api."""

import asyncio
import types
from collections.abc import Sequence
from typing import Any

import pytest

from avouch import digests, errors
from avouch.controlplane.model import fetches
from avouch.kube.cache import Key, ObjectCache
from avouch.policy import rego, scripts
from avouch.reconcilers import conditions, policies, specs

DIGEST = digests.of_bytes(b"x")
GOOD, BAD = "package main\n", "package main\nviolations contains 1\n"


class Compiler:
    """Answers by source; a source that it does not know compiles."""

    version = "1.22.3"

    def __init__(self, **answers: Sequence[rego.Flaw] | errors.AvouchError) -> None:
        self.answers = {"bad": [rego.Flaw("if keyword is required", 2, 1)], **answers}
        self.asked: list[str] = []

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        self.asked.append(source)
        if source == "endless":
            await asyncio.sleep(3600)
        said = self.answers.get(source, rego.Compiled("script_1", source, ("script_1", "main", "result")))
        if isinstance(said, errors.AvouchError):
            raise said
        return said


class Web:
    """Where one script lies, and another one that was not fetched yet."""

    async def ask(self, namespace_uid: str, references: frozenset[str], *, epoch: int) -> Any:
        there = {"https://policies.example/p.rego": fetches.Fetched(GOOD.encode())}
        return {each: there.get(each, fetches.Fetched()) for each in references}


def obj(spec: dict[str, Any], name: str = "sbom", **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 1}
    return {"metadata": meta, "spec": spec, **more}


def says(desired: conditions.Desired) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in desired.conditions}


def message(desired: conditions.Desired, kind: str = "PolicyCompiled") -> str:
    return next(c.message for c in desired.conditions if c.type == kind)


async def reconciled(
    spec: dict[str, Any], compiler: Compiler | None = None, files: dict[str, str] | None = None, **more: Any
) -> conditions.Desired:
    cache = ObjectCache(specs.INDEXERS)
    meta = {"name": "avouch-policies", "namespace": "team", "uid": "u"}
    cache.put(Key("ConfigMap", "team", "avouch-policies"), {"metadata": meta, "data": files or {}})
    organization = {"homeNamespace": "team", "settings": {"policiesAllowedHostnames": ["policies.example"]}}
    cache.put(Key("Namespace", "", "team"), {"metadata": {"name": "team"}})
    cache.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": organization})
    there: Any = types.SimpleNamespace(
        compiler=compiler or Compiler(), cache=cache, fetches=Web(), epoch=lambda: 7, namespace_uid=str
    )
    return await policies.reconcile(there, Key("Policy", "team", "sbom"), obj(spec, **more))


FOUND = {
    "compiled": (policies.Compiled("OPA 1.22.3"), ("True", "Compiled"), "Ready"),
    "a flaw": (policies.Compiled("OPA 1.22.3", ["spec.embedded:2:1: no"]), ("False", "DoesNotCompile"), "Stalled"),
    "no engine": (policies.Compiled(missing="opa is not there"), ("Unknown", "EngineMissing"), "Reconciling"),
    "a flaw is said before the engine that is missing": (
        policies.Compiled(flaws=["spec.embedded:2:1: no"], missing="no opa"),
        ("False", "DoesNotCompile"),
        "Stalled",
    ),
}


@pytest.mark.parametrize(("compiled", "said", "state"), FOUND.values(), ids=FOUND)
def test_only_a_policy_that_compiles_whole_is_ready(
    compiled: policies.Compiled, said: tuple[str, str], state: str
) -> None:
    desired = policies.decide(policies.Found(digest=DIGEST, compiled=compiled))
    found = says(desired)
    assert found["PolicyCompiled"] == said
    assert found["Ready"][0] == ("True" if state == "Ready" else "False")
    assert found[state][0] == "True"
    assert desired.fields == {"digest": str(DIGEST)}
    assert desired.recheck == (policies.RECHECK if state == "Reconciling" else None)


async def test_each_flaw_is_told_with_the_field_line_and_column() -> None:
    spec = {"policies": [{"kind": "SARIF", "embedded": GOOD}, {"kind": "JUNIT_XML", "embedded": "bad"}]}
    said = message(await reconciled(spec))
    assert said == "spec.policies[1].embedded:2:1: if keyword is required"
    assert message(await reconciled({"embedded": "bad"}), "Stalled") == "spec.embedded:2:1: if keyword is required"


async def test_one_bad_script_does_not_hide_another() -> None:
    flaws = [rego.Flaw(f"flaw {number}", number, 1) for number in range(1, 5)]
    spec = {"policies": [{"embedded": "bad"}, {"embedded": GOOD}, {"embedded": "many"}, {"embedded": "bad"}]}
    said = message(await reconciled(spec, Compiler(many=flaws)))
    assert said.startswith("spec.policies[0].embedded:2:1: ")
    assert "; spec.policies[2].embedded:1:1: flaw 1; " in said
    assert said.endswith("; and 1 more")


@pytest.mark.parametrize("field", ["path", "ref"])
async def test_a_policy_waits_for_the_script_that_it_names_and_is_another_one_with_another_script(field: str) -> None:
    spec = {"policies": [{"embedded": GOOD}, {field: "p.rego"}]}
    desired = await reconciled(spec)
    assert says(desired) == {
        "Ready": ("False", "DependencyNotReady"),
        "Reconciling": ("True", "DependencyNotReady"),
        "PolicyCompiled": ("False", "ScriptNotFound"),
    }
    assert f"spec.policies[1].{field}: ConfigMap avouch-policies of namespace team has no p.rego" in message(desired)
    found, other = [await reconciled(spec, files={"p.rego": text}) for text in (GOOD, f"{GOOD}\n")]
    assert says(found)["Ready"] == ("True", "Succeeded")
    assert found.fields["digest"] != other.fields["digest"]
    again = await reconciled(spec, files={"p.rego": GOOD}, status={"digest": found.fields["digest"]})
    assert [one.requeue_dependents for one in (found, other, again)] == [True, True, False]
    bad = await reconciled(spec, files={"p.rego": "bad"})
    assert message(bad) == f"spec.policies[1].{field}:2:1: if keyword is required"


async def test_without_an_engine_the_policy_waits_and_names_what_is_to_be_installed() -> None:
    missing = errors.NotInstalled("opa is not there", fix="install OPA 1.22")
    desired = await reconciled({"embedded": GOOD}, Compiler(**{GOOD: missing}))
    assert says(desired) == {
        "Ready": ("False", "DependencyNotReady"),
        "Reconciling": ("True", "DependencyNotReady"),
        "PolicyCompiled": ("Unknown", "EngineMissing"),
    }
    assert message(desired) == "opa is not there (fix: install OPA 1.22)"
    assert desired.recheck == policies.RECHECK


async def test_a_script_that_takes_too_much_is_told_and_the_others_are_looked_at() -> None:
    compiler = Compiler(huge=errors.TooLarge("takes longer than 20 seconds", fix="make it cheaper"))
    said = message(await reconciled({"policies": [{"embedded": "huge"}, {"embedded": "bad"}]}, compiler))
    assert said.startswith("spec.policies[0].embedded: takes longer than 20 seconds (fix: make it cheaper); spec.pol")
    assert compiler.asked == ["huge", "bad"]


async def test_all_scripts_of_a_policy_share_one_bound_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "TOGETHER", 0.05)
    desired = await reconciled({"policies": [{"embedded": GOOD}, {"embedded": "endless"}]})
    assert says(desired)["PolicyCompiled"] == ("False", "DoesNotCompile")
    assert "its scripts take more than" in message(desired)


async def test_a_policy_that_breaks_rules_is_not_compiled() -> None:
    compiler = Compiler()
    desired = await reconciled({"inputs": [{"name": "a"}, {"name": "a"}], "embedded": GOOD}, compiler)
    assert says(desired)["Stalled"] == ("True", "InvalidPolicy")
    assert says(desired)["PolicyCompiled"] == ("False", "InvalidPolicy")
    assert "duplicate input a" in message(desired)
    assert compiler.asked == []


async def test_a_suspended_policy_keeps_what_was_said_of_it_and_is_not_compiled() -> None:
    compiler = Compiler()
    before = policies.decide(policies.Found(digest=DIGEST, compiled=policies.Compiled("OPA 1.22.3")))
    status = before.status(1)
    desired = await reconciled({"suspend": True, "embedded": "bad"}, compiler, status=status)
    assert says(desired) == {"Ready": ("True", "Suspended"), "PolicyCompiled": ("True", "Compiled")}
    assert desired.fields == {"digest": str(DIGEST)}
    assert compiler.asked == []


def test_scripts_of_a_policy_within_another_object_are_told_with_the_whole_path() -> None:
    (script,) = policies.within("spec.policies.attestation[0].embedded", [scripts.Script("spec.embedded", GOOD)])
    assert script.place == "spec.policies.attestation[0].embedded.spec.embedded"


@pytest.mark.parametrize(("name", "ready", "recheck"), [("p", "True", 300.0), ("gone", "False", 2.0)])
async def test_a_script_on_the_web_is_looked_at_again(name: str, ready: str, recheck: float) -> None:
    desired = await reconciled({"policies": [{"ref": f"https://policies.example/{name}.rego"}]})
    assert (says(desired)["Ready"][0], desired.recheck) == (ready, recheck)
