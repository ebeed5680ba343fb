"""`avouch run delete`: a run and its evidence go; who, when, which and why stays."""

import click

from avouch import errors
from avouch.cli import objects, options, session
from avouch.cli.runs import finding


@click.command(cls=options.Command)
@finding.meant
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name and the time.")
@click.option("--timeout", type=click.FloatRange(min=0, max=3600), default=60.0, show_default=True,
              metavar="SECONDS", help="How long to wait until the run is gone.")  # fmt: skip
@options.output("table", "json", "yaml", "name")
@session.given
def delete(started: session.Session, name: str, reason: str, timeout: float, form: str) -> None:
    """Delete a run that has its verdict, with its claims, attestation and deliveries.

    It cannot be brought back, and its build is not judged again. Artifacts that no other run uses go within a day. A
    record stays: who deleted which run, when and why, with the digests of what was signed: kubectl get rundeletions.
    Needs the right to create workflowruns/deletion, which ClusterRole avouch-run-deleter has, and no other.
    """
    run = finding.one(started, name)
    recorded = started.cluster.post(finding.path_of(run, "deletion"), {"spec": {"reason": reason}})
    if objects.until(started, lambda: _gone(started, finding.name_of(run)), timeout) is None:
        fix = "is avouch's worker running? It is on record and will be carried out: kubectl get rundeletions"
        raise errors.TimedOut(f"run {finding.name_of(run)} is still there after {timeout:g} s", fix=fix)
    if form in ("json", "yaml"):
        objects.show([recorded], "deleted", "", form)
    else:
        objects.show([run], "deleted", "", form)


def _gone(started: session.Session, name: str) -> bool | None:
    try:
        started.cluster.get(finding.RESOURCE, name)
    except errors.NotFound:
        return True
    return None
