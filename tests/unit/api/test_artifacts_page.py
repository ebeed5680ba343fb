"""Each object on docs/artifacts.md is one that our kinds take; the API server tries the same in tests/api."""

import pytest
import yaml

from avouch.api import casbackend, organization, workflow
from tests import docs

MODELS = {"CASBackend": casbackend.CASBackend, "Workflow": workflow.Workflow, "Organization": organization.Organization}
OBJECTS = [yaml.safe_load(block.text) for block in docs.blocks(docs.ROOT / "docs/artifacts.md") if block.kind == "yaml"]


@pytest.mark.parametrize("shown", OBJECTS, ids=lambda shown: shown["metadata"]["name"])
def test_what_the_page_shows_is_read_as_it_stands(shown):
    read = MODELS[shown["kind"]].model_validate(shown)
    said = read.spec.to_object()
    for field, value in shown["spec"].items():
        assert said[field] == value or isinstance(value, dict), field


def test_the_page_shows_every_kind_of_backend():
    shown = {kind for one in OBJECTS if one["kind"] == "CASBackend" for kind in one["spec"]}
    assert shown >= set(casbackend.KINDS)
