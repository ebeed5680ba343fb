"""Scripts that are compiled by the real OPA: once each, within bounds, and as soon as there is one."""

import asyncio
import dataclasses
import stat
from pathlib import Path

import pytest

from avouch import errors, kept
from avouch.opa import compiling, program
from avouch.policy import rego
from tests.opa.conftest import finding

pytestmark = pytest.mark.opa

GOOD = 'package main\n\nviolations contains msg if {\n    msg := "no"\n}\n'
BAD = "package main\n\nviolations contains msg if {\n    msg := nothing(input)\n}\n"
LONG = "package main\n" + "\n".join(f'violations contains "{n}" if input.a[{n}].b == {n}' for n in range(40_000))


class Counting:
    """A program that counts how often it is asked, and how many at once."""

    def __init__(self, opa: program.Program) -> None:
        self._opa, self.asked, self.now, self.most = opa, 0, 0, 0

    async def compiled(self, source: str) -> object:
        self.asked, self.now = self.asked + 1, self.now + 1
        self.most = max(self.most, self.now)
        try:
            return await self._opa.compiled(source)
        finally:
            self.now -= 1


async def test_a_script_that_was_looked_at_is_not_looked_at_again(opa: program.Program) -> None:
    counting = Counting(opa)
    scripts = compiling.Scripts(finding(counting))  # type: ignore[arg-type]
    made = [await scripts.compiled(GOOD) for _ in range(8)]
    assert counting.asked == 1
    assert len({each.name for each in made if isinstance(each, rego.Compiled)}) == 1
    flaws = [await scripts.compiled(BAD) for _ in range(2)]
    assert counting.asked == 2
    assert [str(flaw) for flaw in flaws[1]] == ["4:12: undefined function nothing"]  # type: ignore[union-attr]


async def test_a_script_that_takes_too_much_is_not_looked_at_again_for_a_while(
    opa: program.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting, now = Counting(opa), [0.0]
    scripts = compiling.Scripts(finding(counting))  # type: ignore[arg-type]
    scripts._too_large = kept.Kept(2, lambda: now[0])
    monkeypatch.setattr(program, "COMPILING", dataclasses.replace(program.COMPILING, seconds=0.001))
    said = []
    for asked in (1, 1, 2):
        with pytest.raises(errors.TooLarge) as caught:
            await scripts.compiled(GOOD)
        assert counting.asked == asked
        said.append(str(caught.value))
        now[0] += compiling._A_WHILE - 1
    assert len(set(said)) == 1
    monkeypatch.undo()
    now[0] += compiling._A_WHILE
    assert isinstance(await scripts.compiled(GOOD), rego.Compiled), "the machine was busy, the script is a good one"


async def test_few_are_looked_at_at_once(opa: program.Program) -> None:
    counting = Counting(opa)
    scripts = compiling.Scripts(finding(counting))  # type: ignore[arg-type]
    await asyncio.gather(*(scripts.compiled(f"{GOOD}# {number}\n") for number in range(8)))
    assert (counting.asked, counting.most) == (8, 2)
    await asyncio.gather(*(scripts.compiled(f"{GOOD}# the same\n") for _ in range(8)))
    assert counting.asked <= 10


async def test_what_is_remembered_has_a_bound(opa: program.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_BYTES", 2 * len(GOOD) + 20)
    counting = Counting(opa)
    scripts = compiling.Scripts(finding(counting))  # type: ignore[arg-type]
    for source in (GOOD, f"{GOOD}# 1\n", GOOD, f"{GOOD}# 2\n", GOOD, f"{GOOD}# 1\n"):
        await scripts.compiled(source)
    assert counting.asked == 4


async def test_a_script_that_takes_too_much_memory_or_prints_too_much_is_refused(opa: program.Program) -> None:
    with pytest.raises(errors.TooLarge, match=r"to be compiled|takes longer"):
        await opa.compiled(LONG)
    assert isinstance(await opa.compiled(GOOD), rego.Compiled)


async def test_a_script_whose_parsed_form_is_too_long_is_refused(
    opa: program.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "COMPILING", dataclasses.replace(program.COMPILING, answer=1024))
    with pytest.raises(errors.TooLarge, match="is too long to be compiled"):
        await opa.compiled(GOOD + "violations contains 1 if input.a\n" * 40)


async def test_a_script_that_takes_too_long_is_refused(opa: program.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "COMPILING", dataclasses.replace(program.COMPILING, seconds=0.001))
    with pytest.raises(errors.TooLarge, match="takes longer than"):
        await opa.compiled(GOOD)


async def test_an_opa_that_others_end_says_nothing_of_the_script_and_nothing_is_remembered(
    opa: program.Program, tmp_path: Path
) -> None:
    dying = tmp_path / "opa"
    dying.write_text("#!/bin/sh\nkill -9 $$\n")
    dying.chmod(stat.S_IRWXU)
    scripts = compiling.Scripts(finding(dataclasses.replace(opa, path=str(dying))))
    with pytest.raises(errors.Unavailable, match="ended by signal 9"):
        await scripts.compiled(GOOD)
    dying.unlink()
    dying.symlink_to(opa.path)
    assert isinstance(await scripts.compiled(GOOD), rego.Compiled)


def broken(opa: program.Program, folder: Path, words: str) -> compiling.Scripts:
    """An OPA that breaks down with these words."""
    script = folder / "opa"
    script.write_text(f"#!/bin/sh\nprintf '{words}' >&2\nexit 2\n")
    script.chmod(stat.S_IRWXU)
    return compiling.Scripts(finding(dataclasses.replace(opa, path=str(script))))


async def test_a_collector_that_gets_no_memory_is_told_as_too_much_memory(opa: program.Program, tmp_path: Path) -> None:
    words = r"SIGSEGV: segmentation violation\nPC=0x43 m=0 sigcode=1\n\ngoroutine 0 [idle]:\n"
    with pytest.raises(errors.TooLarge, match="of memory to be compiled"):
        await broken(opa, tmp_path, words).compiled(GOOD)


async def test_of_an_opa_that_breaks_down_over_a_script_the_first_line_is_told(
    opa: program.Program, tmp_path: Path
) -> None:
    (flaw,) = await broken(opa, tmp_path, r"panic: boom\n\ngoroutine 1 [running]:\n").compiled(GOOD)  # type: ignore[misc]
    assert str(flaw) == "OPA broke down over it: panic: boom"


async def test_an_opa_that_is_installed_later_is_found_then(environment: dict[str, str], tmp_path: Path) -> None:
    compiler = compiling.Compiler(lambda: program.found({"PATH": str(tmp_path)}))
    with pytest.raises(errors.NotInstalled):
        await compiler.compiled(GOOD)
    assert compiler.version == ""
    (tmp_path / "opa").symlink_to(environment["AVOUCH_OPA"])
    assert isinstance(await compiler.compiled(GOOD), rego.Compiled)
    assert compiler.version.startswith(f"{program.WANTED}.")
