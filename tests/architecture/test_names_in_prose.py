"""Names between backticks, in docstrings and comments, exist: prose that a rename forgot is found here."""

import ast
import importlib.util
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator/avouch"
DOTTED = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\(\))?`(?!`)")
PATH = re.compile(r"(?<!`)`((?:[a-z_]+/)+[a-z_]+\.py)`(?!`)")
# Fields of Kubernetes objects, of statements and of other formats: not ours to resolve.
FIELDS = ("spec.", "status.", "metadata.", "data.", "chainloop.", "author.", "runner.", "runs.avouch.dev", "git.head")
FILES = ("package.json", "out.err")
EXAMPLES = ("registry.example",)


def members(node: ast.ClassDef) -> set[str]:
    """Methods, fields and attributes that a class sets on itself."""
    found = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(each.name)
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            found.add(each.target.id)
        elif isinstance(each, ast.Assign):
            found |= {target.id for target in each.targets if isinstance(target, ast.Name)}
    return found


def names(source: str) -> dict[str, set[str]]:
    """What a module defines, each with its members; no members: any."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = members(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = set()
        elif isinstance(node, ast.Assign):
            found |= {target.id: set() for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = set()
    return found


def modules(*roots: Path) -> dict[str, dict[str, set[str]]]:
    """Every module below these folders, by its dotted name from the folder's parent."""
    found = {}
    for root in roots:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = names(path.read_text(encoding="utf-8"))
    return found


OURS = modules(PACKAGE, ROOT / "tests", ROOT / "bench")


def resolves(name: str, ours: dict[str, dict[str, set[str]]]) -> bool:
    """Whether a dotted name is a module, something in one, or a member of a class."""
    if any(module == name or module.endswith(f".{name}") for module in ours):
        return True
    parts = name.split(".")
    first, second = parts[:2]
    if any(second in defined.get(first, ()) for defined in ours.values()):
        return True  # Class.member
    for cut in range(1, len(parts)):
        path, here, below = ".".join(parts[:cut]), parts[cut], parts[cut + 1 :]
        for module, defined in ours.items():
            if (module == path or module.endswith(f".{path}")) and here in defined:
                inside = defined[here]
                if not below or not inside or below[0] in inside:
                    return True
    return importlib.util.find_spec(first) is not None and first not in ("avouch", "tests", "bench")  # json.loads


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings and comments, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.string.startswith(('"""', 'r"""'))
        ):
            yield token.start[0], token.string


def stale(source: str, ours: dict[str, dict[str, set[str]]]) -> list[tuple[int, str]]:
    """Names in prose that stand for nothing."""
    found = []
    for line, text in prose(source):
        for name in DOTTED.findall(text):
            if not name.startswith(FIELDS) and name not in (*FILES, *EXAMPLES) and not resolves(name, ours):
                found.append((line, name))
        found += [
            (line, path)
            for path in PATH.findall(text)
            if not any((root / path).is_file() for root in (ROOT, ROOT / "operator", PACKAGE))
        ]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_name_in_a_docstring_or_comment_exists(path: Path) -> None:
    assert stale(path.read_text(encoding="utf-8"), OURS) == []


def test_the_guard_bites() -> None:
    ours = {"avouch.store.runs": {"Runs": {"open"}, "document": set()}}
    there = '"""`runs.Runs.open`, `Runs.open`, `store.runs`, `runs.document` and `json.loads`."""\n'
    assert stale(there, ours) == []
    gone = '"""`values.RunKey`."""\nX = 1  # as `runs.Runs.close`, of `store/outside.py`\n'
    assert stale(gone, ours) == [(1, "values.RunKey"), (2, "runs.Runs.close"), (2, "store/outside.py")]
