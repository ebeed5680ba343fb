"""What a script sees of a material, for every type there is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avouch import errors
from avouch.materials import types as material_types
from avouch.materials.projections import pieces
from avouch.policy import documents
from tests.corpus import report
from tests.corpus import table as corpus
from tests.materials import cases, table

GOOD = list(table.good())


@pytest.mark.parametrize(
    ("content", "document"),
    [
        (b'{"a": 1.0}', b'{"a": 1.0}'),
        (b' \n{"a": 1}\n', b'{"a": 1}'),
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"[1, 2]", b'{"elements":[1, 2]}'),
        (b'"text"', b"{}"),
        (b"null", b"{}"),
        (b"", b"{}"),
        (b'{"a":1,"a":2}', b'{"a":1,"a":2}'),
    ],
)
def test_an_object_is_itself_an_array_is_elements_and_a_scalar_is_nothing(content: bytes, document: bytes) -> None:
    assert documents.of_material("OPENVEX", content) == document


@pytest.mark.parametrize("content", [b'{"a":', b"{} {}", b'[1],"args":[2]', b"[1]}", b"nul", b'{"a":NaN}'])
def test_what_is_not_one_json_document_is_refused(content: bytes) -> None:
    with pytest.raises(errors.Invalid, match="not JSON"):
        documents.of_material("GITLEAKS_JSON", content)


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(errors.TooLarge, match="nested too deeply"):
        documents.of_material("OPENVEX", b"[" * 100_000 + b"]" * 100_000)


def test_every_type_has_a_row_and_no_row_is_of_another() -> None:
    assert list(documents.TABLE) == [each.name for each in material_types.MATERIALS]


@pytest.mark.parametrize(("name", "case"), GOOD, ids=[f"{name}-{case.file}" for name, case in GOOD])
def test_whatever_its_reader_accepts_is_shown_as_an_object(name: str, case: cases.Good) -> None:
    if name == "ARTIFACT":
        with pytest.raises(errors.Invalid, match="no fixed format"):
            documents.of_material(name, case.content)
        return
    assert isinstance(json.loads(documents.of_material(name, case.content)), dict)


@pytest.mark.parametrize(
    "one", [one for one in corpus.REPORTS if not one.refused and one.type != "ARTIFACT"], ids=lambda one: one.file
)
def test_reports_of_real_tools_are_shown(one: report.Report) -> None:
    assert json.loads(documents.of_material(one.type, one.content()))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("JUNIT_XML", b"<html/>", "its root is <html>"),
        ("COBERTURA_XML", b"<coverage/>", "no package"),
        ("ATTESTATION", b"{}", "the payloadType is"),
        ("OPENAPI_SPEC", b"a", "root is not a mapping"),
    ],
)
def test_what_its_reader_refuses_is_not_shown(name: str, content: bytes, words: str) -> None:
    with pytest.raises(errors.Invalid, match=words):
        documents.of_material(name, content)


@pytest.mark.parametrize(
    ("content", "document"),
    [
        (b'{"a": 1.0}', b'{"a": 1.0}'),
        (b"\xef\xbb\xbf[1]", b'{"elements":[1]}'),
        (b" " * 5000 + b"{}", b"{}"),
        (b" " * 5000 + b"[]", b'{"elements":[]}'),
        (b"[main]\nkey = value\n", b"{}"),
        (b"{ not JSON", b"{}"),
        (b"\x00\x01", b"{}"),
        (b"1", b"{}"),
    ],
)
def test_evidence_is_shown_if_it_is_json(content: bytes, document: bytes) -> None:
    assert documents.of_material("EVIDENCE", content) == document


@pytest.mark.parametrize("name", ["STRING", "CONTAINER_IMAGE", "RADAMSA_CRASHES"])
def test_of_some_only_the_metadata_is_shown(name: str) -> None:
    assert documents.of_material(name, b"\xff") == b"{}"


def test_raw_control_characters_of_sarif_are_escaped() -> None:
    raw = b'{"version":"2.1.0","runs":[],"x":"a\tb"}'
    assert json.loads(documents.of_material("SARIF", raw))["x"] == "a\tb"
    with pytest.raises(errors.Invalid, match="not JSON"):
        documents.of_material("OPENVEX", raw)


@pytest.mark.parametrize("end", [b"1]", b""], ids=["whole", "cut"])
@pytest.mark.parametrize("name", ["SARIF", "EVIDENCE"])
def test_a_document_that_is_too_large_is_not_shown(name: str, end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (documents, pieces):
        monkeypatch.setattr(module, "MOST", 1024 * 1024)
    with pytest.raises(errors.TooLarge, match="at most 1 MiB"):
        documents.of_material(name, b"[" + b"1," * 1024 * 1024 + end)


def test_one_that_needs_too_much_memory_is_an_error_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(_: bytes) -> bytes:
        raise MemoryError

    monkeypatch.setattr(documents, "TABLE", {"OPENAPI_SPEC": documents.Shown("", greedy)})
    with pytest.raises(errors.TooLarge, match="more memory"):
        documents.of_material("OPENAPI_SPEC", b'{"openapi":"3.0.0"}')


def test_a_type_that_does_not_exist_is_named() -> None:
    with pytest.raises(errors.Invalid, match="unknown material type 'SBOM'"):
        documents.of_material("SBOM", b"{}")


def test_arguments_and_what_is_known_stand_beside_it() -> None:
    assert documents.beside({"a": "1"}, {"name": "n"}) == {"args": {"a": "1"}, "chainloop_metadata": {"name": "n"}}


def test_heavy_parsers_are_loaded_for_their_first_document_only() -> None:
    program = "import sys; import avouch.policy.documents; print(*sys.modules)"
    path = str(Path(documents.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": path}, capture_output=True, check=True)
    assert {"graphql", "jsonschema_rs"}.isdisjoint(done.stdout.decode().split())
