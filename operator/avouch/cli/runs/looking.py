"""`avouch run list`, `show`, `watch` and `gate`."""

from collections.abc import Sequence
from typing import Any

import click

from avouch import errors
from avouch.cli import failures, objects, options, output, session
from avouch.cli.runs import finding, page

_SHOWN = 5  # runs that one page has room for
_POLL = 2.0  # seconds


@click.command(cls=options.Command)
@options.several(finding.OPTIONS)
@click.option("--limit", type=click.IntRange(1, finding.MOST), default=50, show_default=True, help="Newest runs shown.")
@objects.everywhere
@options.output()
@session.given
def runs(started: session.Session, /, limit: int, everywhere: bool, form: str, **said: Any) -> None:
    """List runs, newest first.

    Options together narrow the list. For all that kubectl selects by, use kubectl get workflowruns.
    """
    found = finding.listed(started, said, everywhere=everywhere)
    shown = found.runs[:limit]
    columns = ("WORKFLOW", "RUN OF", "VERDICT", "REASON", "EVIDENCE", "MATERIALS", "OPENED")
    objects.write(form, shown, objects.table(columns, shown, _row, everywhere=everywhere))
    if found.more:
        narrower = "only the first by their names were looked at: narrow the list by --workflow or --verdict"
        failures.show(started, f"there are more than {finding.MOST} runs; {narrower}", kind="warning")
    elif len(found.runs) > limit:
        failures.show(started, f"{len(found.runs) - limit} older runs are not shown (--limit)", kind="note")


@click.command(cls=options.Command)
@finding.meant
@options.output("table", "json", "yaml", "name")
@session.given
def show(started: session.Session, name: str, form: str) -> None:
    """Show what became of a build: the verdict and why, its materials, its timeline, its deliveries.

    \b
    avouch run show first                          a run, or the PipelineRun or TaskRun that it is about
    avouch run show taskrun/first-test             any TaskRun of a PipelineRun
    avouch run show registry.example.com/app@sha256:4e07...
    avouch run show 1f0a3c9d...                    a commit's whole hash

    A build that several Workflows cover has a run for each; all are shown.
    """  # noqa: D301  # click reads the backspace
    found = finding.some(started, name)
    if form != "table":
        objects.write(form, found, output.Table((), ()))
        return
    for number, run in enumerate(found[:_SHOWN]):
        if number:
            click.echo("\n" + "-" * 40 + "\n")
        page.show(run)
    if len(found) > _SHOWN:
        names = ", ".join(map(finding.name_of, found[_SHOWN : _SHOWN + 10]))
        failures.show(started, f"{len(found) - _SHOWN} older runs are not shown: {names}", kind="note")


@click.command(cls=options.Command)
@finding.meant
@click.option("--timeout", type=click.FloatRange(min=0, max=86400), default=3600.0, show_default=True,
              metavar="SECONDS", help="How long to wait for the verdict.")  # fmt: skip
@options.output("table", "json", "yaml", "name")
@session.given
def watch(started: session.Session, name: str, timeout: float, form: str) -> int:
    """Follow a build until it has its verdict.

    Takes what avouch run show takes; a build that has no run yet is waited for, also where an earlier one of its
    name has. Progress is printed on stderr. Exits
    with 0 if every run of it Passed, with 5 if one did not, with 1 if there is no verdict in time.
    """
    return _ended(_judged(started, name, timeout), form)


@click.command(cls=options.Command)
@finding.meant
@click.option("--workflow", required=True, metavar="NAME", help="Workflow whose verdict counts: no other one does.")
@click.option("--timeout", type=click.FloatRange(min=0, max=86400), default=600.0, show_default=True,
              metavar="SECONDS", help="How long to wait for the verdict.")  # fmt: skip
@session.given
def gate(started: session.Session, name: str, workflow: str, timeout: float) -> int:
    """Wait for the verdict of a build, and fail unless it Passed.

    \b
    avouch run gate build-42 --workflow release                       a build: its PipelineRun or TaskRun
    avouch run gate registry.example.com/app@sha256:4e07... --workflow release

    For what must not go on without: a step of another build, such as a deployment. A build has its verdict after its
    end, so no step of its own can wait for it. In a pod without kubectl its ServiceAccount is used, which has to be
    bound to the ClusterRole avouch-view. The reasons are printed on stderr. Exits with 0 if all runs of it Passed, and
    with 4 if one did not, or there is no verdict in time.
    """  # noqa: D301  # click reads the backspace
    try:
        found = _judged(started, name, timeout, workflow)
    except errors.TimedOut as exc:
        failures.explain(started, exc)
        return failures.GATE
    failed = [run for run in found if page.verdict(run) != page.PASSED]
    for run in failed:
        for line in (f"{finding.name_of(run)}: {page.verdict(run)}", *page.why(run)):
            click.echo(output.harmless(line), err=True)
    if failed:
        failures.show(started, f"the gate is closed: {len(failed)} of {len(found)} runs of {name} did not pass")
        return failures.GATE
    output.lines([f"{finding.name_of(run)}: {page.verdict(run)}" for run in found])
    return failures.OK


def _judged(started: session.Session, name: str, timeout: float, workflow: str = "") -> list[objects.Manifest]:
    """The runs that are meant, at least one, each with its verdict; `workflow`: those of this one alone.

    Raises:
        TimedOut: there is none in time.
    """
    told: list[str] = []
    for _ in range(max(1, round(timeout / _POLL))):
        found = _tried(started, name, told)
        found = [run for run in found if workflow in ("", objects.text(run, "spec", "workflow"))]
        _tell(found, name, told)
        if found and all(page.verdict(run) != page.PENDING for run in found):
            return found
        started.adapters.wait(_POLL)
    fix = f"see avouch run show {name}" if told and told[-1].startswith("run ") else "see avouch run list"
    raise errors.TimedOut(f"{name} has no verdict after {timeout:g} s", fix=fix)


def _tried(started: session.Session, name: str, told: list[str]) -> list[objects.Manifest]:
    """The runs of now; none while the server cannot be asked, which may pass."""
    try:
        return finding.of_now(started, name)
    except errors.Unavailable as exc:
        _tell_once(f"waiting: {exc}", told)
        return []


def _tell(found: Sequence[objects.Manifest], name: str, told: list[str]) -> None:
    if not found and not told:
        _tell_once(f"waiting for a run of {name}", told)
    for run in reversed(found):
        ended = ", the build has ended" if objects.text(run, "status", "finishedAt") else ""
        pending = page.verdict(run) == page.PENDING
        _tell_once(
            f"run {finding.name_of(run)} of {page.build(run)}: {page.verdict(run)}{ended if pending else ''}", told
        )


def _tell_once(line: str, told: list[str]) -> None:
    if line not in told:
        told.append(line)
        click.echo(output.harmless(line), err=True)


def _ended(found: Sequence[objects.Manifest], form: str) -> int:
    if form == "table":
        for run in found:
            output.lines([f"{finding.name_of(run)}: {page.verdict(run)}", *page.why(run)])
    else:
        objects.write(form, found, output.Table((), ()))
    passed = all(page.verdict(run) == page.PASSED for run in found)
    return failures.OK if passed else failures.VERDICT


def _row(run: objects.Manifest) -> tuple[str, ...]:
    findings = objects.part(run, "status").get("findings") or [{}]
    found, asked = (objects.text(run, "status", f"materials{each}") or "0" for each in ("Found", "Asked"))
    return (
        objects.text(run, "spec", "workflow"),
        page.build(run),
        page.verdict(run),
        str(findings[0].get("code", "")),
        objects.text(run, "status", "evidence"),
        f"{found}/{asked}",
        objects.text(run, "metadata", "creationTimestamp"),
    )
