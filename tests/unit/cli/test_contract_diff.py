"""`avouch contract diff`: what changes in meaning, between revisions, Contracts and files."""

import json
from pathlib import Path
from typing import Any

import pytest

from avouch import digests, errors
from avouch.contract import reading, revisions
from tests.unit.cli import line

HEAD = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "evidence"}}
OLD = {**HEAD, "spec": {"materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}]}}
NEW = {**HEAD, "spec": {"materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "optional": True}]}}


class Cluster:
    """The Contract as it is, and its revisions."""

    def get(self, kind: str, name: str) -> dict[str, Any]:
        if (kind, name) == ("contracts.chainloop.dev", "evidence"):
            return NEW
        if kind == "contractrevisions.runs.avouch.dev" and name in ("evidence.1", "evidence.2"):
            canonical = revisions.canonical(reading.read(OLD if name == "evidence.1" else NEW))
            said = {"canonical": canonical.decode(), "digest": str(digests.of_bytes(canonical))}
            return {"metadata": {"name": name}, "spec": said}
        raise errors.NotFound(f"{name} not found")


def diff(*arguments: str) -> line.Answer:
    return line.run("contract", "diff", *arguments, adapters=line.Adapters(cluster=Cluster()))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "old.yaml"
    path.write_text(f"# before\n{json.dumps(OLD)}")
    return str(path)


@pytest.mark.parametrize("old", ["evidence@1", "FILE"])
@pytest.mark.parametrize("new", ["evidence@2", "evidence"])
def test_revisions_contracts_and_files_are_compared(file: str, old: str, new: str) -> None:
    answer = diff(file if old == "FILE" else old, new)
    assert (answer.code, answer.out) == (0, "~ material sbom: optional nothing -> true\n")
    assert json.loads(diff("evidence@1", "evidence@2", "-o", "json").out)[0]["what"] == "material sbom"


def test_the_exit_code_tells_of_a_difference_where_it_is_asked_to(file: str) -> None:
    assert diff("evidence@1", "evidence", "--exit-code").code == 1
    same = diff("evidence@1", file, "--exit-code")
    assert (same.code, same.out) == (0, "no difference in meaning\n")


def test_a_file_of_the_legacy_form_has_no_name_so_its_name_is_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "legacy.yaml"
    path.write_text(json.dumps({"schemaVersion": "v1", **NEW["spec"]}))
    for pair in (("evidence", str(path)), (str(path), "evidence"), (str(path), str(path))):
        same = diff(*pair, "--exit-code")
        assert (same.code, same.out) == (0, "no difference in meaning\n")
    assert diff("evidence@1", str(path)).out == "~ material sbom: optional nothing -> true\n"


def test_what_is_not_there_is_named() -> None:
    answer = diff("evidence@7", "evidence")
    assert answer.code == 1
    assert "evidence.7 not found" in answer.err
