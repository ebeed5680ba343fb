"""A build starts the command line for each material: a command loads what it uses and nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"asyncio", "email", "http", "httpx", "jsonschema_rs", "kubernetes", "pydantic", "rich", "ssl", "yaml"}
SBOM = str(ROOT / "tests/assets/materials/SBOM_CYCLONEDX_JSON/good-1.5.json")
CODE = """\
import sys
from avouch.processes import main
try:
    code = main.main(sys.argv[1:])
except SystemExit as exc:
    code = exc.code
print("LOADED", *sys.modules)
sys.exit(code)
"""


def loaded(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", CODE, *arguments]
    env = {"PYTHONPATH": str(ROOT / "operator"), "PATH": "/nowhere"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return set(done.stdout.rpartition("LOADED ")[2].split())


def heavy(*arguments: str) -> set[str]:
    return {name.partition(".")[0] for name in loaded(*arguments)} & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("contract", "--help"), ("runner", "show"), ("runner", "show", "-o", "json"), ("version", "--client"),
     ("attestation", "status"), ("attestation", "add", "--value", "x"),
     ("material", "types"), ("workflow", "list"), ("contract", "list"), ("contract", "resolve", "x"), ("why", "x"),
     ("api-token", "list"), ("completion", "zsh")],
    ids=" ".join,
)  # fmt: skip
def test_what_reads_no_document_loads_nothing_heavy(arguments):
    assert heavy(*arguments) == set()


def test_help_loads_no_command():
    ours = {name for name in loaded("--help") if name.startswith("avouch.")}
    assert ours <= {
        "avouch.cli", "avouch.cli.app", "avouch.cli.commands", "avouch.cli.failures", "avouch.cli.options",
        "avouch.cli.output", "avouch.cli.ports", "avouch.cli.session", "avouch.cli.tree", "avouch.errors",
        "avouch.processes", "avouch.processes.commandline", "avouch.processes.main",
    }  # fmt: skip


def test_what_reads_json_loads_no_reader_of_yaml_and_no_table_drawing():
    assert heavy("material", "inspect", SBOM) <= {"jsonschema_rs", "email"}  # email: jsonschema_rs asks its own version


def test_the_guard_bites():
    assert "pydantic" in heavy("contract", "lint", "-f", SBOM)


def names(extra: str) -> set[str]:
    """Distributions of an extra."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    return {re.split(r"[\[<>=]", each)[0].lower() for each in listed}


def required(distributions: set[str]) -> set[str]:
    """What distributions install with themselves."""
    listed = [each for name in distributions for each in metadata.requires(name) or [] if "extra ==" not in each]
    return {re.split(r"[\[<>=!~; ]", each)[0].lower() for each in listed}


def rooms_imported(file: Path) -> set[str]:
    """Packages and modules right below `avouch` that a module takes something from, at once or when first asked."""
    taken = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom) and node.module]
    names = [f"{node.module}.{name.name}".split(".") for node in taken for name in node.names]
    return {name[1] for name in names if name[0] == "avouch"} - {"processes"}


def test_what_the_command_line_imports_is_what_its_extra_installs():
    package = ROOT / "operator/avouch"
    wiring = ("processes/commandline.py", "processes/server_access.py")
    rooms = {"cli", "crafting"} | {room for file in wiring for room in rooms_imported(package / file)}
    files = [path for room in rooms for path in (package / room).rglob("*.py")]
    files += [package / f"{room}.py" for room in rooms if not (package / room).is_dir()]
    files += [package / file for file in wiring]
    modules = [".".join(path.relative_to(ROOT / "operator").with_suffix("").parts) for path in files]
    lazy = "from avouch.materials.readers import schemas; schemas._validator('spdx/spdx-2.3')"
    code = f"import importlib, sys; [importlib.import_module(name) for name in {modules}]; {lazy}; print(*sys.modules)"
    env = {"PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    found = {each.lower().replace("_", "-") for top in tops for each in metadata.packages_distributions().get(top, [])}
    assert found >= names("cli"), "listed, and never imported"
    assert found & (names("server") - names("cli") - required(names("cli"))) == set(), (
        "imported: add it to the extra cli"
    )


def test_a_reader_that_went_away_is_no_traceback():
    command = [sys.executable, "-m", "avouch.processes.main", "material", "types", "-o", "json"]
    env = {"PYTHONPATH": str(ROOT / "operator")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
