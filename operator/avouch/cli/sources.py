"""What `-f` names: files, folders with all that lies below them, URLs, and - for what is piped in."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from avouch import errors
from avouch.cli import session
from avouch.contract import references
from avouch.contract.text import nodes

F = TypeVar("F", bound=Callable[..., Any])
PIPED = "standard input"
SUFFIXES = (".yaml", ".yml", ".json")
TESTS = tuple(f".test{suffix}" for suffix in SUFFIXES)
_MOST = 2000  # files below a folder: somebody meant another one
_TOTAL = 64 * nodes.LIMIT  # bytes of all files: they are read before anything is done


@dataclass(frozen=True, slots=True)
class Source:
    """One file's bytes; `name` is where they came from, as the user would say it."""

    name: str
    content: bytes


def option(function: F) -> F:
    """The option -f, as often as the user likes, and at least once."""
    return _files("-f", "--filename", required=True)(function)


def policies(function: F) -> F:
    """The same of policies, which Chainloop calls -p and --policy."""
    return _files("-f", "-p", "--filename", "--policy", required=True)(function)


def optional(function: F) -> F:
    """The option -f, as often as the user likes."""
    return _files("-f", "--filename", required=False)(function)


def _files(*flags: str, required: bool) -> Callable[[F], F]:
    return click.option(
        *flags, "files", required=required, multiple=True, type=click.Path(), metavar="FILE|DIR|URL|-",
        help="File, folder (all .yaml, .yml and .json below it), URL, or - for standard input.",
    )  # fmt: skip


def one(function: F) -> F:
    """The option -f of one contract; Chainloop calls it --contract."""
    return click.option(
        "-f", "--filename", "--contract", "file", type=click.Path(), metavar="FILE|URL|-",
        help="File or URL of the contract, or - for standard input.",
    )(function)  # fmt: skip


def is_file(text: str) -> bool:
    """Whether it cannot be the name of an object: a path, a URL, or - for standard input."""
    return text == "-" or "/" in text or text.lower().endswith(SUFFIXES)


def is_tests(name: str) -> bool:
    """Whether a file has tests of a policy, which nothing is declared by."""
    return name.lower().endswith(TESTS)


def read(started: session.Session, names: Sequence[str]) -> Iterator[Source]:
    """Everything that the names lead to, files of a folder in the order of their paths.

    Raises:
        Invalid: a folder without files, or with too many.
        TooLarge: more bytes in all than anybody means.
        OSError: a file that cannot be read.
    """
    left = _TOTAL
    for source in _each(started, names):
        left -= len(source.content)
        if left < 0:
            raise errors.TooLarge(f"more than {_TOTAL} bytes in all", field="--filename", fix="name smaller folders")
        yield source


def _each(started: session.Session, names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        if name == "-":
            yield Source(PIPED, sys.stdin.buffer.read(nodes.LIMIT + 1))
        elif name.lower().startswith(("https://", "http://")):
            yield _downloaded(started, name)
        elif Path(name).is_dir():
            yield from map(file, _below(Path(name)))
        else:
            yield file(Path(name))


def _downloaded(started: session.Session, name: str) -> Source:
    """What a URL leads to, held to the digest behind it, if any."""
    url, at, pin = name.rpartition("@sha256:")
    if not at:
        return Source(name, started.adapters.download(name, nodes.LIMIT))
    found = started.adapters.download(url, nodes.LIMIT)
    references.hold(f"{url}@sha256:{pin}", found)
    return Source(url, found)


def file(path: Path, most: int = nodes.LIMIT) -> Source:
    """One file; of one that has more bytes than `most`, one more. Raises OSError."""
    with path.open("rb") as opened:
        return Source(str(path), opened.read(most + 1))


def _below(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        if path.suffix.lower() in SUFFIXES and not is_tests(path.name) and path.is_file():
            found.append(path)
        if len(found) > _MOST:
            raise errors.Invalid(f"{folder}: more than {_MOST} files", field="--filename", fix="name smaller folders")
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise errors.Invalid(f"{folder}: no {kinds} below it", field="--filename", fix="name another folder, or a file")
    return sorted(found)
