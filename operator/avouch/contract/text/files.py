"""Parses the bytes of a file of contracts: as JSON if they are JSON, else as YAML."""

import re

from avouch.contract.text import jsontext, nodes, yamltext

_CUE = re.compile(r"^(?:package\s+[a-z]\w*\s*$|import\s+[\"(]|\s*//|#[A-Z]\w*:|\w+:\s*#[A-Z])", re.M | re.A)
_REGO = re.compile(
    r"^(?:import rego\.v1\b|default \w+ :?= |\w+ contains .* if\b|(?:violations|deny)\b.*\{\s*$)", re.M | re.A
)
_NO_REGO = "this is a script in Rego, not the Policy that it belongs to"
_PLACE = "name it in a Policy: spec.policies: [{kind: TYPE, path: FILE}], beside it"
_NO_CUE = "CUE contract format is no longer supported; use JSON or YAML"
_EXPORT = "cue export --out yaml FILE > contract.yaml"


def read(content: bytes, name: str = "") -> nodes.Text:
    """All documents of a file.

    Args:
        content: its bytes.
        name: its name, where it has one; `.cue` and `.rego` are refused by it.
    """
    if name.lower().endswith(".cue"):
        return _refused(_NO_CUE, _EXPORT)
    if name.lower().endswith(".rego"):
        return _refused(_NO_REGO, _PLACE)
    if len(content) > nodes.LIMIT:
        return _refused(f"{len(content)} bytes, more than {nodes.LIMIT}", "split it into several files")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        column = exc.start - (content.rfind(b"\n", 0, exc.start) + 1) + 1
        return nodes.Text((), (nodes.Flaw(nodes.Place(line, column), "not UTF-8", "save the file as UTF-8"),))
    return _text(text)


def _text(text: str) -> nodes.Text:
    as_json = jsontext.read(text) if text.lstrip()[:1] in ("{", "[") else None
    if as_json is not None and as_json.documents:
        return as_json
    as_yaml = yamltext.read(text)
    declares = any(isinstance(each, nodes.Table) for each in as_yaml.documents) or "apiVersion" in text
    if not declares and _REGO.search(text):
        return _refused(_NO_REGO, _PLACE)
    if not as_yaml.flaws:
        return as_yaml
    place = as_yaml.flaws[-1].place
    if _CUE.search(text):
        return nodes.Text((), (nodes.Flaw(place, _NO_CUE, _EXPORT),))
    if as_json is not None and as_json.flaws[-1].place > as_yaml.flaws[-1].place:
        return as_json  # the reader that came further gives the better error
    return as_yaml


def _refused(message: str, fix: str) -> nodes.Text:
    return nodes.Text((), (nodes.Flaw(nodes.Place(), message, fix),))
