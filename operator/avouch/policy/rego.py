"""Chainloop's scripts in Rego: the rules that are added to those that a script has itself.

A script of people's own is `violations contains msg if {...}` and little else. What it leaves out is added at its end,
so lines keep their numbers. Written for Rego v1, which takes `import rego.v1` as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from avouch import errors
from avouch.values import dataclass

RESULT = "result"
_DEFAULTS = {
    "skip_reason": 'default skip_reason := ""',
    "valid_input": "default valid_input := true",
    "skipped": "default skipped := true",
    "ignore": "default ignore := false",
    "violations": "default violations := []",
}
_RULES = {
    "skip_reason": 'skip_reason := "the file content is not recognized" if not valid_input',
    "skipped": "skipped := false if valid_input",
}
_FIELDS = ("skipped", "violations", "skip_reason", "ignore")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a script, and where: line and column count from 1; 0 where it has no place.

    `text` is the line itself, where OPA shows it.
    """

    message: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class Module:
    """What is known of a script.

    Attributes:
        package: its path below `data`, such as ("main",).
        rules: names of all its rules.
        defaulted: of those that have a default.
        collected: of those that collect a set (`contains`) or an object, which have no default.
    """

    package: tuple[str, ...]
    rules: frozenset[str]
    defaulted: frozenset[str]
    collected: frozenset[str]


def module_of(parsed: Mapping[str, Any]) -> Module:
    """From what `opa parse --format json` prints.

    Raises:
        errors.Invalid: it is not that, or the package has a name that no query can ask for.
    """
    path = (parsed.get("package") or {}).get("path") or ()
    package = tuple(str(term.get("value")) for term in path[1:])
    if not package:
        raise errors.Invalid("has no package", fix="begin the script with a line such as: package main")
    rules = [rule for rule in parsed.get("rules") or () if isinstance(rule, Mapping)]
    named = [(_name(rule), rule) for rule in rules]
    return Module(
        package,
        frozenset(name for name, _ in named),
        frozenset(name for name, rule in named if rule.get("default")),
        frozenset(name for name, rule in named if _collects(rule.get("head") or {})),
    )


def completed(source: str, module: Module) -> str:
    """The script with the rules that it leaves out."""
    lines = list(_added(module))
    return source if not lines else "\n".join((source, *lines, ""))


def _added(module: Module) -> Sequence[str]:
    lines = []
    for name, line in _DEFAULTS.items():
        if name not in module.defaulted | module.collected:
            lines.append(line)
        if name in _RULES and name not in module.rules:
            lines.append(_RULES[name])
    if RESULT not in module.rules:
        names = (*_FIELDS, "findings") if "findings" in module.rules else _FIELDS
        fields = ", ".join(f'"{name}": {name}' for name in names)
        lines.append(f"{RESULT} := {{{fields}}}")
    return lines


def _collects(head: Mapping[str, Any]) -> bool:
    return "key" in head or len(head.get("ref") or ()) > 1


def _name(rule: Mapping[str, Any]) -> str:
    head = rule.get("head") or {}
    ref = head.get("ref") or ()
    return str(head.get("name") or (ref[0].get("value") if ref else ""))
