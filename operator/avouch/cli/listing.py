"""What is declared in the cluster, as people see it.

A module of its own: it needs nothing of what reads contracts, which takes as long to import as kubectl to answer.
"""

from collections.abc import Iterator

import click

from avouch.cli import objects, options, output, session

_DESCRIPTION = "chainloop.dev/description"


@click.command(cls=options.Command)
@objects.everywhere
@options.output()
@session.given
def contracts(started: session.Session, everywhere: bool, form: str) -> None:
    """List Contracts."""
    found = started.cluster.list("contracts.chainloop.dev", everywhere=everywhere)
    columns = ("REVISION", "WORKFLOWS", "READY", "CREATED", "DESCRIPTION")
    objects.write(form, found, objects.table(columns, found, _contract, everywhere=everywhere))


@click.command(cls=options.Command)
@objects.everywhere
@options.output()
@session.given
def workflows(started: session.Session, everywhere: bool, form: str) -> None:
    """List Workflows."""
    found = started.cluster.list("workflows.avouch.dev", everywhere=everywhere)
    columns = ("TEAM", "CONTRACT", "REVISION", "LAST RUN", "RESULT", "READY", "CREATED")
    objects.write(form, found, objects.table(columns, found, _workflow, everywhere=everywhere))


@click.command(cls=options.Command)
@objects.everywhere
@options.output()
@session.given
def tokens(started: session.Session, everywhere: bool, form: str) -> None:
    """List tokens."""
    found = started.cluster.list("apitokens.avouch.dev", everywhere=everywhere)
    columns = ("SCOPE", "WORKFLOW", "EXPIRES", "LAST USED", "STATE", "CREATED")
    objects.write(form, found, objects.table(columns, found, _token, everywhere=everywhere))


@click.command(cls=options.Command)
@objects.named("workflow")
@options.output("table", "json", "yaml")
@session.given
def workflow(started: session.Session, name: str, form: str) -> None:
    """Show a Workflow."""
    found = started.cluster.get("workflows.avouch.dev", name)
    if form == "table":
        output.facts(list(_facts(found)))
    else:
        output.document(form, found)


def _contract(found: objects.Manifest) -> tuple[str, ...]:
    return (
        objects.text(found, "status", "revision"),
        objects.text(found, "status", "workflows"),
        str(objects.condition(found).get("status", "Unknown")),
        objects.text(found, "metadata", "creationTimestamp"),
        str(objects.part(found, "metadata", "annotations").get(_DESCRIPTION, "")),
    )


def _workflow(found: objects.Manifest) -> tuple[str, ...]:
    return (
        objects.text(found, "spec", "team"),
        objects.text(found, "spec", "contractRef", "name") or objects.text(found, "metadata", "name"),
        objects.text(found, "status", "contractRevision"),
        objects.text(found, "status", "lastRun", "name"),
        objects.text(found, "status", "lastRun", "verdict"),
        str(objects.condition(found).get("status", "Unknown")),
        objects.text(found, "metadata", "creationTimestamp"),
    )


def _token(found: objects.Manifest) -> tuple[str, ...]:
    ready = objects.condition(found)
    state = "active" if ready.get("status") == "True" else str(ready.get("reason", "Unknown"))
    return (
        objects.text(found, "spec", "scope") or "Project",
        objects.text(found, "spec", "workflow"),
        objects.text(found, "status", "expiresAt") or "never",
        objects.text(found, "status", "lastUsedAt") or "never",
        "revoked" if objects.part(found, "spec").get("revoked") else state,
        objects.text(found, "metadata", "creationTimestamp"),
    )


def _facts(found: objects.Manifest) -> Iterator[tuple[str, str]]:
    revision = objects.text(found, "status", "contractRevision")
    contract = objects.text(found, "status", "contract") or objects.text(found, "spec", "contractRef", "name")
    run = [objects.text(found, "status", "lastRun", key) for key in ("name", "verdict", "finishedAt")]
    yield "Name", objects.text(found, "metadata", "name")
    yield "Project", objects.text(found, "metadata", "namespace")
    yield "Team", objects.text(found, "spec", "team")
    yield "Description", objects.text(found, "spec", "description")
    yield "Contract", f"{contract} (revision {revision})" if revision else contract
    yield "Suspended", "yes" if objects.part(found, "spec").get("suspend") else ""
    yield "Last run", " ".join(filter(None, run))
    yield "Created", objects.text(found, "metadata", "creationTimestamp")
    yield "UID", objects.text(found, "metadata", "uid")
    yield "Ready", objects.readiness(found)
