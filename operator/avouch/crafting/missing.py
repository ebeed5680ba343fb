"""What is still owed, with the command that delivers it. The server decides; this saves the round trip.

What is missing is worked out by `contract.completeness`, the same that the judge asks; only the fix differs, because
outside of Tekton a person types it.
"""

import shlex
from typing import NamedTuple

from avouch import plan
from avouch.attestation import materials
from avouch.contract import completeness
from avouch.crafting import state as states
from avouch.findings import Finding
from avouch.materials import types

_VALUE = {types.Form.VALUE: "TEXT", types.Form.IMAGE: "IMAGE", types.Form.FILE: "FILE"}


class Way(NamedTuple):
    """Commands one after another: how the user calls us, and what each later one needs to find the attestation."""

    program: str = "avouch attestation"
    options: tuple[str, ...] = ()

    def add(self, planned: plan.PlannedMaterial) -> str:
        """The command that adds a material, ready for a shell."""
        notes = [part for name in _empty(planned) for part in ("--annotation", f"{name}=VALUE")]
        return self._command("add", "--name", planned.name, "--value", _value(planned), *notes)

    def annotate(self, name: str) -> str:
        """The command that fills an annotation of the attestation."""
        return self._command("push", "--annotation", f"{name}=VALUE")

    def resolve(self, name: str) -> str:
        """What to do about a variable that is not set."""
        return f"set {name}, then start over: {self._command('init', '--replace')}"

    def _command(self, verb: str, *arguments: str) -> str:
        return " ".join([self.program, verb, *map(shlex.quote, (*arguments, *self.options))])


class OneCommand:
    """One command for all of it, `avouch attest`: what is missing is one more option of it."""

    def add(self, planned: plan.PlannedMaterial) -> str:
        """The options that add a material."""
        notes = [f"--material-annotation {planned.name}:{name}=VALUE" for name in _empty(planned)]
        return " ".join(["add", f"--material {planned.name}={_value(planned)}", *notes])

    def annotate(self, name: str) -> str:
        """The option that fills an annotation of the attestation."""
        return f"add --annotation {name}=VALUE"

    def resolve(self, name: str) -> str:
        """What to do about a variable that is not set."""
        return f"set {name}"


Ways = Way | OneCommand


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


def owed(state: states.State, way: Ways) -> tuple[Finding, ...]:
    """All that is missing, each with the command that adds it; empty when the attestation is complete."""
    evidence = completeness.Evidence(state.materials, state.annotations, state.env)
    return completeness.owed(state.run.plan, evidence, _advice(state.run.plan, way))


def lines(state: states.State, way: Ways) -> tuple[Line, ...]:
    """Materials of the contract in the plan's order, then the others in theirs."""
    planned = tuple(_line(state, each, way) for each in state.run.plan.materials)
    names = {each.name for each in planned}
    return planned + tuple(
        Line(each.name, each.type, "added", required=False, value=_told(each), digest=str(each.digest))
        for each in state.materials
        if each.name not in names
    )


def _empty(planned: plan.PlannedMaterial) -> list[str]:
    return [each.name for each in planned.annotations if not each.value]


def _value(planned: plan.PlannedMaterial) -> str:
    return _VALUE[types.of(planned.type).form]


def _told(found: materials.Material) -> str:
    """What a person recognises a material by: its file or image, else its text."""
    return found.resource or (found.content or b"").decode("utf-8", "replace")


def _line(state: states.State, planned: plan.PlannedMaterial, way: Ways) -> Line:
    found, required = state.of(planned.name), not (planned.optional or planned.group)
    if found is not None:
        return Line(planned.name, planned.type, "added", required, planned.group, _told(found), str(found.digest))
    group = [each for each in state.run.plan.materials if planned.group and each.group == planned.group]
    waiting = bool(group) and not any(state.of(each.name) for each in group)
    said = "owed" if required else "one of its group is owed" if waiting else "optional"
    return Line(planned.name, planned.type, said, required, planned.group, command=way.add(planned))


def _advice(owing: plan.Plan, way: Ways) -> completeness.Advice:
    planned = {each.name: each for each in owing.materials}

    def deliver(material: plan.PlannedMaterial) -> str:
        group = [each for each in owing.materials if material.group and each.group == material.group]
        return " or ".join(way.add(each) for each in group or [material])

    def fill(annotation: plan.PlannedAnnotation, material: str) -> str:
        if material:
            return way.add(planned[material])
        return way.annotate(annotation.name)

    return completeness.Advice(deliver, fill, way.resolve)
