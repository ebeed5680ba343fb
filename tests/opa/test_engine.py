"""Scripts in the real engine: their results, their mistakes, and those that take more than they may."""

import asyncio
import dataclasses
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from avouch import errors
from avouch.opa import engine, launching, program
from avouch.policy import rego
from tests.opa.conftest import finding

pytestmark = pytest.mark.opa

HEAD = "package main\n\nimport rego.v1\n\n"
JUDGING = 'violations contains "no" if input.no\n'
COUNTING = (
    HEAD + 'violations contains msg if { some one in input.items; msg := sprintf("%s %s", [one, input.args.said]) }\n'
)
ENDLESS = HEAD + 'violations contains "never" if { numbers.range(0, 200000)[_] * numbers.range(0, 200000)[_] == 0.5 }\n'
HOARDING = HEAD + (
    "violations contains all if {\n"
    '  many := concat("", [text | some i in numbers.range(0, 200000); text := sprintf("%d %d %d", [i, i, i])])\n'
    '  all := concat("", [many | some j in numbers.range(0, 2000)])\n}\n'
)
TALKING = HEAD + (
    "violations contains msg if { some i in numbers.range(0, 30000); "
    'msg := sprintf("%d %s", [i, "' + 50 * "x" + '"]) }\n'
)


async def compiled(running: engine.Engine, source: str) -> rego.Compiled:
    made = await running.compiled(source)
    assert isinstance(made, rego.Compiled), made
    return made


async def answer(running: engine.Engine, source: str, document: Any = None, **args: Any) -> Any:
    """The result of one script for one document."""
    script = await compiled(running, source)
    async with running.document("shop", json.dumps(document or {}).encode()) as asked:
        return await asked.ask(script, {"args": args})


async def test_a_script_sees_the_document_and_what_lies_beside_it(running: engine.Engine) -> None:
    found = await answer(running, COUNTING, {"items": ["a", "b"], "args": {"said": "of its own"}}, said="yes")
    assert found["violations"] == ["a yes", "b yes"]
    assert found["skipped"] is False


async def test_what_the_document_adds_under_a_name_of_ours_is_not_seen(running: engine.Engine) -> None:
    source = HEAD + "violations contains json.marshal([input.args, input.kept])\n"
    found = await answer(running, source, {"args": {"said": {"a": 1}, "more": 2}, "kept": {"b": 3}}, said={"c": 4})
    assert found["violations"] == ['[{"said":{"c":4}},{"b":3}]']


async def test_a_large_document_is_shown_whole(running: engine.Engine) -> None:
    items = [f"{number:060}" for number in range(60_000)]
    said = await answer(running, HEAD + "violations contains input.items[count(input.items) - 1]\n", {"items": items})
    assert said["violations"] == items[-1:]


async def test_what_a_script_leaves_out_is_added(running: engine.Engine) -> None:
    found = await answer(running, HEAD + "violations contains input.never\n")
    assert found == {"skipped": False, "violations": [], "skip_reason": "", "ignore": False}


async def test_input_that_a_script_calls_invalid_is_skipped(running: engine.Engine) -> None:
    rule = "violations contains input.never\ndefault valid_input := false\nvalid_input if input.kind\n"
    found = await answer(running, HEAD + rule)
    assert (found["skipped"], found["skip_reason"]) == (True, "the file content is not recognized")


async def test_input_is_valid_only_if_the_scripts_own_rule_says_so(running: engine.Engine) -> None:
    rules = 'valid_input if input.kind\nviolations contains "unknown" if not valid_input\n'
    found = await answer(running, HEAD + rules)
    assert (found["skipped"], found["violations"]) == (True, ["unknown"])
    assert found["skip_reason"] == "the file content is not recognized"
    assert (await answer(running, HEAD + rules, {"kind": "a"}))["skipped"] is False


@pytest.mark.parametrize(
    ("rule", "otherwise"),
    [("skipped if input.kind", False), ("skipped := false if input.kind", True), ("skipped := input.kind", False)],
)
async def test_skipped_without_a_default_is_otherwise_the_opposite(
    running: engine.Engine, rule: str, otherwise: bool
) -> None:
    found = await answer(running, f"{HEAD}violations contains input.never\n{rule}\n")
    assert found["skipped"] is otherwise


async def test_violations_that_have_no_value_are_no_answer(running: engine.Engine) -> None:
    with pytest.raises(errors.NotFound):
        await answer(running, HEAD + "violations := [one.name | some one in input.items] if input.items\n")


@pytest.mark.parametrize("rule", ['deny contains "a" if true', "allow := false", 'violation contains {"msg": "a"}', ""])
async def test_a_script_that_finds_nothing_is_not_compiled(running: engine.Engine, rule: str) -> None:
    (flaw,) = await running.compiled(f"{HEAD}{rule}\n")  # type: ignore[misc]
    assert "package main has no rule violations" in str(flaw)
    assert rule.partition(" ")[0] in str(flaw)


async def test_a_default_of_its_own_stays_and_findings_are_in_the_result(running: engine.Engine) -> None:
    found = await answer(running, HEAD + 'default skip_reason := "mine"\nfindings := [{"message": "m"}]\n')
    assert (found["skip_reason"], found["findings"]) == ("mine", [{"message": "m"}])


async def test_a_script_reads_its_own_package_by_its_name(running: engine.Engine) -> None:
    source = 'package acme.rules\n\nimport rego.v1\nimport data.acme.rules.named\n\nnamed := "n"\n'
    source += (
        'violations contains data.acme.rules.named\nviolations contains msg if { msg := sprintf("é%s", [named]) }\n'
    )
    assert (await answer(running, source))["violations"] == ["n", "én"]


async def test_scripts_of_one_package_do_not_see_each_other(running: engine.Engine) -> None:
    """Every script says `package main`: held by one process, none may change what another says."""
    for source in (HEAD + 'violations contains "one"\n', HEAD + 'violations contains "two"\n'):
        found = await answer(running, source)
        assert found["violations"] == [source.split('"')[1]]


@pytest.mark.parametrize("looking", ["data.documents", "data.avouch", 'data["documents"]', "data[root]", "walk_of"])
async def test_a_script_sees_no_document_and_no_script_but_its_own(running: engine.Engine, looking: str) -> None:
    seen = {"data[root]": "some root; seen := data[root].documents", "walk_of": "walk(data.other, [_, seen])"}
    rule = f"violations contains json.marshal(seen) if {{ {seen.get(looking, f'seen := {looking}')} }}\n"
    made = await running.compiled(HEAD + rule)
    if isinstance(made, rego.Compiled):
        async with running.document("shop", b'{"secret": true}') as asked:
            assert (await asked.ask(made, {}))["violations"] == []


async def test_a_script_takes_the_time_that_it_is_given_for_now(running: engine.Engine) -> None:
    script = await compiled(running, f"{HEAD}violations contains time.now_ns()\n")
    async with running.document("shop", b"{}") as asked:
        at = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
        assert (await asked.ask(script, {}, at))["violations"] == [int(at.timestamp()) * 10**9 + 250_000_000]
        (now,) = (await asked.ask(script, {}))["violations"]
        assert abs(now / 10**9 - datetime.now(UTC).timestamp()) < 60


async def test_each_function_that_a_script_may_call_is_told_however_it_is_written(running: engine.Engine) -> None:
    rules = (
        'violations contains time["now_ns"]()\n'
        'violations contains said if { said := upper("a") with upper as uuid.rfc4122 }\n'
        'violations contains $"{rand.intn("a", 3)}"\n'
    )
    found = await compiled(running, HEAD + rules)
    assert {"time.now_ns", "upper", "uuid.rfc4122", "rand.intn"} <= found.calls
    assert "time.now_ns" not in (await compiled(running, HEAD + "violations := []\n")).calls


async def test_a_variable_may_have_the_name_of_chainloops_functions(running: engine.Engine) -> None:
    rule = "violations contains chainloop.name if { some chainloop in input.items }\n"
    assert (await answer(running, HEAD + rule, {"items": [{"name": "a"}]}))["violations"] == ["a"]


async def test_chainloops_function_makes_a_finding(running: engine.Engine) -> None:
    rule = 'violations contains v if { v := chainloop.vulnerability("m", "CVE-1", "pkg:npm/a", "HIGH") }\n'
    finding = {"message": "m", "external_id": "CVE-1", "package_purl": "pkg:npm/a", "severity": "HIGH"}
    assert (await answer(running, HEAD + rule))["violations"] == [finding]


@pytest.mark.parametrize(
    ("rule", "message", "line"),
    [
        ("x := opa.runtime()", "opa.runtime is not allowed in policies", 5),
        ('x := net.lookup_ip_addr("a.example")', "net.lookup_ip_addr is not allowed in policies", 5),
        ('x := rego.parse_module("a", "b")', "rego.parse_module is not allowed in policies", 5),
        ('x if { trace("a") }', "trace is not allowed in policies", 5),
        ('x := chainloop.discover("sha256:a", "")', "undefined function chainloop.discover", 5),
        ("x := nothing", "var nothing is unsafe", 5),
        ("x := {", "non-terminated set", 0),
        ("default violations := []\nviolations contains 1", "conflicting rules", 0),
    ],
)
async def test_what_keeps_a_script_from_being_compiled_is_said(
    running: engine.Engine, rule: str, message: str, line: int
) -> None:
    found = await running.compiled(f"{HEAD}{rule}\n{JUDGING}")
    assert not isinstance(found, rego.Compiled)
    assert message in found[0].message
    if line:
        assert (found[0].line, found[0].text) == (line, rule)


async def test_a_script_without_a_package_is_refused(running: engine.Engine) -> None:
    found = await running.compiled("deny[m] { m = 1 }")
    assert not isinstance(found, rego.Compiled)
    assert "package expected" in found[0].message


@pytest.mark.parametrize(
    "rule", ["violations contains 1 / input.zero", 'violations contains "a" if not json.unmarshal("{")']
)
async def test_a_function_that_fails_is_an_error_wherever_it_stands(running: engine.Engine, rule: str) -> None:
    with pytest.raises(errors.Invalid):
        await answer(running, f"{HEAD}{rule}\n", {"zero": 0})


async def test_a_result_that_is_undefined_is_none(running: engine.Engine) -> None:
    with pytest.raises(errors.NotFound):
        await answer(running, HEAD + 'ignore if input.never\nresult := {"violations": input.never}\n')


@pytest.mark.parametrize(
    ("source", "complaint"),
    [(ENDLESS, "took longer than 5 seconds"), (TALKING, "answered more than")],
    ids=["endless", "talking"],
)
async def test_a_script_that_takes_too_much_ends_its_process_and_the_others_are_asked_on(
    running: engine.Engine, source: str, complaint: str
) -> None:
    await ended_and_asked_on(running, source, complaint)


async def test_a_script_that_takes_too_much_memory_ends_its_process_and_the_others_are_asked_on(
    opa: program.Program,
) -> None:
    limits = launching.Limits(seconds=120.0, memory=256 * launching.MIB)
    made = engine.Engine(finding(dataclasses.replace(opa, limits=limits)))
    await ended_and_asked_on(made, HOARDING, "took more than 256 MiB")
    await made.close()


async def ended_and_asked_on(running: engine.Engine, source: str, complaint: str) -> None:
    bad, good = await compiled(running, source), await compiled(running, COUNTING)
    async with running.document("shop", b'{"items": ["a"]}') as asked:
        before = await asked.ask(good, {"args": {"said": "x"}})
        with pytest.raises(errors.TooLarge, match=complaint):
            await asked.ask(bad, {"args": {}})
        assert await asked.ask(good, {"args": {"said": "x"}}) == before


async def test_scripts_cannot_use_up_processes_without_end(running: engine.Engine) -> None:
    bad = await compiled(running, TALKING)
    async with running.document("shop", b"{}") as asked:
        for _ in range(3):
            with pytest.raises(errors.TooLarge, match="answered more"):
                await asked.ask(bad, {})
        with pytest.raises(errors.TooLarge, match="3 scripts before it ended the engine"):
            await asked.ask(await compiled(running, COUNTING), {})


async def test_an_engine_that_dies_is_replaced(running: engine.Engine) -> None:
    good = await compiled(running, COUNTING)
    async with running.document("shop", b'{"items": []}') as asked:
        await asked.ask(good, {})
        process = running._servers["shop"]._process
        os.killpg(process.pid, 9)
        await process.wait()
        assert (await asked.ask(good, {}))["violations"] == []


async def test_tenants_have_processes_of_their_own_and_few_are_kept(running: engine.Engine) -> None:
    good = await compiled(running, COUNTING)
    pids = set()
    for tenant in ("a", "b", "c", "d", "e", "f"):
        async with running.document(tenant, b'{"items": []}') as asked:
            await asked.ask(good, {})
            pids.add(running._servers[tenant]._process.pid)
    assert len(pids) == 6
    assert list(running._servers) == ["e", "f"]


async def test_there_are_never_more_processes_than_places_whoever_asks(running: engine.Engine) -> None:
    good, most = await compiled(running, COUNTING), 0

    async def judged(tenant: str) -> None:
        nonlocal most
        async with running.document(tenant, b'{"items": []}') as asked:
            assert (await asked.ask(good, {}))["violations"] == []
            most = max(most, len(running._servers))

    await asyncio.gather(*(judged(tenant) for tenant in ("a", "b", "c", "d", "a", "c", "b")))
    assert most == engine.TENANTS


async def test_a_tenant_that_was_judged_leaves_no_turn_behind(running: engine.Engine) -> None:
    async with running.document("shop", b"{}"):
        assert list(running._turns) == ["shop"]
    assert list(running._turns) == []


async def test_a_tenant_that_is_slow_does_not_hold_up_another(running: engine.Engine) -> None:
    bad, good = await compiled(running, ENDLESS), await compiled(running, COUNTING)

    async def slow() -> None:
        async with running.document("slow", b"{}") as asked:
            await asked.ask(bad, {})

    waiting = asyncio.create_task(slow())
    async with running.document("quick", b'{"items": []}') as asked:
        await asked.ask(good, {})
    assert not waiting.done()
    with pytest.raises(errors.TooLarge):
        await waiting


async def test_a_process_has_no_environment_but_its_bound_of_memory(
    running: engine.Engine,
) -> None:
    good = await compiled(running, COUNTING)
    async with running.document("shop", b'{"items": []}') as asked:
        await asked.ask(good, {})
        pid = running._servers["shop"]._process.pid
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert file.read() == f"GOGC=400\0GOMEMLIMIT={512 * launching.MIB * 3 // 4}\0".encode()


async def test_a_document_that_is_no_json_is_refused(running: engine.Engine) -> None:
    script = await compiled(running, COUNTING)
    async with running.document("shop", b'{"a": ') as asked:
        with pytest.raises(errors.Invalid, match="OPA does not take the document"):
            await asked.ask(script, {})


async def test_nothing_stays_behind_when_the_engine_is_closed(opa: program.Program) -> None:
    made = engine.Engine(finding(opa))
    script = await compiled(made, COUNTING)
    async with made.document("shop", b'{"items": []}') as asked:
        await asked.ask(script, {})
        server = made._servers["shop"]
    await made.close()
    assert not server.alive
    assert not os.path.exists(server._folder)


async def test_a_full_process_is_replaced(opa: program.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avouch.opa.server.SCRIPTS", 2)
    made = engine.Engine(finding(opa))
    pids = []
    for number in range(3):
        script = await compiled(made, f"{HEAD}violations contains {number}\n")
        async with made.document("shop", b"{}") as asked:
            await asked.ask(script, {})
            pids.append(made._servers["shop"]._process.pid)
    await made.close()
    assert pids[0] == pids[1] != pids[2]


async def test_a_document_whose_scripts_take_long_leaves_its_place_to_a_tenant_that_waits(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TURN", 0.0)
    good = await compiled(running, COUNTING)

    async def judged(tenant: str) -> Any:
        async with running.document(tenant, b'{"items": ["c"]}') as asked:
            return await asked.ask(good, {"args": {"said": "x"}})

    async with running.document("a", b'{"items": ["a"]}') as first, running.document("b", b"{}"):
        before = await first.ask(good, {"args": {"said": "x"}})
        waiting = asyncio.create_task(judged("c"))
        while not running.awaited:
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while not waiting.done():  # it leaves its place to this one, too
                assert await first.ask(good, {"args": {"said": "x"}}) == before
        assert (await waiting)["violations"] == ["c x"]
        assert first.waited > 0, "others took that time"
        for _ in range(5):  # and that its process was ended for another one is not its fault
            assert await first.ask(good, {"args": {"said": "x"}}) == before
    async with running.document("d", b"{}"), running.document("e", b"{}"):
        assert not running.awaited, "every place was left"
