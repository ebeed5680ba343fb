"""The plan: materials that a run must deliver, and their sources; shared by server, admission and sidecar.

Plain dataclasses and JSON, standard library only, because the sidecar reads a plan before it may import anything heavy.
A plan is computed from a Workflow and one revision of its Contract; the server computes it again and never trusts
the copy from a pod.
"""

import json
from dataclasses import field, fields
from enum import StrEnum
from typing import Any, Self

from avouch.errors import Invalid
from avouch.values import dataclass


class From(StrEnum):
    """Source of a value. Results, params and literal environment come from the TaskRun; files only from the pod."""

    RESULT = "result"  # Task result(s) of the pipelineTask, or results of one of its steps
    ARTIFACT = "artifact"  # Tekton artifact (TEP-0147) of the pipelineTask: output name
    WORKSPACE = "workspace"  # file below a workspace of the pipelineTask
    PARAM = "param"  # param of the TaskRun, or of the PipelineRun for annotations
    ENV = "env"  # literal environment of a step; valueFrom is refused by name
    ANNOTATION = "annotation"  # annotation of the PipelineRun (annotation values only)
    CONVENTION = "convention"  # no source is set: looked up by the material's name


@dataclass(frozen=True, slots=True)
class Source:
    """Source of one value.

    `task` is the pipelineTask ("" = any task of the run that has it). `name` is the result, artifact, workspace,
    param, variable or annotation key; `digest` the result that holds the digest of an image reference in `name`;
    `path` a path relative to the workspace, `step` the step of a literal environment variable or of a result.
    """

    kind: From = From.CONVENTION
    task: str = ""
    name: str = ""
    digest: str = ""
    path: str = ""
    step: str = ""

    @property
    def needs_pod(self) -> bool:
        """True if only the pod has the bytes, so that a sidecar is needed (reference: native sidecars)."""
        return self.kind in (From.WORKSPACE, From.ARTIFACT)


@dataclass(frozen=True, slots=True)
class PlannedAnnotation:
    """One annotation of the contract. `value` is fixed by the contract when not empty, else it comes from `source`."""

    name: str
    value: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class PlannedMaterial:
    """One material that the contract requires, and its source. `line` names the contract line, for people."""

    name: str
    type: str
    source: Source = field(default_factory=Source)
    optional: bool = False
    output: bool = False
    skip_upload: bool = False
    group: str = ""
    annotations: tuple[PlannedAnnotation, ...] = ()
    line: str = ""  # e.g. spec.materials[1]

    @property
    def may_lack(self) -> bool:
        """Whether a run may pass without it: it is optional, or one of a group, which needs any of its members."""
        return self.optional or bool(self.group)


ATTEST_WITHIN = 20  # seconds from the last step's end; the kubelet's grace is 30


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run of one Workflow must deliver, by one contract revision."""

    workflow: str
    workflow_uid: str
    namespace: str
    contract: str
    revision: int
    contract_digest: str
    materials: tuple[PlannedMaterial, ...] = ()
    annotations: tuple[PlannedAnnotation, ...] = ()
    env: tuple[str, ...] = ()  # envAllowList: in Tekton params and literal step environment of these names
    runner: str = ""
    inject: str = "auto"  # auto | always | never
    has_policies: bool = False
    project: str = ""
    team: str = ""
    contract_namespace: str = ""  # where the contract lies, which may be the organization's home namespace
    contract_namespace_uid: str = ""
    attest_within: int = ATTEST_WITHIN  # seconds that a sidecar may try to deliver after the last step
    generation: int = 0  # of the Workflow that it was computed from; 0 in plans of before it was kept
    # Only in the server's answer to a pod: materials whose path names what its TaskRun does not have, and why.
    unresolved: tuple[tuple[str, str], ...] = ()

    def of_task(self, pipeline_task: str) -> tuple[PlannedMaterial, ...]:
        """Materials that the pod of this pipelineTask may hold: those mapped to it, and those mapped to no task."""
        return tuple(m for m in self.materials if m.source.task in ("", pipeline_task))

    def to_json(self) -> str:
        """Canonical JSON: equal plans are equal bytes."""
        whole = _parts(self)
        if not self.unresolved:  # as it was written before there was such a field
            del whole["unresolved"]
        return json.dumps(whole, sort_keys=True, separators=(",", ":"), default=_parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, also of a newer version: fields that this one does not know are passed over.

        Raises:
            Invalid: not a plan.
        """
        try:
            return cls(**_plan(json.loads(text)))
        except (ValueError, TypeError, KeyError) as exc:
            raise Invalid(f"not a plan: {exc}") from exc


def _parts(value: Any) -> dict[str, Any]:
    """What `asdict` makes of it, without its copies: a run is opened with others waiting, for 200 materials at most."""
    return {name: getattr(value, name) for name in value.__slots__}


def _source(raw: dict[str, Any]) -> Source:
    return Source(**{**raw, "kind": From(raw["kind"])})


def _annotation(raw: dict[str, Any]) -> PlannedAnnotation:
    source = raw.get("source")
    return PlannedAnnotation(**{**raw, "source": _source(source) if source else None})


def _material(raw: dict[str, Any]) -> PlannedMaterial:
    return PlannedMaterial(
        **{**raw, "source": _source(raw["source"]), "annotations": tuple(map(_annotation, raw["annotations"]))}
    )


def _plan(raw: dict[str, Any]) -> dict[str, Any]:
    known = {each.name for each in fields(Plan)}
    return {
        **{name: value for name, value in raw.items() if name in known},
        "materials": tuple(map(_material, raw["materials"])),
        "annotations": tuple(map(_annotation, raw["annotations"])),
        "env": tuple(raw["env"]),
        "unresolved": tuple((str(name), str(why)) for name, why in raw.get("unresolved", ())),
    }
