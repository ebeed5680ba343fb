"""`avouch apply`: files of contracts, policies and our own kinds, to the cluster."""

import click

from avouch.cli import declared, failures, options, output, session, sources


@click.command(cls=options.Command)
@sources.option
@click.option("--name", default="", help="Name of the contract; for a file of the legacy form, which has none.")
@click.option("--description", default="", help="Description of the contract.")
@click.option("--server-side", is_flag=True, help="Let the API server merge; see kubectl apply --help.")
@options.dry_run
@options.output()
@session.given
def apply(started: session.Session, files: tuple[str, ...], name: str, description: str, **how: str) -> int:
    """Apply Contracts, Policies and avouch's other kinds from files.

    Accepts Chainloop's files as they are: contracts in both forms, policies and policy groups, several documents in a
    file. Corrects what kubectl would refuse; --dry-run -o yaml prints what is sent to the cluster. Checks all files
    first: after an error nothing is sent. Nothing is ever deleted.
    """
    found = declared.manifests(sources.read(started, files), declared.Naming(name, description))
    if how["dry_run"] == "client":
        _print(found, how["form"])
        return failures.OK
    flags = [
        *(["--server-side"] if how["server_side"] else []),
        *(["--dry-run=server"] if how["dry_run"] else []),
        *([] if how["form"] == "table" else [f"--output={how['form']}"]),
    ]
    told = started.cluster.apply(found, *flags)
    click.echo(told.output, nl=False)
    if told.complaint:
        failures.show(started, told.complaint)
    return failures.FAILED if told.complaint else failures.OK


def _print(found: list[declared.Manifest], form: str) -> None:
    """What would go to the cluster, which is not asked."""
    names = [output.named(manifest) for manifest in found]
    if form in ("table", "name"):
        output.lines(names if form == "name" else [f"{name} checked (dry run, nothing was sent)" for name in names])
    else:
        output.document(form, found[0] if len(found) == 1 else found)
