"""The specs of our kinds are read by their models: nobody asks raw JSON for a field above them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest

from avouch.api import apitoken, attachment, casbackend, integration, meta, organization, policyexception, workflow
from avouch.controlplane.model import workflowspecs
from avouch.reconcilers import specs

ROOMS = Path(__file__).parents[2] / "operator" / "avouch"
SPECS = (
    apitoken.APITokenSpec,
    attachment.IntegrationAttachmentSpec,
    casbackend.CASBackendSpec,
    integration.IntegrationSpec,
    organization.OrganizationSpec,
    policyexception.PolicyExceptionSpec,
    workflow.WorkflowSpec,
)
READERS = {"controlplane/model/artifacts.py"}  # `BackendSpec.read`, whose adapters are given the whole


def spelt(*models: type[pydantic.BaseModel]) -> set[str]:
    return {info.alias or name for model in models for name, info in model.model_fields.items()}


# A field that Kubernetes' own objects have as well tells nothing about whose it is.
FIELDS = spelt(*SPECS) - spelt(meta.ObjectMeta, meta.Condition, meta.Status)


def asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every field of ours that is asked of a mapping: m.get("f"), m["f"] and objects.at(m, "f")."""
    for node in ast.walk(tree):
        names: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names = node.args if node.func.attr in {"get", "at", "mapping", "mappings", "text", "texts"} else []
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            names = [node.slice]
        for name in names:
            if isinstance(name, ast.Constant) and name.value in FIELDS:
                yield node.lineno, str(name.value)


@pytest.mark.parametrize("room", ["reconcilers", "controlplane", "processes", "contract/planning.py"])
def test_no_field_of_a_spec_is_asked_of_raw_json(room: str) -> None:
    place = ROOMS / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    found = [
        f"{path.relative_to(ROOMS)}:{line} asks for {name}"
        for path in files
        if str(path.relative_to(ROOMS)) not in READERS
        for line, name in asked(ast.parse(path.read_text()))
    ]
    assert not found, "read the spec with its model: reconcilers.specs.spec_of, or meta.Model.read"


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        (workflowspecs.Part, workflow.WorkflowSpec),
        (specs.Workflow, workflow.WorkflowSpec),
        (specs.Enforced, workflow.WorkflowSpec),
        (specs.IntegrationAttachment, attachment.IntegrationAttachmentSpec),
        *((specs.Suspendable, spec) for spec in SPECS),
    ],
)
def test_what_is_read_of_a_part_is_as_the_kind_declares_it(part: type[meta.Model], whole: type[meta.Model]) -> None:
    declared = whole.model_fields
    assert {name: info.annotation for name, info in part.model_fields.items()} == {
        name: declared[name].annotation for name in part.model_fields
    }


@pytest.mark.parametrize("code", ['spec.get("suspend")', 'spec["attesters"]', 'objects.at(obj, "spec", "runExpiry")'])
def test_the_test_above_would_see_one(code: str) -> None:
    assert list(asked(ast.parse(code)))
