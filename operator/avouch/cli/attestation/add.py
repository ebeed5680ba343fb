"""`avouch attestation add`: a material enters the attestation, and its bytes go where the run stores them."""

import time
from typing import Any

import click

from avouch import errors
from avouch.attestation import materials
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, gathering, ports, progress
from avouch.crafting import adding, state
from avouch.materials import types

_KINDS = tuple(kind.name for kind in types.MATERIALS)


@click.command(cls=common.Command)
@click.option("--name", default="", metavar="NAME", help="Its name in the contract; any other makes it contract-free.")
@click.option("--value", required=True, metavar="FILE|TEXT|IMAGE|URL", help="The material.")
@click.option(
    "--kind", type=click.Choice(_KINDS, case_sensitive=False), metavar="TYPE", help="Its type; else detected."
)
@common.annotations
@click.option("--strict", is_flag=True, help="Check it against the official schemas here too, as the server will.")
@click.option("--registry-server", default="", envvar="AVOUCH_REGISTRY_SERVER", metavar="HOST", help="Of an image.")
@click.option("--registry-username", default="", envvar="AVOUCH_REGISTRY_USERNAME", metavar="TEXT", help="For it.")
@click.option("--registry-password", default="", envvar="AVOUCH_REGISTRY_PASSWORD", metavar="TEXT", help="For it.")
@click.option(
    "--max-extract-entries", "entries", type=click.IntRange(1, 10_000), default=10_000, show_default=True, metavar="N",
    help="Most files of an archive.",
)  # fmt: skip
@click.option(
    "--max-extract-size", "size", type=click.IntRange(1, 1024**3), default=256 * 1024**2, show_default=True,
    metavar="BYTES", help="Most bytes of an archive's files.",
)  # fmt: skip
@common.where
@options.output("table", "json", "yaml")
@session.given
def add(started: session.Session, /, **said: Any) -> int:
    """Add a material.

    A name of the contract takes the contract's type and rules. Without --kind, any other is recognised by its content.
    SBOMs and SARIF logs may come in a zip or tar: each file becomes a material.
    """
    place = common.Place(said["path"], said["identity"])
    world: ports.Adapters = started.world.attesting(started.options)
    keeper = common.keeper(world, place)
    before = keeper.load()
    notes = adding.pairs(said["notes"])
    asked = adding.asked(before, said["name"], (said["kind"] or "").upper(), time.time_ns())
    watch = progress.watch(started)
    found = gathering.gather(started, world, _wanted(said, asked), _taken(before, asked), watch)
    _preview(before, asked, found, notes)
    _send(world, before, asked, found, watch)
    told: list[str] = []

    def step(now: state.State) -> state.State:
        if now.run.id != before.run.id:
            raise errors.Conflict("another attestation was begun meanwhile (fix: add the material again)")
        told.clear()
        for each in found:
            change = adding.add(now, _named(now, asked, each), each.gathered, notes)
            now = change.state
            told.extend((*change.notes, *each.notes))
        return now

    after = keeper.change(step)
    common.note(started, *told)
    _tell(after, found, said["form"])
    return failures.OK


def _wanted(said: dict[str, Any], asked: adding.Asked) -> gathering.Wanted:
    login = ports.Login(said["registry_server"], said["registry_username"], said["registry_password"])
    return gathering.Wanted(
        asked.name, asked.type, said["value"], said["strict"], said["entries"], said["size"], login
    )  # fmt: skip


def _taken(before: state.State, asked: adding.Asked) -> frozenset[str]:
    names = {each.name for each in before.run.plan.materials} | {each.name for each in before.materials}
    return frozenset(names - {asked.name})


def _named(now: state.State, asked: adding.Asked, found: gathering.Found) -> adding.Asked:
    """Only the first part of an archive fills the contract's line; the others are contract-free."""
    return asked if found.name == asked.name else adding.asked(now, found.name, found.gathered.type, 0)


def _preview(
    before: state.State, asked: adding.Asked, found: tuple[gathering.Found, ...], notes: dict[str, str]
) -> None:
    """What the contract refuses is refused before anything is uploaded."""
    now = before
    for each in found:
        now = adding.add(now, _named(now, asked, each), each.gathered, notes).state


def _send(
    world: ports.Adapters, before: state.State, asked: adding.Asked, found: tuple[gathering.Found, ...], watch: Any
) -> None:
    for each in found:
        size = each.gathered.size or 0
        where = adding.storage(before, _named(before, asked, each), each.gathered.type, size)
        if where == "uploaded" and each.source is not None:
            with watch(f"uploading {each.name}", size) as progress:
                common.server_of(world, before).upload(before.run.id, each.source, progress)


def _tell(after: state.State, found: tuple[gathering.Found, ...], form: str) -> None:
    added = [material for each in found if (material := after.of(each.name)) is not None]
    if form != "table":
        output.document(form, [_as_json(each) for each in added])
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


def _as_json(added: materials.Material) -> dict[str, Any]:
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
