"""`avouch contract lint` and `convert`: files of contracts, without any cluster."""

from collections import Counter

import click

from avouch.cli import declared, failures, options, output, session, sources
from avouch.contract import upstream


@click.command(cls=options.Command)
@sources.option
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@options.output("table", "json", "yaml")
@session.given
def lint(started: session.Session, files: tuple[str, ...], strict: bool, form: str) -> int:
    """Check contract and policy files, without a cluster.

    Prints each problem with its line and its fix: what the API server would refuse, what kubectl would refuse of
    Chainloop's own files (avouch apply corrects it), and what has no effect. Exits with 1 if there are errors.
    """
    read = list(sources.read(started, files))
    found = [problem for source in read for problem in declared.linted(source)]
    if form == "table":
        output.lines([str(problem) for problem in found])
    else:
        output.document(form, [problem.as_json() for problem in found])
    counts = Counter(problem.fatal for problem in found)
    click.echo(f"{len(read)} file(s): {counts[True]} error(s), {counts[False]} warning(s)", err=True)
    return failures.FAILED if counts[True] or (strict and found) else failures.OK


@click.command(cls=options.Command)
@sources.option
@click.option("--name", default="", help="Name of the contract; the legacy form has none.")
@click.option("--description", default="", help="Description of the contract.")
@click.option("--to", "form_of", type=click.Choice(("kubernetes", "chainloop")), default="kubernetes",
              show_default=True, help="Tools that the output is for.")  # fmt: skip
@options.output("yaml", "json")
@session.given
def convert(started: session.Session, files: tuple[str, ...], name: str, description: str, **said: str) -> None:
    """Convert contract files for avouch or for Chainloop.

    Reads contracts in both forms (schemaVersion: v1, and schema v2), policies and policy groups, in JSON or YAML, and
    writes objects that kubectl accepts; with --to chainloop, files that Chainloop reads. Comments are lost.
    """
    read = list(sources.read(started, files))
    found = declared.manifests(read, declared.Naming(name, description))
    declared.warn_of_comments(started, read)
    if said["form_of"] == "chainloop":
        found = [manifest if declared.is_ours(manifest) else upstream.to_file(manifest) for manifest in found]
    output.document(said["form"], found[0] if len(found) == 1 else found)
