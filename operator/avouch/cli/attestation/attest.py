"""`avouch attest`: open a run, add its materials, sign, push and wait for the verdict, in one process.

It is whole or nothing: whatever fails, the run is ended at once (as failed, or as canceled when interrupted), and the
same command can be run again. All that is wrong with the materials is told in one go. Nothing is kept between two
commands, so there is no state file.
"""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import click

from avouch import errors
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import add, common, init, ports, progress, push, searching, showing
from avouch.crafting import adding, missing, state

_WAY = missing.OneCommand()


class Given(NamedTuple):
    """What the user said of materials: values, types and annotations, each by the material's name."""

    values: Mapping[str, str]
    kinds: Mapping[str, str]
    notes: Mapping[str, Mapping[str, str]]


@click.command(cls=common.Command)
@options.several(init.OPTIONS)
@click.option("-m", "--material", "materials", multiple=True, metavar="NAME=FILE",
              help="Material to add: a file, text, image or URL; as often as needed.")  # fmt: skip
@click.option("--material-annotation", "material_notes", multiple=True, metavar="MATERIAL:NAME=VALUE",
              help="Annotation of a material; as often as needed.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="NAME=TYPE",
              help="Type of a material that the contract does not name; default: detected.")  # fmt: skip
@click.option("--search/--no-search", default=True, show_default=True,
              help="Add files of this folder that are named like a material of the contract.")  # fmt: skip
@options.several(add.OPTIONS)
@common.annotations
@options.several(push.OPTIONS)
@options.output("table", "json", "yaml")
@session.given
def attest(started: session.Session, /, **said: Any) -> int:
    """Attest a run in one command: open it, add materials, sign, push, wait for the verdict.

    \b
    avouch attest --workflow build-and-test --material sbom=sbom.cdx.json --material tests=junit.xml

    The contract says which materials it requires and of which types. A material that is not given is searched for in
    this folder: `tests` is found as tests.xml if its content is of the contract's type. ARTIFACT, and other types that
    any file could have, are never searched for.

    If anything fails, nothing is attested: the run is recorded as failed, and the command can be run again. For a job
    whose evidence comes from several steps, use `avouch attestation init`, `add` and `push`.

    Exits with 1 if something is wrong or missing, with 4 if the Workflow is a gate and the verdict is not Passed, with
    130 if interrupted. Without a gate, a verdict that is not Passed prints a warning and exits with 0.
    """  # noqa: D301  # click reads the backspace
    given, notes = _given(said), adding.pairs(said["notes"])
    asked = init.asked_for(said)
    adapters = common.adapters(started)
    with _terminated_as_interrupted():
        begun = init.begin(started, adapters, asked)
        with init.ended_on_failure(started, adapters, begun):
            crafted = _annotated(started, _gathered(started, adapters, begun, given, said), notes)
            owed = missing.owed(crafted, _WAY)
            if crafted.dry_run:
                return push.rehearse(crafted, owed, adapters, said)
            if owed:
                push.show_owed(owed)
                raise errors.Invalid(f"the attestation is not complete: {len(owed)} owed")
            pushed = push.send(adapters, crafted, said)
    judged = push.judge(started, adapters, crafted, pushed, said)
    _show(crafted, judged, said["form"])
    return push.code_of(started, judged)


def _given(said: Mapping[str, Any]) -> Given:
    """What the options say of materials.

    Raises:
        Invalid: an option of another form, a material given twice, or words about one that is not given.
    """
    values = adding.pairs(said["materials"], "--material", "NAME=FILE")
    if len(values) < len(said["materials"]):
        raise errors.Invalid("a material is given twice", field="--material", fix="give each name once")
    notes: dict[str, dict[str, str]] = {}
    for text in said["material_notes"]:
        material, colon, rest = text.partition(":")
        if not colon:
            fix = "write MATERIAL:NAME=VALUE"
            raise errors.Invalid(f"{text[:80]!r} names no material", field="--material-annotation", fix=fix)
        notes.setdefault(material, {}).update(adding.pairs((rest,), "--material-annotation"))
    return Given(values, adding.pairs(said["kinds"], "--kind", "NAME=TYPE"), notes)


def _gathered(
    started: session.Session, adapters: ports.Adapters, begun: state.State, given: Given, said: Mapping[str, Any]
) -> state.State:
    """The state with all materials.

    Raises:
        Invalid: one of them cannot be added; each that cannot was told.
    """
    values, failed = {**_searched(started, begun, given, said), **given.values}, []
    _check_names(values, given)
    common.note(started, *_misspelt(begun, given))
    now, watch = begun, progress.watch(started)
    for name, value in values.items():
        spelling = adding.Spelling("--material", f"--material {name}", f"--material-annotation {name}:")
        one = {**said, "name": name, "kind": given.kinds.get(name, ""), "spelling": spelling}
        try:
            order = add.ordered(now, one, value, given.notes.get(name, {}))
            change = add.put(now, order, add.fetch(started, adapters, now, order, watch))
        except errors.AvouchError as exc:
            failures.explain(started, exc)
            failed.append(name)
            continue
        common.note(started, *change.notes)
        now = change.state
    if failed:
        raise errors.Invalid(f"nothing was attested: {len(failed)} of {len(values)} failed: {', '.join(failed)}")
    return now


def _searched(started: session.Session, begun: state.State, given: Given, said: Mapping[str, Any]) -> dict[str, str]:
    """Files of this folder that are named like a material of the contract which was not given."""
    found: dict[str, str] = {}
    wanted = [each for each in begun.run.plan.materials if said["search"] and each.name not in given.values]
    for planned in wanted:
        hit = searching.search(planned, Path.cwd())
        common.note(started, *hit.notes)
        if hit.path is not None:
            common.note(started, f"{hit.path.name} is added as {planned.name}")
            found[planned.name] = str(hit.path)
    return found


def _check_names(values: Mapping[str, str], given: Given) -> None:
    """A name that is misspelt must not be dropped in silence."""
    for option, names in (("--kind", given.kinds), ("--material-annotation", given.notes)):
        unknown = sorted(set(names) - set(values))
        if unknown:
            fix = f"add --material {unknown[0]}=FILE"
            raise errors.Invalid(f"there is no material {', '.join(unknown)}", field=option, fix=fix)


def _misspelt(begun: state.State, given: Given) -> list[str]:
    """Names that the contract does not know, each with the nearest of its materials: best one that it does not get.

    A contract that names no material at all takes any.
    """
    planned = [each.name for each in begun.run.plan.materials]
    beside = [name for name in given.values if name not in planned]
    if not (planned and beside):
        return []
    import difflib  # lazy: 3 ms, for materials that the contract does not name

    def nearest(name: str) -> str:
        missing = [each for each in planned if each not in given.values]
        alike = difflib.get_close_matches(name, missing, 1)
        if alike:
            return f"did you mean {alike[0]}?"
        return f"the nearest that it has is {difflib.get_close_matches(name, planned, 1, cutoff=0.0)[0]}"

    return [f"the contract has no material {name}; {nearest(name)}" for name in beside]


def _annotated(started: session.Session, now: state.State, notes: Mapping[str, str]) -> state.State:
    change = adding.annotate(now, notes)
    common.note(started, *change.notes)
    return change.state


def _show(crafted: state.State, judged: push.Pushed, form: str) -> None:
    if form == "table":
        push.show(judged)
        showing.show_materials(crafted, _WAY)
    else:
        materials = [add.as_json(each) for each in crafted.materials]
        output.document(form, {**push.as_json(judged), "materials": materials})


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """CI systems end a canceled job with SIGTERM: it ends the run like an interrupt does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
