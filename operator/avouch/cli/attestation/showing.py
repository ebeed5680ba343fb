"""How an attestation stands: the run, its materials, what is owed with the command that delivers it, the verdict."""

from typing import Any

import click

from avouch.cli import output
from avouch.cli.attestation import common
from avouch.crafting import missing, run, state
from avouch.findings import Finding

PASSED = "Passed"
PENDING = "Pending"
_SHORT = 19  # characters of a digest in a table: sha256: and twelve


def way(place: common.Place) -> missing.Way:
    """How a later command finds the same state."""
    program = click.get_current_context().find_root().info_name or "avouch"
    said = (("--attestation-id", place.identity), ("--local-state-path", place.path))
    return missing.Way(f"{program} attestation", tuple(part for flag, value in said if value for part in (flag, value)))


def show(found: state.State, then: missing.Ways, *, full: bool = False) -> None:
    """Write how an attestation stands, for people."""
    run = found.run
    output.facts(_facts(found))
    show_materials(found, then, full=full)
    if full:
        _pairs(
            "ANNOTATION", dict(found.annotations) | {each.name: "" for each in run.plan.annotations if not each.value}
        )
        _pairs("VARIABLE", dict(found.env))
    show_owed(missing.owed(found, then))


def show_materials(found: state.State, then: missing.Ways, *, full: bool = False) -> None:
    """Write the materials, for people."""
    click.echo()
    output.tabulate(
        output.Table(
            ("MATERIAL", "TYPE", "STATE", "VALUE", "DIGEST"),
            tuple(_row(line, full=full) for line in missing.lines(found, then)),
            "The contract asks for no material, and none was added.",
        )
    )


def show_owed(owed: tuple[Finding, ...]) -> None:
    """Write all that is missing, each with its contract line and the command that delivers it."""
    if not owed:
        output.lines(["", "Nothing is owed: the attestation can be pushed."])
        return
    output.lines(["", *owed_lines(owed)])


def owed_lines(owed: tuple[Finding, ...]) -> list[str]:
    """All that is missing, in lines."""
    return ["Owed:", *(line for each in owed for line in _owed(each))]


def as_json(found: state.State, then: missing.Ways) -> dict[str, Any]:
    """The same for programs."""
    return {
        "run": {key: value for key, value in run.write(found.run).items() if key not in ("plan", "findings")},
        "dryRun": found.dry_run,
        "runner": {"type": found.runner_type, "url": found.runner_url},
        "annotations": dict(found.annotations),
        "env": dict(found.env),
        "materials": [
            {
                "name": line.name, "type": line.type, "state": line.state, "required": line.required,
                "group": line.group, "value": line.value, "digest": line.digest, "command": line.command,
            }
            for line in missing.lines(found, then)
        ],
        "owed": [_as_json(each) for each in missing.owed(found, then)],
    }  # fmt: skip


def verdict_lines(run: run.Run) -> list[str]:
    """What the server judged, for people and for the CI's report."""
    if run.verdict == PENDING:
        return [f"Verdict: not judged yet; see: kubectl get workflowrun {run.name} -n {run.namespace}"]
    lines = [f"Verdict: {run.verdict}"]
    for each in run.findings:
        lines.append(f"  - {each.message}")
        lines += [f"    {name}: {said}" for name, said in (("contract", each.line), ("fix", each.fix)) if said]
    return lines


def _facts(found: state.State) -> list[tuple[str, str]]:
    run = found.run
    revision = f"{run.contract.name}, revision {run.contract.revision}"
    newer = f" (the newest is {run.contract.latest})" if run.contract.latest > run.contract.revision else ""
    prerelease = " (prerelease)" if run.version.prerelease else ""
    return [
        ("Attestation", run.id),
        ("Run", f"{run.name} of workflow {run.workflow} in {run.namespace}{' (dry run)' if found.dry_run else ''}"),
        ("Contract", f"{revision}{newer}"),
        ("Version", f"{run.version.name}{prerelease}" if run.version.name else ""),
        ("Runner", " ".join(each for each in (found.runner_type, found.runner_url) if each)),
        ("Stored in", f"{run.backend.name}{' (fallback)' if run.backend.fallback else ''}"),
        ("Commit", found.commit.digest.get("sha1", "") if found.commit else ""),
        ("Expires", _seconds(run.expires_at)),
    ]


def _seconds(moment: str) -> str:
    """A time without its fraction, as kubectl shows it.

    >>> _seconds("2026-11-21T11:07:18.441454Z"), _seconds("")
    ('2026-11-21T11:07:18Z', '')
    """
    whole, point, _ = moment.partition(".")
    return f"{whole}Z" if point else moment


def _row(line: missing.Line, *, full: bool) -> tuple[str, ...]:
    digest = line.digest if full or not line.digest else f"{line.digest[:_SHORT]}..."
    shown = line.state if line.required or line.state != "added" else "added (optional)"
    value = line.value if full or len(line.value) <= 60 else f"{line.value[:57]}..."
    return line.name, line.type, shown, value, digest


def _pairs(title: str, found: dict[str, str]) -> None:
    click.echo()
    rows = tuple((name, value or "(owed)") for name, value in sorted(found.items()))
    output.tabulate(output.Table((title, "VALUE"), rows, f"No {title.lower()}s."))


def _owed(each: Finding) -> list[str]:
    said = (("contract", each.line), ("fix", each.fix))
    return [f"  - {each.message}", *(f"    {name}: {text}" for name, text in said if text)]


def _as_json(each: Finding) -> dict[str, str]:
    return {
        "code": each.code, "message": each.message, "line": each.line, "fix": each.fix, "material": each.material
    }  # fmt: skip
