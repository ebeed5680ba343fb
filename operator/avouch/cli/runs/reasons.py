"""`avouch why`: why the verdict of a run is what it is."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import click

from avouch import findings
from avouch.cli import objects, options, output, session
from avouch.cli.runs import finding, page

_INDENT = "    "


class Reasons(NamedTuple):
    """What was found of a run: what decided its verdict, what else is wrong, and what changes no verdict."""

    decided: Sequence[dict[str, Any]]
    others: Sequence[dict[str, Any]]
    notes: Sequence[dict[str, Any]]


@click.command(cls=options.Command)
@finding.meant
@options.output("table", "json", "yaml")
@session.given
def why(started: session.Session, name: str, form: str) -> None:
    """Show why the verdict of a run is what it is.

    \b
    avouch why first                               a run, or the PipelineRun or TaskRun that it is about
    avouch why taskrun/first-test                  any TaskRun of a PipelineRun
    avouch why registry.example.com/app@sha256:4e07...

    Of each finding that decided it: the line of the contract, the policy with its digest, its script and its inputs,
    and the smallest fix; then what else was found. Of a run that passed, what was checked.
    """  # noqa: D301  # click reads the backspace
    run = finding.one(started, name)
    found = reasons(run)
    if form == "table":
        output.lines(list(_lines(run, found)))
    else:
        output.document(form, _as_json(run, found))


def reasons(run: objects.Manifest) -> Reasons:
    """The findings of a run by what they did, each with the policies that it is about."""
    decided: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for each in page.listed(run, "findings"):
        code = findings.CODES.get(str(each.get("code")))  # None: one of a newer server, which says what it says
        effect = page.verdict(run) if code is None else code.effect.value
        where = notes if not effect else decided if effect == page.verdict(run) else others
        about = _policies(run, each)
        where.append({**each, "policies": about} if about else each)
    return Reasons(decided, others, notes)


def _policies(run: objects.Manifest, said: dict[str, Any]) -> list[dict[str, Any]]:
    """The policies that a finding is about: those of its line and material whose name its message begins with."""
    line, material, message = (str(said.get(key) or "") for key in ("line", "material", "message"))
    return [
        each
        for each in page.listed(run, "policies")
        if (str(each.get("line") or ""), str(each.get("material") or "")) == (line, material)
        and message.startswith(f"{findings.of_policy(str(each.get('name')), material)}: ")
    ]


def _lines(run: objects.Manifest, found: Reasons) -> Iterator[str]:
    yield f"{finding.name_of(run)} of {page.build(run)}: {page.verdict(run)}, judged by {_contract(run)}"
    for title, listed in (("Decided by:", found.decided), ("Also wrong:", found.others), ("Notes:", found.notes)):
        if listed:
            yield from ("", title, *(line for each in listed for line in _told(run, each)))
    if page.verdict(run) == page.PENDING or not (found.decided or page.verdict(run) == page.PASSED):
        yield from ("", *page.why(run))
    if page.verdict(run) == page.PASSED:
        checked = list(_checked(run))
        yield from (
            "",
            "Checked, and nothing was found wrong:" if checked else "The contract asks for nothing.",
            *checked,
        )


def _told(run: objects.Manifest, said: dict[str, Any]) -> Iterator[str]:
    """One finding: the sentence that stands everywhere, and below it what leads to the fix."""
    yield f"  {said.get('code', '')}: {said.get('message', '')}"
    facts = [("asked by", f"{_contract(run)}: {said['line']}" if said.get("line") else "")]
    for each in said.get("policies") or ():
        facts += _of_policy(each)
    facts.append(("fix", str(said.get("fix") or "")))
    yield from (f"{_INDENT}{title}: {text}" for title, text in facts if text)


def _of_policy(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    group = f" (of PolicyGroup {said['group']})" if said.get("group") else ""
    yield "policy", f"{said.get('name', '')}@{said.get('digest', '')}{group}"
    yield "script", ", ".join(map(str, said.get("scripts") or ()))
    for name, text in objects.part(said, "inputs").items():
        yield "input", f"{name} = {text}"


def _checked(run: objects.Manifest) -> Iterator[str]:
    for each in page.listed(run, "materials"):
        yield f"  material {each.get('name', '')}: is {each.get('type', '')}, {each.get('digest') or 'as a text'}"
    for each in page.listed(run, "policies"):
        about = findings.of_policy(str(each.get("name", "")), str(each.get("material") or ""))
        reason = f" ({each['reason']})" if each.get("reason") else ""
        yield f"  {about}: {each.get('status', '')}{reason}"


def _contract(run: objects.Manifest) -> str:
    contract = objects.part(run, "spec", "contract")
    return f"Contract {contract.get('name', '')}, revision {page.revision(run)}"


def _as_json(run: objects.Manifest, found: Reasons) -> dict[str, Any]:
    return {
        "run": finding.name_of(run),
        "namespace": objects.text(run, "metadata", "namespace"),
        "workflow": objects.text(run, "spec", "workflow"),
        "subject": objects.part(run, "spec", "subject"),
        "contract": objects.part(run, "spec", "contract"),
        "verdict": page.verdict(run),
        "decided": list(found.decided),
        "others": list(found.others),
        "notes": list(found.notes),
        "materials": page.listed(run, "materials"),
        "policies": page.listed(run, "policies"),
    }
