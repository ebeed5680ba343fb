"""An archive of reports as materials: names, order, links; and everything that refuses the whole of it."""

import io
import random
import tarfile
import zipfile

import pytest

from avouch import errors
from avouch.materials import unpacking
from avouch.materials.readers import archives
from tests.materials import packing

FILES = (("b.json", b"2"), ("a/", b""), ("a/z.json", b"1"))
SMALL = archives.Bounds(2, 100)


def _names(parts):
    return [(part.name, part.path, part.content) for part in parts]


@pytest.mark.parametrize(
    "content",
    [packing.zip_of(*FILES), packing.tgz_of(FILES[0], FILES[2]), packing.tar_of(FILES[2], FILES[0])],
    ids=["zip", "tgz", "tar"],
)
def test_files_become_materials_in_the_order_of_their_paths_and_the_archive_becomes_evidence(content):
    parts = unpacking.exploded("sbom", "SBOM_SPDX_JSON", content)
    assert _names(parts) == [("sbom", "a/z.json", b"1"), ("sbom-1", "b.json", b"2"), ("sbom-archive", "", content)]
    assert [part.type for part in parts] == ["SBOM_SPDX_JSON", "SBOM_SPDX_JSON", "EVIDENCE"]


def test_the_archive_and_its_parts_name_each_other():
    *parts, archive = unpacking.exploded("sbom", "SARIF", packing.zip_of(*FILES))
    assert [part.annotations for part in parts] == [(("chainloop.material.references", "sbom-archive"),)] * 2
    assert archive.annotations == (("chainloop.material.references", "sbom,sbom-1"),)


@pytest.mark.parametrize("pack", [packing.zip_of, packing.tar_of, packing.tgz_of])
def test_the_order_in_which_files_are_stored_says_nothing(pack):
    files = [(f"{chance}/{number}.json", b"%d" % number) for number, chance in enumerate("cabA-_.z")]
    wanted = _names(unpacking.exploded("scan", "SARIF", pack(*files)))[:-1]
    shuffled = random.Random(1).sample(files, len(files))  # noqa: S311  # an order is no secret
    assert _names(unpacking.exploded("scan", "SARIF", pack(*shuffled)))[:-1] == wanted


def test_a_name_that_is_taken_is_passed_over():
    content = packing.zip_of(("a", b"1"), ("b", b"2"), ("c", b"3"))
    parts = unpacking.exploded("scan", "SARIF", content, {"scan", "scan-1", "scan-archive"})
    assert [part.name for part in parts] == ["scan", "scan-2", "scan-3", "scan-archive-1"]


def test_the_archive_never_takes_the_name_of_a_part():
    parts = unpacking.exploded("a", "SARIF", packing.zip_of(("x", b"1"), ("y", b"2")), {f"a-{n}" for n in range(1, 9)})
    assert [part.name for part in parts] == ["a", "a-9", "a-archive"]


def test_only_sboms_and_sarif_come_in_archives():
    content = packing.zip_of(*FILES)
    assert unpacking.is_archive("SBOM_SPDX_JSON", content)
    assert unpacking.is_archive("SARIF", packing.tar_of(("a.json", b"{}"))[:512])
    assert not unpacking.is_archive("ARTIFACT", content)
    assert not unpacking.is_archive("SARIF", b"{}")
    with pytest.raises(errors.Invalid, match="'ARTIFACT' cannot be read from an archive"):
        unpacking.exploded("a", "ARTIFACT", content)


def _zip(compression: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def _zip_link(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


def _hard_link() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("a.json")
        member.type, member.linkname = tarfile.LNKTYPE, "../../etc/passwd"
        archive.addfile(member)
    return made.getvalue()


def _sparse() -> bytes:
    """A GNU sparse member that says it is 8 EiB long and holds nothing."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.json")
        member.pax_headers = {
            "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(2**63 - 1),
            "GNU.sparse.map": f"{2**62},1",
        }  # fmt: skip
        archive.addfile(member)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packing.zip_of(("a.json", b"1"), ("../b.json", b"1")), "is a path outside the archive"),
        (packing.tar_of(("a.json", b"1"), ("/b.json", b"1")), "is a path outside the archive"),
        (packing.tar_of(("a/../b.json", b"1")), "is a path outside the archive"),
        (packing.zip_of(("..\\b.json", b"1")), "is a path outside the archive"),
        (packing.zip_of(("C:\\b.json", b"1")), "is a path outside the archive"),
        (packing.link_tgz("a.json", "/etc/passwd"), "holds no file"),
        (_hard_link(), "holds no file"),
        (_zip_link("a.json"), "holds no file"),
        (packing.zip_of(), "holds no file"),
        (packing.tgz_of(("a.json", b"1"), ("a.json", b"2")), "'a.json' twice"),
        (packing.tar_of(("./a.json", b"1"), ("a.json", b"2")), "a.json' twice"),
        (packing.tar_of(("a/b.json", b"1"), ("a//b.json", b"2")), "b.json' twice"),
        (packing.tar_of(("a/b.json", b"1"), ("a\\b.json", b"2")), "b.json' twice"),
        (packing.zip_of(("a.json", b"1"), ("b.json", b"")), "'b.json' in the archive is empty"),
        (packing.zip_of(("a.json", b"1"), ("b.json", b"2"), ("c.json", b"3")), "more than 2 files"),
        (packing.tar_of(*((f"{number}/", b"") for number in range(20))), "more than 2 files"),
        (packing.zip_of(("a.json", b"x" * 200)), "more than 100 bytes"),
        (packing.zip_of(("a.json", b"x" * 60), ("b.json", b"x" * 60)), "more than 100 bytes"),
        (packing.tgz_of(("a.json", b"x" * 1_000_000)), "more than 100 bytes"),
        (_zip(zipfile.ZIP_LZMA, a=b"1"), "neither stored nor deflated"),
        (_zip(zipfile.ZIP_BZIP2, a=b"1"), "neither stored nor deflated"),
        (_zip(a=b"abc").replace(b"abc", b"abd"), "cannot be read"),
        (b"PK\x03\x04", "cannot be read"),
        (b"\x1f\x8b", "ends too early"),
        (packing.tar_of(("a.json", b"1" * 90))[:540], "cannot be read"),
        (b"plain", "neither a zip nor a tar"),
        (_sparse(), "more than 100 bytes"),
    ],
)
def test_one_bad_path_or_too_much_refuses_the_whole(content, said):
    with pytest.raises(errors.Invalid, match=said):
        unpacking.exploded("sbom", "SARIF", content, bounds=SMALL)


def test_a_colon_alone_does_not_lead_out_of_an_archive():
    content = packing.tar_of(("nginx:1.25.json", b"1"))
    assert unpacking.exploded("sbom", "SARIF", content)[0].path == "nginx:1.25.json"


def test_a_name_without_room_for_a_number_is_refused_by_its_length():
    content = packing.zip_of(("a", b"1"), ("b", b"2"))
    with pytest.raises(errors.Invalid, match="would be longer than 63 characters"):
        unpacking.exploded("x" * 62, "SARIF", content)


def test_sizes_that_an_archive_declares_are_not_believed():
    """The central directory says one byte; a reader that trusts it would unpack the rest without counting."""
    content = bytearray(_zip(zipfile.ZIP_DEFLATED, a=b"0" * 100_000))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (1).to_bytes(4, "little")
    with pytest.raises(errors.Invalid, match=r"cannot be read|more than 100 bytes"):
        unpacking.exploded("sbom", "SARIF", bytes(content), bounds=SMALL)
