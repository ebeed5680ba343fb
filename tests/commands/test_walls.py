"""import-linter, run as a command, fails where a layer imports upwards."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_walls_bite(tmp_path: Path) -> None:
    """import-linter must fail when a layer imports upwards: a guard that cannot fail guards nothing."""
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    digests = tmp_path / "operator" / "avouch" / "digests.py"
    digests.write_text(digests.read_text() + "\nfrom avouch.controlplane import model as model\n")
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
