"""`avouch policy`: policies on this machine, by the engine that the server has, before anybody else sees them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from avouch import errors, rfc3339
from avouch.api import policy as kind
from avouch.api import rules
from avouch.cli import declared, failures, objects, options, output, policyengines, policyfiles, ports, session, sources
from avouch.contract import lint as linting
from avouch.materials.readers import jsons
from avouch.policy import evaluation, outcome
from avouch.values import dataclass

_KINDS = [one for one in policyfiles.TYPES if one not in kind.NO_KIND]
_POLICY = """\
apiVersion: chainloop.dev/v1
kind: Policy
metadata:
  name: {name}
spec:
  policies:
    - kind: {kind}
      embedded: |
        package main

        import rego.v1

        # The material itself, without what is known of it.
        report := object.remove(input, ["args", "chainloop_metadata"])

        # Each message is a violation, and none means that the material passes.
        violations contains msg if {{
        \tcount(report) == 0
        \tmsg := sprintf("%s is empty", [input.chainloop_metadata.name])
        }}
"""
_TEST = """\
# avouch policy test {name}.test.yaml
policy: {name}.yaml
cases:
  - name: a report that says something passes
    material:
      type: {kind}
      document: {{version: 1}}  # what scripts see; file: names a report from this folder, content: has one
    expect: passed

  - name: a report that says nothing does not
    material:
      type: {kind}
      document: {{}}
      metadata: {{name: report.json}}
    expect:
      violations:
        - report.json is empty
"""


@dataclass(frozen=True, slots=True)
class _Told:
    """A problem of a policy; `text` is the line of its script, where it has one."""

    found: declared.Found
    text: str = ""
    column: int = 0


@click.command(cls=options.Command)
@objects.named("policy")
@click.option("--kind", "material_type", type=click.Choice(_KINDS, case_sensitive=False), metavar="TYPE",
              default="SBOM_CYCLONEDX_JSON", show_default=True, help="Type of the materials it judges.")  # fmt: skip
@click.option("--test", "tests", is_flag=True, help="Print the tests of that policy instead.")
def init(name: str, material_type: str, tests: bool) -> None:
    """Print a policy to begin with.

    \b
    avouch policy init sbom-not-empty > sbom-not-empty.yaml
    avouch policy init sbom-not-empty --test > sbom-not-empty.test.yaml
    avouch policy test sbom-not-empty.test.yaml
    """  # noqa: D301  # click reads the backspace
    if not rules.LABEL.fullmatch(name):
        text = f"{name[:63]!r} is no name of a Policy"
        raise errors.Invalid(text, field="NAME", fix="write at most 63 of a-z, 0-9 and -, such as sbom-not-empty")
    output.lines((_TEST if tests else _POLICY).format(name=name, kind=material_type).splitlines(), kept="\t")


@click.command(cls=options.Command)
@sources.policies
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@options.output("table", "json", "yaml")
@session.given
def lint(started: session.Session, files: tuple[str, ...], strict: bool, form: str) -> int:
    """Check policies and their scripts, without a cluster.

    Tells what contract lint tells, and of each script, with its line: what OPA's compiler says, and as
    warnings what OPA's formatter would change, and what Regal says, where it is on PATH. Needs OPA on this machine:
    `opa` on PATH, or the program that AVOUCH_OPA names. Exits with 1 if there are errors.
    """
    return asyncio.run(_linted(started, files, strict, form))


async def _linted(started: session.Session, files: tuple[str, ...], strict: bool, form: str) -> int:
    read = list(sources.read(started, files))
    async with started.adapters.rego() as engine:
        told = [each for source in read async for each in _problems(started, engine, source)]
        engine_name = evaluation.engine_of(engine.version)
    if form == "table":
        output.lines([line for each in told for line in (str(each.found), *_caret(each))])
    else:
        output.document(form, [each.found.as_json() for each in told])
    wrong = sum(each.found.fatal for each in told)
    counted = f"{wrong} error(s), {len(told) - wrong} warning(s), {engine_name}"
    click.echo(f"{len(read)} file(s): {counted}", err=True)
    return failures.FAILED if wrong or (strict and told) else failures.OK


async def _problems(started: session.Session, engine: ports.Rego, source: sources.Source) -> AsyncIterator[_Told]:
    found = [_Told(problem) for problem in declared.linted(source)]
    for each in found:
        yield each
    if any(each.found.fatal for each in found):
        return
    for script in policyfiles.scripts_in(source):
        placed = policyfiles.loaded(started, script)
        if isinstance(placed, declared.Found):
            yield _Told(placed)
            continue
        flaws, severity = await evaluation.flaws(engine, placed.script), linting.Severity.ERROR
        if not flaws:
            flaws, severity = await engine.style(placed.script.embedded), linting.Severity.WARNING
        for flaw in flaws:
            yield _Told(placed.problem(flaw, severity), flaw.text, flaw.column)


@click.command(cls=options.Command)
@click.option("-f", "-p", "--filename", "--policy", "file", required=True, type=click.Path(), metavar="FILE|URL|-",
              help="File or URL of the policy, or - for standard input.")  # fmt: skip
@click.option("--material", "path", required=True, type=click.Path(exists=True, dir_okay=False),
              help="The material.")  # fmt: skip
@click.option("--kind", "material_type", type=click.Choice(policyfiles.TYPES, case_sensitive=False), metavar="TYPE",
              help="Type of the material; default: detected.")  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of the policy.")
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="An annotation of the material.")
@click.option("--at", "at", metavar="TIME", default="", help="Time that the policy takes for now (RFC 3339).")
@policyengines.server_option
@policyengines.allow_host
@click.option("--show-input", is_flag=True, help="Print what the scripts see, and evaluate nothing.")
@options.output("table", "json", "yaml")
@session.given
def evaluate(started: session.Session, file: str, path: str, form: str, **said: Any) -> int:
    """Evaluate a policy on a material.

    \b
    avouch policy eval -f policy.yaml --material sbom.cdx.json
    avouch policy eval -f policy.yaml --material sbom.cdx.json --input max_days=30
    avouch policy eval -f policy.yaml --material sbom.cdx.json --on-server

    Runs the scripts in OPA on this machine, without a cluster: `opa` on PATH, or the program that AVOUCH_OPA names.
    With --on-server they run in the server's OPA, which needs the right to create policyreviews. A script reaches no
    host but those of --allow-host, and reads no variable. Exits with 1 if there is a violation, or if the policy could
    not be evaluated.
    """  # noqa: D301  # click reads the backspace
    policy, material = policyfiles.one(started, file), _material(path, said)
    given = dict(_pair(one, "--input") for one in said["inputs"])
    _require(policy, given)
    policyfiles.accept(material.type, path, material.content)
    if said["show_input"]:
        document, beside, _ = evaluation.shown(policy, material, given)
        output.document("json" if form == "table" else form, {**jsons.load(document), **beside})
        return failures.OK
    where = policyengines.Where(said["on_server"], said["hosts"])
    found = asyncio.run(_evaluated(started, policy, material, given, where))
    if form == "table":
        output.lines(_lines(policy.metadata.name, found.outcome))
    else:
        output.document(form, _as_json(policy.metadata.name, found.outcome))
    return failures.FAILED if found.outcome is not None and found.outcome.violations else failures.OK


async def _evaluated(
    started: session.Session,
    policy: kind.Policy,
    material: evaluation.Material,
    given: Mapping[str, str],
    where: policyengines.Where,
) -> evaluation.Evaluation:
    async with policyengines.opened(started, where) as evaluator:
        began = time.monotonic()
        found = await evaluator.evaluate(policy, material, given)
        milliseconds = 1000 * (time.monotonic() - began)
        for note in found.notes:
            failures.show(started, note, kind="note")
        click.echo(f"{material.type}, evaluated in {milliseconds:.0f} ms by {evaluator.engine}", err=True)
        return found


def _material(path: str, said: Mapping[str, Any]) -> evaluation.Material:
    content = Path(path).read_bytes()
    material_type = said["material_type"] or policyfiles.detected(path)
    known = policyfiles.known(material_type, path, content)
    annotations = {**known["annotations"], **dict(_pair(one, "--annotation") for one in said["annotations"])}
    at = _time(said["at"]) if said["at"] else None
    return evaluation.Material(material_type, content, {**known, "annotations": annotations}, at=at)


def _time(text: str) -> datetime:
    try:
        return rfc3339.read(text, "--at")
    except errors.Invalid as exc:
        raise errors.Invalid(exc.args[0], field="--at", fix="write it like 2026-11-30T12:00:00Z") from exc


def _require(policy: kind.Policy, given: Mapping[str, str]) -> None:
    """Refuse to evaluate without an input that the policy requires."""
    for one in policy.spec.inputs:
        if one.required and not given.get(one.name):
            about = f" ({one.description})" if one.description else ""
            said = f"policy {policy.metadata.name} requires the input {one.name}{about}"
            raise errors.Invalid(said, field="--input", fix=f"add --input {one.name}=VALUE")


def _pair(said: str, option: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{said!r} is not NAME=VALUE", param_hint=option)
    return name, value


def _lines(name: str, found: outcome.Outcome | None) -> list[str]:
    if found is None:
        return [f"{name}: has nothing to say about this material"]
    if found.skipped:
        return [f"{name}: skipped: {found.skipped}"]
    number = len(found.violations) + found.more
    more = [f"  and {found.more} more"] if found.more else []
    told = f"{number} violation{'s' if number != 1 else ''}" if number else "passed"
    aside = len(found.suppressed) + found.more_suppressed
    besides = f", {aside} suppressed" if aside else ""
    return [f"{name}: {told}{besides}", *(line for each in found.violations for line in _violation(each)), *more]


def _violation(one: outcome.Violation) -> Sequence[str]:
    """The message, and below it what a structured finding says beside it."""
    facts = [f"{name}: {value}" for name, value in (one.finding or {}).items() if name != "message"]
    return [f"  {one.message}", *([f"    {', '.join(facts)}"] if facts else [])]


def _as_json(name: str, found: outcome.Outcome | None) -> dict[str, Any]:
    if found is None:
        return {"policy": name, "ignored": True}
    told = {"policy": name, "skipped": bool(found.skipped), "skipReasons": [found.skipped] if found.skipped else []}
    told |= {"violations": [each.message for each in found.violations], "more": found.more}
    structured = {
        "findings": [each.finding for each in found.violations if each.finding is not None],
        "suppressed": [each.finding or {"message": each.message} for each in found.suppressed],
    }
    return {**told, **{field: listed for field, listed in structured.items() if listed}}


def _caret(told: _Told) -> list[str]:
    """The line, and a caret under the place in it."""
    text = told.text.replace("\t", " ")
    return [f"    {text}", f"    {' ' * (told.column - 1)}^"] if text and told.column else []
