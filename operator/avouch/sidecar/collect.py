"""What the pod has of each planned material. A material that cannot be taken becomes a finding, never an error.

Params and literal environment are not here: the server reads them from the TaskRun, which no step can change.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avouch import digests, errors, image_references, plan, refusals, storable
from avouch.materials import types as material_types
from avouch.sidecar import files
from avouch.tekton import hints, objects, paramvalues

MAX_RESULT = 1536 * 1024  # bytes: what Tekton takes at most, through sidecar logs
MAX_PROVENANCE = 1024 * 1024
IMAGE, STRING = material_types.IMAGE, material_types.STRING


@dataclass(frozen=True, slots=True)
class Located:
    """A file that is evidence: below which directory, at which path."""

    root: Path
    path: str
    hashed: files.Hashed


@dataclass(frozen=True, slots=True)
class Collected:
    """One material as the pod has it: a text (`value`) or a file, or only a finding."""

    material: plan.PlannedMaterial
    value: str = ""
    file: Located | None = None
    digest: digests.Digest | None = None
    finding: str = ""
    cause: str = ""  # of the finding, in `refusals.CAUSES`

    @property
    def present(self) -> bool:
        """Whether there is evidence to put into the statement."""
        return self.digest is not None


@dataclass(frozen=True, slots=True)
class Pod:
    """Where things lie in this pod."""

    tekton: Path
    workspaces: Mapping[str, str]
    steps: int
    max_file: int
    unmounted: Mapping[str, str] = field(default_factory=dict)  # workspace -> why it is not here
    published: frozenset[str] = frozenset()  # workspaces that the kubelet writes; no file is guessed at there
    step_names: tuple[str, ...] = ()
    unresolved: Mapping[str, str] = field(default_factory=dict)  # material -> why its path is not known

    def results(self, step: str) -> str:
        """The folder below `tekton` with the results of a step ("": of the Task).

        A step may put a link in place of its own, so nobody may take it for a root. Raises errors.NotFound where there
        is no such step.
        """
        if not step:
            return "results"
        if step not in self.step_names:
            raise errors.NotFound(f"the Task has no step {step}")
        return f"run/{self.step_names.index(step)}/status/results"


def collect(materials: Iterable[plan.PlannedMaterial], pod: Pod, said: Mapping[str, str]) -> tuple[Collected, ...]:
    """Every material this pod has something to say about, in the plan's order.

    Args:
        materials: what the pod owes.
        pod: where things lie.
        said: values an explicit step gives by material name; they stand above the plan's own places.
    """
    found = (_collect(material, pod, said.get(material.name)) for material in materials)
    return tuple(one for one in found if one is not None)


def _collect(material: plan.PlannedMaterial, pod: Pod, said: str | None) -> Collected | None:
    try:
        if said is not None:
            return _said(material, pod, said)
        if material.name in pod.unresolved:
            return Collected(material, finding=pod.unresolved[material.name], cause="PathUnresolved")
        return _BY_KIND[material.source.kind](material, pod) if material.source.kind in _BY_KIND else None
    except errors.NotFound as exc:  # absence is the server's to judge, unless it was given by hand, here
        return None if said is None else refused(material, exc)
    except errors.Invalid as exc:
        return refused(material, exc)


def refused(material: plan.PlannedMaterial, error: errors.AvouchError) -> Collected:
    """A material that could not be taken, and why."""
    return Collected(material, finding=str(error), cause=refusals.of(error))


def _said(material: plan.PlannedMaterial, pod: Pod, said: str) -> Collected:
    if material.type in material_types.VALUE_TYPES:
        return of_text(material, said)
    path = Path(said)
    if not path.is_absolute():
        return _file(material, Path.cwd(), str(path), pod)
    return _file(material, Path("/"), str(path).lstrip("/"), pod)


def of_text(material: plan.PlannedMaterial, value: str) -> Collected:
    """A STRING by its text, an image by the digest in its reference, anything else by nothing but its text.

    Raises:
        Invalid: an empty text, or an image that is not pinned.
    """
    if material.type == IMAGE:
        return _of_image(material, image_references.pinned(value))
    value = storable.text(value.strip())  # as the server records the same result of the TaskRun
    if not value:
        raise errors.Invalid("the value is empty")
    return Collected(material, value=value, digest=digests.of_bytes(value.encode()))


def _of_image(material: plan.PlannedMaterial, image: image_references.Reading) -> Collected:
    if isinstance(image, image_references.Unusable):
        raise errors.Invalid(image.message, fix=image.fix)
    return Collected(material, value=str(image), digest=digests.Digest.parse(image.digest))


def _result(material: plan.PlannedMaterial, pod: Pod) -> Collected | None:
    if material.type == IMAGE:
        return _image(material, pod)
    return _of_result(material, pod, material.source.name)


def _of_result(material: plan.PlannedMaterial, pod: Pod, name: str) -> Collected:
    path = f"{pod.results(material.source.step)}/{name}"
    if material.type not in material_types.VALUE_TYPES:
        return _file(material, pod.tekton, path, pod)
    written = files.text(pod.tekton, path, MAX_RESULT).strip()
    return of_text(material, paramvalues.normalized(written))


def _image(material: plan.PlannedMaterial, pod: Pod) -> Collected | None:
    """An image by its results, read as the server reads them from the TaskRun."""
    folder = pod.results(material.source.step)
    names = files.names(pod.tekton, folder)
    written = {name: files.text(pod.tekton, f"{folder}/{name}", MAX_RESULT) for name in hints.read_by(material, names)}
    shown = hints.of_material(material, {name: storable.text(text) for name, text in written.items()})
    return _of_image(material, shown.image) if shown else None


def _workspace(material: plan.PlannedMaterial, pod: Pod) -> Collected | None:
    place = pod.workspaces.get(material.source.name)
    name = material.source.name
    if place is not None:
        root = files.published(Path(place)) if name in pod.published else Path(place)
        return _file(material, root, material.source.path, pod)
    if name in pod.unmounted:
        finding = f"workspace {name} is not collected: {pod.unmounted[name]}"
        return Collected(material, finding=finding, cause="WorkspaceNotMounted")
    if material.optional or material.group:  # the contract says whether it may be absent
        return None
    fix = f"bind {name} in the run, or make the material optional"
    raise errors.Refused(f"workspace {name} is not bound", "WorkspaceUnbound", fix=fix)


def _convention(material: plan.PlannedMaterial, pod: Pod) -> Collected | None:
    """By the material's name: a result; an image by type hints; a file `<name>` or `<name>.*` in a workspace."""
    if material.type == IMAGE:
        return _image(material, pod)
    if material.type == STRING:
        return _of_result(material, pod, material.name)
    roots = sorted(root for name, root in pod.workspaces.items() if name not in pod.published)
    found = [(Path(root), name) for root in roots for name in _named(Path(root), material.name)]
    if not found:
        return _file(material, pod.tekton / "results", material.name, pod)
    if len(found) > 1:
        names = ", ".join(name for _, name in found[:4])
        raise errors.Refused(f"several files match: {names}", "Ambiguous", fix="name it in spec.tekton.materials")
    return _file(material, *found[0], pod)


def _named(root: Path, name: str) -> list[str]:
    """Entries of a workspace's top directory with this name, without or with one extension, else with several."""
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.name.partition(".")[0] == name)
    except OSError as exc:
        raise errors.Refused(f"workspace at {root} cannot be listed: {exc.strerror}", "Unreadable") from exc
    return [each for each in names if each.count(".") <= 1] or names


def _artifact(material: plan.PlannedMaterial, pod: Pod) -> Collected | None:
    """An output of the Tekton artifact file: the task's own first, then each step's."""
    for path in ("artifacts/provenance.json", *(f"run/{i}/status/artifacts/provenance.json" for i in range(pod.steps))):
        try:
            document = json.loads(files.text(pod.tekton, path, MAX_PROVENANCE))
        except errors.NotFound:
            continue
        except ValueError as exc:
            raise errors.Invalid(f"{path} is not JSON") from exc
        found = _outputs(document, material.source.name)
        if len(found) > 1:
            message = f"artifact {material.source.name} has {len(found)} values, a material is one of them"
            raise errors.Invalid(message, fix="write each into an output artifact of its own")
        if found:
            return _output(material, found[0])
    return None


def _outputs(document: object, name: str) -> list[Mapping[str, object]]:
    outputs = objects.mappings(document, "outputs")
    return [value for output in outputs if output.get("name") == name for value in objects.mappings(output, "values")]


def _output(material: plan.PlannedMaterial, value: Mapping[str, object]) -> Collected:
    uri, sha256 = objects.text(value, "uri"), objects.text(value, "digest", "sha256")
    digest = digests.Digest.parse(f"sha256:{sha256}")
    if not uri:
        raise errors.Invalid(f"artifact {material.source.name} has no uri")
    if material.type == IMAGE:
        return _of_image(material, image_references.pinned(uri.removeprefix("oci://"), str(digest)))
    return Collected(material, value=uri, digest=digest)


def _file(material: plan.PlannedMaterial, root: Path, path: str, pod: Pod) -> Collected:
    hashed = files.hashed(root, path, pod.max_file, empty=material.type in material_types.MAY_BE_EMPTY)
    return Collected(material, file=Located(root, path, hashed), digest=hashed.digest)


_BY_KIND = {
    plan.From.RESULT: _result,
    plan.From.ARTIFACT: _artifact,
    plan.From.WORKSPACE: _workspace,
    plan.From.CONVENTION: _convention,
}
