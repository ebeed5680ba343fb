"""From files to what goes to the cluster: Chainloop's are checked and converted, our own kinds pass as they are.

All files are read before anything is sent: one error anywhere, and nothing goes out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from avouch import errors
from avouch.api import contract as contract_kind
from avouch.api import meta
from avouch.cli import failures, output, session, sources
from avouch.contract import legacy, lint, reading, scalars, upstream
from avouch.contract.text import files, nodes

Manifest = dict[str, Any]
_COMMENT = re.compile(rb"(?:^|\s)#", re.M)


@dataclass(frozen=True, slots=True)
class Naming:
    """What the user says of a contract beside its file; the legacy form has no place for either."""

    name: str = ""
    description: str = ""


_UNNAMED = Naming()


@dataclass(frozen=True, slots=True)
class Found:
    """A problem of a file."""

    file: str
    problem: lint.Problem

    def __str__(self) -> str:
        return f"{self.file}:{self.problem}"

    @property
    def fatal(self) -> bool:
        """Whether it keeps the file from being used."""
        return self.problem.severity is lint.Severity.ERROR

    def as_json(self) -> dict[str, Any]:
        """The problem as JSON holds it."""
        problem = self.problem
        return {
            "file": self.file,
            "line": problem.line,
            "column": problem.column,
            "severity": str(problem.severity),
            "field": problem.field,
            "message": problem.message,
            "fix": problem.fix,
        }


def linted(source: sources.Source, *, among_others: bool = False) -> list[Found]:
    """All problems of a file; `among_others`: but for those of objects of other kinds."""
    found = lint.lint(source.content, source.name, among_others=among_others)
    return [Found(source.name, problem) for problem in found]


def manifests(
    found: Iterable[sources.Source], naming: Naming = _UNNAMED, *, among_others: bool = False
) -> list[Manifest]:
    """What the files declare, as Kubernetes accepts it; problems are printed on stderr, except those corrected here.

    Objects of other kinds, such as Pipelines, are refused, or given as they are if it may be `among_others`.

    Raises:
        Invalid: a file has errors.
    """
    read = list(found)
    problems = [problem for source in read for problem in linted(source, among_others=among_others)]
    for each in problems:
        if not each.problem.mended:
            click.echo(output.harmless(str(each)), err=True)
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        count = f"{len(fatal)} error{'s' if len(fatal) > 1 else ''}"
        raise errors.Invalid(f"{count} in {len({each.file for each in fatal})} of {len(read)} files; nothing was done")
    return list(_named(read, naming))


def contract(started: session.Session, file: str, naming: Naming = _UNNAMED, *, fallback: str = "") -> Manifest:
    """The one Contract that a file declares.

    Args:
        started: the session.
        file: path, URL, or - for standard input.
        naming: what the user says of the contract.
        fallback: its name, where it is of the legacy form and the user says none.

    Raises:
        Invalid: it declares something else, or more.
    """
    read = list(sources.read(started, [file]))
    if fallback and any(isinstance(each, Mapping) and legacy.is_legacy(each) for each in documents(read)):
        naming = Naming(naming.name or fallback, naming.description)
    found = manifests(read, naming)
    if [each.get("kind") for each in found] != [contract_kind.KIND.name]:
        kinds = ", ".join(str(each.get("kind")) for each in found)
        raise errors.Invalid(f"{file} declares {kinds}, not one Contract", fix="apply it with avouch apply -f")
    return found[0]


def documents(found: Iterable[sources.Source]) -> list[Any]:
    """The documents of files, as far as they can be read."""
    return [
        nodes.plain(scalars.read(tree).document)
        for source in found
        for tree in files.read(source.content, source.name).documents
    ]


def warn_of_comments(started: session.Session, found: Iterable[sources.Source]) -> None:
    """Print which files lose their comments by being rewritten."""
    for source in found:
        if not source.content.lstrip().startswith(b"{") and _COMMENT.search(source.content):
            failures.show(started, f"comments of {source.name} are not carried over", kind="note")


def described(manifest: Manifest, description: str) -> Manifest:
    """The object with Chainloop's description, where Kubernetes has room for it."""
    if not description:
        return manifest
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), legacy.DESCRIPTION: description}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _named(read: Iterable[sources.Source], naming: Naming) -> Iterator[Manifest]:
    found = [(source, document) for source in read for document in documents([source])]
    if len(found) > 1 and (naming.name or naming.description):
        fix = "give one document at a time"
        raise errors.Invalid(f"--name and --description fit one contract, here are {len(found)}", fix=fix)
    for wrong in reading.name_problems(naming.name, "--name") if naming.name else ():
        raise errors.Invalid(f"{naming.name[:80]!r} {wrong.message}", field=wrong.line, fix=wrong.fix)
    for source, document in found:
        try:
            yield _manifest(document, naming)
        except errors.Invalid as exc:
            raise errors.Invalid(f"{source.name}: {exc.args[0]}", field=exc.field, fix=_fix(exc, document)) from exc


def _manifest(document: Mapping[str, Any], naming: Naming) -> Manifest:
    if is_ours(document) or upstream.is_of_others(document):  # those of others were refused, where they may not be
        return dict(document)
    return described(upstream.to_object(document, naming.name), naming.description)


def is_ours(document: Any) -> bool:
    """Whether its kind is of avouch's own API group, which the API server validates."""
    group = document.get("apiVersion") if isinstance(document, Mapping) else None
    return isinstance(group, str) and group.startswith(f"{meta.GROUP}/")


def _fix(exc: errors.Invalid, document: Mapping[str, Any]) -> str:
    return "say --name" if legacy.is_legacy(document) and exc.field == "metadata.name" else exc.fix
