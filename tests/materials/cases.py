"""What a file of each type must bring: the shape of the table of cases."""

import json
from dataclasses import dataclass, field
from typing import Any

P = "chainloop.material."


@dataclass(frozen=True)
class Good:
    """A file that is what it claims: what is read out of it, what it is detected as, if not its type, what is noted."""

    file: str
    content: bytes
    annotations: dict[str, str] = field(default_factory=dict)
    detected: str | None = None
    noted: str = ""


@dataclass(frozen=True)
class Bad:
    """A file that is not, and words of the refusal."""

    file: str
    content: bytes
    said: str


def j(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def tool(name: str, version: str = "", listed: bool = True) -> dict[str, str]:
    found = {f"{P}tool.name": name}
    if version:
        found[f"{P}tool.version"] = version
    if listed:
        found[f"{P}tools"] = json.dumps([f"{name}@{version}" if version else name], separators=(",", ":"))
    return found


def hostile_json(good: bytes) -> list[Bad]:
    """What no JSON reader may take, made of a good file."""
    text = good.strip()
    start = text[:1] + b'"again": 1, "again": 2, ' if text[:1] == b"{" else b'[{"again": 1, "again": 2}, '
    return [
        Bad("bad-truncated.json", text[: len(text) // 2], "not JSON"),
        Bad("bad-name-twice.json", start + text[1:], "is in one object twice"),
        Bad("bad-deep.json", b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        Bad(
            "bad-surrogate.json",
            text[:1] + b'"\\ud800"' + (b": 1, " if text[:1] == b"{" else b", ") + text[1:],
            "surrogate",
        ),
        Bad("bad-not-utf8.json", text[:-1] + b'\xff"', "not JSON in UTF-8"),
    ]


def hostile_xml(root: str) -> list[Bad]:
    """What no XML reader may take."""
    bomb = f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><{root}>&b;</{root}>'
    outside = f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY x SYSTEM "file:///etc/passwd">]><{root}>&x;</{root}>'
    defaults = f'<?xml version="1.0"?><!DOCTYPE {root} [<!ATTLIST {root} a CDATA "{"a" * 99}">]><{root}/>'
    return [
        Bad("bad-bomb.xml", bomb.encode(), "never expanded"),
        Bad("bad-outside.xml", outside.encode(), "never expanded"),
        Bad("bad-defaults.xml", defaults.encode(), "never expanded"),
        Bad("bad-deep.xml", f"<{root}>".encode() * 300, "nested too deeply"),
        Bad("bad-open.xml", f"<{root}>".encode(), "not XML"),
        Bad("bad-nul.xml", f"<{root}>\0</{root}>".encode(), "not XML"),
    ]
