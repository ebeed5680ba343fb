"""`avouch policy`: policies on this machine, by the engine that the server has, before anybody else sees them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.cli import declared, failures, inspection, options, output, session, sources
from avouch.materials import types as material_types
from avouch.materials.readers import jsons
from avouch.policy import evaluation, outcome, rego, scripts

_TYPES = [one.name for one in material_types.MATERIALS]
_TEMPLATE = """\
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

        # Each message is a violation, and none means that the material passes.
        violations contains msg if {{
            count(object.get(input, "components", [])) == 0
            msg := "there is nothing in it"
        }}
"""


@click.command(cls=options.Command)
@click.argument("name")
@click.option("--kind", "material_type", type=click.Choice(_TYPES, case_sensitive=False), metavar="TYPE",
              default="SBOM_CYCLONEDX_JSON", show_default=True, help="Type of the materials it judges.")  # fmt: skip
def init(name: str, material_type: str) -> None:
    """Print a policy to begin with.

    \b
    avouch policy init sbom-not-empty > policy.yaml
    """  # noqa: D301  # click reads the backspace
    output.lines(_TEMPLATE.format(name=name, kind=material_type).splitlines())


@click.command(cls=options.Command)
@sources.option
@session.given
def lint(started: session.Session, files: tuple[str, ...]) -> int:
    """Check policies and their scripts, without a cluster.

    Tells what contract lint tells, and what OPA's compiler says of each embedded script, with its line. Needs OPA on
    this machine: `opa` on PATH, or the program that AVOUCH_OPA names. Exits with 1 if there are errors.
    """
    return asyncio.run(_linted(started, files))


async def _linted(started: session.Session, files: tuple[str, ...]) -> int:
    read, wrong = list(sources.read(started, files)), 0
    async with started.adapters.rego() as engine:
        for source in read:
            found = declared.linted(source)
            output.lines([str(problem) for problem in found])
            wrong += sum(problem.fatal for problem in found)
            for script in (each for policy in _policies([source]) for each in scripts.of(policy.spec)):
                flaws = await evaluation.flaws(engine, script)
                output.lines([line for flaw in flaws for line in _shown(f"{source.name}: {script.place}", flaw)])
                wrong += len(flaws)
        click.echo(f"{len(read)} file(s): {wrong} error(s), OPA {engine.version}", err=True)
    return failures.FAILED if wrong else failures.OK


@click.command(cls=options.Command)
@click.option("-f", "--filename", "--policy", "file", required=True, type=click.Path(), metavar="FILE|URL|-",
              help="File or URL of the policy, or - for standard input.")  # fmt: skip
@click.option("--material", "path", required=True, type=click.Path(exists=True, dir_okay=False),
              help="The material.")  # fmt: skip
@click.option("--kind", "material_type", type=click.Choice(_TYPES, case_sensitive=False), metavar="TYPE",
              help="Type of the material; default: detected.")  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of the policy.")
@click.option("--show-input", is_flag=True, help="Print what the scripts see, and evaluate nothing.")
@options.output("table", "json", "yaml")
@session.given
def evaluate(started: session.Session, file: str, path: str, form: str, **said: Any) -> int:
    """Evaluate a policy on a material, without a cluster.

    \b
    avouch policy eval -f policy.yaml --material sbom.cdx.json
    avouch policy eval -f policy.yaml --material sbom.cdx.json --input max_days=30

    Runs the scripts in OPA on this machine: `opa` on PATH, or the program that AVOUCH_OPA names. A script reaches no
    host and reads no variable. Exits with 1 if there is a violation, or if the policy could not be evaluated.
    """  # noqa: D301  # click reads the backspace
    policy, content = _policy(started, file), Path(path).read_bytes()
    material = evaluation.Material(
        said["material_type"] or _detected(path), content, {"name": Path(path).name, "digest": _digest(content)}
    )
    given = dict(_pair(one) for one in said["inputs"])
    if said["show_input"]:
        document, beside, _ = evaluation.shown(policy, material, given)
        output.document("json" if form == "table" else form, {**jsons.load(document), **beside})
        return failures.OK
    found = asyncio.run(_evaluated(started, policy, material, given))
    for note in found.notes:
        failures.show(started, note, kind="note")
    if form == "table":
        output.lines(_lines(policy.metadata.name, found.outcome))
    else:
        output.document(form, _as_json(policy.metadata.name, found.outcome))
    return failures.FAILED if found.outcome is not None and found.outcome.violations else failures.OK


async def _evaluated(
    started: session.Session, policy: kind.Policy, material: evaluation.Material, given: Mapping[str, str]
) -> evaluation.Evaluation:
    async with started.adapters.rego() as engine:
        return await evaluation.evaluate(engine, policy, material, given)


def _policy(started: session.Session, file: str) -> kind.Policy:
    read = list(sources.read(started, [file]))
    declared.manifests(read)  # refuses what is wrong with it, and says so
    found = _policies(read)
    if len(found) != 1:
        raise errors.Invalid(f"{file} declares {len(found)} policies, not one", field="--policy")
    return found[0]


def _policies(read: list[sources.Source]) -> list[kind.Policy]:
    manifests = [
        each for each in declared.documents(read) if isinstance(each, Mapping) and each.get("kind") == "Policy"
    ]
    return [kind.Policy.model_validate({**each, "apiVersion": "chainloop.dev/v1"}) for each in manifests]


def _detected(path: str) -> str:
    for finding in inspection.inspected(path, ""):
        if finding.type:
            return finding.type
    raise errors.Invalid(f"{path}: its type cannot be told", field="--kind", fix="say --kind")


def _digest(content: bytes) -> dict[str, str]:
    found = digests.of_bytes(content)
    return {"sha256": found.hex}


def _pair(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{said!r} is not NAME=VALUE", param_hint="--input")
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
    return [f"{name}: {told}{besides}", *(f"  {each.message}" for each in found.violations), *more]


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


def _shown(where: str, flaw: rego.Flaw) -> list[str]:
    """The message, and a caret under the place in the line."""
    text = flaw.text.replace("\t", " ")
    caret = [f"    {text}", f"    {' ' * (flaw.column - 1)}^"] if text and flaw.column else []
    return [f"{where}: {flaw}", *caret]
