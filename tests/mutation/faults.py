"""Which faults a module can have: each is one small change of its syntax tree, named by what stood there."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CLAUSES = ("where", "and_", "or_", "having", "with_for_update")
_SQL = re.compile(r"\b(SELECT|UPDATE|DELETE|INSERT)\b")
# A clause of a text statement, as far as it has no bracket of its own; and what locks rows.
_SQL_PARTS = re.compile(
    r"\bAND\s+[^()]*?(?=\s*(?:\bAND\b|\bOR\b|\bORDER\b|\bGROUP\b|\bLIMIT\b|\bRETURNING\b|\bFOR\b|\bON\b|\)|$))"
    r"|\bFOR (?:UPDATE|SHARE|NO KEY UPDATE)(?: SKIP LOCKED)?"
)
_TOLD = ("log", "_log", "logger")  # what is only written down for people


@dataclass(frozen=True)
class Fault:
    """One change: where, what stood there and what stands there now. `change` does it, and returns what undoes it."""

    line: int
    function: str
    before: str
    after: str
    change: Callable[[], Callable[[], None]]

    def named(self) -> str:
        """The same text for the same fault, wherever in the file it lies."""
        return f"{self.function}: {self.before} -> {self.after}"


def of(tree: ast.Module) -> Iterator[Fault]:
    """All of them in the order of the source. One at a time: undo it before the next."""
    for function, node, parent, field in _walk(tree, "", tree):
        for maker in _MAKERS:
            for before, after, change in maker(node, parent, field):
                line = getattr(node, "lineno", 0) or getattr(parent, "lineno", 0)  # a `for` inside brackets has none
                yield Fault(line, function, _short(before), _short(after), change)


_Changes = Iterator[tuple[str, str, Callable[[], Callable[[], None]]]]


def _walk(node: ast.AST, function: str, parent: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST, str]]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                inside = function
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    inside = f"{function}.{child.name}".lstrip(".")
                yield inside, child, node, field
                yield from _walk(child, inside, node)


def _condition(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    if isinstance(node, ast.expr) and field == "test" and isinstance(parent, ast.If | ast.IfExp):
        for value in (True, False):
            yield ast.unparse(node), str(value), _replaced(parent, field, node, ast.Constant(value))
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield f"if {ast.unparse(condition)}", "", _dropped(node.ifs, condition)


def _junction(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    if isinstance(node, ast.BoolOp) and not any(map(_is_default, node.values)):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.unparse(node), "and <-> or", _replaced(node, "op", node.op, other)
        says_nothing = ast.Constant(isinstance(node.op, ast.And))
        for clause in node.values:
            yield ast.unparse(node), f"without {ast.unparse(clause)}", _exchanged(node.values, clause, says_nothing)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.unparse(node), ast.unparse(node.operand), _replaced(parent, field, node, node.operand)


def _comparison(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    if isinstance(node, ast.Compare):
        for operator in node.ops:
            other = _FLIPPED[type(operator)]()
            yield ast.unparse(node), type(other).__name__, _exchanged(node.ops, operator, other)


def _statement(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    called = node.value if isinstance(node, ast.Expr) else None
    called = called.value if isinstance(called, ast.Await) else called
    told = isinstance(called, ast.Call) and ast.unparse(called.func).split(".")[0] in _TOLD
    if isinstance(node, ast.Raise) or (isinstance(called, ast.Call) and not told):
        yield ast.unparse(node), "pass", _exchanged(getattr(parent, field), node, ast.Pass())
    if isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        if isinstance(node.value, ast.Compare | ast.BoolOp) or _is_no(node.value):
            for value in (True, False):
                yield ast.unparse(node), str(value), _replaced(node, "value", node.value, ast.Constant(value))
        elif isinstance(node.value, ast.Tuple | ast.GeneratorExp | ast.ListComp) and not _is_default(node.value):
            yield ast.unparse(node), "()", _replaced(node, "value", node.value, ast.Tuple([], ast.Load()))


def _clause(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rsplit(".", 1)[-1]
        if name in _CLAUSES:
            for argument in node.args:
                without = f"without {ast.unparse(argument)}"
                yield f"{name}(...)", without, _exchanged(node.args, argument, _true(name))
            if name == "with_for_update" and isinstance(node.func, ast.Attribute):
                yield ast.unparse(node), "no lock", _replaced(parent, field, node, node.func.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL.search(node.value):
        for part in _SQL_PARTS.finditer(node.value):
            left = node.value[: part.start()] + node.value[part.end() :]
            yield part.group(), "", _replaced(node, "value", node.value, left)


def _row(node: ast.AST, parent: ast.AST, field: str) -> _Changes:
    """Rows of tables that stand at the top of a module or class."""
    if not (isinstance(parent, ast.Assign | ast.AnnAssign) and field == "value"):
        return
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
        for row in node.elts:
            yield ast.unparse(row), "no row", _dropped(node.elts, row)
    if isinstance(node, ast.Dict) and len(node.keys) > 1:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield ast.unparse(key), "no row", _both(_dropped(node.keys, key), _dropped(node.values, value))


_MAKERS = (_condition, _junction, _comparison, _statement, _clause, _row)


def _true(name: str) -> ast.expr:
    """What a clause is that says nothing."""
    truth = "false" if name == "or_" else "true"
    return ast.parse(f"__import__('sqlalchemy').{truth}()", mode="eval").body


def _is_default(node: ast.AST) -> bool:
    """What stands behind `or` for a value that is not there, as `{}`."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Dict | ast.Tuple | ast.List) and not _inside(node))


def _inside(node: ast.Dict | ast.Tuple | ast.List) -> Sequence[object]:
    return node.keys if isinstance(node, ast.Dict) else node.elts


def _is_no(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _replaced(owner: object, field: str, old: object, new: object) -> Callable[[], Callable[[], None]]:
    if isinstance(owner, ast.AST) and isinstance(getattr(owner, field), list):
        return _exchanged(getattr(owner, field), old, new)

    def change() -> Callable[[], None]:
        setattr(owner, field, new)
        return lambda: setattr(owner, field, old)

    return change


def _exchanged(items: list[object], old: object, new: object) -> Callable[[], Callable[[], None]]:
    index = next(index for index, item in enumerate(items) if item is old)

    def change() -> Callable[[], None]:
        items[index] = new
        return lambda: items.__setitem__(index, old)

    return change


def _dropped(items: list[object], old: object) -> Callable[[], Callable[[], None]]:
    index = next(index for index, item in enumerate(items) if item is old)

    def change() -> Callable[[], None]:
        del items[index]
        return lambda: items.insert(index, old)

    return change


def _both(
    first: Callable[[], Callable[[], None]], second: Callable[[], Callable[[], None]]
) -> Callable[[], Callable[[], None]]:
    def change() -> Callable[[], None]:
        undo = (first(), second())
        return lambda: [each() for each in undo] and None

    return change


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 120 else f"{flat[:117]}..."
