"""`avouch run reevaluate`: runs that have their verdict are judged again by what their Contract says now."""

import functools
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click

from avouch import errors, rfc3339
from avouch.cli import failures, objects, options, output, session
from avouch.cli.runs import finding, page

MOST = 500  # runs of one command: as many as may wait in a namespace
_WAITING = "Waiting"
_NARROW = "narrow them by --since, --workflow or --contract, or raise --limit"
_ROLE = "ask for the ClusterRole avouch-run-reevaluator, which admins of a namespace have"
_COLUMNS = ("RUN", "WAS", "IS", "REVISION", "ANSWER")


class Told(NamedTuple):
    """What became of one run."""

    run: objects.Manifest
    was: str
    answer: str
    wrong: bool = False


@click.command(cls=options.Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is signed with your name in the new verdict.")
@click.option("--since", default="", metavar="DURATION", help="Runs that were opened since then, such as 24h.")
@click.option("--workflow", default="", metavar="NAME", help="Runs of this Workflow.")
@click.option("--contract", default="", metavar="NAME", help="Runs that were opened under this Contract.")
@click.option("--all", "every", is_flag=True, help="All runs of the namespace that have a verdict.")
@click.option("--limit", type=click.IntRange(1, MOST), default=100, show_default=True,
              help="Runs that may be judged again by this command; more are refused.")  # fmt: skip
@options.dry_run
@click.option("--timeout", type=click.FloatRange(min=0, max=86400), default=600.0, show_default=True,
              metavar="SECONDS", help="How long to wait until they were judged again.")  # fmt: skip
@options.output("table", "json", "yaml", "name")
@session.given
def reevaluate(started: session.Session, /, names: tuple[str, ...], form: str, **said: Any) -> int:
    """Judge runs again by what their Contract, its policies and exceptions say now.

    \b
    avouch run reevaluate first-2b521137d6 --reason "CVE-2026-1234 is banned"
    avouch run reevaluate --since 24h --workflow release --reason ... --dry-run          which runs that would be
    avouch run reevaluate --since 24h --workflow release --reason ... --dry-run=server   and whether each may be

    The newest revision of the Contract judges by what is stored of a run. Where it finds otherwise, a new verdict is
    signed, which names the one that it takes the place of, who asked and why; the earlier ones are kept, up to 10.
    A verdict stays where that is no matter of the Contract, or where less is known than was; the answer says why.
    Integrations hear of it if their attachment says spec.reevaluations.

    Needs the right to create workflowruns/reevaluation, which ClusterRole avouch-run-reevaluator and admins have.
    Exits with 0 if all were answered, with 1 if one was refused or they are not answered within --timeout.
    """  # noqa: D301  # click reads the backspace
    runs, limit, dry_run = _chosen(started, names, said), said["limit"], said["dry_run"]
    if len(runs) > limit:
        raise errors.Invalid(f"{len(runs)} runs are meant, and --limit is {limit}", field="--limit", fix=_NARROW)
    if not runs:
        failures.show(started, "no run that has a verdict is meant", kind="note")
    if dry_run == "client":
        return _show(form, [Told(run, page.verdict(run), "would be asked for") for run in runs])
    query = "?dryRun=All" if dry_run else ""
    asked = [_asked(started, run, said["reason"], query) for run in runs]
    return _show(form, asked if dry_run else list(_answered(started, asked, said["timeout"])))


def _chosen(started: session.Session, names: Sequence[str], said: dict[str, Any]) -> list[objects.Manifest]:
    """Those that are named, or those with a verdict that the options select."""
    by = [each for each in ("since", "workflow", "contract", "every") if said[each]]
    if names:
        if by:
            raise errors.Invalid("names and a selection exclude each other", field="NAME", fix="give one of both")
        runs = [finding.one(started, name) for name in names]
        return list({finding.name_of(run): run for run in runs}.values())
    if not by:
        fix = "give NAME..., or --since, --workflow, --contract, or --all"
        raise errors.Invalid("no run is meant", field="NAME", fix=fix)
    fields = [f"spec.workflow={said['workflow']}"] if said["workflow"] else []
    found = finding.select(started, ["status.verdict!=Pending", *fields])
    if found.more:
        raise errors.Invalid(f"there are more than {finding.MOST} runs", field="--workflow", fix=_NARROW)
    since = _moment(said["since"])
    return [run for run in found.runs if _is_meant(run, said["contract"], since)]


def _is_meant(run: objects.Manifest, contract: str, since: datetime | None) -> bool:
    opened = objects.text(run, "metadata", "creationTimestamp")
    recent = since is None or rfc3339.read(opened, "metadata.creationTimestamp") >= since
    return recent and contract in ("", objects.text(run, "spec", "contract", "name"))


def _moment(since: str) -> datetime | None:
    if not since:
        return None
    from avouch.api import durations  # lazy: 60 ms (pydantic), which names do not need

    return datetime.now(UTC) - durations.read(since)


def _asked(started: session.Session, run: objects.Manifest, reason: str, query: str) -> Told:
    path = finding.path_of(run, "reevaluation") + query
    try:
        started.cluster.post(path, {"spec": {"reason": reason}})
    except errors.Denied as exc:
        raise errors.Denied(str(exc.args[0]), fix=_ROLE) from exc
    except (errors.Conflict, errors.NotFound, errors.Unavailable) as exc:
        return Told(run, page.verdict(run), str(exc), wrong=True)
    return Told(run, page.verdict(run), "would be judged again" if query else _WAITING)


def _answered(started: session.Session, asked: Sequence[Told], timeout: float) -> Iterator[Told]:
    """Each as it was answered: they are worked on in this order.

    Raises:
        TimedOut: not all were in time.
    """
    until, waiting = time.monotonic() + timeout, sum(not one.wrong for one in asked)
    for one in asked:
        if one.wrong:
            yield one
            continue
        left = max(until - time.monotonic(), 0)
        found = objects.until(started, functools.partial(_answer, started, one.run), left)
        if found is None:
            fix = (
                "is avouch's worker running? The requests stay: kubectl describe workflowrun shows what becomes of them"
            )
            raise errors.TimedOut(f"{waiting} runs were not judged again within {timeout:g} s", fix=fix)
        waiting -= 1
        told = one._replace(run=found, answer=_said(found))
        click.echo(output.harmless(f"run {finding.name_of(found)}: {told.answer}; {waiting} to go"), err=True)
        yield told


def _answer(started: session.Session, run: objects.Manifest) -> objects.Manifest | None:
    """The run, once its request is answered. Raises errors.NotFound where it went."""
    found = started.cluster.get(finding.RESOURCE, finding.name_of(run))
    return found if objects.text(found, "status", "reevaluationRequest", "state") != _WAITING else None


def _said(run: objects.Manifest) -> str:
    state, message = (objects.text(run, "status", "reevaluationRequest", key) for key in ("state", "message"))
    return f"{state}: {message}"


def _show(form: str, told: Sequence[Told]) -> int:
    runs = [one.run for one in told]
    rows = tuple((finding.name_of(one.run), one.was, page.verdict(one.run), page.revision(one.run), one.answer)
                 for one in told)  # fmt: skip
    if told or form != "table":
        objects.write(form, runs, output.Table(_COLUMNS, rows))
    return failures.FAILED if any(one.wrong for one in told) else failures.OK
