"""One run as people read it: the verdict and why, what it delivered, when what happened, who was told."""

import operator
from collections.abc import Iterator
from typing import Any

import click

from avouch.cli import objects, output

PASSED, PENDING = "Passed", "Pending"
_DIGEST = 19  # characters of a digest: sha256: and twelve
_WAITS = "Not judged yet: avouch run watch follows it."
_LATE = "Not judged yet, though the build has ended: if it stays so, see that avouch-worker is ready where avouch runs."
_time = operator.itemgetter(0)
_MOST = 60  # characters of a value


def show(run: objects.Manifest) -> None:
    """Write all of it."""
    output.facts(list(_facts(run)))
    output.lines(["", *why(run)])
    click.echo()
    table = _materials(run)
    if table.rows:
        output.tabulate(table)
    else:
        output.lines(["No material was found."])
    judged = listed(run, "policies")
    if judged:
        click.echo()
        output.tabulate(output.Table(("POLICY", "ON", "STATUS", "GATE", "SAID"), tuple(map(_policy, judged))))
    output.lines(["", "Timeline:", *(f"  {at:<20}  {what}" for at, what in sorted(_timeline(run), key=_time))])
    deliveries = listed(run, "deliveries")
    if deliveries:
        click.echo()
        output.tabulate(output.Table(("DELIVERY", "STATE", "TRIES", "LAST ERROR"), tuple(map(_delivery, deliveries))))


def verdict(run: objects.Manifest) -> str:
    """Its verdict; Pending until it has one."""
    return objects.text(run, "status", "verdict") or PENDING


def build(run: objects.Manifest) -> str:
    """What it is about, as kubectl names it."""
    return "/".join(objects.text(run, "spec", "subject", key) for key in ("kind", "name"))


def revision(run: objects.Manifest) -> str:
    """The revision of its Contract that its verdict is of; until there is one, the one under which it was opened."""
    judging = objects.text(run, "status", "reevaluation", "contract", "revision")
    return judging or objects.text(run, "spec", "contract", "revision")


def why(run: objects.Manifest) -> list[str]:
    """The findings, each with the line of the contract and the fix, in lines."""
    found = [line for each in listed(run, "findings") for line in _finding(each)]
    if found:
        return ["Why:", *found]
    if verdict(run) == PENDING:
        return [_LATE if objects.text(run, "status", "finishedAt") else _WAITS]
    return ["Nothing was found wrong." if verdict(run) == PASSED else "No finding says why."]


def _finding(said: dict[str, Any]) -> Iterator[str]:
    yield f"  {said.get('code', '')}: {said.get('message', '')}"
    for title, key in (("asked by", "line"), ("fix", "fix")):
        if said.get(key):
            yield f"    {title}: {said[key]}"


def _facts(run: objects.Manifest) -> Iterator[tuple[str, str]]:
    contract = objects.part(run, "spec", "contract")
    found, asked = (objects.text(run, "status", f"materials{each}") for each in ("Found", "Asked"))
    runner = objects.part(run, "spec", "runner")
    yield "Run", objects.text(run, "metadata", "name")
    yield "Namespace", objects.text(run, "metadata", "namespace")
    yield "Workflow", objects.text(run, "spec", "workflow")
    yield "Run of", build(run)
    opened = str(contract.get("revision", ""))
    under = "" if revision(run) == opened else f" (opened under revision {opened})"
    yield "Contract", f"{contract.get('name', '')}, revision {revision(run)}{under}"
    yield "Version", objects.text(run, "spec", "version")
    yield "Attester", objects.text(run, "spec", "attester", "id")
    yield "Runner", " ".join(str(runner[key]) for key in ("type", "url") if runner.get(key))
    yield (
        "Labels",
        ", ".join(f"{key}={value}" for key, value in sorted(objects.part(run, "metadata", "labels").items())),
    )
    yield "Verdict", verdict(run)
    yield "Judged again", _again(objects.part(run, "status", "reevaluation"))
    yield "Asked again", _request(objects.part(run, "status", "reevaluationRequest"))
    yield "Evidence", objects.text(run, "status", "evidence")
    yield "Materials", f"{found or 0} of {asked or 0}"
    yield "Attestation", objects.text(run, "status", "attestationBundle")


def _again(said: dict[str, Any]) -> str:
    """Who had it judged again, when and why."""
    return f"for {said.get('askedBy')}, who asked at {said.get('askedAt')}: {said.get('reason')}" if said else ""


def _request(said: dict[str, Any]) -> str:
    """What the last request came to, where the verdict does not say so."""
    if not said or said.get("state") == "Replaced":
        return ""
    told = f": {said['message']}" if said.get("message") else ""
    return f"by {said.get('askedBy')} at {said.get('askedAt')}: {said.get('state')}{told}"


def _materials(run: objects.Manifest) -> output.Table:
    rows = tuple(
        (str(each.get("name", "")), str(each.get("type", "")), str(each.get("origin", "")), _value(each), _short(each))
        for each in listed(run, "materials")
    )
    return output.Table(("MATERIAL", "TYPE", "FROM", "VALUE", "DIGEST"), rows)


def _policy(said: dict[str, Any]) -> tuple[str, ...]:
    """What one policy said, in a line: all of it is in the output as JSON."""
    violations = [str(each) for each in said.get("violations") or ()]
    more = len(violations) - 1 + int(said.get("more") or 0)
    told = f"{_cut(violations[0])} (and {more} more)" if violations and more else _cut(*violations[:1])
    on = str(said.get("material") or "the attestation")
    status = str(said.get("status") or "")
    gate = "excepted" if said.get("exception") else "yes" if said.get("gate") else "no"
    return str(said.get("name") or ""), on, status, gate, told or _cut(str(said.get("reason") or ""))


def _cut(text: str = "") -> str:
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def _value(material: dict[str, Any]) -> str:
    return _cut(str(material.get("value") or material.get("filename") or ""))


def _short(material: dict[str, Any]) -> str:
    digest = str(material.get("digest") or "")
    return f"{digest[:_DIGEST]}..." if digest else ""


def _timeline(run: objects.Manifest) -> Iterator[tuple[str, str]]:
    for at, what in (
        (objects.text(run, "metadata", "creationTimestamp"), "the run was opened"),
        (objects.text(run, "status", "finishedAt"), "the build ended"),
        (objects.text(run, "status", "expiresAt"), "it expires, unless something arrives"),
        *((str(each.get("judgedAt", "")), f"judged: {_before(each)}") for each in earlier(run)),
        (objects.text(run, "status", "judgedAt"), f"judged: {verdict(run)}"),
        *(
            (str(each.get("receivedAt", "")), f"a claim of TaskRun {each.get('taskRun', '')} came after the verdict")
            for each in listed(run, "lateClaims")
        ),
    ):
        if at:
            yield at, what


def _before(said: dict[str, Any]) -> str:
    by = objects.text(said, "reevaluation", "contract", "revision")
    return f"{said.get('verdict')}{f' by revision {by}' if by else ''}, which no longer holds"


def _delivery(said: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(said.get(key) or "") for key in ("attachment", "state", "attempts", "lastError"))


def earlier(run: objects.Manifest) -> list[dict[str, Any]]:
    """The verdicts that others took the place of, oldest first."""
    last = objects.part(run, "status", "superseded")
    return [*listed(run, "earlier"), *([last] if last else [])]


def listed(run: objects.Manifest, key: str) -> list[dict[str, Any]]:
    """A list in its status; empty where there is none."""
    found = objects.part(run, "status").get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
