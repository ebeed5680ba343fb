"""Chainloop's scripts in Rego: the rules that are added to those that a script has itself, and a place of its own.

A script of people's own is `violations contains msg if {...}` and little else. What it leaves out is added at its end,
so lines keep their numbers. Written for Rego v1, which takes `import rego.v1` as well.

Every script says `package main`. Those that one engine holds are kept apart by a prefix: the package and each `data`
of a script get it, so a script sees its own rules and nothing else, as if it was alone.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from avouch import digests, errors
from avouch.values import dataclass

RESULT = "result"
LIBRARY = "avouch.library"  # the package of the functions that Chainloop adds to Rego
SENDING = "http.send"
_FUNCTIONS = "chainloop"
_SENDS = ("http", "send")
_INPUT = "input"
_OBJECT = "object"
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
_OWN = ("valid_input", "violations")  # the script's own rule stands as it is, as in Chainloop
_CHANGING = (
    *("time.", "rand.", "uuid.", "http.", "net.", "opa.", "providers.", "io.jwt.", "crypto.x509."),
    *("json.match_schema", "json.verify_schema", "rego.parse_module", "trace"),
)
"""How functions are called that say another thing tomorrow, or on another machine; and their relatives, some of which
do not: nobody has to follow which."""
_FIELDS = ("skipped", "violations", "skip_reason", "ignore")
_FINDING = ("violations", "findings", RESULT)
_OTHERS = ("deny", "violation", "warn", "allow")  # of Conftest, Gatekeeper and of those who decide by OPA itself


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a script, and where: line and column count from 1; 0 where it has no place.

    `text` is the line itself, where it is known.
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
        denied: of those without a default, that are false wherever they have a value.
        places: where a prefix belongs: line and column, from 1, of the package's name, of each `data`, and of each
            `chainloop` and `http` whose function is called or named; with what stands there.
        calls: names of the functions that it may call, built-in ones among them, such as http.send: those that it
            names anywhere, because `with` lets one stand in for another.
        reads: names of the fields of `input` that it can see; None: all of them.
    """

    package: tuple[str, ...]
    rules: frozenset[str]
    defaulted: frozenset[str]
    collected: frozenset[str]
    denied: frozenset[str] = frozenset()
    places: tuple[tuple[int, int, str], ...] = ()
    calls: frozenset[str] = frozenset()
    reads: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A script that an engine can hold beside others.

    Attributes:
        name: of its package below `data`, made of the digest of its source.
        source: the script with the rules that it left out, in the package of that name.
        result: where its rule `result` is, below `data`.
        calls: names of the functions that it may call.
        reads: names of the fields of `input` that it can see; None: all of them.
    """

    name: str
    source: str
    result: tuple[str, ...]
    calls: frozenset[str] = frozenset()
    reads: frozenset[str] | None = None

    @property
    def sends(self) -> bool:
        """Whether it may ask other hosts."""
        return SENDING in self.calls

    @property
    def lasting(self) -> bool:
        """Whether its result for an input is the same whenever and wherever it is asked."""
        return not any(name.startswith(_CHANGING) for name in self.calls)

    def seen(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of the fields of an input that its result depends on."""
        return fields if self.reads is None else {name: fields[name] for name in self.reads & fields.keys()}


def name_of(source: str) -> str:
    """The name that keeps a script apart from all others: as good as its digest."""
    return f"script_{digests.of_bytes(source.encode()).hex}"


def module_of(parsed: Mapping[str, Any]) -> Module:
    """From what `opa parse --format json --json-include locations` prints.

    Raises:
        errors.Invalid: it is not that, or the package has a name that no query can ask for.
    """
    path: Sequence[Mapping[str, Any]] = (parsed.get("package") or {}).get("path") or ()
    package = tuple(str(term.get("value")) for term in path[1:])
    if not package:
        raise errors.Invalid("has no package", fix="begin the script with a line such as: package main")
    rules = [rule for rule in parsed.get("rules") or () if isinstance(rule, Mapping)]
    named = [(_name(rule), rule) for rule in rules]
    places = {_place(path[1])}
    calls: set[str] = set()
    for each in _nodes((parsed.get("imports"), parsed.get("rules"))):
        places.update(_places(each))
        calls.update(_calls(each))
    return Module(
        package,
        frozenset(name for name, _ in named),
        frozenset(name for name, rule in named if rule.get("default")),
        frozenset(name for name, rule in named if _collects(rule.get("head") or {})),
        frozenset(name for name, _ in named) - {name for name, rule in named if not _denies(rule)},
        tuple(sorted(places)),
        frozenset(calls),
        _reads(parsed),
    )


def completed(source: str, module: Module) -> str:
    """The script with the rules that it leaves out."""
    lines = list(_added(module))
    return source if not lines else "\n".join((source, *lines, ""))


def compiled(source: str, module: Module) -> Compiled:
    """The script as an engine holds it.

    Raises:
        errors.Invalid: it has no rule that finds anything, or a name stands where no prefix can be given to it.
    """
    _require_finding(module)
    name = name_of(source)
    lines = source.split("\n")
    package = min(module.places, default=None)
    for place in reversed(module.places):  # from the end: what is before it keeps its column
        line, column, text = place
        said = lines[line - 1] if 0 < line <= len(lines) else ""
        before, after = said[: column - 1], said[column - 1 :]
        if not text or not after.startswith(text):
            raise errors.Invalid(f"{line}:{column}: {text or 'a name'} cannot be told apart from what is around it")
        if place == package:
            lines[line - 1] = f"{before}{name}.{after}"
        else:
            prefix = f"data.{name}" if text == "data" else f"data.{LIBRARY}.{text}"
            lines[line - 1] = f"{before}{prefix}{after[len(text) :]}"
    whole = completed("\n".join(lines), module)
    return Compiled(name, whole, (name, *module.package, RESULT), module.calls, module.reads)


def _require_finding(module: Module) -> None:
    """With the rules that are added, a script that finds nothing would pass whatever it is shown."""
    if module.rules.intersection(_FINDING):
        return
    found = next((name for name in _OTHERS if name in module.rules), "")
    said = f", and its rule {found} is not read" if found else ""
    fix = "say what is wrong with the material: violations contains msg if { ... }"
    raise errors.Invalid(
        f"package {'.'.join(module.package)} has no rule violations: it would pass anything{said}", fix=fix
    )


def _added(module: Module) -> Sequence[str]:
    lines: list[str] = []
    for name in _DEFAULTS:
        lines += _default(name, module)
        if name in _RULES and name not in module.rules:
            lines.append(_RULES[name])
    if RESULT not in module.rules:
        names = (*_FIELDS, "findings") if "findings" in module.rules else _FIELDS
        fields = ", ".join(f'"{name}": {name}' for name in names)
        lines.append(f"{RESULT} := {{{fields}}}")
    return lines


def _default(name: str, module: Module) -> Sequence[str]:
    """The default of a rule, where the script has none.

    A rule of its own keeps what it says: `valid_input if ...` means that another input is not valid, and `violations`
    that has no value is no answer. `skipped` is the opposite of what its rules say.
    """
    if name in module.defaulted | module.collected:
        return ()
    if name in module.rules and name in _OWN:
        return ()
    if name == "skipped" and name in module.rules - module.denied:
        return ("default skipped := false",)
    return (_DEFAULTS[name],)


def _denies(rule: Mapping[str, Any]) -> bool:
    value = (rule.get("head") or {}).get("value") or {}
    return not rule.get("default") and value.get("type") == "boolean" and value.get("value") is False


def _collects(head: Mapping[str, Any]) -> bool:
    return "key" in head or len(head.get("ref") or ()) > 1


def _name(rule: Mapping[str, Any]) -> str:
    head = rule.get("head") or {}
    ref = head.get("ref") or ()
    return str(head.get("name") or (ref[0].get("value") if ref else ""))


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a tree, in any depth."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, Sequence) and not isinstance(each, str):
            waiting.extend(each)


def _places(node: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Where a reference begins with `data`, and where a function of the library's is called, or named by `with`.

    `chainloop` and `http` may as well be names of variables: only what is called, or stands in, is a function.
    """
    if _begins(node, "data"):
        yield _place(node["value"][0])
    named = [*_called(node)[:1]]
    named += [each.get(side) for each in node.get("with") or () for side in ("target", "value")]
    for each in named:
        if _begins(each, _FUNCTIONS) or _begins(each, *_SENDS):
            yield _place(each["value"][0])


def _calls(node: Mapping[str, Any]) -> Iterator[str]:
    """The name that a reference spells out, whether it is a function's or not."""
    if node.get("type") == "ref" and isinstance(node.get("value"), Sequence):
        parts = [str(part.get("value")) for part in node["value"] if part.get("type") in ("var", "string")]
        if len(parts) == len(node["value"]):
            yield ".".join(parts)


def _begins(term: Any, *names: str) -> bool:
    """Whether it is a reference that begins with these names."""
    if not isinstance(term, Mapping) or term.get("type") != "ref" or not isinstance(term.get("value"), Sequence):
        return False
    first = term["value"][: len(names)]
    kinds = ("var", *("string" for _ in names[1:]))
    return [(each.get("type"), each.get("value")) for each in first] == list(zip(kinds, names, strict=True))


def _called(node: Mapping[str, Any]) -> Sequence[Any]:
    """A function and what it is given; nothing where none is called."""
    found = node.get("value") if node.get("type") == "call" else node.get("terms")
    return found if isinstance(found, Sequence) else ()


def _reads(parsed: Mapping[str, Any]) -> frozenset[str] | None:
    """Names of the fields of `input` that imports and rules can see; None where they may see all of it.

    Each place where `input` stands has to be one of these, or all of it counts as seen: `input["name"]` as spelt,
    and `object.get(input, "name", ...)` or the same with a path that begins with a name. The last two only in a script
    that gives `object` no other meaning: where each `object` is the beginning of a function that is called.
    """
    imports = parsed.get("imports") or ()
    names, gotten = set(), set()
    inputs, objects = 0, sum(_imported(each) == _OBJECT for each in imports)  # that nothing explains yet
    for node in _nodes((imports, parsed.get("rules"))):
        inputs += _is_variable(node, _INPUT)
        objects += _is_variable(node, _OBJECT)
        if _begins(node, _INPUT) and (name := _text(node["value"][1:])) is not None:
            names.add(name)
            inputs -= 1
        called = _called(node)
        if called and _begins(called[0], _OBJECT):
            objects -= 1
            if (name := _gotten(called)) is not None:
                gotten.add(name)
                inputs -= 1
    return None if inputs or (gotten and objects) else frozenset(names | gotten)


def _imported(one: Mapping[str, Any]) -> str:
    """The name that an import has in the script."""
    return str(one.get("alias") or one["path"]["value"][-1].get("value"))


def _gotten(called: Sequence[Any]) -> str | None:
    """The name of the field that `object.get(input, ...)` asks for; None where it is something else."""
    asked, *given = called
    if [part.get("value") for part in asked["value"]] != [_OBJECT, "get"] or not given:
        return None
    if not _begins(given[0], _INPUT) or len(given[0]["value"]) > 1:
        return None
    path = given[1:]
    return _text(path[0]["value"] if path and path[0].get("type") == "array" else path)


def _text(terms: Sequence[Any]) -> str | None:
    """The first of them, if it is a text."""
    first = terms[0] if terms else {}
    return str(first["value"]) if first.get("type") == "string" else None


def _is_variable(node: Mapping[str, Any], name: str) -> bool:
    return node.get("type") == "var" and node.get("value") == name


def _place(term: Mapping[str, Any]) -> tuple[int, int, str]:
    location = term.get("location") or {}
    try:
        text = base64.b64decode(str(location.get("text") or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    return int(location.get("row") or 0), int(location.get("col") or 0), text


def path(below_data: Sequence[str]) -> str:
    """A reference to a value, for names of any characters.

    >>> path(("script_1", "a-b", "result"))
    'data["script_1"]["a-b"]["result"]'
    """
    return "data" + "".join(f"[{json.dumps(part)}]" for part in below_data)
