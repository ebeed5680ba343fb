"""Policies from files, and the materials that are judged on one's own machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.cli import declared, inspection, session, sources
from avouch.contract import lint, references
from avouch.contract.text import files, nodes
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.policy import places, rego, scripts
from avouch.values import dataclass

TYPES = [one.name for one in material_types.MATERIALS]
_LITERAL = re.compile(r"\|[-+0-9]*\s*(?:#.*)?$")  # how YAML begins a text whose lines are those of the file
_STEP = re.compile(r"([A-Za-z_]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Placed:
    """A script, and where its text begins in a file. `alone`: the file is the script."""

    source: sources.Source
    script: scripts.Script
    place: nodes.Place
    alone: bool = False

    def problem(self, flaw: rego.Flaw, severity: lint.Severity) -> declared.Found:
        """A flaw with its line in the file; where the text is written in another way, with that of the script."""
        if self.alone:
            found = lint.Problem(max(flaw.line, 1), max(flaw.column, 1), "", flaw.message, "", severity)
            return declared.Found(self.source.name, found)
        lines = self.source.content.decode("utf-8", "replace").splitlines()
        number = self.place.line + flaw.line
        if flaw.line and number <= len(lines) and _LITERAL.search(lines[self.place.line - 1]):
            there = lines[number - 1]
            place = nodes.Place(number, flaw.column + _indent(there) - _indent(flaw.text))
            message = flaw.message
        else:
            place, message = self.place, f"in its line {flaw}" if flaw.line else flaw.message
        found = lint.Problem(place.line, place.column, self.script.place, message, "", severity)
        return declared.Found(self.source.name, found)


def one(started: session.Session, file: str) -> kind.Policy:
    """The one policy that a file declares, with every script in it.

    Raises:
        errors.Invalid: it declares something else, or more, or a script of it is none.
        errors.NotFound, errors.Unavailable: a script cannot be read.
    """
    read = list(sources.read(started, [file]))
    declared.manifests(read)  # refuses what is wrong with it, and says so
    found = among(read)
    if len(found) != 1:
        fix = "write each policy into a file of its own"
        raise errors.Invalid(f"{file} declares {len(found)} policies, not one", field="--policy", fix=fix)
    return places.whole(found[0], _place_of(read[0]), lambda reference: content(started, reference))


def among(read: Sequence[sources.Source]) -> list[kind.Policy]:
    """Every policy that files declare."""
    manifests = [
        each for each in declared.documents(read) if isinstance(each, Mapping) and each.get("kind") == "Policy"
    ]
    return [kind.Policy.model_validate({**each, "apiVersion": "chainloop.dev/v1"}) for each in manifests]


def scripts_in(source: sources.Source) -> Iterator[Placed]:
    """Every script of the policies of a file."""
    for document in files.read(source.content, source.name).documents:
        said = nodes.plain(document)
        if isinstance(said, dict) and said.get("kind") == "Policy":
            policy = kind.Policy.model_validate({**said, "apiVersion": "chainloop.dev/v1"})
            for script in scripts.of(policy.spec):
                yield Placed(source, script, _place(document, script.place))


def loaded(started: session.Session, placed: Placed) -> Placed | declared.Found:
    """A script with its text, also where that stands elsewhere; or what keeps it from being read."""
    if not placed.script.reference:
        return placed
    try:
        script = places.loaded(placed.script, _place_of(placed.source), lambda named: content(started, named))
        there = references.parted(places.beside(_place_of(placed.source), script.reference))[0]
    except (errors.Invalid, errors.NotFound, errors.Unavailable) as exc:
        at = placed.place
        found = lint.Problem(at.line, at.column, placed.script.place, exc.args[0], getattr(exc, "fix", ""))
        return declared.Found(placed.source.name, found)
    own = sources.Source(there.removeprefix(places.FILE), script.embedded.encode())
    return Placed(own, replace(script, reference=""), nodes.Place(), alone=True)


def _place_of(source: sources.Source) -> str:
    """From where the scripts of a policy are looked for: its file or URL, or the working directory."""
    if source.name.startswith(places.WEB):
        return source.name
    return places.FILE if source.name == sources.PIPED else f"{places.FILE}{PurePath(source.name).as_posix()}"


def content(started: session.Session, reference: str) -> bytes:
    """What a reference leads to: a file of this machine, or a URL.

    Raises:
        errors.Invalid: it is neither; errors.NotFound, errors.Unavailable: it cannot be read.
    """
    bare, _ = references.parted(reference)
    if bare.startswith(places.WEB):
        return started.adapters.download(bare, places.MOST)
    if not bare.startswith(places.FILE):
        raise errors.Invalid(
            f"{bare[:200]} cannot be looked up here", fix="write file://, https:// or the path of a file"
        )
    path = Path(bare.removeprefix(places.FILE))
    if not path.is_file():
        raise errors.NotFound(f"there is no file {path}")
    return sources.file(path, places.MOST).content


def _place(document: nodes.Node, path: str) -> nodes.Place:
    """Of the node of a path, as far as it leads."""
    node = document
    for name, index in _STEP.findall(path):
        if name:
            entry = node.get(name) if isinstance(node, nodes.Table) else None
            node = node if entry is None else entry.node
        elif isinstance(node, nodes.Sequence):
            node = node.items[int(index)]
    return node.place


def detected(path: str) -> str:
    """The type of a file.

    Raises:
        errors.Invalid: it has none that can be told.
    """
    for finding in inspection.inspected(path, ""):
        if finding.type:
            return finding.type
    raise errors.Invalid(f"{path}: its type cannot be told", field="--kind", fix="say --kind")


def accept(material_type: str, path: str, content: bytes, field: str = "--material") -> None:
    """Hold a file to its type, as `attestation add` does: what is of another type would pass most policies.

    Raises:
        errors.Invalid: it is not of its type, and nothing would be judged by it.
    """
    for flaw in validation.sniff(material_type, content).flaws:
        raise errors.Invalid(f"{path} is no {material_type}: {flaw.message}", field=field, fix=flaw.fix)


def known(material_type: str, path: str, content: bytes | None) -> Mapping[str, Any]:
    """What scripts see of a material as chainloop_metadata, as far as it can be told from outside of a run."""
    name = PurePath(path).name or "material"
    annotations = {"chainloop.material.name": name.partition(".")[0], "chainloop.material.type": material_type}
    digest = {} if content is None else {"digest": {"sha256": digests.of_bytes(content).hex}}
    return {"name": name, **digest, "annotations": annotations}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
