"""Documents of any size: what is long in them, and what is wrong with them. Each is made from a number of parts."""

import copy
import io
import itertools
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from avouch.materials import types as material_types
from tests.materials import packing, table

Make = Callable[[int], bytes]
_LEVELS = 5  # of a document that are looked into for lists and texts
_WRONG = 5  # instead of an object
# Texts that patterns take long for: repeated, and with an end that does not fit.
_TEXTS = ("-1", "1.", " ", ":a")


class Growing(NamedTuple):
    """A document that grows. `name` says with what, `most` of how many parts it is at most."""

    name: str
    type: str
    make: Make
    most: int = 48_000


def of_type(type_: str) -> Iterator[Growing]:
    """Everything that grows in documents of a type."""
    for path in sorted((table.FOLDER / type_).glob("good*")):
        content = path.read_bytes()
        if content.lstrip()[:1] in (b"{", b"["):
            for each in _of_json(type_, content):
                yield each._replace(name=f"{path.name}: {each.name}")
    for name, make in BY_HAND.get(type_, {}).items():
        yield Growing(name, type_, make)


def _of_json(type_: str, content: bytes) -> Iterator[Growing]:
    try:
        whole = json.loads(content)
    except ValueError:
        return  # lines of JSON
    for place in itertools.islice(_places(whole, list), 5):
        where = "/".join(map(str, place))
        yield Growing(f"a long list at {where}", type_, _listed(whole, place, ()))
        yield Growing(f"a long list at {where}, the last is wrong", type_, _listed(whole, place, (_WRONG,)))
    for place in itertools.islice(_places(whole, str), 12):
        where = "/".join(map(str, place))
        for text in _TEXTS:
            yield Growing(f"{text!r} again and again at {where}", type_, _repeated(whole, place, text), 20_000)
    yield from (Growing(name, type_, make) for name, make in _around(content).items())
    if isinstance(whole, dict):
        yield Growing("many lists of an unknown name, and a wrong one", type_, _many_lists(whole))
        yield Growing("objects in objects", type_, _nested(whole))


def _around(content: bytes) -> dict[str, Make]:
    """What is put before the end of the text itself."""
    start, end = content.rstrip()[:-1], content.rstrip()[-1:]
    empty = not json.loads(content)
    comma, more = (b"" if empty else b","), end == b"}"

    def put(inside: bytes) -> bytes:
        return start + comma + (b'"zz":' if more else b"") + inside + end

    def names(count: int) -> bytes:
        return b"{" + b"".join(b'"%x":0,' % number for number in range(count))

    return {
        "many names, the last of them twice": lambda n: put(names(n) + b'"%x":0}' % (n - 1)),
        "many names, the first of them twice": lambda n: put(names(n) + b'"0":0}'),
        "many objects with a name twice": lambda n: put(b"[" + b'{"a":0},' * n + b'{"a":0,"a":0}]'),
        "many escapes, the last is half a character": lambda n: put(b'["' + b"\\ud83d\\ude00" * n + b'\\ud83d"]'),
        "a text without end": lambda n: start + comma + b'"' + b"x\\n" * n,
        "brackets without end": lambda n: start + comma + b"[" * n,
        "a number without end": lambda n: put(b"1" * n),
        "a fraction without end": lambda n: put(b"0." + b"1" * n),
        "white space without end": lambda n: content + b" \n" * n + b"x",
        "cut off": lambda n: put(b"[" + b"[1.5e3,null]," * n),
    }


def _places(value: Any, kind: type, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where lists that are not empty (or texts) stand; of a list only the first element is looked into."""
    if isinstance(value, kind) and value:
        yield path
    if len(path) < _LEVELS:
        inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
        for key, child in inside:
            yield from _places(child, kind, (*path, key))


def _with(whole: Any, place: tuple[Any, ...], made: Callable[[Any], Any]) -> Any:
    if not place:
        return made(whole)
    changed = copy.copy(whole)
    changed[place[0]] = _with(whole[place[0]], place[1:], made)
    return changed


def _listed(whole: Any, place: tuple[Any, ...], last: tuple[Any, ...]) -> Make:
    return lambda count: json.dumps(_with(whole, place, lambda found: [*found[:1] * count, *last])).encode()


def _repeated(whole: Any, place: tuple[Any, ...], text: str) -> Make:
    return lambda count: json.dumps(_with(whole, place, lambda found: found + text * count + "\n!")).encode()


def _many_lists(whole: dict[str, Any]) -> Make:
    wrong = _with(
        whole, next(_places(whole, list), ()), lambda found: [*found, _WRONG] if found is not whole else found
    )
    return lambda count: json.dumps({**{f"x-{number}": [1, 2] for number in range(count)}, **wrong}).encode()


def _nested(whole: dict[str, Any]) -> Make:
    """As deep as readers let it be, many times."""
    deep: Any = {}
    for _ in range(90):
        deep = {**{key: value for key, value in whole.items() if isinstance(value, str)}, "x": [deep]}
    return lambda count: json.dumps({**whole, "x-deep": [deep] * max(count // 2000, 1)}).encode()


def _xml(root: str, inside: str) -> dict[str, Make]:
    head, part, end = f"<{root}>".encode(), inside.encode(), f"</{root}>".encode()
    start = f"<{root} ".encode()
    return {
        "many elements": lambda n: head + part * n + end,
        "many elements, the last is not closed": lambda n: head + part * n + b"<a>" + end,
        "many attributes": lambda n: start + b" ".join(b'a%x=""' % each for each in range(n)) + b">" + part + end,
        "an attribute twice": lambda n: start + b" ".join(b'a%x=""' % each for each in range(n)) + b' a0=""/>',
        "many namespaces": lambda n: (
            start + b" ".join(b'xmlns:a%x="urn:%x"' % (each, each) for each in range(n)) + b">" + part + end
        ),
        "a long attribute": lambda n: start + b'a="' + b"x\n&amp;" * n + b'"/>',
        "a long attribute without end": lambda n: start + b'a="' + b"x\n" * n,
        "a long name": lambda n: b"<" + b"a" * n + b"/>",
        "a long text": lambda n: head + b"x&#65;\r\n" * n + end,
        "a long comment": lambda n: head + b"<!--" + b"- x" * n + b"-->" + end,
        "a comment without end": lambda n: head + b"<!--" + b"- x" * n,
        "a long section": lambda n: head + b"<![CDATA[" + b"]] >" * n + b"]]>" + end,
        "many instructions": lambda n: head + b"<?a b?>" * n + end,
        "a long declaration": lambda n: b'<!DOCTYPE a PUBLIC "' + b"x" * n + b'" "y">' + head + end,
        "elements in elements": lambda n: b"<a>" * n,
    }


def _yaml(head: str) -> dict[str, Make]:
    start = head.encode() + b"\n"
    texts = {
        "a number of base 60": b"1" + b":1" * 3,
        "base 60": b":1",
        "base 60 with a fraction": b":01",
        "digits": b"1",
        "digits with marks": b"1_",
        "hexadecimal digits": b"0xf",
        "dots": b"1.",
        "dashes": b"-1",
        "a date": b"2026-01-01 ",
        "white space": b" ",
        "letters": b"ab ",
        "exponents": b"1e1",
    }
    made: dict[str, Make] = {
        f"a scalar of {name}": (lambda n, text=text: start + b"x: 1" + text * n + b"\n") for name, text in texts.items()
    }
    made |= {
        f"a scalar of {name}, ending in a fraction": (lambda n, text=text: start + b"x: 1" + text * n + b".5\n")
        for name, text in texts.items()
    }
    return made | {
        "many names": lambda n: start + b"".join(b"k%x: v\n" % each for each in range(n)),
        "many names, the last of them twice": lambda n: (
            start + b"".join(b"k%x: v\n" % each for each in range(n)) + b"k0: v\n"
        ),
        "many anchors": lambda n: start + b"".join(b"k%x: &a%x v\n" % (each, each) for each in range(n)),
        "many references": lambda n: start + b"a: &a v\nx: [" + b"*a," * n + b"]\n",
        "many merges": lambda n: (
            start + b"a: &a {b: c}\nx:\n" + b"".join(b"  k%x: {<<: *a}\n" % each for each in range(n))
        ),
        "one merge of many": lambda n: start + b"a: &a {b: c}\nx: {<<: [" + b"*a," * n + b"]}\n",
        "a long text": lambda n: start + b"x: |\n" + b"  a: b\n" * n,
        "a long folded text": lambda n: start + b"x: >\n" + b"  a: b\n\n" * n,
        "a long quoted text": lambda n: start + b'x: "' + b"\\x41\n  " * n + b'"\n',
        "a quoted text without end": lambda n: start + b'x: "' + b"ab\n  " * n,
        "a long name": lambda n: start + b'? "' + b"a" * n + b'"\n: b\n',
        "a long plain name": lambda n: start + b"a" * n + b": b\n",
        "many comments": lambda n: start + b"# a: b\n" * n,
        "brackets": lambda n: start + b"x: " + b"[" * n,
        "lists in lists": lambda n: start + b"x:\n" + b"- " * n,
        "tags": lambda n: start + b"x: [" + b"!!str a," * n + b"]\n",
        "a long tag": lambda n: start + b"x: !" + b"a" * n + b" b\n",
        "many documents": lambda n: start + b"--- a\n" * n,
        "tabs": lambda n: start + b"x:" + b"\t" * n + b"- a\n",
        "empty lines": lambda n: start + b"\n" * n + b" x",
    }


def _charted(text: bytes) -> bytes:
    return packing.tgz_of(("a/Chart.yaml", text), ("a/values.yaml", b"a: b\n"))


def _zip(count: int, name: Callable[[int], str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            archive.NameToInfo.clear()  # so that a name may come again without a warning
            archive.writestr(zipfile.ZipInfo(name(number), packing.DATE), b"<testsuite/>")
    return made.getvalue()


def _headed(header: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A tar whose first member is preceded by this extended header."""
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, len(header)
    padding = bytes(-len(header) % tarfile.BLOCKSIZE)
    return packing.gzip.compress(
        info.tobuf() + header + padding + packing.tar_of(("a.xml", b"<testsuite/>")), 1, mtime=0
    )


_ARCHIVES: dict[str, Make] = {
    "a zip of many files": lambda n: _zip(n // 20 + 1, lambda number: f"{number}.xml"),
    "a zip of one name": lambda n: _zip(n // 20 + 1, lambda _: "a.xml"),
    "a zip with a long comment": lambda n: _zip(1, str) + b"x" * n,
    "a zip cut off": lambda n: _zip(n // 20 + 2, str)[:-30],
    "a gzip of many members": lambda n: packing.gzip.compress(b"", mtime=0) * (n // 10 + 1),
    "a gzip that is padded": lambda n: packing.tgz_of(("a.xml", b"<testsuite/>")) + bytes(n) + b"x",
    "a tar of many files": lambda n: packing.tgz_of(*(("a.xml", b"<testsuite/>"),) * (n // 40 + 1)),
    "a tar with a header of digits": lambda n: _headed(b"1" * n),
    "a tar with a header of records": lambda n: _headed(b"13 comment=a\n" * n),
    "a tar with a header without records": lambda n: _headed(b"9 " + b"a" * n),
    "a tar with a header of offsets": lambda n: _headed(b"22 GNU.sparse.offset=1\n" * n),
    "a tar with a header of a sparse map": lambda n: _headed(
        b"%d GNU.sparse.map=" % (n * 4 + 24) + b"1,1," * n + b"\n"
    ),
    "a tar with a header for all": lambda n: _headed(b"1" * n, tarfile.XGLTYPE),
    "a tar that leads back": lambda n: _headed(b"%d size=-%d\n" % (8 + len(str(n)) + 2, n)),
    "a tar with a long name": lambda n: _headed(b"a/" * n, tarfile.GNUTYPE_LONGNAME),
}

BY_HAND: dict[str, dict[str, Make]] = {
    "JUNIT_XML": {**_xml("testsuites", "<testsuite><testcase/></testsuite>"), **_ARCHIVES},
    "JACOCO_XML": _xml("report", '<counter type="INSTRUCTION" missed="1" covered="1"/>'),
    "COBERTURA_XML": _xml("coverage", '<package name="a"/>'),
    "OPENAPI_SPEC": _yaml("openapi: 3.0.3"),
    "ASYNCAPI_SPEC": _yaml("asyncapi: 3.0.0"),
    "HELM_CHART": {
        name: (lambda n, make=make: _charted(make(n)))
        for name, make in _yaml("name: a\nversion: 1.0.0").items()
    },
    "GRAPHQL_SPEC": {
        "many types": lambda n: b"".join(b"type T%x { a: B }\n" % each for each in range(n)),
        "many types, the last is wrong": lambda n: b"".join(b"type T%x { a: B }\n" % each for each in range(n))
        + b"type {",
        "one long line": lambda n: b"type A {" + b"a:B " * n + b"} !",
        "a long description": lambda n: b'"""' + b" a\n" * n + b'""" type A { a: B }',
        "a description without end": lambda n: b'"""' + b" a\n" * n,
        "a text of escapes": lambda n: b'"' + b"\\u0041" * n + b'" type A { a: B }',
        "a text without end": lambda n: b'"' + b"a" * n,
        "a long name": lambda n: b"type " + b"a" * n + b" { a: B }",
        "a long number": lambda n: b"type A { a(b: Int = " + b"1" * n + b"): B }",
        "comments": lambda n: b"# a\n" * n + b"type A { a: B }",
        "lists in lists": lambda n: b"type A { a: " + b"[" * n,
        "many directives": lambda n: b"".join(b"directive @d%x on FIELD\n" % each for each in range(n)),
        "commas": lambda n: b"type A {" + b"," * n + b"a: B } !",
    },
    "SYSINTERNALS_SIGCHECK": {
        "many rows": lambda n: b"Path,Verified\n" + b"a,b\n" * n,
        "many rows, the last is short": lambda n: b"Path,Verified\n" + b"a,b\n" * n + b"a\n",
        "many columns": lambda n: b"Path,Verified" + b",a" * n + b"\na\n",
        "a field without end": lambda n: b'Path,Verified\n"' + b'a""\n' * n,
        "a banner without end": lambda n: b"a\n" * n,
        "spaces": lambda n: b" " * n + b"\nPath,Verified\n",
    },
    "SYSINTERNALS_ACCESSCHK": {
        "many lines": lambda n: b"  R x\n" * n,
        "spaces": lambda n: b" " * n + b"x",
        "spaces after an access": lambda n: b" R" + b" \t" * n,
        "digits of a version": lambda n: b"Accesschk v" + b"1." * n,
        "digits of an entry": lambda n: b" [" + b"1" * n,
    },
    "CERTCC_DRANZER": {
        "many lines": lambda n: b"Test Engine Version: $Rev: 1\n" * n,
        "errors without a code": lambda n: b"ERROR - (0x" + b"a(0x" * n,
        "a code without end": lambda n: b"ERROR - (0x" + b"a" * n,
        "errors on one line": lambda n: b"ERROR - " * n,
        "spaces": lambda n: b" \n\t" * n + b"x",
        "versions without a number": lambda n: b"Test Engine Version:" + b" \n" * n,
        "an engine again and again": lambda n: b"Test Engine Version: " * n,
    },
    "RADAMSA_REPORT": {
        "many records": lambda n: b'a: "b", c: 1\n' * n,
        "many pairs": lambda n: b"a: b, " * n + b"a: b",
        "many pairs, the last is wrong": lambda n: b"a: b, " * n + b"!",
        "a text without end": lambda n: b'a: "' + b"\\x" * n,
        "a name without end": lambda n: b"a" * n,
        "a value without end": lambda n: b"a: " + b"a" * n + b'"',
        "a log as gzip": lambda n: packing.gzip.compress(b"a: b\n" * n, 1, mtime=0),
    },
    "RADAMSA_CRASHES": _ARCHIVES,
    "ZAP_DAST_ZIP": {
        **{name: make for name, make in _ARCHIVES.items() if name.startswith("a zip")},
        **{
            f"a report with {name}": (lambda n, make=make: packing.zipped(**{"report_json.json": make(n)}))
            for name, make in _around(b'{"@programName": "ZAP", "@version": "2"}').items()
        },
    },
    "TRUFFLEHOG_JSON": {
        "many lines": lambda n: b'{"DetectorName": "x"}\n' * n,
        "many lines, the last is wrong": lambda n: b'{"DetectorName": "x"}\n' * n + b"{}\n",
        "many names, the last of them twice": lambda n: b"{"
        + b"".join(b'"%x":0,' % each for each in range(n))
        + b'"%x":0}' % (n - 1),
        "empty lines": lambda n: b'{"DetectorName": "x"}\n' + b" \n" * n + b"x",
    },
    "CONTAINER_IMAGE": {
        "a long name": lambda n: b"a/" * n,
        "dashes": lambda n: b"a-" * n + b"!",
        "dots": lambda n: b"a." * n + b":5000",
        "underlines": lambda n: b"a__" * n + b"!",
    },
    "STRING": {"a text that is none": lambda n: b"a" * n + b"\0"},
    "EVIDENCE": {
        "a text without end": lambda n: b'{"id": "' + b"a" * n,
        "many names, the last of them twice": lambda n: b"{"
        + b"".join(b'"%x":0,' % each for each in range(n))
        + b'"%x":0}' % (n - 1),
    },
    "SBOM_SPDX_JSON": {
        f"creators of {name}": (
            lambda n, text=text: json.dumps({
                "SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "name": "n", "dataLicense": "CC0-1.0",
                "documentNamespace": "https://example.com/n", "packages": [],
                "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": [text] * (n // 200 + 1)},
            }).encode()
        )
        for name, text in {
            "dashes": "Tool: " + "-1" * 500 + "\nx", "brackets": "Tool: " + "-[" * 500,
            "spaces": "Tool:" + " " * 1000 + "\n",
        }.items()
    },
}  # fmt: skip
_FILES = [each.name for each in material_types.MATERIALS if each.reader]
TYPES = tuple(name for name in _FILES if any(True for _ in of_type(name)))
