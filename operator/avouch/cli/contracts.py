"""`avouch contract create`, `update`, `describe` and `diff`: contracts in the cluster."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from avouch import digests, errors
from avouch.api import contract as contract_kind
from avouch.cli import declared, failures, objects, options, output, session, sources
from avouch.contract import diff, legacy, model, reading, revisions, upstream, writing

RESOURCE = f"{contract_kind.KIND.plural}.{contract_kind.KIND.group}"
_WORKFLOWS = "workflows.avouch.dev"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REVISIONS = "contractrevisions.runs.avouch.dev"
_UNNAMED = "file-without-a-name"  # for a file of the legacy form, which has no place for one
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

    Without a file the Contract requires nothing. The file may have any form that avouch apply reads; the legacy form
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

    The file replaces the spec; labels and other tools' annotations stay. A new revision is recorded if the meaning
    changes. Fails if the Contract was changed by others in between.
    """
    if not (file or description):
        raise click.UsageError("no updates provided: give -f FILE or --description TEXT")
    before = started.cluster.get(RESOURCE, name)
    wanted = (
        declared.contract(started, file, declared.Naming(name, description))
        if file
        else declared.described(before, description)
    )
    after = _merged(before, wanted)
    if file and after != before:
        after = _remembered(after, wanted)
    objects.change(started, before, after, how["dry_run"], how["form"])


@click.command(cls=options.Command)
@objects.named("contract")
@click.option("--revision", type=click.IntRange(min=1), help="Show this revision instead of the newest.")
@click.option("--diff", "between", type=click.IntRange(min=1), nargs=2, metavar="A B", help="What changed from A to B.")
@options.output("table", "json", "yaml")
@session.given
def describe(
    started: session.Session, name: str, revision: int | None, between: tuple[int, int] | None, form: str
) -> None:
    """Show a Contract, or one of its revisions.

    Revisions are immutable and kept, also of a Contract that was deleted: kubectl get contractrevisions lists them.
    """
    if between:
        before, after = (_canonical(_recorded(started, name, number)) for number in between)
        _show_changes(diff.changes(before, after), form)
    elif revision:
        _show_revision(_recorded(started, name, revision), form)
    else:
        _show(started, started.cluster.get(RESOURCE, name), form)


@click.command(cls=options.Command)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--exit-code", "telling", is_flag=True, help="Exit with 1 if there is a difference.")
@options.output("table", "json", "yaml")
@session.given
def difference(started: session.Session, old: str, new: str, telling: bool, form: str) -> int:
    """Show what changes in meaning from one contract to another.

    \b
    avouch contract diff evidence@1 evidence@3     two recorded revisions
    avouch contract diff evidence evidence.yaml    the Contract in the cluster, and a file
    avouch contract diff before.yaml after.yaml    two files, without a cluster

    A file may have any form that avouch apply reads, and may be a URL, or - for standard input. Comments, the order of
    materials and what means the same in both forms are no difference.
    """  # noqa: D301  # click reads the backspace
    before, after = (_meant(started, text) for text in (old, new))
    if _UNNAMED in (before.name, after.name):  # a file that says no name says no other one either
        before, after = (dataclasses.replace(each, name=_UNNAMED) for each in (before, after))
    changes = diff.changes(revisions.canonical(before), revisions.canonical(after))
    _show_changes(changes, form)
    return failures.FAILED if changes and telling else failures.OK


def _meant(started: session.Session, text: str) -> model.ContractSpec:
    """What a revision (NAME@NUMBER), a Contract, or a file says."""
    name, at, number = text.rpartition("@")
    if at and number.isascii() and number.isdigit() and not sources.is_file(name):
        return revisions.restore(_canonical(_recorded(started, name, int(number))))
    if sources.is_file(text):
        return reading.read(declared.contract(started, text, fallback=_UNNAMED))
    return reading.read(started.cluster.get(RESOURCE, text))


def _empty(name: str) -> declared.Manifest:
    return {
        "apiVersion": contract_kind.KIND.api_version,
        "kind": contract_kind.KIND.name,
        "metadata": {"name": name},
        "spec": {},
    }


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


def _remembered(after: declared.Manifest, wanted: declared.Manifest) -> declared.Manifest:
    """With the text that kubectl apply remembers, where it does, as if it had applied the file: its next one holds."""
    metadata = after["metadata"]
    annotations = metadata.get("annotations") or {}
    if _LAST_APPLIED not in annotations:
        return after
    place = {"name": metadata["name"], "namespace": metadata["namespace"]}
    said = {**wanted, "metadata": {"annotations": {}, **wanted["metadata"], **place}}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    return {**after, "metadata": {**metadata, "annotations": {**annotations, _LAST_APPLIED: text}}}


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
    """The Contract that a Workflow refers to; without contractRef, the one of its own name."""
    reference = objects.part(workflow, "spec", "contractRef")
    if reference.get("scope") == "Organization":
        return ""
    return str(reference.get("name") or objects.text(workflow, "metadata", "name"))


def _show(started: session.Session, found: declared.Manifest, form: str) -> None:
    if form == "table":
        output.facts(list(_facts(found, started.cluster.list(_WORKFLOWS))))
        click.echo("\n" + output.yaml_text(upstream.to_file(found)), nl=False)
    else:
        output.document(form, found)


def _recorded(started: session.Session, name: str, number: int) -> declared.Manifest:
    """One revision as the server keeps it; no name of a Contract has a dot."""
    return started.cluster.get(_REVISIONS, f"{name}.{number}")


def _canonical(recorded: declared.Manifest) -> bytes:
    """The canonical form of a revision, compared with its recorded digest."""
    form = objects.text(recorded, "spec", "canonical").encode()
    said, found = objects.text(recorded, "spec", "digest"), str(digests.of_bytes(form))
    if said != found:
        raise errors.Corrupt(f"revision {objects.text(recorded, 'metadata', 'name')} is said to be {said}, is {found}")
    return form


def _show_revision(recorded: declared.Manifest, form: str) -> None:
    said = writing.manifest(revisions.restore(_canonical(recorded)))
    if form != "table":
        output.document(form, said)
        return
    facts = (("Revision", ("spec", "revision")), ("Digest", ("spec", "digest")),
             ("Source digest", ("spec", "sourceDigest")), ("Recorded", ("metadata", "creationTimestamp")))  # fmt: skip
    output.facts([(title, objects.text(recorded, *path)) for title, path in facts])
    click.echo("\n" + output.yaml_text(said), nl=False)


def _show_changes(changes: tuple[diff.Change, ...], form: str) -> None:
    if form == "table":
        output.lines([str(change) for change in changes] or ["no difference in meaning"])
        return
    fields = ("what", "field", "before", "after")
    output.document(form, [
        {"kind": str(change.kind), **{name: getattr(change, name) for name in fields}} for change in changes
    ])  # fmt: skip
