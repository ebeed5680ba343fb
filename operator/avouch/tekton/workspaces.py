"""Which workspaces of a pod the sidecar may see: those the plan needs, read-only, and never a secret.

A ConfigMap, or a projected volume of nothing but such, is settings, which a file's name alone must not turn into
evidence: it is mounted only where a material names its workspace.

Tekton makes the pod before it writes the resolved Task into the TaskRun's status, so where a Task mounts a workspace
cannot be read. What can be read is the binding in the TaskRun's spec and the volume that Tekton made of it: its name is
a hash of the workspace's. Rules: tektoncd/pipeline pkg/workspace/apply.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from avouch import errors, plan
from avouch.materials import types as material_types
from avouch.tekton import objects, pod

_FILES = frozenset({"persistentVolumeClaim", "emptyDir", "ephemeral"})
_SETTINGS = frozenset({"configMap", "projected"})
_PUBLIC = frozenset({"configMap", "downwardAPI", "clusterTrustBundle"})  # sources of a projected volume
_NEVER = {
    "secret": ": what lies there is a credential, and evidence is read by others than those who may read Secrets",
    "csi": ": its driver may hand out credentials, and need not allow a second mount",
}
_DEFAULT = "/workspace/"
_COPY = "let the step copy the file into a workspace of an emptyDir or a PersistentVolumeClaim"
_HASH = 5  # hexadecimal characters

Binding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Workspaces to mount, by name, and those that are bound but cannot be mounted, with the reason and what to do.

    `published` are those of the mounts that the kubelet writes itself.
    """

    mounts: Mapping[str, pod.Mount]
    skipped: Mapping[str, str]
    published: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The workspaces that materials name, and whether any other may hold one, a file that nobody placed."""

    named: frozenset[str] = frozenset()
    every: bool = False


def wanted(materials: Iterable[plan.PlannedMaterial]) -> Wanted:
    """The workspaces that these materials need."""
    found = tuple(materials)
    named = frozenset(m.source.name for m in found if m.source.kind is plan.From.WORKSPACE)
    return Wanted(named, any(by_convention(material) for material in found))


def by_convention(material: plan.PlannedMaterial) -> bool:
    """Whether this material is a file without a source."""
    return material.source.kind is plan.From.CONVENTION and material.type not in material_types.VALUE_TYPES


def choose(shape: pod.Shape, taskrun: Mapping[str, Any], asked: Wanted, refused: Mapping[str, str]) -> Chosen:
    """Choose the mounts.

    Args:
        shape: the pod.
        taskrun: its TaskRun, whose spec binds the workspaces.
        asked: the workspaces wanted.
        refused: claim name -> why its volume may not be mounted a second time; "" where it may.
    """
    bound = _bound(shape, taskrun, asked.named)
    volumes = _volumes(bound.values())
    mounts: dict[str, pod.Mount] = {}
    skipped: dict[str, str] = {}
    for name in sorted(bound if asked.every else asked.named & set(bound)):
        try:
            mount = _mount(shape, bound[name], volumes[name])
            _check(shape, mount.volume, refused, named=name in asked.named)
            mounts[name] = mount
        except errors.Invalid as exc:
            skipped[name] = str(exc)
    published = (name for name, mount in mounts.items() if shape.kinds.get(mount.volume) in _SETTINGS)
    return Chosen(mounts, skipped, frozenset(published))


def claim_problem(claim: Mapping[str, Any] | None) -> str:
    """Why a claim's volume may not be mounted a second time; empty if it may."""
    if claim is None:
        return "its PersistentVolumeClaim could not be read"
    if objects.text(claim, "spec", "volumeMode") == "Block":
        return "a block volume"
    return "a ReadWriteOncePod volume" if "ReadWriteOncePod" in objects.texts(claim, "spec", "accessModes") else ""


def _bound(shape: pod.Shape, taskrun: Mapping[str, Any], names: Iterable[str]) -> dict[str, Binding]:
    """Bindings by name, in Tekton's order; at the end those that Tekton made by its default, which the spec lacks."""
    found: dict[str, Binding] = {
        objects.text(each, "name"): each for each in objects.mappings(taskrun, "spec", "workspaces")
    }
    known = set(_volumes(found.values()).values())
    for name in sorted(names):
        if _hashed(name) in shape.kinds.keys() - known:
            found.setdefault(name, {"name": name})
    for mount in shape.workspaces():
        name = mount.path.removeprefix(_DEFAULT)
        if mount.path.startswith(_DEFAULT) and "/" not in name and mount.volume not in known:
            found.setdefault(name, {"name": name})
    return found


def _volumes(bindings: Iterable[Binding]) -> dict[str, str]:
    """The name of the volume that Tekton makes of each binding; of a claim that is bound twice it makes the first."""
    found: dict[str, str] = {}
    for binding in bindings:
        name = objects.text(binding, "name")
        volume = _hashed(name)
        while volume in found.values():
            volume = _hashed(f"{volume}$")
        found[name] = volume
    return found


def _hashed(name: str) -> str:
    """FNV-1a of 32 bits, as `GenerateHashedName` in tektoncd/pipeline pkg/names/generate.go spells it."""
    state = 0x811C9DC5
    for byte in name.encode():
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{pod.WORKSPACE}{f'{state:x}'[:_HASH]:0<{_HASH}}"


def _mount(shape: pod.Shape, binding: Binding, volume: str) -> pod.Mount:
    there = [mount for mount in shape.workspaces() if mount.volume == volume] or _by_source(shape, binding)
    if len({mount.volume for mount in there}) != 1:
        message = "which of the pod's volumes it is cannot be told" if there else "no step mounts it"
        raise errors.Invalid(message, fix="leave mountPath out of the Task's workspace, so that it lies in /workspace")
    said = objects.text(binding, "subPath")
    folders = {mount.sub_path: mount for mount in there}
    if said in folders:
        return folders[said]
    if len(folders) == 1 and ("$(" in said or set(binding) == {"name"}):  # Tekton knows which, and there is one only
        return there[0]
    message = f"which folder of its volume it is cannot be told from subPath {said!r}"
    raise errors.Invalid(message, fix="write the subPath without variables, or bind a volume of its own")


def _by_source(shape: pod.Shape, binding: Binding) -> list[pod.Mount]:
    """Mounts of the volumes that this binding can have become: that of its claim, or in a Tekton with other names."""
    name, claim = objects.text(binding, "name"), objects.text(binding, "persistentVolumeClaim", "claimName")
    every = shape.workspaces()
    if claim:
        return [mount for mount in every if shape.claims.get(mount.volume) == claim]
    kind = next((key for key in binding if key not in ("name", "subPath")), "")
    kind = "persistentVolumeClaim" if kind == "volumeClaimTemplate" else kind
    fitting = [mount for mount in every if kind in ("", shape.kinds.get(mount.volume))]
    return [mount for mount in fitting if mount.path.rstrip("/") == f"{_DEFAULT}{name}"] or fitting


def _check(shape: pod.Shape, volume: str, refused: Mapping[str, str], *, named: bool) -> None:
    kind = shape.kinds.get(volume, "")
    if secret := sorted(shape.projected.get(volume, frozenset()) - _PUBLIC):
        kind, why = f"projected {secret[0]}", _NEVER["secret"]
        raise errors.Invalid(f"a {kind} is never mounted into the sidecar{why}", fix=_COPY)
    if kind in _SETTINGS and not named:
        text = f"a {kind} volume is read only where a material names its workspace"
        raise errors.Invalid(text, fix="name workspace and path in the Workflow's spec.tekton.materials")
    if kind not in _FILES | _SETTINGS:
        text = f"a {kind or 'missing'} volume is never mounted into the sidecar{_NEVER.get(kind, '')}"
        raise errors.Invalid(text, fix=_COPY)
    why = refused.get(shape.claims.get(volume, ""), "")
    if why:
        raise errors.Invalid(why, fix="bind a PersistentVolumeClaim of another access or volume mode")
