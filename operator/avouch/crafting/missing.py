"""What is still owed, with the command that delivers it. The server decides; this saves the round trip.

What is missing is worked out by `contract.completeness`, the same that the judge asks; only the fix differs, because
outside of Tekton a person types it.
"""

import shlex
from typing import NamedTuple

from avouch import plan
from avouch.contract import completeness
from avouch.crafting import state as states
from avouch.findings import Finding
from avouch.materials import types

_VALUE = {types.Form.VALUE: "TEXT", types.Form.IMAGE: "IMAGE", types.Form.FILE: "FILE"}


class Way(NamedTuple):
    """How the user calls us, and what each later command needs to find the same attestation."""

    program: str = "avouch attestation"
    options: tuple[str, ...] = ()

    def command(self, verb: str, *arguments: str) -> str:
        """One command line, ready for a shell."""
        return " ".join([self.program, verb, *map(shlex.quote, (*arguments, *self.options))])


class Line(NamedTuple):
    """One line of the status table: a material of the contract, or one that was added beside it."""

    name: str
    type: str
    state: str  # added | owed | one of its group is owed | optional
    required: bool
    group: str = ""
    value: str = ""
    digest: str = ""
    command: str = ""


def owed(state: states.State, way: Way) -> tuple[Finding, ...]:
    """All that is missing, each with the command that adds it; empty when the attestation is complete."""
    evidence = completeness.Evidence(state.materials, state.annotations, state.env)
    return completeness.owed(state.run.plan, evidence, _advice(state.run.plan, way))


def lines(state: states.State, way: Way) -> tuple[Line, ...]:
    """Materials of the contract in the plan's order, then the others in theirs."""
    planned = tuple(_line(state, each, way) for each in state.run.plan.materials)
    names = {each.name for each in planned}
    return planned + tuple(
        Line(each.name, each.type, "added", required=False, value=each.resource, digest=str(each.digest))
        for each in state.materials
        if each.name not in names
    )


def command(planned: plan.PlannedMaterial, way: Way) -> str:
    """The exact command that adds a material."""
    empty = [each.name for each in planned.annotations if not each.value]
    notes = [part for name in empty for part in ("--annotation", f"{name}=VALUE")]
    return way.command("add", "--name", planned.name, "--value", _VALUE[types.of(planned.type).form], *notes)


def _line(state: states.State, planned: plan.PlannedMaterial, way: Way) -> Line:
    found, required = state.of(planned.name), not (planned.optional or planned.group)
    if found is not None:
        value = found.resource or (found.content or b"").decode("utf-8", "replace")
        return Line(planned.name, planned.type, "added", required, planned.group, value, str(found.digest))
    group = [each for each in state.run.plan.materials if planned.group and each.group == planned.group]
    waiting = bool(group) and not any(state.of(each.name) for each in group)
    said = "owed" if required else "one of its group is owed" if waiting else "optional"
    return Line(planned.name, planned.type, said, required, planned.group, command=command(planned, way))


def _advice(owing: plan.Plan, way: Way) -> completeness.Advice:
    planned = {each.name: each for each in owing.materials}

    def deliver(material: plan.PlannedMaterial) -> str:
        group = [each for each in owing.materials if material.group and each.group == material.group]
        return " or ".join(command(each, way) for each in group or [material])

    def fill(annotation: plan.PlannedAnnotation, material: str) -> str:
        if material:
            return command(planned[material], way)
        return way.command("push", "--annotation", f"{annotation.name}=VALUE")

    def resolve(name: str) -> str:
        return f"set {name}, then start anew: {way.command('init', '--replace')}"

    return completeness.Advice(deliver, fill, resolve)
