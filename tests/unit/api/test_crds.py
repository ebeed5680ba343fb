from pathlib import Path
from typing import Any

import pytest
import yaml

from avouch import errors
from avouch.api import contract, crds, meta

REPOSITORY = Path(__file__).resolve().parents[3]


def walk(schema: dict[str, Any], path: str):
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{path}[]")


def nodes(kind: meta.Kind):
    return list(walk(crds.structural(kind), kind.name))


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
class TestEveryKind:
    def test_describes_every_field(self, kind):
        bare = [
            f"{path}.{name}"
            for path, schema in nodes(kind)
            for name, child in schema.get("properties", {}).items()
            if name != "metadata" and not child.get("description")
        ]
        assert not bare

    def test_names_no_field_that_yaml_1_1_reads_as_a_boolean(self, kind):
        """Kubectl's parser takes a bare `on:` for `true:`."""
        read = [(name, yaml.safe_load(name)) for _, schema in nodes(kind) for name in schema.get("properties", {})]
        assert [name for name, value in read if not isinstance(value, str)] == []
        assert {name for name, _ in read}.isdisjoint({"y", "n"})

    def test_has_no_default_but_the_status_that_was_never_seen(self, kind):
        assert [path for path, schema in nodes(kind) if "default" in schema] == [f"{kind.name}.status"]

    def test_bounds_every_list_map_and_string(self, kind):
        for path, schema in nodes(kind):
            match schema["type"]:
                case "array":
                    assert "maxItems" in schema, path
                    assert "x-kubernetes-list-type" in schema, path
                case "string" if path not in (f"{kind.name}.apiVersion", f"{kind.name}.kind"):
                    assert {"maxLength", "enum"} & schema.keys(), path
                case "object" if "additionalProperties" in schema:
                    assert "maxProperties" in schema, path

    def test_names_the_fix_in_every_rule(self, kind):
        rules = [rule for _, schema in nodes(kind) for rule in schema.get(meta.RULES, ())]
        assert all("; fix: " in rule["message"] for rule in rules)

    def test_is_found_by_category_unless_one_namespace_may_not_list_it_and_takes_no_name_of_others(self, kind):
        names = crds.crd(kind)["spec"]["names"]
        assert names["categories"] == ([] if kind.cluster else ["avouch"])
        assert not {"wf", "it"} & set(names["shortNames"])

    def test_stands_in_the_repository_as_the_models_say(self, kind):
        assert (REPOSITORY / "crds" / crds.file_name(kind)).read_text() == crds.to_yaml(kind)

    def test_is_small_enough_for_client_side_apply(self, kind):
        assert len(yaml.safe_dump(crds.crd(kind))) < crds.LIMIT


def test_the_contract_is_declared_in_both_of_chainloops_spellings():
    spec = crds.structural(contract.KIND)["properties"]["spec"]["properties"]
    assert {"envAllowList", "env_allow_list", "policyGroups", "policy_groups"} <= spec.keys()
    assert {"skipUpload", "skip_upload"} <= spec["materials"]["items"]["properties"].keys()


def test_the_check_bites_and_names_the_remedy(tmp_path, capsys):
    assert crds.main(["--out", str(tmp_path)]) == 0
    assert crds.main(["--check", "--out", str(tmp_path)]) == 0
    (tmp_path / "old.yaml").write_text("left over")
    (tmp_path / crds.file_name(contract.KIND)).write_text("edited by hand")
    assert crds.main(["--check", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "old.yaml" in said
    assert "run python -m avouch.api.crds" in said
    assert crds.main(["--out", str(tmp_path)]) == 0
    assert not (tmp_path / "old.yaml").exists()


class Unbounded(meta.Model):
    """A kind of nobody."""

    metadata: meta.ObjectMeta
    """Metadata."""
    status: meta.Status
    """Status."""
    spec: str
    """A string without end."""


def test_an_unbounded_string_is_refused_with_its_place():
    with pytest.raises(errors.Invalid, match=r"Unbounded.spec: an unbounded string"):
        crds.structural(meta.Kind(Unbounded, "unboundeds", "avub", ()))
