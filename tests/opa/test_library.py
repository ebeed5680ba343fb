"""The library of policies: each has tests that hold, is well written, and is in the README."""

import json
import re
from pathlib import Path

import pytest
import yaml

from avouch.api import policy as kind
from avouch.opa import engine
from avouch.policy import evaluation, expectations, scripts, tables
from tests.opa import commands

pytestmark = pytest.mark.opa

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if ".test" not in path.suffixes)
ROW = re.compile(r"^\| \[([a-z-]+)\]\(([a-z.-]+)\) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.M)


def test_there_are_policies() -> None:
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_each_case_of_a_policy_holds(environment: dict[str, str], name: str) -> None:
    answer = commands.run(environment, "policy", "test", str(FOLDER / f"{name}.test.yaml"), "-o", "json")
    told = json.loads(answer.out)
    assert [(each["case"], each["differences"]) for each in told if not each["passed"]] == []
    assert answer.code == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_has_cases_that_pass_and_cases_that_do_not_for_each_type_that_it_judges(name: str) -> None:
    path = FOLDER / f"{name}.test.yaml"
    judges = {script["kind"] for script in _policy(name)["spec"]["policies"]}
    table = tables.read(path.read_bytes(), str(path))
    assert table.policy == f"{name}.yaml"
    said = {(case.material.type or next(iter(judges)), case.expected.says) for case in table.cases}
    wanted = (expectations.Says.PASSED, expectations.Says.VIOLATIONS)
    assert {(judged, says) for judged in judges for says in wanted} - said == set()


def test_lint_finds_nothing(environment: dict[str, str]) -> None:
    answer = commands.run(environment, "policy", "lint", "--strict", "-f", str(FOLDER))
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.startswith(f"{len(NAMES)} file(s): 0 error(s), 0 warning(s)")


def test_the_readme_names_each_policy_with_what_it_judges_and_its_inputs() -> None:
    rows = {name: row for name, *row in ROW.findall((FOLDER / "README.md").read_text())}
    assert list(rows) == NAMES
    for name in NAMES:
        spec = _policy(name)["spec"]
        kinds = ", ".join(dict.fromkeys(script["kind"] for script in spec["policies"]))
        inputs = [f"`{one['name']}`{' (required)' * one.get('required', False)}" for one in spec["inputs"]]
        assert rows[name] == [f"{name}.yaml", kinds, ", ".join(inputs)]


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_begins_with_when_to_use_it(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert text.startswith("# Use it ")
    assert _policy(name)["metadata"]["name"] == name


@pytest.mark.parametrize(
    "document", [b"{}", b'{"elements":null,"components":null,"packages":null,"runs":null,"statements":null}']
)
@pytest.mark.parametrize("name", NAMES)
async def test_a_report_that_says_nothing_never_passes(running: engine.Engine, name: str, document: bytes) -> None:
    policy = kind.Policy.model_validate(_policy(name))
    given = {one.name: "x" for one in policy.spec.inputs if one.required}
    for script in scripts.of(policy.spec):
        material = evaluation.Material(script.judges, b"", {}, document)
        said = (await evaluation.evaluate(running, policy, material, given)).outcome
        assert said is not None
        assert said.violations, script.judges


def _policy(name: str) -> dict:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
