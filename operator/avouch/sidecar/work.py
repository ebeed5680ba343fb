"""What happens after the last step: open the runs, collect, upload, sign, push. Loaded only then.

Whatever fails is told on stderr (and in the report of an explicit step) and the exit code stays 0: only `--strict`,
which the author of an explicit step must ask for, lets a failure show.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import NoReturn

from avouch import errors, names, plan
from avouch.attestation import signing
from avouch.sidecar import claim, collect, discover, lastword, push, settings

REPORT = "attestation-report"
MAX_REPORT = 3500  # bytes: Tekton gives all results of a task 4,096 together
_AGAIN = 1.0  # seconds between two rings of the alarm: a run that one ended is told, and the next run begins


@dataclass(slots=True)
class Report:
    """A report for people. `failed` if a claim, or a material that was given by hand, was not delivered.

    Of an injected sidecar (`injected`) the first failure, else the latest line, is its last word.
    """

    injected: bool = False
    lines: list[str] = field(default_factory=list)
    failed: bool = False
    signed: list[str] = field(default_factory=list)  # name and digest of each material
    _word: str = ""

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        self._tell(line)
        self._leave(line)

    def fail(self, line: str) -> None:
        """Add a failure."""
        self.say(line)
        self.failed = True

    def sign(self, workflow: str, found: Sequence[collect.Collected]) -> None:
        """A claim about these was signed; whether it arrives comes next."""
        self.signed += [f"{one.material.name} {one.digest}" for one in found if one.digest]
        self._leave(f"{workflow}: the claim was signed, and is being sent")

    def _leave(self, line: str) -> None:
        if not self.injected:
            return  # a step's termination message is Tekton's
        if not self.failed:
            self._word = line
        try:
            lastword.leave(self._word, list(dict.fromkeys(self.signed)))
        except OSError as exc:
            self._tell(f"the last word could not be left: {exc}")

    @staticmethod
    def _tell(line: str) -> None:
        print(f"avouch: {line}", file=sys.stderr, flush=True)  # noqa: T201

    def text(self) -> str:
        """All of it, cut to what a Task result holds."""
        whole = "\n".join(self.lines).encode()
        return whole[:MAX_REPORT].decode("utf-8", errors="ignore")


@dataclass(frozen=True, slots=True)
class Job:
    """One pod's work. `said` are the values that an explicit step gives by material name."""

    options: settings.Settings
    place: discover.Place
    client: push.Client
    said: Mapping[str, str]
    started: datetime
    dashboard: str = ""
    unfinished: str = ""  # why the evidence may not be complete


def main(arguments: Sequence[str], done: int) -> int:
    """Run the work within its budget. `done` is the number of steps that ended. Returns the exit code."""
    step, strict = "--step" in arguments, bool({"--strict", "--strict=true"} & set(arguments))
    report = Report(injected=not step)
    try:
        asked = _arguments(arguments)
        options = settings.read(os.environ)
        with _Alarm(options.budget):
            _run(_job(options, dict([*asked.material, *asked.materials]), done, explicit=step), report)
    except (errors.AvouchError, OSError, ValueError) as exc:
        report.fail(f"nothing was attested: {exc}")
    except Exception as exc:  # a fault of ours must not break a build either
        report.fail(f"nothing was attested: {type(exc).__name__}: {exc}")
    if step:
        _write(report, os.environ.get("AVOUCH_TEKTON") or "/tekton")
    return 1 if report.failed and step and strict else 0


def wanted(
    asked: plan.Plan, options: settings.Settings, task: str, said: Iterable[str]
) -> tuple[plan.PlannedMaterial, ...]:
    """The materials that this pod collects: those it must deliver, then those given by hand.

    1. The environment's copy of the plan is already cut to this pod; where it is of another contract, or there is
       none, the server's plan is cut by the task's name. Params in paths are filled in by the server alone.
    2. What is given by hand is of the contract's type, whichever task the Workflow expects it from.
    3. What the contract does not name is taken as well, as a text: Chainloop does so.
    """
    owed = _owed(asked, options, task)
    known = {material.name: material for material in (*asked.materials, *owed)}
    ours = {material.name for material in owed}
    by_hand = (known.get(name) or plan.PlannedMaterial(name, collect.STRING, optional=True) for name in said)
    return (*owed, *(material for material in by_hand if material.name not in ours))


def _owed(asked: plan.Plan, options: settings.Settings, task: str) -> tuple[plan.PlannedMaterial, ...]:
    for known in options.plans:
        if (known.workflow_uid, known.contract_digest) == (asked.workflow_uid, asked.contract_digest):
            filled = {material.name: material for material in asked.materials}
            return tuple(filled.get(m.name, m) if "$(" in m.source.path else m for m in known.materials)
    return asked.of_task(task) if task else asked.materials


def _job(options: settings.Settings, said: Mapping[str, str], done: int, *, explicit: bool) -> Job:
    place = discover.discover(os.environ, options.labels_file)
    missing = options.steps - done
    return Job(
        options=options,
        place=place,
        client=push.Client(options, time.monotonic() + options.budget, explicit=explicit),
        said=said,
        started=datetime.now(UTC),
        dashboard=os.environ.get("TEKTON_DASHBOARD_URL", ""),
        unfinished=f"{missing} of {options.steps} steps did not end by themselves" if missing > 0 else "",
    )


def _run(job: Job, report: Report) -> None:
    try:
        _attest_all(job, report)
    finally:
        job.client.close()


def _attest_all(job: Job, report: Report) -> None:
    opened = job.client.open()
    if job.unfinished:
        report.say(job.unfinished)
    for run in opened:
        try:
            _attest(job, run, report)
        except (errors.AvouchError, OSError, ValueError) as exc:
            report.fail(f"{run.workflow}: {exc}")


def _attest(job: Job, run: claim.Opened, report: Report) -> None:
    options = job.options
    pod = collect.Pod(
        options.tekton,
        options.workspaces,
        options.steps,
        options.max_file,
        unmounted=options.unmounted,
        published=options.published,
        step_names=options.step_names,
        unresolved=dict(run.plan.unresolved),
    )
    materials = wanted(run.plan, job.options, job.place.task, job.said)
    found = tuple(_uploaded(job, run, one) for one in collect.collect(materials, pod, job.said))
    moment = claim.Moment(job.started, datetime.now(UTC))
    payload = claim.statement(run, found, job.place, moment, job.dashboard)
    signer = signing.KeySigner.generate()
    certificate = job.client.certificate(run, signing.csr(signer, job.place.pod[:64] or names.SIDECAR))
    bundle = claim.signed(payload, signer, certificate)
    report.sign(run.workflow, found)
    receipt = job.client.push(run, bundle)
    for one in found:
        tell = report.fail if one.finding and one.material.name in job.said else report.say
        tell(f"{run.workflow}: {one.material.name}: {one.finding or one.digest}")
    report.say(f"{run.workflow}: run {run.name}: claim {receipt.get('digest', '')} is stored")


def _uploaded(job: Job, run: claim.Opened, one: collect.Collected) -> collect.Collected:
    """Send the bytes of a file; one that changed meanwhile or is refused becomes a finding and is no evidence."""
    if one.file is None or one.material.skip_upload:
        return one
    try:
        job.client.upload(run, one.file, job.options.max_file)
    except errors.NotFound as exc:
        return collect.Collected(one.material, finding=str(exc), cause="Changed")
    except (errors.Invalid, errors.Denied) as exc:
        return collect.refused(one.material, exc)
    return one


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("avouch.sidecar", description="Collects, signs and pushes the evidence of a task.")
    parser.add_argument("--step", action="store_true", help="run as an explicit step: do not wait, write a report")
    parser.add_argument(
        "--strict", nargs="?", const="true", default="false", help="with --step: exit 1 when something was not attested"
    )
    parser.add_argument(
        "--material", action="append", default=[], type=_named, metavar="NAME=VALUE", help="a value or file by hand"
    )
    parser.add_argument(
        "--materials", nargs="*", default=[], type=_named, metavar="NAME=VALUE", help="the same, as a list at the end"
    )
    return parser.parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    """A mistake in the arguments must not break a build: it is reported like any other failure."""

    def error(self, message: str) -> NoReturn:
        raise errors.Invalid(message, field="arguments")


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("write NAME=VALUE")
    return name, value


def _write(report: Report, tekton: str) -> None:
    try:
        with open(f"{tekton}/results/{REPORT}", "w", encoding="utf-8") as file:
            file.write(report.text())
    except OSError as exc:
        report.fail(f"the report could not be written: {exc}")


class _Alarm:
    """Ends the work when its budget is spent, also inside a name lookup, which knows no timeout."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    @staticmethod
    def _ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError("the time for pushing is used up")
