"""The Task and the StepAction call the program with arguments and places that it knows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch.cli.runs import looking
from avouch.sidecar import work
from avouch.tekton import injection

FOLDER = Path(__file__).parents[3] / "tekton"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


def step(name: str) -> dict[str, Any]:
    spec = load(name)["spec"]
    found: dict[str, Any] = spec["steps"][0] if "steps" in spec else spec
    return found


@pytest.mark.parametrize("name", ["task.yaml", "stepaction.yaml"])
@pytest.mark.parametrize("materials", [[], ["image=reg/app@sha256:0", "report=/workspace/source/a.xml"]])
def test_its_arguments_are_understood(name: str, materials: list[str]) -> None:
    *fixed, last = step(name)["args"]
    assert last == "$(params.materials[*])"
    asked = work._arguments([arg.replace("$(params.strict)", "false") for arg in fixed] + materials)
    assert asked.step
    assert asked.strict == "false"
    assert [f"{name}={value}" for name, value in asked.materials] == materials


@pytest.mark.parametrize("name", ["task.yaml", "stepaction.yaml"])
def test_it_meets_pod_security_restricted_and_finds_its_identity(name: str) -> None:
    found = step(name)
    assert found["volumeMounts"][0]["mountPath"] == injection.IDENTITY
    assert found["securityContext"]["runAsUser"] == injection.USER
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_gates_arguments_are_understood_and_it_meets_pod_security_restricted() -> None:
    spec = step("gate.yaml")
    given = {"run": "-x", "workflow": "release", "timeout": "30"}
    words = [*spec["command"], *spec["args"]]
    for name, value in given.items():
        words = [word.replace(f"$(params.{name})", value) for word in words]
    program, *path = words[:3]
    assert (program, path) == ("avouch", ["run", "gate"])
    parsed = looking.gate.make_context("gate", words[3:]).params
    assert {"argument": "-x", "workflow": "release", "timeout": 30.0}.items() <= parsed.items()
    assert spec["securityContext"]["runAsUser"] == injection.USER
    assert spec["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_token_of_the_task_is_for_our_audience() -> None:
    (volume,) = load("task.yaml")["spec"]["volumes"]
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == injection.AUDIENCE


@pytest.mark.parametrize("name", ["stepaction.yaml", "gate.yaml"])
def test_a_stepaction_is_of_the_version_that_tekton_serves(name: str) -> None:
    manifest = load(name)
    assert (manifest["apiVersion"], manifest["kind"]) == ("tekton.dev/v1beta1", "StepAction")
