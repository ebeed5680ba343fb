"""What looking at a document says, and where it ends up."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from avouch import digests, errors
from avouch.controlplane.judging import artifact_check, documents, examination
from avouch.controlplane.model import artifacts, verdicts
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document
from tests.unit.controlplane.judging import tekton_cases as make

SBOM = json.dumps(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "skynet", "version": "0.1.0"}},
    }
).encode()


class Stored:
    """Content in memory; `lie` is handed out in place of what was stored."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {digests.of_bytes(content): content for content in contents}

    async def get(self, digest, *, namespace_uid=""):
        if digest not in self.contents:
            raise errors.NotFound(str(digest))
        yield self.contents[digest]


class Here:
    """Reads in this process; remembers for whom. `found`: the answer to everything."""

    def __init__(self, found: document.Document | None = None) -> None:
        self.found = found
        self.asked: list[tuple[str, artifacts.Allowance]] = []
        self.contents: list[bytes] = []

    async def read(self, type_, content, *, namespace_uid, allowance):
        self.contents.append(content)
        self.asked.append((namespace_uid, allowance))
        return self.found or validation.read(type_, content)


def code(found: artifacts.Checked) -> str:
    return examination.unsuitable(found, "spec.materials[0]", "sbom").code


async def check(content: bytes, type_: str, *stored: bytes) -> artifacts.Checked:
    return await artifact_check.Artifacts(Stored(*stored), Here()).check(digests.of_bytes(content), type_)


async def test_an_sbom_is_recognised_and_its_main_component_read():
    found = await check(SBOM, "SBOM_CYCLONEDX_JSON", SBOM)
    assert (found.stored, found.problem) == (True, "")
    assert dict(found.extracted)["chainloop.material.sbom.main_component.name"] == "skynet"


async def test_content_that_was_never_uploaded_is_not_stored():
    assert await check(SBOM, "SBOM_CYCLONEDX_JSON") == artifacts.Checked(False)


async def test_a_document_of_another_type_is_a_problem_with_a_fix():
    found = await check(b"<testsuites/>", "SBOM_CYCLONEDX_JSON", b"<testsuites/>")
    assert found.stored
    assert found.problem
    assert found.fix


async def test_a_damaged_copy_is_a_problem_and_never_served():
    class Damaged(Stored):
        async def get(self, digest, *, namespace_uid=""):
            raise errors.Corrupt("stored bytes changed")
            yield b""

    found = await artifact_check.Artifacts(Damaged(), Here()).check(digests.of_bytes(SBOM), "SBOM_CYCLONEDX_JSON")
    assert "changed" in found.problem


async def test_a_store_that_is_away_says_nothing_about_a_document():
    class Away(Stored):
        async def get(self, digest, *, namespace_uid=""):
            raise errors.Unavailable("the store is away")
            yield b""

    with pytest.raises(errors.Unavailable):
        await artifact_check.Artifacts(Away(), Here()).check(digests.of_bytes(SBOM), "SBOM_CYCLONEDX_JSON")


def test_what_was_read_out_of_a_document_is_attested():
    extracted = (("chainloop.material.sbom.main_component.name", "skynet"),)
    checked = {(make.FILE, make.SBOM): artifacts.Checked(True, extracted=extracted)}
    case = make.case(
        make.planned(make.asked()), make.snapshot(make.taskrun()), make.said(make.file()), documents=checked
    )
    verdict = make.verdict(case)
    (attested,) = documents._facts(case, verdict, []).materials
    assert isinstance(verdict, verdicts.Verdict)
    assert attested.extracted == dict(extracted)


class Endless:
    """A store that hands out the same piece for ever, and counts what was taken."""

    def __init__(self, piece: bytes, times: int) -> None:
        self.piece = piece
        self.times = times
        self.taken = 0

    async def get(self, digest, *, namespace_uid=""):
        for _ in range(self.times):
            self.taken += 1
            yield self.piece


async def test_nothing_is_read_beyond_the_limit_of_a_type():
    store = Endless(b" " * 1024 * 1024, 10_000)
    found = await artifact_check.Artifacts(store, Here()).check(digests.of_bytes(b""), "JUNIT_XML")
    assert "larger than 67108864 bytes, the limit of JUNIT_XML" in found.problem
    assert found.fix
    assert store.taken == 65


async def test_what_nobody_reads_is_counted_but_not_kept():
    tracemalloc.start()
    found = await artifact_check.Artifacts(Endless(b" " * 1024 * 1024, 500), Here()).check(
        digests.of_bytes(b""), "ARTIFACT"
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == artifacts.Checked(True)
    assert peak < 8 * 1024 * 1024


async def test_evidence_too_large_to_look_into_is_accepted_without_annotations():
    found = await artifact_check.Artifacts(Endless(b'{"id": "x", "data": {}}' + b" " * 1024 * 1024, 5), Here()).check(
        digests.of_bytes(b""), "EVIDENCE"
    )
    assert found == artifacts.Checked(True)


@pytest.mark.parametrize(
    ("size", "read", "problem"),
    [(3, True, ""), (4, True, ""), (5, False, ""), (8, False, ""), (9, False, "larger than 8")],
)
async def test_a_document_is_read_up_to_its_window_and_accepted_up_to_its_limit(monkeypatch, size, read, problem):
    small = replace(material_types.of("EVIDENCE"), window=4, limit=8)
    monkeypatch.setattr(material_types, "of", lambda _: small)
    here = Here(document.Document())
    looked = artifact_check.Artifacts(Endless(b"x", size), here)
    found = await looked.check(digests.of_bytes(b""), "EVIDENCE")
    assert (found.stored, here.contents) == (True, [b"x" * size] * read)
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


@pytest.mark.parametrize(("size", "large"), [(8, False), (9, True)])
async def test_what_the_attestation_holds_is_read_up_to_the_limit_of_its_type(monkeypatch, size, large):
    small = replace(material_types.of("EVIDENCE"), limit=8)
    monkeypatch.setattr(material_types, "of", lambda _: small)
    here = Here(document.Document())
    found = await artifact_check.Artifacts(Stored(), here).read(b"x" * size, "EVIDENCE")
    assert (found.exhausting, bool(here.asked)) == (large, not large)


async def test_bytes_that_the_attestation_holds_are_read_like_stored_ones():
    looked = artifact_check.Artifacts(Stored(SBOM), Here())
    assert await looked.read(SBOM, "SBOM_CYCLONEDX_JSON") == await check(SBOM, "SBOM_CYCLONEDX_JSON", SBOM)


async def test_what_exhausts_its_reader_or_is_too_large_is_its_own_finding():
    assert code(await check(b"{}", "SBOM_CYCLONEDX_JSON", b"{}")) == "MaterialTypeMismatch"
    large = b" " * (64 * 1024 * 1024 + 1)
    assert code(await artifact_check.Artifacts(Stored(), Here()).read(large, "SARIF")) == "MaterialTooLarge"
    exhausted = validation.exhausted(material_types.of("SARIF"), "time than 30 s of CPU")
    found = await artifact_check.Artifacts(Stored(), Here(exhausted)).read(b"{}", "SARIF")
    assert (code(found), found.problem) == ("MaterialTooLarge", "reading the SARIF needs more time than 30 s of CPU")
    assert found.fix


async def test_the_reader_is_told_whose_document_it_is_and_how_much_time_its_run_has_left():
    here, allowance = Here(), artifacts.Allowance(7)
    looked = artifact_check.Artifacts(Stored(SBOM), here)
    asked = {"namespace_uid": "team-a", "allowance": allowance}
    await looked.check(digests.of_bytes(SBOM), "SBOM_CYCLONEDX_JSON", **asked)
    await looked.read(SBOM, "SBOM_CYCLONEDX_JSON", **asked)
    assert here.asked == [("team-a", allowance)] * 2
    await looked.read(SBOM, "SBOM_CYCLONEDX_JSON")  # of no run: all of it
    assert isinstance(here.asked[2][1], artifacts.Allowance)
