"""What is imported is declared, and what is declared is imported, for the base and for every extra."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

from tests.architecture import sources

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "avouch"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVERS = {"canonicaljson.py"}  # of `attestation`: the server hands it to verification, the base has no msgspec
BASE = [
    *sorted(f"attestation/{path.name}" for path in (PACKAGE / "attestation").glob("*.py") if path.name not in SERVERS),
    *("sidecar", "tekton", "plan.py", "digests.py", "values.py", "errors.py"),
]
FILES = {
    "base": BASE,
    "server": sorted(path.name for path in PACKAGE.iterdir()),
    "cli": [
        *(
            "cli",
            "contract",
            "policy",
            "opa",
            "materials",
            "runners",
            "ci",
            "client",
            "crafting",
            "registry",
            "oci",
            "downloads.py",
            "kubectl.py",
        ),
        *("api/meta.py", "api/rules.py", "api/contract.py", "api/policy.py", "api/vocabulary.py"),
        *("processes/server_access.py", "processes/commandline.py", "processes/main.py"),
    ],
    "postgres": ["processes/postgres.py"],
}

BEHIND = {"server": {"httptools"}}  # imported by uvicorn, whose extra would bring three packages that nobody needs


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


packages = functools.cache(metadata.packages_distributions)


def distributions(modules: Iterable[str]) -> set[str]:
    known = packages()
    ours = {top for top in modules if top not in sys.stdlib_module_names and top != "avouch"}
    return {normal(known[top][0]) for top in ours if top in known}  # what is not installed is only looked for


def imported(*places: str) -> set[str]:
    """Distributions that these rooms and files import, at the top of a module or inside a function."""
    found: set[str] = set()
    for place in places:
        path = PACKAGE / place
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in sources.nodes(file):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(str(node.module).partition(".")[0])
                elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "find_spec")):
                    found |= {str(a.value).partition(".")[0] for a in node.args[:1] if isinstance(a, ast.Constant)}
    return distributions(found)


def declared(extra: str) -> set[str]:
    listed = PROJECT["dependencies"] if extra == "base" else PROJECT["optional-dependencies"][extra]
    return {normal(re.split(r"[\[<>=;]", each)[0]) for each in listed}


@pytest.mark.parametrize("extra", ["base", *PROJECT["optional-dependencies"]])
def test_what_is_imported_is_declared(extra: str) -> None:
    there = declared("base") | declared(extra) | (declared("postgres") if extra == "server" else set())
    assert imported(*FILES[extra]) - there == set()


@pytest.mark.parametrize("extra", ["base", *PROJECT["optional-dependencies"]])
def test_what_is_declared_is_imported(extra: str) -> None:
    assert declared(extra) - imported(*FILES[extra]) == BEHIND.get(extra, set())


def test_the_lists_of_the_images_hold_no_official_client_of_kubernetes() -> None:
    """kopf imports it wherever it is installed: 18 MiB and 0.4 s for nothing."""
    for image in ("server", "sidecar"):
        locked = (ROOT / "requirements" / f"{image}.txt").read_text()
        assert not re.search(r"^kubernetes(-asyncio)?==", locked, re.MULTILINE)


def test_the_processes_start_without_the_official_client() -> None:
    code = (
        "import sys; sys.modules['kubernetes'] = sys.modules['kubernetes_asyncio'] = None\n"
        "from avouch.processes import controller, server, worker\n"
        "print(sorted(name for name in sys.modules if name.startswith('kubernetes.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "operator")}
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_what_is_locked_is_what_is_declared() -> None:
    for image, extras in (("sidecar", ["base"]), ("server", ["base", "server", "postgres"])):
        locked = {
            normal(line.partition("==")[0])
            for line in (ROOT / "requirements" / f"{image}.txt").read_text().splitlines()
            if re.match(r"[a-zA-Z0-9]", line)
        }
        assert set().union(*map(declared, extras)) - locked == set()
