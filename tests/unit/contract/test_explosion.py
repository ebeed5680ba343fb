import pytest

from avouch import errors
from avouch.contract import explosion
from avouch.contract.readers import archives
from tests.materials import packing

FILES = (("b.json", b"2"), ("a/", b""), ("a/z.json", b"1"))


@pytest.mark.parametrize("content", [packing.zip_of(*FILES), packing.tgz_of(FILES[0], FILES[2])], ids=["zip", "tgz"])
def test_files_become_materials_in_the_order_of_their_paths(content):
    parts = explosion.exploded("sbom", content)
    assert [(part.name, part.path, part.content) for part in parts] == [
        ("sbom", "a/z.json", b"1"),
        ("sbom-1", "b.json", b"2"),
    ]


def test_a_plain_tar_is_an_archive_too():
    content = packing.tar_of(("a.json", b"{}"))
    assert explosion.is_archive("SARIF", content)
    assert [part.name for part in explosion.exploded("scan", content)] == ["scan"]


def test_only_sboms_and_sarif_come_in_archives():
    content = packing.zip_of(*FILES)
    assert explosion.is_archive("SBOM_SPDX_JSON", content)
    assert not explosion.is_archive("ARTIFACT", content)
    assert not explosion.is_archive("SARIF", b"{}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packing.zip_of(("a.json", b""), ("../b.json", b"")), "leads out of the archive"),
        (packing.link_tgz("a.json", "/etc/passwd"), "holds no file"),
        (packing.tgz_of(("a.json", b"1"), ("a.json", b"2")), "'a.json' twice"),
        (packing.zip_of(("a.json", b""), ("b.json", b""), ("c.json", b"")), "more than 2 files"),
        (packing.zip_of(("a.json", b"x" * 200)), "more than 100 bytes"),
        (b"PK\x03\x04", "cannot be read"),
    ],
)
def test_one_bad_path_or_too_much_refuses_the_whole(content, said):
    with pytest.raises(errors.Invalid, match=said):
        explosion.exploded("sbom", content, archives.Bounds(2, 100))
