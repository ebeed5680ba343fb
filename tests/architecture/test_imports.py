"""Imports are statements that tools can see, and they form no circle, wherever they stand."""

import ast
import functools
import graphlib
from pathlib import Path

from tests.architecture import sources

ROOT = Path(__file__).parents[2] / "operator"
PACKAGE = ROOT / "avouch"
DYNAMIC = {"import_module", "__import__", "import_string", "find_spec", "spec_from_file_location", "run_module"}
# Tables of module names, each row of which tests import: only these modules import by a string.
TABLES = {"avouch.cli.tree", "avouch.materials.validation", "avouch.processes.main"}
# Not an import of ours: the folder of an optional wheel, and whether a module is there that httpcore looks for.
FINDS = {"avouch.processes.postgres", "avouch.integrations.webhook"}


def module_of(path: Path) -> str:
    """The dotted name of a file.

    >>> module_of(ROOT / "avouch" / "cli" / "__init__.py"), module_of(ROOT / "avouch" / "errors.py")
    ('avouch.cli', 'avouch.errors')
    """
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package."""
    return {module_of(path): sources.tree(path) for path in PACKAGE.rglob("*.py")}


def dynamic(tree: ast.AST) -> set[str]:
    """Names in a module that import, or find, a module by a string."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names & DYNAMIC


def imported(tree: ast.AST, modules: set[str]) -> set[str]:
    """Modules of ours that a module imports, at its top, in a function, or for its types."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            found |= below or {node.module}
    return found & modules


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph, or nothing.

    >>> circle({"a": {"b"}, "b": set()})
    []
    >>> sorted(set(circle({"a": {"b"}, "b": {"a"}})))
    ['a', 'b']
    """
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as exc:
        return list(exc.args[1])
    return []


def test_modules_are_imported_by_statements_except_by_the_three_tables() -> None:
    found = {name: names for name, tree in trees().items() if (names := dynamic(tree))}
    assert {name: found.pop(name, None) for name in FINDS} == {name: {"find_spec"} for name in FINDS}
    assert set(found) == TABLES, "write a local import, with the milliseconds it saves in a comment"


def test_no_import_leads_back_to_where_it_came_from() -> None:
    parsed = trees()
    graph = {name: imported(tree, set(parsed)) - {name} for name, tree in parsed.items()}
    assert circle(graph) == []


def test_a_hidden_circle_and_an_import_by_a_string_are_seen() -> None:
    one = ast.parse("def f():\n    from avouch.cli import b")
    two = ast.parse("if TYPE_CHECKING:\n    import avouch.cli.a")
    modules = {"avouch.cli.a", "avouch.cli.b"}
    graph = {"avouch.cli.a": imported(one, modules), "avouch.cli.b": imported(two, modules)}
    assert set(circle(graph)) == modules
    assert dynamic(ast.parse("from importlib import import_module as load")) == {"import_module"}
    assert dynamic(ast.parse("import importlib\nimportlib.import_module('avouch.x')")) == {"import_module"}
