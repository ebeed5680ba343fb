"""Regenerate every generated file; with --check, do it in memory and fail on the first difference with a diff.

Generated: crds/ and their copy in the chart, the chart's permissions and values schema, manifests/, docs/reference/.
"""

import argparse
import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from avouch import findings as finding_table
from avouch import refusals
from avouch.api import crds
from avouch.cli import materials as material_commands
from avouch.materials import detection as material_detection
from avouch.policy import documents as policy_documents
from avouch.processes import main as entry
from avouch.processes import permissions
from avouch.runners import detection, table
from tests.cluster import binaries

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "avouch"
COMMENT = re.compile(r"^(\s*)# -- (.*)$")
KEY = re.compile(r"^(\s*)([A-Za-z]+):")


def custom_resources() -> Iterator[tuple[Path, str]]:
    """CRDs from the models, and the chart's copy (Helm cannot read files outside the chart)."""
    for kind in crds.KINDS:
        for folder in (ROOT / "crds", CHART / "crds-generated"):
            yield folder / crds.file_name(kind), crds.to_yaml(kind)


def chart_permissions() -> Iterator[tuple[Path, str]]:
    """The rules each process needs, from the one table."""
    yield (
        CHART / "files" / "permissions.yaml",
        yaml.safe_dump(
            {
                process: {
                    part: [rule.to_json() for rule in getattr(granted, part)]
                    for part in ("cluster", "namespace", "kube_system", "token_secrets", "dry_runs")
                }
                for process, granted in permissions.PERMISSIONS.items()
            }
        ),
    )


def values_schema() -> Iterator[tuple[Path, str]]:
    """JSON schema of values.yaml: types from the defaults, descriptions from the `# --` comments, nothing unknown."""
    text = (CHART / "values.yaml").read_text()
    schema = _schema(yaml.safe_load(text), _descriptions(text), ())
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["global"] = {"type": "object"}
    schema["properties"]["artifacts"]["properties"]["backend"]["enum"] = ["inline", "filesystem"]
    persistence = schema["properties"]["postgres"]["properties"]["persistence"]
    persistence.pop("type")  # --set makes a boolean of true, a file may quote it
    persistence["enum"] = ["auto", "true", "false", True, False]
    schema["properties"]["gateway"]["properties"]["kind"]["enum"] = ["HTTPRoute", "TLSRoute"]
    service = schema["properties"]["server"]["properties"]["service"]["properties"]
    service["type"]["enum"] = ["ClusterIP", "NodePort", "LoadBalancer"]
    yield CHART / "values.schema.json", json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _descriptions(text: str) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    path: list[str] = []
    comment = ""
    for line in text.splitlines():
        if match := COMMENT.match(line):
            comment = match.group(2)
        elif match := KEY.match(line):
            path[len(match.group(1)) // 2 :] = [match.group(2)]
            if comment:
                found[tuple(path)] = comment
            comment = ""
    return found


TYPES = {str: "string", bool: "boolean", int: "integer", list: "array"}


def _schema(value: Any, descriptions: dict[tuple[str, ...], str], path: tuple[str, ...]) -> dict[str, Any]:
    said = {"description": descriptions[path]} if path in descriptions else {}
    if path and path[-1] == "resources":
        return {**said, "type": "object"}
    if value == {}:  # a map that users fill
        return {**said, "type": "object", "additionalProperties": {"type": "string"}}
    if isinstance(value, dict):
        properties = {k: _schema(v, descriptions, (*path, k)) for k, v in value.items()}
        return {**said, "type": "object", "properties": properties, "additionalProperties": False}
    return {**said, "type": TYPES[type(value)]}


def manifests() -> Iterator[tuple[Path, str]]:
    """The chart rendered with the values most people start from, for those who do not use Helm."""
    helm = binaries.binary("helm")
    command = [
        str(helm),
        "template",
        "avouch",
        str(CHART),
        "--namespace",
        "avouch",
        "--no-hooks",
        "--kube-version",
        "1.34.0",
    ]
    command += ["--set", "verifierId=https://avouch.example.com/verifier"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"helm template failed:\n{done.stderr}")
    yield ROOT / "manifests" / "avouch.yaml", done.stdout


def api_reference() -> Iterator[tuple[Path, str]]:
    """Every field of every kind, from the CRDs."""
    lines = ["# API reference", "Generated from the CRDs (`make generate`); the same texts as `kubectl explain`.", ""]
    for kind in crds.KINDS:
        crd = crds.crd(kind)
        version = crd["spec"]["versions"][0]
        lines += [f"## {crd['spec']['names']['kind']} (`{crd['spec']['group']}/{version['name']}`)", ""]
        lines += ["| field | type | meaning |", "|---|---|---|"]
        for part in ("spec", "status"):
            schema = version["schema"]["openAPIV3Schema"]["properties"].get(part)
            lines += list(_fields(part, schema)) if schema else []
        lines.append("")
    yield ROOT / "docs" / "reference" / "api.md", "\n".join(lines)


def _fields(path: str, schema: dict[str, Any]) -> Iterator[str]:
    kind = schema.get("type", "any")
    meaning = " ".join(schema.get("description", "").split()).replace("|", "\\|")
    yield f"| `{path}` | {kind} | {meaning} |"
    if "items" in schema:
        for name, child in schema["items"].get("properties", {}).items():
            yield from _fields(f"{path}[].{name}", child)
    for name, child in schema.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", child)


def cli_reference() -> Iterator[tuple[Path, str]]:
    """--help of every command, from the tree itself."""
    top = entry.top()
    parts = [
        "# Command reference",
        "Generated from `--help` (`make generate`). `kubectl avouch` is the same as `avouch`, where kubectl finds",
        "`kubectl-avouch` on PATH. Exit codes: 0 success, 1 an error, 2 wrong usage, 4 a gate,",
        "5 a verified verdict that is FAILED, 130 interrupted.",
        "Colours: NO_COLOR comes before FORCE_COLOR and CLICOLOR_FORCE, and both before what the terminal is.",
        "",
    ]
    for path, text in _helps(top, click.Context(top, info_name="avouch", terminal_width=100, **top.context_settings)):
        body = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
        parts += [f"## `{path}`", "```", body, "```", ""]
    yield ROOT / "docs" / "reference" / "cli.md", "\n".join(parts)


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    names = command.list_commands(context) if isinstance(command, click.Group) else ()
    for below in (command.get_command(context, name) for name in names):
        if below is not None:
            yield from _helps(below, click.Context(below, parent=context, info_name=below.name, terminal_width=100))


def runners_reference() -> Iterator[tuple[Path, str]]:
    """How each runner is recognised and what of it is recorded, from the one table."""
    lines = [
        "# Runners",
        "Generated from the table of runners (`make generate`), in the order in which they are recognised: the",
        "first match is the runner. A contract's `spec.runner.type` has the type; without it any runner is accepted,",
        "and a dry run works anywhere. Variables marked **required** must have a value; the others are recorded if",
        "they have one. Values that look like credentials are never recorded:",
        "[what differs from Chainloop](../compatibility.md#runners).",
        "",
    ]
    for row in table.RUNNERS:
        lines += [f"## {row.title}", "", f"- type: {f'`{row.name}`' if row.name else 'none'}"]
        lines.append(f"- recognised by: {detection.recognised_by(row)}")
        lines.append(f"- link to the run: {row.link_form or 'none'}")
        lines.append(f"- proven by: {row.proof or 'nothing'}")
        hosted = "self-hosted, inside Kubernetes" if row.in_tekton else "unknown"
        lines.append(f"- environment: {'from its verified OIDC token, else unknown' if row.claims else hosted}")
        lines += [f"- {row.notes}"] if row.notes else []
        if row.variables:
            lines += ["", "| variable | | from |", "|---|---|---|"]
            lines += [_variable(each) for each in row.variables]
        lines.append("")
    yield ROOT / "docs" / "reference" / "runners.md", "\n".join(lines)


def _variable(variable: table.Variable) -> str:
    origin = "; ".join(filter(None, (f"label `{variable.label}`" if variable.label else "", variable.meaning)))
    return f"| `{variable.name}` | {'**required**' if variable.required else ''} | {origin or 'the environment'} |"


def materials_reference() -> Iterator[tuple[Path, str]]:
    """The table of material types."""
    lines = [
        "# Material types",
        "Generated from the tables in `operator/avouch/materials/types.py` and `policy/documents.py`",
        "(`make generate`).",
        "",
        "Annotations are written without their prefix `chainloop.material.`. A type *found by itself* is detected",
        "if none is given, in the order below. How this differs from Chainloop:",
        "[compatibility](../compatibility.md).",
        "",
        *material_commands.markdown(),
    ]
    lines += ["", "## Order of detection", ""]
    order = (*material_detection.ORDER, "ARTIFACT (any other file)")
    lines += [f"{number}. {name}" for number, name in enumerate(order, 1)]
    lines += [
        "",
        "A value that is not the name of a file is a CONTAINER_IMAGE if its registry has it, otherwise a STRING.",
        "",
        "## What policies see",
        "",
        "`input` of a script, beside `args` and `chainloop_metadata`. A document that is a list is `elements`.",
        "",
        "| Type | `input` |",
        "|---|---|",
        *(f"| `{name}` | {shown.words} |" for name, shown in policy_documents.TABLE.items()),
        "",
    ]
    yield ROOT / "docs" / "reference" / "materials.md", "\n".join(lines)


def findings_reference() -> Iterator[tuple[Path, str]]:
    """The table of finding codes."""
    lines = [
        "# Findings",
        "Generated from the tables in `operator/avouch/findings.py` and `refusals.py` (`make generate`).",
        "",
        "A finding says what is wrong with a run: `code`, `message`, `line` (the contract line), `fix` (the smallest",
        "change that helps) and `material`. Programs may compare codes: their meaning never changes. The strongest",
        "finding decides the verdict, in the order of the sections below, and comes first; a run without findings, or",
        "with notes only, has `Passed`. `kubectl describe workflowrun NAME` and `avouch attestation push` show them.",
        "",
        "What an optional material lacks, or one of a group that has another, never fails a run: it is a note. What is",
        "delivered of it is held to its type, its digest and its annotations as any material is.",
        "",
        *finding_table.markdown(),
        "## Causes",
        "Why a file or value was refused (`EvidenceRefused`, `MaterialNotUsed`). The sidecar signs the cause with its",
        "claim (annotation `avouch.dev/cause.MATERIAL`); the fix of the finding is that of the cause.",
        "",
        *refusals.markdown(),
        "",
    ]
    yield ROOT / "docs" / "reference" / "findings.md", "\n".join(lines)


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    check = parser.parse_args().check
    stale = 0
    pages = (api_reference, cli_reference, runners_reference, materials_reference, findings_reference)
    for make in (custom_resources, chart_permissions, values_schema, manifests, *pages):
        for path, text in make():  # the chart is complete before it is rendered
            stale += _settle(path, text, check)
    if stale:
        print(f"{stale} generated file(s) differ from their source: run `make generate` and commit the result")
    return 1 if stale else 0


def _settle(path: Path, text: str, check: bool) -> int:
    old = path.read_text() if path.exists() else ""
    if old == text:
        return 0
    name = str(path.relative_to(ROOT))
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {name}")
        return 0
    sys.stdout.writelines(
        list(difflib.unified_diff(old.splitlines(True), text.splitlines(True), name, "generated"))[:60]
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
