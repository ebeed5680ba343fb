"""Results that are remembered: they are what the real engine says, as long as nothing that a script sees differs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch import errors
from avouch.api import policy as kind
from avouch.cli import policytests
from avouch.opa import engine, memo, program
from avouch.policy import evaluation, rego, tables
from tests.opa import engines
from tests.opa.conftest import finding
from tests.opa.test_engine import HEAD, compiled

pytestmark = pytest.mark.opa

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if ".test" not in path.suffixes)
DOCUMENT = b'{"components": [{"name": "a"}], "lit": "args", "args": {"of": "the document"}}'
ARGS = 'violations contains json.marshal(input.args)\nseen contains input["components"]\n'


class Counted(engines.Front[engine.Engine]):
    """Counts documents and questions."""

    def __init__(self, running: engine.Engine) -> None:
        super().__init__(running)
        self.documents, self.questions = 0, 0

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        self.documents += 1
        async with super().document(tenant, content) as asked:
            yield _Counted(self, asked)


class _Counted:
    def __init__(self, counted: Counted, asked: evaluation.Asked) -> None:
        self._counted, self._asked = counted, asked

    @property
    def waited(self) -> float:
        return self._asked.waited

    async def ask(
        self, script: rego.Compiled, beside: Mapping[str, Any], at: datetime | None = None, hosts: Sequence[str] = ()
    ) -> Any:
        self._counted.questions += 1
        return await self._asked.ask(script, beside, at, hosts)


class Remembered:
    """A memory over the real engine; each question is asked about a document of its own."""

    def __init__(self, running: engine.Engine) -> None:
        self.running, self.counted = running, Counted(running)
        self.memory = memo.Remembering(self.counted)

    async def ask(
        self, rules: str, beside: Mapping[str, Any], tenant: str = "shop", document: bytes = DOCUMENT
    ) -> tuple[Any, int]:
        """The result, and how often the engine has been asked so far."""
        script = await compiled(self.running, HEAD + rules)
        async with self.memory.document(tenant, document) as asked:
            result = await asked.ask(script, beside)
        return result["violations"], self.counted.questions


@pytest.fixture
def remembered(running: engine.Engine) -> Remembered:
    return Remembered(running)


async def test_a_question_that_was_asked_is_not_asked_again_and_the_engine_is_not_needed(
    remembered: Remembered,
) -> None:
    first = await remembered.ask(ARGS, {"args": {"x": "1"}})
    assert first == (['{"x":"1"}'], 1)
    assert await remembered.ask(ARGS, {"args": {"x": "1"}}) == first
    assert remembered.counted.documents == 1


async def test_a_document_says_for_how_long_the_engine_kept_it_waiting(remembered: Remembered) -> None:
    script = await compiled(remembered.running, HEAD + ARGS)
    async with remembered.memory.document("shop", DOCUMENT) as asked:
        assert asked.waited == 0
        async with remembered.running.document("shop", DOCUMENT):
            waiting = asyncio.create_task(asked.ask(script, {"args": {}}))
            await asyncio.sleep(0.2)
        await waiting
        assert asked.waited >= 0.1  # of 0.2, which began a little before it did


async def test_what_a_script_sees_makes_another_question(remembered: Remembered) -> None:
    asked: list[tuple[str, dict[str, Any], str, bytes]] = [
        (ARGS, {"args": {}}, "shop", DOCUMENT),
        (ARGS, {"args": {"x": "1"}}, "shop", DOCUMENT),
        (ARGS, {"args": {"x": 1}}, "shop", DOCUMENT),
        (ARGS, {"args": {"x": True}}, "shop", DOCUMENT),
        (ARGS, {}, "shop", DOCUMENT),
        (ARGS, {"args": {}}, "shop", b'{"args": {"x": "2"}}'),
        (ARGS, {"args": {}}, "another", DOCUMENT),
        (ARGS + "# another script\n", {"args": {}}, "shop", DOCUMENT),
    ]
    for number, (rules, beside, tenant, document) in enumerate(asked, 1):
        assert (await remembered.ask(rules, beside, tenant, document))[1] == number


async def test_what_a_script_does_not_see_makes_no_other_question(remembered: Remembered) -> None:
    for number in range(3):
        beside = {"args": {}, "chainloop_metadata": {"name": f"sbom-{number}"}, "avouch": {"run": {"uid": number}}}
        assert (await remembered.ask(ARGS, beside))[1] == 1


BLIND = {
    "a field": ("violations contains input.lit", {"lit"}),
    "a field by its text": ('violations contains input["lit"]', {"lit"}),
    "a field of what is gotten": (
        'violations contains object.get(input, ["args", input.lit], "no")', {"args", "lit"}),
    "a template": ('violations contains $"{input.lit} {input.args}"', {"lit", "args"}),
    "an import": ("import input.args as seen\nviolations contains json.marshal(seen)", {"args"}),
    "a replaced field": (
        'violations contains "a" if { said with input.args as {"a": 1} }\nsaid if input.args.a', {"args"}),
    "every": ('violations contains "a" if { every c in input.components { c.name != input.lit } }',
              {"components", "lit"}),
    "a function": ('f(x) := y if { y := x[input.lit] } else := "no"\nviolations contains json.marshal(f(input.args))',
                   {"args", "lit"}),
    "nothing": ('violations contains "a"', set()),
}  # fmt: skip
SEEING = {
    "a variable": "violations contains json.marshal(x) if { x := input }",
    "unified": "violations contains json.marshal(x) if { x = input }",
    "a key that nobody knows": "violations contains json.marshal(input[k])",
    "a key of a key": "violations contains json.marshal(input[input.lit])",
    "gone through": "violations contains json.marshal([p, v]) if { walk(input, [p, v]) }",
    "each of it": "violations contains json.marshal([k, v]) if { some k, v in input }",
    "a member": "violations contains json.marshal(v) if { some v in input }",
    "a comprehension": "violations contains json.marshal({k: v | v := input[k]})",
    "every of it": 'violations contains "a" if { every k, v in input { k != v } }',
    "a function of ours": "f(x) := json.marshal(x)\nviolations contains f(input)",
    "a function of ours that gets": "f(x) := object.get(x, k, 1) if { k := \"a\" }\nviolations contains f(input)",
    "an import": "import input as seen\nviolations contains json.marshal(seen)",
    "a template": 'violations contains $"{input}"',
    "another input": 'said if input.secret\nviolations contains "a" if { said with input as {"secret": input} }',
    "the path of what is gotten": 'p := ["avouch"]\nviolations contains json.marshal(object.get(input, p, 0))',
    "no path": "violations contains json.marshal(object.get(input, [], 0))",
    "another object.get": (
        "mine(o, k, d) := o\nviolations contains json.marshal(x) if "
        '{ x := object.get(input, "lit", 0) with object.get as mine }'),
    "a rule named object": (
        'object.get(o, k, d) := o\nviolations contains json.marshal(object.get(input, "lit", 0))'),
    "a rule that is an alias": "all_of_it := input\nviolations contains json.marshal(data.main.all_of_it)",
    "else": 'x := 1 if { input.never } else := input\nviolations contains json.marshal(x)',
    "a default in a head": "violations contains json.marshal(x) if { x := [y | y := input][0] }",
}  # fmt: skip


@pytest.mark.parametrize("how", BLIND)
async def test_a_script_says_the_same_whatever_it_does_not_see(remembered: Remembered, how: str) -> None:
    rules, reads = BLIND[how]
    assert (await compiled(remembered.running, f"{HEAD}{rules}\n")).reads == reads
    first = {"args": {"x": "1"}, "chainloop_metadata": {}, "avouch": {}}
    second = {**first, "chainloop_metadata": {"name": "b"}, "avouch": {"run": 2}, "secret": "c"}
    assert await _bare(remembered, rules, first) == await _bare(remembered, rules, second)


@pytest.mark.parametrize("how", SEEING)
async def test_a_script_that_may_see_all_is_asked_about_each_difference(remembered: Remembered, how: str) -> None:
    """Whatever may lie beside a document, a result that is remembered is the one that the engine has."""
    rules = f"{SEEING[how]}\n"
    assert (await compiled(remembered.running, HEAD + rules)).reads is None
    for beside in ({"args": {}, "avouch": {"run": 1}}, {"args": {}, "avouch": {"run": 2}}, {"secret": {}}):
        wanted = await _bare(remembered, rules, beside)
        for _ in range(2):
            assert (await remembered.ask(rules, beside))[0] == wanted
    assert remembered.counted.questions == 3


async def _bare(remembered: Remembered, rules: str, beside: Mapping[str, Any]) -> Any:
    script = await compiled(remembered.running, f"{HEAD}{rules}\n")
    async with remembered.running.document("shop", DOCUMENT) as asked:
        return (await asked.ask(script, beside))["violations"]


@pytest.mark.parametrize(
    "rules",
    [
        "violations contains sprintf(\"%d\", [time.now_ns()])",
        'violations contains uuid.rfc4122("a")',
        'violations contains sprintf("%d", [rand.intn("a", 1000000000)])',
        'violations contains x if { x := upper("a") with upper as uuid.rfc4122 }',
    ],
)  # fmt: skip
async def test_what_changes_is_asked_each_time(remembered: Remembered, rules: str) -> None:
    said = [(await remembered.ask(f"{rules}\n", {}))[0] for _ in range(3)]
    assert remembered.counted.questions == 3
    assert len({json.dumps(one) for one in said}) == 3


async def test_each_function_that_opa_calls_nondeterministic_is_one_that_changes(opa: program.Program) -> None:
    said = json.loads((await program.run(opa.path, "capabilities", "--current")).output)["builtins"]
    changing = [one["name"] for one in said if one.get("nondeterministic")]
    assert "time.now_ns" in changing
    assert [name for name in changing if rego.Compiled("a", "", (), frozenset({name})).lasting] == []


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ("violations contains 1 / count(input.components[0].no)\nviolations contains 1 / 0", errors.Invalid),
        ('result := {"violations": input.never}', errors.NotFound),
        ('violations contains sprintf("%d %s", [i, "' + 50 * "x" + '"]) if { some i in numbers.range(0, 30000) }',
         errors.TooLarge),
    ],
)  # fmt: skip
async def test_an_error_is_not_remembered(remembered: Remembered, rules: str, error: type[errors.AvouchError]) -> None:
    for number in range(1, 4):
        with pytest.raises(error):
            await remembered.ask(f"{rules}\n", {})
        assert remembered.counted.questions == number


async def test_a_tenant_keeps_what_it_has_whatever_another_asks(
    remembered: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memo, "BYTES", 2000)
    await remembered.ask(ARGS, {"args": {}})
    for number in range(10):
        await remembered.ask(ARGS, {"args": {"number": number}}, "another")
    assert (await remembered.ask(ARGS, {"args": {}}))[1] == 11
    assert (await remembered.ask(ARGS, {"args": {"number": 9}}, "another"))[1] == 11
    assert (await remembered.ask(ARGS, {"args": {"number": 0}}, "another"))[1] == 12


async def test_the_tenants_that_were_judged_last_are_remembered(
    remembered: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memo, "TENANTS", 2)
    few = Remembered(remembered.running)
    for tenant in ("a", "b", "c", "c", "b", "a"):
        said = await few.ask(ARGS, {"args": {}}, tenant)
    assert said == (["{}"], 4)


async def test_a_large_result_is_not_remembered(remembered: Remembered) -> None:
    rules = f'violations contains sprintf("%d {80 * "x"}", [i]) if {{ some i in numbers.range(1, 1000) }}\n'
    for number in (1, 2):
        assert (await remembered.ask(rules, {}))[1] == number


async def test_what_is_remembered_cannot_be_changed_by_who_got_it(remembered: Remembered) -> None:
    first, _ = await remembered.ask(ARGS, {"args": {}})
    second, _ = await remembered.ask(ARGS, {"args": {}})
    second.append("more")
    assert (await remembered.ask(ARGS, {"args": {}}))[0] == first == ["{}"]


async def test_a_document_that_is_no_json_is_refused_by_the_engine(remembered: Remembered) -> None:
    for _ in range(2):
        with pytest.raises(errors.Invalid, match="does not take the document"):
            await remembered.ask(ARGS, {}, document=b'{"a": ')


@pytest.mark.parametrize("name", NAMES)
async def test_each_example_says_the_same_with_a_memory_and_without(opa: program.Program, name: str) -> None:
    bare = engine.Engine(finding(opa))
    counted = Counted(bare)
    memory = memo.Remembering(counted)
    policy = kind.Policy.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    path = FOLDER / f"{name}.test.yaml"
    table = tables.read(path.read_bytes(), str(path))
    asked = []
    try:
        for case in (*table.cases, *table.cases, *reversed(table.cases)):
            said = [await _said(each, policy, path, case) for each in (memory, bare)]
            assert said[0] == said[1], case.name
            asked.append(counted.questions)
    finally:
        await bare.close()
    lasting = [script.lasting for script in [await compiled_of(bare, one) for one in policy.spec.policies]]
    assert lasting
    if all(lasting):
        assert asked[-1] == asked[len(table.cases) - 1]


async def compiled_of(running: engine.Engine, script: kind.Script) -> rego.Compiled:
    return await compiled(running, script.embedded or "")


async def _said(running: evaluation.Engine, policy: kind.Policy, path: Path, case: tables.Case) -> Any:
    try:
        material = policytests._material(path, policy, case)
        return await evaluation.evaluate(running, policy, material, case.given, tenant="shop")
    except errors.AvouchError as exc:
        return type(exc), str(exc)
