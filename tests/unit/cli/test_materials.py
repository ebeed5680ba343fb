import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from avouch.materials import types as material_types
from avouch.materials import unpacking
from tests.unit.cli import line

ASSETS = Path(__file__).parents[2] / "assets/materials"
SBOM = ASSETS / "SBOM_CYCLONEDX_JSON/good-1.5.json"
# Found by themselves as something else, or as nothing: only a person can tell them apart.
GOOD = sorted(path for path in ASSETS.glob("*/good*") if path.is_file())


def inspect(*arguments):
    return line.run("material", "inspect", *map(str, arguments), "-o", "json")


def test_types_are_listed_in_every_form():
    table = line.run("material", "types").out.splitlines()
    assert len(table) == len(material_types.MATERIALS) + 1
    names = line.run("material", "types", "-o", "name").out.split()
    assert names == [kind.name for kind in material_types.MATERIALS]
    told = json.loads(line.run("material", "types", "-o", "json").out)
    assert told[0] | {"name": "STRING", "number": 1, "maxBytes": 64 * 1024, "detected": True} == told[0]
    assert line.run("material", "types", "-o", "markdown").out.count("\n") == len(material_types.MATERIALS) + 2


def test_a_file_is_told_with_type_size_digest_and_annotations():
    answer = line.run("material", "inspect", str(SBOM))
    assert answer.code == 0
    first, *rest = answer.out.splitlines()
    assert first.startswith(f"{SBOM}: SBOM_CYCLONEDX_JSON, 468 B, sha256:")
    assert all(each.startswith("  chainloop.material.") for each in rest)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_each_good_file_is_of_its_type(path):
    answer = inspect(path, "--type", path.parent.name)
    assert answer.code == 0, answer.out


def test_a_file_that_is_not_what_it_claims_says_why_and_fails():
    answer = line.run("material", "inspect", "--type", "junit_xml", str(SBOM))
    assert answer.code == 1
    assert "no JUNIT_XML" in answer.out
    assert "  why: " in answer.out
    assert "  fix: " in answer.out


def test_a_file_that_nearly_was_of_a_type_says_what_was_missing():
    answer = line.run("material", "inspect", str(ASSETS / "SARIF/bad-no-driver.json"))
    assert answer.code == 0  # an artifact it is, whatever else it is not
    assert 'almost SARIF: not valid SARIF: runs/0/tool: "driver" is a required property' in answer.out


def test_what_was_forgiven_is_noted():
    path = ASSETS / "SARIF/good-markdown.sarif"
    said = "it breaks SARIF 2.1.0: a text in markdown alone"
    assert f"  note: {said}" in line.run("material", "inspect", str(path)).out
    assert json.loads(inspect(path).out)[0]["notes"] == [said]


def test_each_file_is_told_even_where_others_cannot_be_read(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    answer = inspect("/nowhere", tmp_path, empty, SBOM)
    assert answer.code == 1
    nowhere, folder, nothing, good = json.loads(answer.out)
    assert nowhere["problem"] == "cannot be read: No such file or directory"
    assert folder["problem"] == "is a folder"
    assert folder["fix"] == f"name its files, such as {tmp_path}/*"
    assert nothing["problem"] == "the file is empty, so its type cannot be detected"
    assert good["ok"] is True


def test_types_that_come_in_archives_are_looked_into(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("b/two.json", SBOM.read_bytes())
        archive.writestr("a.json", b"{}")
    path = tmp_path / "sboms.zip"
    path.write_bytes(packed.getvalue())
    answer = inspect(path, "--type", "SBOM_CYCLONEDX_JSON")
    assert answer.code == 1
    bad, good = json.loads(answer.out)
    assert (bad["file"], bad["ok"]) == (f"{path}:a.json", False)
    assert (good["file"], good["ok"]) == (f"{path}:b/two.json", True)


def test_an_archive_with_a_path_that_leads_out_of_it_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../x.json", b"{}")
    answer = inspect(path, "--type", "SARIF")
    assert answer.code == 1
    assert json.loads(answer.out)[0]["ok"] is False


def test_the_types_that_come_in_archives_are_those_of_the_contract_room():
    answers = [inspect(ASSETS / "ZAP_DAST_ZIP/good.zip", "--type", name) for name in sorted(unpacking.TYPES)]
    assert all(len(json.loads(answer.out)) >= 1 and ":" in json.loads(answer.out)[0]["file"] for answer in answers)


def test_more_than_any_reader_looks_at_is_hashed_alone_and_bounded_by_its_type(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(65 * material_types.MIB)
    (found,) = json.loads(inspect(path).out)
    assert (found["type"], found["size"]) == ("ARTIFACT", 65 * material_types.MIB)
    refused = inspect(path, "--type", "SARIF")
    assert refused.code == 1
    assert "larger than 67108864 bytes" in json.loads(refused.out)[0]["problem"]


def test_what_is_no_regular_file_is_refused_at_once_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    fifo, endless = json.loads(inspect(tmp_path / "fifo", "/dev/zero").out)
    assert fifo["problem"] == endless["problem"] == "is no regular file"
    assert fifo["fix"] == "write what it gives into a file, and name that"


def test_an_empty_file_is_of_no_type(tmp_path):
    (tmp_path / "empty").touch()
    said = line.run("material", "inspect", str(tmp_path / "empty")).out
    assert f"{tmp_path}/empty: of no type, 0 B, sha256:" in said


@pytest.mark.parametrize("content", ['{"a":', "[1, 2", '{"a": 1} rest', '{"a": 1, "a": 2}'])
def test_a_report_that_was_cut_off_is_an_artifact_that_says_so(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    (found,) = json.loads(inspect(tmp_path / "report.json").out)
    assert (found["type"], found["ok"]) == ("ARTIFACT", True)
    assert found["notes"][0].startswith("it begins like JSON and is none: ")


@pytest.mark.parametrize("content", ['{"a": 1}', "[1, 2]", '{"a": 1}\n{"b": 2}\n', "(a"])
def test_json_of_no_type_that_is_known_is_an_artifact_like_any_other(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    (found,) = json.loads(inspect(tmp_path / "report.json").out)
    assert (found["type"], found.get("notes")) == ("ARTIFACT", None)
