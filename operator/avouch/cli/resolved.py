"""`avouch contract resolve`: what a contract owes with its policies and groups looked up, as one view.

Of the cluster it is what the controller recorded, and what sidecars and commands plan from.
"""

import json
from collections.abc import Mapping
from typing import Any

import click

from avouch import errors
from avouch.cli import failures, objects, options, output, session, sources

_CONTRACTS = "contracts.chainloop.dev"
_REVISIONS = "contractrevisions.runs.avouch.dev"
_DIGEST = 19  # characters of a digest: sha256: and twelve
_ORGANIZATION = "what the Organization says of gates is not known here: they are shown as if it said nothing"


@click.command(cls=options.Command)
@objects.named("contract", needed=False)
@sources.optional
@click.option("--revision", type=click.IntRange(min=1), help="Show this revision instead of the newest.")
@options.output("table", "json", "yaml")
@session.given
def resolve(started: session.Session, name: str, files: tuple[str, ...], revision: int | None, form: str) -> int:
    """Show what a contract owes, with its policies and groups looked up.

    \b
    avouch contract resolve evidence
    avouch contract resolve evidence --revision 3
    avouch contract resolve -f evidence.yaml -f policies/     without a cluster

    Materials, those of policy groups among them, and policies, each with the line of the contract that asks for it,
    its digest, its inputs, whether a violation fails the run, and what says so. Without a cluster policies and groups
    are those that are embedded or in the files; exits with 1 if one is neither.
    """  # noqa: D301  # click reads the backspace
    if bool(name) == bool(files):
        raise click.UsageError("give the name of a Contract, or -f FILE")
    if files and revision:
        raise click.UsageError("--revision is of a Contract in the cluster: give its name")
    view = _of_files(started, files) if files else _of_cluster(started, name, revision)
    if view is None:
        return failures.FAILED
    if form == "table":
        _show(view)
    else:
        output.document(form, view)
    return failures.OK


def _of_cluster(started: session.Session, name: str, revision: int | None) -> dict[str, Any]:
    """What the status shows; of another revision, and where the status has no room for all, what was recorded."""
    if revision:
        return _recorded(started, name, revision)
    found = started.cluster.get(_CONTRACTS, name)
    number, shown = objects.text(found, "status", "revision"), objects.part(found, "status", "resolved")
    if not number or not shown:
        text = f"what Contract {name} owes is not recorded yet: {objects.readiness(found)}"
        raise errors.NotFound(errors.with_fix(text, f"kubectl wait --for=condition=Ready contract/{name}"))
    if objects.condition(found).get("status") != "True" or not objects.seen(found):
        note = f"Contract {name} is not Ready, and revision {number} stays in force: {objects.readiness(found)}"
        failures.show(started, note, kind="warning")
    if shown.get("moreMaterials") or shown.get("morePolicies"):
        return _recorded(started, name, int(number))
    return {"contract": name, "revision": int(number), "digest": objects.text(found, "status", "digest"), **shown}


def _recorded(started: session.Session, name: str, number: int) -> dict[str, Any]:
    from avouch.contract import owed, owedview  # lazy: 4 ms that a status need not pay

    found = objects.part(started.cluster.get(_REVISIONS, f"{name}.{number}"), "spec")
    form = str(found.get("resolved") or "").encode()
    canonical = str(found.get("canonical") or "").encode()
    said = owedview.whole(owed.recorded(canonical, form))
    return {"contract": name, "revision": number, "digest": str(found.get("digest")), **said}


def _of_files(started: session.Session, files: tuple[str, ...]) -> dict[str, Any] | None:
    """What the contract of files owes; None where something could not be looked up, which is printed."""
    from avouch.cli import filepolicies  # lazy: 150 ms (pydantic), for files only

    found = filepolicies.resolved(started, files)
    for wrong in found.unresolved:
        failures.show(started, wrong.message, field=wrong.line, fix=wrong.fix)
    if found.unresolved:
        return None
    for note in found.notes:
        failures.show(started, note.message, field=note.line, fix=note.fix, kind="warning")
    if any(each["gateBy"] == "organization" for each in found.view.get("policies", ())):
        failures.show(started, _ORGANIZATION, kind="note")
    return {"contract": found.contract, **found.view}


def _show(view: Mapping[str, Any]) -> None:
    number, digest = str(view.get("revision", "")), str(view.get("digest", ""))
    output.facts([("Contract", str(view["contract"])), ("Revision", number), ("Digest", digest)])
    click.echo()
    materials = tuple(_material(each) for each in view.get("materials") or ())
    if materials:
        output.tabulate(output.Table(("MATERIAL", "TYPE", "REQUIRED", "FROM"), materials))
    else:
        output.lines(["It asks for no material."])
    click.echo()
    policies = tuple(_policy(each) for each in view.get("policies") or ())
    if policies:
        output.tabulate(output.Table(("POLICY", "DIGEST", "ON", "GATE", "FROM", "GIVEN"), policies))
    else:
        output.lines(["It has no policies."])


def _material(said: Mapping[str, Any]) -> tuple[str, ...]:
    group = said.get("group")
    required = f"one of group {group}" if group else "no" if said.get("optional") else "yes"
    return str(said["name"]), str(said["type"]), required, _from(said)


def _policy(said: Mapping[str, Any]) -> tuple[str, ...]:
    gate = f"{'yes' if said['gate'] else 'no'} ({said['gateBy']})"
    given = ", ".join(
        f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in objects.part(said, "inputs").items()
    )
    return str(said["name"]), str(said["digest"])[:_DIGEST], _on(said), gate, _from(said), given


def _on(said: Mapping[str, Any]) -> str:
    """What a policy judges."""
    if said.get("attestation"):
        return "the attestation"
    name, type_ = str(said.get("material") or ""), str(said.get("type") or "")
    if name:
        return f"{name}*" if said.get("matchMode") == "PREFIX" else name
    return f"every {type_}" if type_ else "every material of its kinds"


def _from(said: Mapping[str, Any]) -> str:
    group = said.get("policyGroup")
    return f"PolicyGroup {group}: {said['line']}" if group else str(said["line"])
