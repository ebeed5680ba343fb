"""The official schemas are what their page says, and all of them compile without asking anybody."""

import hashlib
import re
from pathlib import Path

import pytest

from avouch import errors
from avouch.materials import readers
from avouch.materials.readers import schemas

FOLDER = Path(readers.__file__).parents[1] / "schemas"
PAGE = (FOLDER / "README.md").read_text()
NAMES = [str(path.relative_to(FOLDER).with_suffix("")) for path in sorted(FOLDER.glob("*/*.json"))]


def test_each_file_has_the_digest_that_the_page_gives():
    said = dict(re.findall(r"^\| `(\S+\.json)` \| `([0-9a-f]{64})` \|$", PAGE, re.M))
    there = {f"{name}.json": hashlib.sha256((FOLDER / f"{name}.json").read_bytes()).hexdigest() for name in NAMES}
    assert there == said


def test_each_folder_has_its_licence_and_its_source():
    for folder in (path for path in FOLDER.iterdir() if path.is_dir()):
        assert list(folder.glob("LICENSE*")), folder.name
        assert f"| `{folder.name}` |" in PAGE


@pytest.mark.parametrize("name", [name for name in NAMES if name != "csaf/csaf-2.1-meta"])
def test_each_schema_compiles_offline_and_refuses_a_number(name):
    with pytest.raises(errors.Invalid):
        schemas.check(name, 7)
