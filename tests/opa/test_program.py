"""Finding the `opa` of a machine, and the ways in which it is none."""

import stat
from pathlib import Path

import pytest

from avouch import errors
from avouch.opa import program

pytestmark = pytest.mark.opa


async def test_the_program_of_the_environment_is_found(environment: dict[str, str]) -> None:
    found = await program.found(environment)
    assert found.version.startswith(f"{program.WANTED}.")


async def test_the_one_on_path_is_found(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "opa").symlink_to(environment["AVOUCH_OPA"])
    assert (await program.found({"PATH": str(tmp_path)})).path == str(tmp_path / "opa")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("", "opa is not there"),
        ("#!/bin/sh\necho hello\n", "does not tell which version"),
        ("#!/bin/sh\nexit 3\n", "does not tell which version"),
        ("#!/bin/sh\necho 'Version: 0.70.0'\n", "is OPA 0.70.0"),
        (
            '#!/bin/sh\n[ "$1" = version ] && echo "Version: 1.22.0" && exit 0\nexit 1\n',
            "does not tell its capabilities",
        ),
    ],
)
async def test_what_is_no_opa_of_one_x_is_refused_with_what_to_install(
    tmp_path: Path, script: str, complaint: str
) -> None:
    if script:
        (tmp_path / "opa").write_text(script)
        (tmp_path / "opa").chmod(stat.S_IRWXU)
    with pytest.raises(errors.NotInstalled, match=complaint) as told:
        await program.found({"PATH": str(tmp_path)})
    assert "AVOUCH_OPA" in told.value.fix
