"""`avouch attestation add`: a material enters the attestation, and its bytes go where the run stores them."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from avouch import errors
from avouch.attestation import materials
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, gathering, ports, progress
from avouch.crafting import adding, state
from avouch.materials import types

_KINDS = tuple(kind.name for kind in types.MATERIALS)
OPTIONS: options.Declared = (
    (("--strict",), {"is_flag": True, "help": "Check it against the official schemas here too, as the server will."}),
    (
        ("--registry-server",),
        {"default": "", "envvar": "AVOUCH_REGISTRY_SERVER", "metavar": "HOST",
         "help": "Registry of the image, if it needs a login."},
    ),
    (
        ("--registry-username",),
        {"default": "", "envvar": "AVOUCH_REGISTRY_USERNAME", "metavar": "TEXT",
         "help": "User name for --registry-server."},
    ),
    (
        ("--registry-password",),
        {"default": "", "envvar": "AVOUCH_REGISTRY_PASSWORD", "metavar": "TEXT",
         "help": "Password for --registry-server."},
    ),
    (
        ("--max-extract-entries", "entries"),
        {"type": click.IntRange(1, 10_000), "default": 10_000, "show_default": True, "metavar": "N",
         "help": "Limit on the files of an archive."},
    ),
    (
        ("--max-extract-size", "size"),
        {"type": click.IntRange(1, 1024**3), "default": 256 * 1024**2, "show_default": True, "metavar": "BYTES",
         "help": "Limit on the extracted bytes of an archive."},
    ),
)  # fmt: skip


class Order(NamedTuple):
    """One material to add: what the contract makes of it, what the user said of it, its annotations."""

    asked: adding.Asked
    wanted: gathering.Wanted
    annotations: Mapping[str, str]


@click.command(cls=common.Command)
@click.option(
    "--name",
    default="",
    metavar="NAME",
    help="Its name in the contract; any other name adds a material that the contract does not ask for.",
)
@click.option("--value", required=True, metavar="FILE|TEXT|IMAGE|URL", help="The material.")
@click.option(
    "--kind", type=click.Choice(_KINDS, case_sensitive=False), metavar="TYPE", help="Its type; default: detected."
)
@common.annotations
@options.several(OPTIONS)
@common.where
@options.output("table", "json", "yaml")
@session.given
def add(started: session.Session, /, **said: Any) -> int:
    """Add a material.

    A material that the contract names gets the contract's type and rules. The type of any other is --kind, or detected.
    SBOMs and SARIF logs may be in a zip or tar: each file becomes a material.
    """
    place = common.Place(said["path"], said["identity"])
    adapters = common.adapters(started)
    state_store = common.state_store(adapters, place)
    before = state_store.load()
    order = ordered(before, {**said, "spelling": adding.Spelling()}, said["value"], adding.pairs(said["notes"]))
    found = fetch(started, adapters, before, order, progress.watch(started))
    told: tuple[str, ...] = ()

    def step(now: state.State) -> state.State:
        nonlocal told
        if now.run.id != before.run.id:
            raise errors.Conflict("another attestation was started meanwhile (fix: add the material again)")
        change = put(now, order, found)
        told = change.notes
        return change.state

    after = state_store.change(step)
    common.note(started, *told)
    _show(after, found, said["form"])
    return failures.OK


def ordered(before: state.State, said: Mapping[str, Any], value: str, notes: Mapping[str, str]) -> Order:
    """A material as the options describe it.

    Args:
        before: the attestation so far.
        said: the options: `name`, `kind`, those of `OPTIONS`, and their `spelling`.
        value: what is to be added.
        notes: its annotations.

    Raises:
        Invalid: a name or a type that no material can have.
    """
    spelling: adding.Spelling = said["spelling"]
    asked = adding.asked(before, said["name"], (said["kind"] or "").upper(), time.time_ns(), spelling)
    login = ports.Login(said["registry_server"], said["registry_username"], said["registry_password"])
    bounds = said["strict"], said["entries"], said["size"]
    wanted = gathering.Wanted(asked.name, asked.type, value, *bounds, login, spelling.value)
    return Order(asked, wanted, notes)


def fetch(
    started: session.Session, adapters: ports.Adapters, before: state.State, order: Order, watch: progress.Watch
) -> tuple[gathering.Found, ...]:
    """Read a material, hold it against the contract, then upload its bytes.

    Raises:
        AvouchError: it cannot be read, the contract refuses it, or the server does.
    """
    found = gathering.gather(started, adapters, order.wanted, _taken(before, order.asked), watch)
    put(before, order, found)  # what the contract refuses is refused before anything is uploaded
    for each in found:
        size = each.gathered.size or 0
        where = adding.storage(before, _named(before, order.asked, each), each.gathered.type, size)
        if where == "uploaded" and each.source is not None:
            with watch(f"uploading {each.name}", size) as progress:
                common.server_of(adapters, before).upload(before.run.id, each.source, progress)
    return found


def put(now: state.State, order: Order, found: tuple[gathering.Found, ...]) -> adding.Change:
    """The state with the material, or with the parts of the archive that it is.

    Raises:
        Invalid, TooLarge: as `adding.add`.
    """
    told: list[str] = []
    for each in found:
        change = adding.add(now, _named(now, order.asked, each), each.gathered, order.annotations)
        now = change.state
        told.extend((*change.notes, *each.notes))
    return adding.Change(now, tuple(told))


def _taken(before: state.State, asked: adding.Asked) -> frozenset[str]:
    names = {each.name for each in before.run.plan.materials} | {each.name for each in before.materials}
    return frozenset(names - {asked.name})


def _named(now: state.State, asked: adding.Asked, found: gathering.Found) -> adding.Asked:
    """Only the first part of an archive fills the contract's line; the others are contract-free."""
    return asked if found.name == asked.name else adding.asked(now, found.name, found.gathered.type, 0, asked.spelling)


def _show(after: state.State, found: tuple[gathering.Found, ...], form: str) -> None:
    added = [material for each in found if (material := after.of(each.name)) is not None]
    if form != "table":
        output.document(form, [as_json(each) for each in added])
        return
    for each in added:
        output.facts(
            [
                ("Material", each.name),
                ("Type", each.type),
                ("Name", each.resource),
                ("Tag", each.image_tag),
                ("Digest", str(each.digest)),
                ("Size", "" if each.size is None else f"{each.size} bytes"),
                ("Stored", {"uploaded": "in the CAS", "inline": "in the attestation"}.get(each.storage, "no")),
                *((f"Annotation {key}", value) for key, value in sorted(each.annotations.items())),
            ]
        )


def as_json(added: materials.Material) -> dict[str, Any]:
    """A material for programs."""
    return {
        "name": added.name,
        "type": added.type,
        "digest": str(added.digest),
        "value": added.resource or (added.content or b"").decode("utf-8", "replace"),
        "tag": added.image_tag,
        "size": added.size,
        "storage": added.storage,
        "output": added.output,
        "annotations": {**added.extracted, **added.annotations},
    }
