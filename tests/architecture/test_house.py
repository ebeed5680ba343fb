"""The house keeps its shape."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_is_a_plain_folder_because_a_package_of_that_name_would_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists(), "delete it"


def test_no_module_is_called_operator() -> None:
    assert [p for p in (ROOT / "operator" / "avouch").rglob("operator.py")] == []


def test_every_room_says_what_belongs_in_it() -> None:
    rooms = [p for p in (ROOT / "operator" / "avouch").rglob("__init__.py")]
    silent = [str(p) for p in rooms if not p.read_text().lstrip().startswith('"""')]
    assert silent == []


def test_every_make_target_has_a_one_line_help() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line for line in lines if re.match(r"[a-z0-9-]+:(?!=)", line)]
    assert targets
    assert [t for t in targets if " ## " not in t] == []


def test_the_walls_bite(tmp_path: Path) -> None:
    """import-linter must fail when a floor imports upwards: a guard that cannot fail guards nothing."""
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    digests = tmp_path / "operator" / "avouch" / "digests.py"
    digests.write_text(digests.read_text() + "\nfrom avouch.controlplane.model import runs as runs\n")
    code = "import sys; from importlinter.cli import lint_imports_command as c; sys.argv=['lint-imports']; c()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "operator")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
