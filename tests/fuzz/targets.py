"""What is fuzzed, its seeds, and what must hold: an answer or an AvouchError, soon, and the same twice."""

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avouch import errors
from avouch.attestation import bundle, dsse, predicate, statement, strictjson
from avouch.client import problems
from avouch.contract import lint, reading, revisions
from avouch.contract.text import files, nodes
from avouch.crafting import run as crafting_run
from avouch.crafting import state as crafted
from avouch.materials import detection, unpacking, validation
from avouch.materials import types as material_types
from avouch.materials.readers import archives
from avouch.policy import documents
from tests.corpus import table as corpus
from tests.crafting import builders
from tests.materials import table

ASSETS = Path(__file__).parents[1] / "assets"
FOUND = ASSETS / "fuzz"  # inputs that once broke an invariant: <target>--<what it was>
LONGEST = 64 * 1024  # bytes of an input
SOON = 5.0  # seconds of CPU for one of them, instrumented
_BOUNDS = archives.Bounds(100, 1024 * 1024)

Takes = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """Functions that an input is shown to: its first byte says to which."""

    name: str
    takes: tuple[tuple[str, Takes], ...]
    seeds: tuple[tuple[str, bytes], ...]

    def inputs(self) -> Iterator[bytes]:
        """The seeds, each with the first byte for the function that it is meant for."""
        names = [name for name, _ in self.takes]
        return (bytes([names.index(name)]) + content for name, content in self.seeds if len(content) < LONGEST)

    def check(self, data: bytes) -> None:
        """Hold an input against the invariants.

        Raises:
            AssertionError: it took too long, or two readings differ.
        """
        if not data:
            return
        takes = self.takes[data[0] % len(self.takes)][1]
        start = time.process_time()
        first = outcome(takes, data[1:])
        took = time.process_time() - start
        assert took < SOON, f"took {took:.1f} s"
        assert outcome(takes, data[1:]) == first, "two readings differ"


def outcome(takes: Takes, content: bytes) -> object:
    """What is returned, or the family and words of the AvouchError that is raised. Others pass through."""
    try:
        return takes(content)
    except errors.AvouchError as exc:
        return type(exc).__name__, str(exc)


def _read(name: str, content: bytes) -> object:
    """In full and quickly: what is good in full is good quickly, and says the same but for what schemas forgive."""
    full, quick = validation.read(name, content), validation.sniff(name, content)
    assert full.flaws or quick._replace(notes=full.notes) == full, f"read in full {full}, quickly {quick}"
    return full, quick, outcome(functools.partial(_shown, name), content)


def _shown(name: str, content: bytes) -> object:
    """What policies see: one object of JSON."""
    shown = documents.of_material(name, content)
    assert isinstance(json.loads(shown.decode("utf-8", "replace"), parse_int=str), dict)  # of any length
    return shown


def _explode(content: bytes) -> object:
    return unpacking.exploded("sbom", "SARIF", content, {"sbom-1"}, _BOUNDS)


def _bundle(content: bytes) -> object:
    found = bundle.parse(content)
    assert bundle.parse(bundle.to_bytes(found)) == found
    return found


def _envelope(content: bytes) -> object:
    found = dsse.parse(content)
    assert dsse.parse(dsse.to_bytes(found)) == found
    return found


def _statement(content: bytes) -> object:
    found = statement.parse(content)
    assert statement.parse(statement.to_bytes(found)) == found
    return found


def _predicate(content: bytes) -> object:
    return predicate.read(statement.parse(content))


def _strict(content: bytes) -> object:
    found = strictjson.loads(content, max_bytes=LONGEST)
    # Numbers beyond what JSON's readers agree on are read, and refused when something is to be signed.
    with contextlib.suppress(errors.AvouchError):
        written = strictjson.dumps(found)
        assert strictjson.dumps(strictjson.loads(written, max_bytes=10 * LONGEST)) == written
    return repr(found)


def _revision(content: bytes) -> object:
    """A contract from a file, by the way that it takes to a recorded revision and back."""
    for document in files.read(content).documents:
        manifest = nodes.plain(document)
        if isinstance(manifest, dict):
            form = revisions.canonical(reading.read(manifest))
            assert revisions.canonical(revisions.restore(form)) == form
    return None


def _state(content: bytes) -> object:
    found = crafted.read(content)
    assert crafted.read(crafted.write(found)) == found
    return found


def _run(content: bytes) -> object:
    found = crafting_run.read(strictjson.loads(content, max_bytes=LONGEST))
    assert crafting_run.read(crafting_run.write(found)) == found
    return found


def _problem(content: bytes) -> object:
    return str(problems.error(problems.read(422, content, content[:40].decode("latin-1"))))


def _files(name: str) -> Iterator[bytes]:
    yield from (case.content for kind, case in (*table.good(), *table.bad()) if kind == name)
    yield from (one.content() for one in corpus.REPORTS if one.type == name)


def _readers() -> Iterator[Target]:
    """One target for each module of readers."""
    modules = dict.fromkeys(kind.reader.partition(".")[0] for kind in material_types.MATERIALS if kind.reader)
    for module in modules:
        kinds = [kind.name for kind in material_types.MATERIALS if kind.reader.startswith(f"{module}.")]
        seeds = tuple((name, content) for name in kinds for content in _files(name))
        yield Target(module, tuple((name, functools.partial(_read, name)) for name in kinds), seeds)


def _attestation() -> Target:
    folder = ASSETS / "chainloop-run"
    found, said = (folder / "bundle.json").read_bytes(), (folder / "statement.json").read_bytes()
    envelope = dsse.to_bytes(bundle.parse(found).envelope)
    takes = (
        ("bundle", _bundle), ("envelope", _envelope), ("statement", _statement), ("predicate", _predicate),
        ("json", _strict),
    )  # fmt: skip
    payload = bundle.parse(found).envelope.payload
    seeds = (("bundle", found), ("envelope", envelope), ("statement", payload), ("predicate", payload), ("json", said))
    return Target("attestation", takes, seeds)


def _contract() -> Target:
    takes = (("lint", lint.lint), ("revision", _revision), ("recorded", revisions.restore))
    written = [path.read_bytes() for path in sorted((ASSETS / "seed").iterdir())]
    manifest = nodes.plain(files.read((ASSETS / "seed" / "contract.yaml").read_bytes()).documents[0])
    recorded = revisions.canonical(reading.read(manifest))
    seeds = tuple((name, content) for content in written for name in ("lint", "revision"))
    return Target("contract", takes, (*seeds, ("recorded", recorded)))


def _crafting() -> Target:
    """What the command line reads from its disk and from a server that it does not know yet."""
    begun = builders.begun(builders.real_contract(), commit=builders.head(), env={"A": "1"})
    takes = (("state", _state), ("run", _run), ("problem", _problem))
    run, problem = json.dumps(crafting_run.write(begun.run)).encode(), b'{"title": "no", "step": "9 signature"}'
    return Target("crafting", takes, (("state", crafted.write(begun)), ("run", run), ("problem", problem)))


@functools.cache
def all_targets() -> tuple[Target, ...]:
    """Each target once."""
    archives_ = [content for name in ("JUNIT_XML", "ZAP_DAST_ZIP", "HELM_CHART") for content in _files(name)]
    small = [case.content for _, case in table.good() if case.content]
    return (
        *_readers(),
        Target("detection", (("file", detection.file),), tuple(("file", content) for content in small)),
        Target("explosion", (("archive", _explode),), tuple(("archive", content) for content in archives_)),
        _attestation(),
        _contract(),
        _crafting(),
    )


def kept() -> Iterator[tuple[Target, Path]]:
    """Inputs that once broke an invariant, with their targets."""
    known = {target.name: target for target in all_targets()}
    for path in sorted(FOUND.glob("*--*")):
        yield known[path.name.partition("--")[0]], path
