"""One table says what a finding makes of the verdict, and no code is outside it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import findings
from avouch.controlplane.model import verdicts
from avouch.findings import CODES, Effect, Finding

ROOMS = Path(findings.__file__).parent
CAMEL_CASE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")
KINDS = {"TaskRun", "PipelineRun"}  # words of Kubernetes in modules that make findings


def literals() -> Iterator[tuple[Path, str]]:
    """Every CamelCase literal of the modules that make findings."""
    for path in sorted(ROOMS.rglob("*.py")):
        text = path.read_text()
        if path.name != "findings.py" and "avouch.findings import" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CAMEL_CASE.fullmatch(node.value):
                    yield path.relative_to(ROOMS), node.value


def test_no_module_makes_a_finding_of_a_code_that_is_not_in_the_table() -> None:
    assert [(str(path), text) for path, text in literals() if text not in CODES and text not in KINDS] == []


def test_every_row_of_the_table_is_used() -> None:
    assert sorted(set(CODES) - {text for _, text in literals()}) == []


def test_a_finding_of_an_unknown_code_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="MaterialMisssing"):
        Finding("MaterialMisssing", "a spelling error")


def test_what_a_newer_version_recorded_can_be_read() -> None:
    found = Finding.recorded(code="OfTheFuture", message="m", line="l", fix="f", material="x")
    assert (found.code, found.message, found.line, found.fix, found.material) == ("OfTheFuture", "m", "l", "f", "x")
    assert Finding.recorded(code="RunFailed", message="m") == Finding("RunFailed", "m")


@pytest.mark.parametrize("effect", [each for each in Effect if each])
def test_whatever_a_finding_makes_is_a_verdict_of_the_closed_list(effect: Effect) -> None:
    assert verdicts.VerdictResult(effect.value) not in (verdicts.VerdictResult.PASSED, verdicts.VerdictResult.PENDING)


@pytest.mark.parametrize(
    ("codes", "effect"),
    [
        ((), Effect.NOTHING),
        (("RunnerNotProven",), Effect.NOTHING),
        (("RunnerNotProven", "MaterialMissing"), Effect.FAILED),
        (("MaterialMissing", "PoliciesNotEvaluated"), Effect.ERROR),
        (("PoliciesNotEvaluated", "MaterialContradicted", "RunFailed"), Effect.REJECTED),
        (("MaterialContradicted", "RunCanceled"), Effect.CANCELED),
        (("RunExpired",), Effect.EXPIRED),
    ],
)
def test_the_strongest_finding_makes_the_verdict_in_any_order(codes: tuple[str, ...], effect: Effect) -> None:
    assert findings.verdict(Finding(code, "") for code in codes) is effect
    assert findings.verdict(Finding(code, "") for code in reversed(codes)) is effect


@pytest.mark.parametrize("name", CODES)
def test_every_code_says_in_a_sentence_what_it_means_and_what_helps(name: str) -> None:
    code = CODES[name]
    assert code.meaning[0].isupper()
    assert code.meaning.endswith(".")
    assert code.remedy
    assert code.remedy.endswith(".")


def test_the_page_has_every_code_once() -> None:
    page = "\n".join(findings.markdown())
    assert [page.count(f"| `{name}` |") for name in CODES] == [1] * len(CODES)
