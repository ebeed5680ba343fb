"""Documents are read in processes that end without harm, and that answer as readers do."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from avouch import errors
from avouch.controlplane.model import artifacts
from avouch.materials import validation
from avouch.policy import documents
from avouch.reading import pool, process, turns, wire
from tests.materials import table

SLOW = b"openapi: 3.0.3\nx: [" + b"a," * 400_000 + b"a]"  # seconds of CPU
HUNGRY = b"[" + b"[1]," * 700_000 + b"1]"  # 90 MB
SARIF = next(path for path in sorted((table.FOLDER / "SARIF").iterdir())).read_bytes()


def processes(**limits: int) -> pool.Pool:
    return pool.Pool(wire.Limits(**limits), turns.Turns(places=1, share=1))


@pytest.fixture
async def readers() -> AsyncIterator[pool.Readers]:
    made = pool.Readers()
    yield made
    await made.close()


async def read(readers: pool.Readers, type_: str, content: bytes, seconds: float = 600, namespace: str = "shop"):
    allowance = artifacts.Allowance(seconds)
    return await readers.read(type_, content, namespace_uid=namespace, allowance=allowance)


@pytest.mark.parametrize("encoding", ["koi8-r", "iso-8859-15", "cp1251", "mac-roman", "shift_jis", "idna", "no-such"])
async def test_an_encoding_that_xml_names_is_known_to_a_confined_process(readers, encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?><testsuites><testsuite/></testsuites>'.encode()
    assert await read(readers, "JUNIT_XML", content) == validation.read("JUNIT_XML", content)


async def test_a_process_knows_nothing_of_the_worker(readers, monkeypatch):
    monkeypatch.setenv("AVOUCH_DATABASE_URL", "postgresql://secret")
    kept = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        await read(readers, "GITLEAKS_JSON", b"[]")
        (_, one) = readers.small.idle[-1]
        if sys.platform == "linux":
            about = Path(f"/proc/{one.running.pid}")
            assert about.joinpath("environ").read_bytes() == b""
            assert {each.name for each in about.joinpath("fd").iterdir()} == {"0", "1", "2"}
            assert {os.readlink(about / "fd" / each).partition(":")[0] for each in "01"} <= {"pipe", "socket"}
            assert os.readlink(about / "fd" / "2") == "/dev/null"
    finally:
        os.close(kept)


async def test_a_reader_that_takes_too_much_cpu_is_a_flaw_that_names_the_limit():
    readers = pool.Readers(small=processes(seconds=1, memory=512 * pool.MIB))
    (flaw,) = (await read(readers, "OPENAPI_SPEC", SLOW)).flaws
    assert flaw.code == "DocumentTooLarge"
    assert flaw.message == "reading the OPENAPI_SPEC needs more time than 1 s of CPU"
    assert flaw.fix
    assert (await read(readers, "GITLEAKS_JSON", b"[]")).parsed  # a new process took its place
    await readers.close()


async def test_a_reader_that_takes_too_long_is_a_flaw_and_so_is_every_further_document_of_the_run(readers, monkeypatch):
    allowance = artifacts.Allowance(0.2)
    asked = {"namespace_uid": "shop", "allowance": allowance}
    await read(readers, "GITLEAKS_JSON", b"[]")  # starts the process
    (late,) = (await readers.read("OPENAPI_SPEC", SLOW, **asked)).flaws
    (later,) = (await readers.read("GITLEAKS_JSON", b"[]", **asked)).flaws
    assert late.code == later.code == "DocumentTooLarge"
    assert "600 s" in later.message
    assert allowance.seconds <= 0


async def test_what_needs_more_memory_than_small_documents_have_is_read_where_large_ones_are():
    readers = pool.Readers(small=processes(memory=120 * pool.MIB))
    found = await read(readers, "GHAS_CODE_SCAN", HUNGRY)
    assert "tool field not found" in found.flaws[0].message
    assert readers.large.idle
    await readers.close()


async def test_a_reader_that_takes_too_much_memory_is_a_flaw():
    readers = pool.Readers(small=processes(memory=120 * pool.MIB), large=processes(memory=120 * pool.MIB))
    (flaw,) = (await read(readers, "GHAS_CODE_SCAN", HUNGRY)).flaws
    assert flaw.code == "DocumentTooLarge"
    assert "memory" in flaw.message
    await readers.close()


async def test_a_process_that_is_killed_is_replaced_and_the_document_is_read_by_another(readers):
    await read(readers, "GITLEAKS_JSON", b"[]")
    ((_, one),) = readers.small.idle
    reading = asyncio.create_task(read(readers, "OPENAPI_SPEC", SLOW))
    while readers.small.idle:
        await asyncio.sleep(0)
    os.kill(one.running.pid, signal.SIGKILL)
    assert (await reading).flaws[0].code == "DocumentInvalid"
    assert not one.alive


async def test_one_tenants_slow_documents_do_not_hold_up_anothers(readers):
    slow = [asyncio.create_task(read(readers, "OPENAPI_SPEC", SLOW, namespace="slow")) for _ in range(4)]
    await read(readers, "GITLEAKS_JSON", b"[]", namespace="other")
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_processes_are_started_at_need_and_ended_at_rest(readers, monkeypatch):
    assert not readers.small.idle
    await read(readers, "SARIF", SARIF)
    ((_, one),) = readers.small.idle
    await readers.rest()
    assert one.alive
    monkeypatch.setattr(pool, "_IDLE", 0)
    await readers.rest()
    assert not one.alive
    assert not readers.small.idle


async def test_a_process_is_replaced_after_a_number_of_documents(readers, monkeypatch):
    monkeypatch.setattr(pool, "_DOCUMENTS", 2)
    await read(readers, "GITLEAKS_JSON", b"[]")
    ((_, one),) = readers.small.idle
    await read(readers, "GITLEAKS_JSON", b"[]")
    assert not one.alive
    assert (await read(readers, "GITLEAKS_JSON", b"[]")).parsed


async def test_nothing_is_started_for_what_nobody_parses(readers):
    assert await read(readers, "ARTIFACT", b"anything") == validation.read("ARTIFACT", b"anything")
    assert (await read(readers, "SARIF", b"")).flaws[0].code == "DocumentEmpty"
    assert not readers.small.idle


FALSE = {
    "no JSON": b"{",
    "another field": b'{"flaws": [], "passed": true}',
    "a code of no reader": b'{"flaws": [["Passed", "", ""]]}',
    "a line that is none": b'{"flaws": [["DocumentInvalid", "a\\nb", ""]]}',
    "a flaw without end": json.dumps({"flaws": [["DocumentInvalid", "x" * 2000, ""]]}).encode(),
    "an annotation of another type": b'{"annotations": [["chainloop.material.name", "x"]]}',
    "an annotation twice": json.dumps({"annotations": [["chainloop.material.tool.name", "x"]] * 9}).encode(),
    "more than anyone says": None,
}


@pytest.mark.parametrize("answer", FALSE.values(), ids=FALSE)
async def test_an_answer_that_no_reader_gives_is_not_believed(answer, readers, monkeypatch):
    said = "b'\\xff\\xff\\xff\\xff'" if answer is None else f"wire.framed({answer!r})"
    lie = f"os.write(1, wire.framed(b'ready')); os.read(0, 1000); os.write(1, {said}); os.read(0, 1)"
    code = f"import os, sys; sys.path.insert(1, sys.argv[1]); from avouch.reading import wire; {lie}"
    monkeypatch.setattr(process, "_CODE", code)
    with pytest.raises(errors.AvouchError, match="answered") as caught:
        await read(readers, "SARIF", SARIF)
    assert not caught.value.retry
    assert not readers.small.idle


async def test_a_reader_that_is_broken_says_so_and_is_not_tried_for_ever(readers, monkeypatch, caplog):
    broken = "validation.read = lambda *_: 1 / 0;"
    code = process._CODE.replace("child.main", f"from avouch.materials import validation; {broken} child.main")
    monkeypatch.setattr(process, "_CODE", code)
    with pytest.raises(errors.AvouchError, match="the reader of SARIF failed: 'ZeroDivisionError'") as caught:
        await read(readers, "SARIF", SARIF)
    assert not caught.value.retry
    assert "ZeroDivisionError" in caplog.text


async def test_a_process_that_does_not_start_is_no_verdict_on_a_document(readers, monkeypatch):
    monkeypatch.setattr(process, "_CODE", "raise SystemExit(3)")
    with pytest.raises(errors.Unavailable):
        await read(readers, "SARIF", SARIF)


async def show(readers: pool.Readers, type_: str, content: bytes, seconds: float = 600) -> bytes:
    return await readers.show(type_, content, namespace_uid="shop", allowance=artifacts.Allowance(seconds))


@pytest.mark.parametrize("name", [name for name, row in documents.TABLE.items() if row.made])
async def test_a_confined_process_makes_what_policies_see_of_every_type_that_is_parsed(readers, name):
    good = [case.content for each, case in table.good() if each == name]
    assert good
    for content in good:
        assert await show(readers, name, content) == documents.of_material(name, content)
    assert readers.small.idle[-1][1].documents == len(good)


async def test_json_for_policies_needs_no_process(readers):
    assert await show(readers, "GITLEAKS_JSON", b"[1]") == b'{"elements":[1]}'
    assert not readers.small.idle
    assert await show(readers, "SARIF", b'{"a":"\t"}') == b'{"a":"\\t"}'  # this one is parsed to be mended
    assert readers.small.idle


async def test_a_large_document_for_policies_comes_whole(readers):
    content = b"<testsuite>" + b'<testcase name="a"/>' * 40_000 + b"</testsuite>"
    assert len(json.loads(await show(readers, "JUNIT_XML", content))["elements"][0]["tests"]) == 40_000
    assert await show(readers, "JUNIT_XML", b"<testsuite/>") == documents.of_material("JUNIT_XML", b"<testsuite/>")
    assert len(readers.small.idle) == 1


async def test_what_policies_cannot_be_shown_is_refused_and_the_process_goes_on(readers):
    with pytest.raises(errors.Invalid, match="its root is <html>") as told:
        await show(readers, "JUNIT_XML", b"<html/>")
    assert told.value.fix
    assert not isinstance(told.value, errors.TooLarge)
    ((_, one),) = readers.small.idle
    assert one.alive


async def test_what_takes_too_long_or_too_much_to_be_shown_is_too_large(readers):
    with pytest.raises(errors.TooLarge, match="needs more time"):
        await show(readers, "OPENAPI_SPEC", SLOW, seconds=0.2)
    small = pool.Readers(small=processes(memory=120 * pool.MIB), large=processes(memory=120 * pool.MIB))
    with pytest.raises(errors.TooLarge, match="needs more memory"):
        await show(small, "OPENAPI_SPEC", b'{"openapi":' + HUNGRY + b"}")
    await small.close()


@pytest.mark.parametrize("size", [-1, wire.SHOWN + 1, "1", None])
async def test_a_size_that_no_document_has_is_not_believed(monkeypatch, size):
    answer = json.dumps({"size": size}).encode()
    lie = f"os.write(1, wire.framed(b'ready')); os.read(0, 1000); os.write(1, wire.framed({answer!r})); os.read(0, 1)"
    monkeypatch.setattr(process, "_CODE", process._CODE.replace("child.main", f"import os; {lie}; child.main"))
    readers = pool.Readers()
    with pytest.raises(errors.AvouchError, match="answered what no reader answers"):
        await show(readers, "JUNIT_XML", b"<testsuite/>")
    await readers.close()
