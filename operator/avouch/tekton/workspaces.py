"""Which workspaces of a pod the sidecar may see: those the plan needs, read-only, and never a secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from avouch import plan
from avouch.materials import types as material_types
from avouch.tekton import objects, pod

# Files of a build lie here; Secrets, ConfigMaps, projected and CSI volumes hold credentials and settings.
_FILES = frozenset({"persistentVolumeClaim", "emptyDir", "ephemeral"})
VALUE_TYPES = material_types.VALUE_TYPES


@dataclass(frozen=True, slots=True)
class Chosen:
    """Workspaces to mount, by name, and those that are not mounted, with the reason."""

    mounts: Mapping[str, pod.Mount]
    skipped: Mapping[str, str]


def wanted(materials: Iterable[plan.PlannedMaterial]) -> frozenset[str] | None:
    """The workspaces these materials name; None means any (a file is to be found by its material's name)."""
    found = tuple(materials)
    if any(by_convention(material) for material in found):
        return None
    return frozenset(m.source.name for m in found if m.source.kind is plan.From.WORKSPACE)


def by_convention(material: plan.PlannedMaterial) -> bool:
    """Whether this material is a file without a source."""
    return material.source.kind is plan.From.CONVENTION and material.type not in VALUE_TYPES


def choose(
    shape: pod.Shape, taskrun: Mapping[str, Any], names: frozenset[str] | None, refused: Mapping[str, str]
) -> Chosen:
    """Choose the mounts.

    Args:
        shape: the pod.
        taskrun: its TaskRun, whose task spec may place a workspace elsewhere than /workspace/<name>.
        names: workspaces wanted, None for all that hold files.
        refused: claim name -> why its volume may not be mounted a second time.
    """
    places = {mount.path: mount for mount in shape.workspaces()}
    known = _paths(taskrun, places)
    mounts: dict[str, pod.Mount] = {}
    skipped: dict[str, str] = {}
    for name in sorted(known if names is None else names):
        mount = places.get(known.get(name, f"/workspace/{name}"))
        why = "not mounted by any step" if mount is None else _why_not(shape, mount, refused)
        if mount is None or why:
            skipped[name] = why
        else:
            mounts[name] = mount
    return Chosen(mounts, skipped)


def claim_problem(claim: Mapping[str, Any] | None) -> str:
    """Why a claim's volume may not be mounted a second time; empty if it may."""
    if claim is None:
        return "its PersistentVolumeClaim could not be read"
    if objects.text(claim, "spec", "volumeMode") == "Block":
        return "a block volume"
    return "a ReadWriteOncePod volume" if "ReadWriteOncePod" in objects.texts(claim, "spec", "accessModes") else ""


def _why_not(shape: pod.Shape, mount: pod.Mount, refused: Mapping[str, str]) -> str:
    kind = shape.kinds.get(mount.volume, "")
    if kind not in _FILES:
        return f"a {kind or 'missing'} volume is never mounted into the sidecar"
    return refused.get(shape.claims.get(mount.volume, ""), "")


def _paths(taskrun: Mapping[str, Any], places: Mapping[str, pod.Mount]) -> dict[str, str]:
    """Workspace name -> mount path: from the task spec, else Tekton's default /workspace/<name>."""
    default = {path.removeprefix("/workspace/"): path for path in places if path.startswith("/workspace/")}
    spec = objects.mappings(taskrun, "status", "taskSpec", "workspaces")
    spec += objects.mappings(taskrun, "spec", "taskSpec", "workspaces")
    said = {objects.text(w, "name"): objects.text(w, "mountPath") for w in spec if objects.text(w, "mountPath")}
    return {**default, **said}
