"""What a Workflow says that leads nowhere: names that its Contract, its Pipelines and its Tasks do not have.

Pure, and no reason to refuse anything: a Workflow may be ahead of its Contract or its Pipeline. The controller tells it
in conditions; a command can tell it before anything is applied.
"""

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from avouch import errors, spelling
from avouch.api import workflow as kind
from avouch.contract import model, owed, revisions
from avouch.tekton import definitions, paths

_REMOVE = "remove it, or add it to the Contract's spec.materials"
_TOLD = 3  # problems in one message
_MOST = 500_000  # names of what one Workflow covers, times its sources: so many take 0.1 s
_FEW = 10  # sources: to read the names takes as long as to compare them with so many


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that leads nowhere. `reason` is a stable word in CamelCase.

    `name` is looked for among the `known` ones when somebody is told: most problems of a long list are only counted.
    """

    reason: str
    field: str
    message: str
    otherwise: str  # the fix where no known name is near
    name: str = ""
    known: Collection[str] = ()

    @property
    def fix(self) -> str:
        """The smallest change that helps."""
        meant = spelling.nearest(self.name, self.known)
        return f"write {meant}" if meant else self.otherwise

    def __str__(self) -> str:
        return errors.with_fix(f"{self.field}: {self.message}", self.fix)


@dataclass(frozen=True, slots=True)
class Asked:
    """The names of a Contract: its materials, and the annotations of the run ("") and of each material.

    An annotation with a value is fixed: no source of the Workflow counts for it. `unresolved`: policy groups bring
    materials that are not known here.
    """

    name: str
    materials: tuple[str, ...] = ()
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unresolved: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """The Pipelines and Tasks of the Workflow's namespace, by name, as JSON (or `definitions.slim` of it)."""

    pipelines: Mapping[str, definitions.Object] = field(default_factory=dict)
    tasks: Mapping[str, definitions.Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Looked:
    """What holding a Workflow against the cluster shows. `unchecked` says what could not be looked at, and why."""

    problems: tuple[Problem, ...] = ()
    unchecked: tuple[str, ...] = ()


def told(problems: Sequence[Problem]) -> str:
    """The first three for a message, and how many more there are."""
    more = f", and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
    return f"{'; '.join(map(str, problems[:_TOLD]))}{more}"


def asked_by(contract: model.ContractSpec, materials: Sequence[str] | None = None) -> Asked:
    """The names of a Contract. `materials`: all that it owes, those of its policy groups among them, where known."""
    own = {key: value for key, value in contract.metadata if "/" not in key}
    own |= {each.name: each.value for each in contract.annotations}
    of_materials = {one.name: {each.name: each.value for each in one.annotations} for one in contract.materials}
    known = tuple(one.name for one in contract.materials) if materials is None else tuple(materials)
    unresolved = materials is None and bool(contract.policy_groups)
    return Asked(contract.name, known, {**of_materials, "": own}, unresolved)


@functools.lru_cache(maxsize=8)  # the largest takes 3 MB; Workflows of one Contract are looked at one after another
def asked_in(canonical: bytes, resolved: bytes = b"") -> Asked:
    """The names in a revision, remembered: thousands of Workflows may share a Contract.

    Args:
        canonical: its canonical form.
        resolved: what it owes with its policies looked up, in the form of `owed`; b"" where it has none.

    Raises:
        Corrupt: the bytes are of no such form.
    """
    materials = [one.name for one in owed.restore(resolved).materials] if resolved else None
    return asked_by(revisions.restore(canonical), materials)


def against_contract(spec: kind.WorkflowSpec, asked: Asked) -> tuple[Problem, ...]:
    """Materials, annotations and paths of a Workflow that can never count for anything under this Contract."""
    tekton = spec.tekton or kind.Tekton()
    anywhere = sorted({name for place in asked.annotations.values() for name in place})  # once: there may be 6,000
    every = (
        *(_material(each, asked) for each in tekton.materials),
        *(_path(each) for each in tekton.materials),
        *(_annotation(each, asked, anywhere) for each in tekton.annotations),
    )
    return tuple(problem for problem in every if problem is not None)


def _material(source: kind.MaterialSource, asked: Asked) -> Problem | None:
    if source.name in asked.materials or asked.unresolved:
        return None
    text = f"Contract {asked.name} does not ask for material {source.name}"
    return Problem("UnknownMaterial", _field("materials", source.name), text, _REMOVE, source.name, asked.materials)


def _path(source: kind.MaterialSource) -> Problem | None:
    path = source.workspace.path if source.workspace else ""
    left = paths.without_params(path)
    if "*" not in left and "$(" not in left:
        return None
    text = f"no file of a workspace is found by pattern or variable: {path[:200]}"
    return Problem("PathNeverFound", _field("materials", source.name), text, kind.PATH_FIX)


def _annotation(source: kind.AnnotationSource, asked: Asked, anywhere: Sequence[str]) -> Problem | None:
    where = _field("annotations", source.name)
    if source.material and source.material not in asked.materials and not asked.unresolved:
        text = f"Contract {asked.name} does not ask for material {source.material}"
        return Problem("UnknownMaterial", where, text, _REMOVE, source.material, asked.materials)
    places = [asked.annotations.get(source.material, {})] if source.material else list(asked.annotations.values())
    values = [place[source.name] for place in places if source.name in place]
    of_whom = f"material {source.material} in Contract {asked.name}" if source.material else f"Contract {asked.name}"
    if not values:
        known = sorted(places[0]) if source.material else anywhere
        text, fix = (
            f"{of_whom} has no annotation {source.name}",
            "remove it, or add it to the Contract, without a value",
        )
        return Problem("UnknownAnnotation", where, text, fix, source.name, known)
    if all(values):
        text = f"{of_whom} gives annotation {source.name} its value, so this source does not count"
        return Problem("FixedAnnotation", where, text, "remove it, or the value from the Contract")
    return None


_Candidates: TypeAlias = Sequence[tuple[str, definitions.Declared | None]]  # (who, what it declares, if that is known)


@dataclass(frozen=True, slots=True)
class _Covered:
    """What a Workflow covers, as far as it is known. `inside`: tasks of its Pipelines by name, all of them by ""."""

    pipelines: Mapping[str, definitions.Pipeline]
    tasks: _Candidates
    inside: Mapping[str, _Candidates]

    def candidates(self, task: str) -> _Candidates:
        """Every task that a source with this task ("" for any) may mean."""
        return [*self.inside.get(task, ()), *self.tasks]


def _covered(tekton: kind.Tekton, known: Definitions) -> _Covered:
    pipelines = {
        each.name: definitions.pipeline(known.pipelines[each.name], known.tasks.get)
        for each in tekton.pipelines
        if each.name
    }
    inside: dict[str, list[tuple[str, definitions.Declared | None]]] = {"": []}
    for pipeline, found in pipelines.items():
        for name, declared in found.tasks.items():
            one = f"task {name} of Pipeline {pipeline}", declared
            inside[""].append(one)
            inside.setdefault(name, []).append(one)
    tasks = {each.name: definitions.task(known.tasks[each.name]) for each in tekton.tasks if each.name}
    return _Covered(pipelines, [(f"Task {name}", declared) for name, declared in tasks.items()], inside)


def _sizes(tekton: kind.Tekton, known: Definitions) -> Iterator[int]:
    """Names of each Pipeline and Task that is looked through, as often as it is."""
    pipelines = [known.pipelines[each.name] for each in tekton.pipelines if each.name]
    yield from map(definitions.size, pipelines)
    run = itertools.chain.from_iterable(map(definitions.references, pipelines))
    for name in itertools.chain(run, (each.name for each in tekton.tasks if each.name)):
        found = known.tasks.get(name)
        yield 0 if found is None else definitions.size(found)


def _too_many(tekton: kind.Tekton, known: Definitions) -> bool:
    """Whether looking through all that a Workflow covers would keep others waiting."""
    sources, total = max(_FEW, len(tekton.materials) + len(tekton.annotations)), 0
    for size in _sizes(tekton, known):
        total += size
        if size > definitions.MOST or total * sources > _MOST:
            return True
    return False


def against_definitions(spec: kind.WorkflowSpec, namespace: str, known: Definitions) -> Looked:
    """Pipelines, tasks, results, workspaces, params and steps that a Workflow names and this namespace does not have.

    What runs are found by labels, by a resolver or by their own label avouch.dev/workflow run is not known beforehand.
    """
    tekton = spec.tekton
    if tekton is None:
        return Looked()
    missing = (
        *_missing("pipelines", "Pipeline", tekton.pipelines, known.pipelines, namespace),
        *_missing("tasks", "Task", tekton.tasks, known.tasks, namespace),
    )
    unchecked = tuple(_unchecked(tekton))
    if missing or unchecked:
        return Looked(missing, unchecked)
    if _too_many(tekton, known):
        return Looked(unchecked=("what it covers has more names than are looked through",))
    covered = _covered(tekton, known)
    looked = [
        *(_of_material(each, covered) for each in tekton.materials),
        *(_of_annotation(each, covered) for each in tekton.annotations),
    ]
    problems = tuple(problem for found in looked for problem in found.problems)
    return Looked(problems, tuple(dict.fromkeys(each for found in looked for each in found.unchecked)))


def _missing(
    part: str, what: str, targets: Iterable[kind.Target], known: Mapping[str, object], namespace: str
) -> Iterator[Problem]:
    for target in targets:
        if target.name and target.name not in known:
            text = f"{what} {target.name} is not in namespace {namespace}"
            fix = "correct it; what only a resolver fetches is named by resolver"
            yield Problem(f"{what}NotFound", _field(part, target.name), text, fix, target.name, known)


def _unchecked(tekton: kind.Tekton) -> Iterator[str]:
    targets = (*tekton.pipelines, *tekton.tasks)
    if any(each.match_labels for each in targets):
        yield "what runs with the labels of matchLabels run is not known beforehand"
    if any(each.resolver for each in targets):
        yield "what a resolver fetches is not known beforehand"
    if not targets and (tekton.materials or tekton.annotations):
        yield "what runs with the label avouch.dev/workflow run is not known beforehand"


def _of_material(source: kind.MaterialSource, covered: _Covered) -> Looked:
    where, task = _field("materials", source.name), source.task or ""
    if source.result:
        names = [source.result.name, *([source.result.digest] if source.result.digest else [])]
        named = [("step", source.result.step)] if source.result.step else [("result", name) for name in names]
    elif source.workspace:
        params = [("param", name) for name in paths.of(source.workspace.path)]
        named = [("workspace", source.workspace.name), *params]
    elif source.env:
        named = [("step", source.env.step)]
    elif source.param:
        named = [] if not task and _in_pipelines(source.param.name, covered) else [("param", source.param.name)]
    else:
        named = []  # output artifacts are declared nowhere
    return _all(_of_task(where, task, what, name, covered) for what, name in named or [("", "")])


def _of_annotation(source: kind.AnnotationSource, covered: _Covered) -> Looked:
    where = _field("annotations", source.name)
    if source.result:
        step, task = source.result.step, source.result.task or ""
        what, name = ("step", step) if step else ("result", source.result.name)
        return _of_task(where, task, what, name, covered)
    if not source.param or _in_pipelines(source.param, covered):
        return Looked()
    if covered.tasks:  # the run may be a TaskRun that stands alone
        return _of_task(where, "", "param", source.param, covered)
    params = sorted({name for pipeline in covered.pipelines.values() for name in pipeline.params})
    text = f"{_all_of(f'Pipeline {name}' for name in covered.pipelines)} has no param {source.param}"
    return Looked((Problem("ParamNotFound", where, text, "name a param of the Pipeline", source.param, params),))


def _in_pipelines(param: str, covered: _Covered) -> bool:
    return any(param in pipeline.params for pipeline in covered.pipelines.values())


_PART: Mapping[str, Callable[[definitions.Declared], definitions.Names]] = {
    "result": lambda declared: declared.results,
    "workspace": lambda declared: declared.workspaces,
    "param": lambda declared: declared.params,
    "step": lambda declared: declared.steps,
}


def _of_task(where: str, task: str, what: str, name: str, covered: _Covered) -> Looked:
    """Whether any task that a source may mean has what it names; `what` is "" where only the task is named."""
    found = covered.candidates(task)
    if not found and task:
        tasks = sorted({each for pipeline in covered.pipelines.values() for each in pipeline.tasks})
        text = f"{_all_of(f'Pipeline {each}' for each in covered.pipelines)} has no task {task}"
        return Looked((Problem("PipelineTaskNotFound", where, text, "name a task of the Pipeline", task, tasks),))
    if not what or not found:
        return Looked()
    part = _PART[what]
    if any(declared is not None and name in part(declared) for _, declared in found):
        return Looked()
    unknown = next((who for who, declared in found if declared is None), "")
    if unknown:
        return Looked(unchecked=(f"what {unknown} declares is not in this namespace",))
    names: set[str] = set().union(*(part(declared) for _, declared in found if declared is not None))
    text = f"{_all_of(who for who, _ in found)} has no {what} {name}"
    fix = f"declare the {what}, or name another one"
    return Looked((Problem(f"{what.capitalize()}NotFound", where, text, fix, name, sorted(names)),))


def _all(found: Iterable[Looked]) -> Looked:
    every = list(found)
    problems = tuple(each for one in every for each in one.problems)
    return Looked(problems, tuple(each for one in every for each in one.unchecked))


def _all_of(names: Iterable[str]) -> str:
    every = list(names)
    return every[0] if len(every) == 1 else f"none of {', '.join(every[:5])}{' ...' if len(every) > 5 else ''}"


def _field(part: str, name: str) -> str:
    return f'spec.tekton.{part}[name="{name}"]'
