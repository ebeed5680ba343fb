"""`avouch workflow create` and `update`: pipelines and the contracts that they answer to."""

from typing import Any

import click

from avouch import errors
from avouch.cli import objects, options, session, sources

RESOURCE = "workflows.avouch.dev"
_HEAD = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Workflow"}
_ORGANIZATION = "organization"


def _said(function: Any) -> Any:
    for option in (
        click.option("--team", help="Team that owns the pipeline."),
        click.option("--description", help="What the pipeline does."),
        click.option("--contract", metavar="NAME|FILE", help="Contract that runs are judged against."),
        click.option("--contract-scope", "scope", type=click.Choice(("project", _ORGANIZATION)), default="project",
                     help="Where the contract is: in this namespace, or in the organization's home."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(cls=options.Command)
@objects.named("workflow")
@_said
@options.dry_run
@options.output()
@session.given
def create(started: session.Session, name: str, dry_run: str, form: str, **said: str | None) -> None:
    """Create a Workflow.

    A project is a namespace: --project is another name of --namespace. --contract names a Contract, or a file or URL of
    one, which is created, too. Without it, runs are judged by the Contract of the Workflow's own name, which is created
    if it is missing.
    """
    contract = said["contract"] or ""
    made = [_contract(started, contract, name)] if sources.is_file(contract) else []
    bound = made[0]["metadata"]["name"] if made else contract
    workflow = {**_HEAD, "metadata": {"name": name}, "spec": _spec(**{**said, "contract": bound})}
    objects.create(started, [*made, workflow], dry_run, form)


@click.command(cls=options.Command)
@objects.named("workflow")
@_said
@options.dry_run
@options.output()
@session.given
def update(started: session.Session, name: str, dry_run: str, form: str, **said: str | None) -> None:
    """Change a Workflow.

    Options that are not given leave their fields unchanged.
    """
    change = _spec(**said)
    if not change:
        raise click.UsageError("no updates provided: give --team, --description or --contract")
    if sources.is_file(said["contract"] or ""):
        raise click.UsageError("--contract names a Contract here: change it with avouch contract update -f FILE")
    before = started.cluster.get(RESOURCE, name)
    after = {**before, "spec": {**objects.part(before, "spec"), **change}}
    objects.change(started, before, after, dry_run, form)


def _spec(team: str | None, description: str | None, contract: str | None, scope: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        key: value for key, value in (("team", team), ("description", description)) if value is not None
    }
    if contract:
        reference = {"name": contract, **({"scope": "Organization"} if scope == _ORGANIZATION else {})}
        spec["contractRef"] = reference
    elif scope == _ORGANIZATION:
        raise errors.Invalid("--contract-scope needs --contract", field="--contract", fix="name the contract")
    return spec


def _contract(started: session.Session, file: str, workflow: str) -> objects.Manifest:
    """The contract of a file."""
    from avouch.cli import declared  # lazy: 280 ms (pydantic): most Workflows name a Contract that exists

    return declared.contract(started, file, fallback=workflow)
