"""`avouch contract create`, `update` and `describe`: contracts in the cluster."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from avouch import errors
from avouch.api import contract as kind
from avouch.cli import declared, objects, options, output, session, sources, yamls
from avouch.contract import diff, legacy, reading, revisions, upstream, writing

RESOURCE = f"{kind.KIND.plural}.{kind.KIND.group}"
_WORKFLOWS = "workflows.avouch.dev"
_DESCRIPTION = click.option("--description", default="", help="What the contract is for.")


@click.command(cls=options.Command)
@objects.named("contract", needed=False)
@sources.one
@_DESCRIPTION
@options.dry_run
@options.output()
@session.given
def create(started: session.Session, name: str, file: str | None, description: str, **how: str) -> None:
    """Create a Contract.

    Without a file it asks for nothing. The file may be of any form that avouch apply reads; one of the legacy form
    needs a name.
    """
    if not (name or file):
        raise click.UsageError("name is required when no file is provided")
    wanted = (
        declared.contract(started, file, declared.Naming(name, description))
        if file
        else declared.described(_empty(name), description)
    )
    objects.create(started, [wanted], how["dry_run"], how["form"])


@click.command(cls=options.Command)
@objects.named("contract")
@sources.one
@_DESCRIPTION
@options.dry_run
@options.output()
@session.given
def update(started: session.Session, name: str, file: str | None, description: str, **how: str) -> None:
    """Change a Contract.

    The file replaces what the contract says; labels and other tools' annotations stay. A revision is recorded where the
    meaning changes. Fails where somebody else changed the contract in between.
    """
    if not (file or description):
        raise click.UsageError("no updates provided: say -f FILE or --description TEXT")
    before = started.cluster.get(RESOURCE, name)
    wanted = (
        declared.contract(started, file, declared.Naming(name, description))
        if file
        else declared.described(before, description)
    )
    objects.replace(started, before, _merged(before, wanted), how["dry_run"], how["form"])


@click.command(cls=options.Command)
@objects.named("contract")
@click.option("--revision", type=click.IntRange(min=1), help="Show this revision instead of the newest.")
@click.option("--diff", "between", type=click.IntRange(min=1), nargs=2, metavar="A B", help="What changed from A to B.")
@options.output("table", "json", "yaml")
@session.given
def describe(
    started: session.Session, name: str, revision: int | None, between: tuple[int, int] | None, form: str
) -> None:
    """Show a Contract, or one of its revisions."""
    found = started.cluster.get(RESOURCE, name)
    if between:
        before, after = (_revision(started, found, number) for number in between)
        _tell_changes(diff.changes(before, after), form)
    elif revision:
        said = writing.manifest(revisions.restore(_revision(started, found, revision)))
        output.document("yaml" if form == "table" else form, said)
    elif form == "table":
        output.facts(list(_facts(found, started.cluster.list(_WORKFLOWS))))
        click.echo("\n" + yamls.written(upstream.to_file(found)), nl=False)
    else:
        output.document(form, found)


def _empty(name: str) -> declared.Manifest:
    return {"apiVersion": kind.KIND.api_version, "kind": kind.KIND.name, "metadata": {"name": name}, "spec": {}}


def _merged(before: declared.Manifest, wanted: declared.Manifest) -> declared.Manifest:
    """What the contract says from the file; everything else as it was."""
    metadata, said = before["metadata"], wanted["metadata"]
    old = metadata.get("annotations") or {}
    theirs = {key: value for key, value in old.items() if key not in dict(reading.own_annotations(old))}
    annotations = {**theirs, **(said.get("annotations") or {})}
    labels = {**(metadata.get("labels") or {}), **(said.get("labels") or {})}
    kept = {key: value for key, value in metadata.items() if key not in ("annotations", "labels")}
    more = {key: value for key, value in (("annotations", annotations), ("labels", labels)) if value}
    return {**before, "metadata": {**kept, **more}, "spec": wanted.get("spec") or {}}


def _description(found: declared.Manifest) -> str:
    return str(objects.part(found, "metadata", "annotations").get(legacy.DESCRIPTION, ""))


def _facts(found: declared.Manifest, workflows: list[declared.Manifest]) -> Iterator[tuple[str, str]]:
    name = objects.text(found, "metadata", "name")
    bound = [each for each in workflows if _bound(each) == name]
    yield "Name", name
    yield "Namespace", objects.text(found, "metadata", "namespace")
    yield "Description", _description(found)
    yield "Revision", objects.text(found, "status", "revision")
    yield "Digest", objects.text(found, "status", "digest")
    yield "Source digest", objects.text(found, "status", "sourceDigest")
    yield "Created", objects.text(found, "metadata", "creationTimestamp")
    yield "Workflows", ", ".join(objects.text(each, "metadata", "name") for each in bound) or "none in this namespace"
    yield "Ready", objects.readiness(found)


def _bound(workflow: Mapping[str, Any]) -> str:
    """The contract of this namespace that a Workflow answers to: its own name's where it says none."""
    reference = objects.part(workflow, "spec", "contractRef")
    if reference.get("scope") == "Organization":
        return ""
    return str(reference.get("name") or objects.text(workflow, "metadata", "name"))


def _revision(started: session.Session, found: declared.Manifest, number: int) -> bytes:
    """A revision's canonical form: the newest one from the object itself, others from avouch's records."""
    newest = objects.part(found, "status").get("revision")
    if number == newest and objects.seen(found):
        return revisions.canonical(reading.read(found))
    if isinstance(newest, int) and number > newest:
        fix = f"use a number from 1 to {newest}"
        raise errors.Invalid(f"there is no revision {number}; the newest is {newest}", field="--revision", fix=fix)
    name, namespace = objects.text(found, "metadata", "name"), objects.text(found, "metadata", "namespace")
    return started.world.revisions(started.options).canonical(namespace, name, number)


def _tell_changes(changes: tuple[diff.Change, ...], form: str) -> None:
    if form == "table":
        output.lines([str(change) for change in changes] or ["no difference in meaning"])
        return
    fields = ("what", "field", "before", "after")
    output.document(form, [
        {"kind": str(change.kind), **{name: getattr(change, name) for name in fields}} for change in changes
    ])  # fmt: skip
