"""What policies are shown of a run beside its evidence: the cluster's own record of it, and who pushed. Pure.

It stands beside every document as input.avouch.run (its shape: examples/policies/README.md). A script must not take
for the cluster's word what a build says, so

1. the Tasks are those that the PipelineRun lists, by the names that it lists them under. One that was deleted is there,
   too, and a child of another kind: with its name and nothing else, so that no policy passes for not seeing it;
2. where a Task comes from, and its digest, are what Tekton's controller wrote when it had resolved the Task
   (status.provenance.refSource); the images are those of the containers' statuses, which Tekton copies from the pod;
3. a build writes its results: they are under results, and where a Pipeline hands them on, in what later Tasks were
   given (params, reference, declared). What was pulled and what was resolved it cannot say.

Every field is always there. What the record does not have is empty: text, list or object.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from avouch import errors, image_references
from avouch.controlplane.judging import cluster_record, examination, tekton_run
from avouch.tekton import objects, paramvalues, results

MOST = 1024 * 1024  # characters of a record as JSON: one object of Kubernetes has at most 1.5 MiB

_Object: TypeAlias = Mapping[str, Any]
_ALGORITHMS = ("sha256", "sha1")  # of a Task's digest: bundles, hub, http and cluster; git
_DIGEST = {"sha256": re.compile(r"[0-9a-f]{64}", re.ASCII), "sha1": re.compile(r"[0-9a-f]{40}", re.ASCII)}
_SCHEME = re.compile(r"[a-z-]+://", re.ASCII)  # docker-pullable://, which some runtimes write before an image


def shown(case: examination.Case) -> Mapping[str, Any]:
    """The record of a run, as scripts see it.

    Raises:
        errors.TooLarge: it is more than scripts are shown. Nothing is left out of it: a policy could pass for that.
    """
    subject = case.snapshot.subject if case.snapshot is not None else {}
    record = {
        "kind": case.run.subject_kind,
        "namespace": case.run.namespace,
        "name": case.run.subject_name,
        **_values(subject),
        "tasks": _tasks(case),
        "attester": _attester(case),
    }
    size = len(json.dumps(record))
    if size > MOST:
        message = f"the record of the run has {size} characters, and policies are shown at most {MOST}"
        raise errors.TooLarge(message, fix="split the Pipeline, or give its Tasks shorter params and results")
    return record


def _values(obj: _Object) -> dict[str, Any]:
    """Params and results of a PipelineRun or TaskRun, by name."""
    found = {"params": results.param_values(obj), "results": results.result_values(obj)}
    return {field: {name: paramvalues.read(value) for name, value in each.items()} for field, each in found.items()}


def _tasks(case: examination.Case) -> Sequence[_Object]:
    """Every child of the run, in the order in which the PipelineRun lists them; a TaskRun is its own."""
    if case.snapshot is None:
        return []
    known = {run.name: run for run in cluster_record.executions(case.snapshot)}
    if case.snapshot.subject.get("kind") == "TaskRun":
        return [_task(run.task, run.name, run.taskrun) for run in known.values()]
    return [_child(child, known) for child in objects.mappings(case.snapshot.subject, "status", "childReferences")]


def _child(child: _Object, known: Mapping[str, cluster_record.Execution]) -> _Object:
    task, name = objects.text(child, "pipelineTaskName"), objects.text(child, "name")
    if child.get("kind") != "TaskRun":
        return _task(task, "", {})
    return _task(task, name, known[name].taskrun if name in known else {})


def _task(name: str, taskrun_name: str, taskrun: _Object) -> _Object:
    source = objects.mapping(taskrun, "status", "provenance", "refSource")
    reference = objects.mapping(taskrun, "spec", "taskRef")
    return {
        "name": name,
        "taskRun": taskrun_name,
        "resolver": objects.text(reference, "resolver"),
        "reference": _reference(reference),
        "uri": objects.text(source, "uri"),
        "digest": _digest(objects.mapping(source, "digest")),
        "steps": _steps(taskrun),
        **_values(taskrun),
    }


def _reference(reference: _Object) -> dict[str, Any]:
    """What was asked for: the params of a resolver, or the name of a Task of the namespace."""
    if objects.text(reference, "resolver"):
        params = objects.mappings(reference, "params")
        return {objects.text(each, "name"): paramvalues.read(each.get("value")) for each in params}
    name = objects.text(reference, "name")
    return {"name": name} if name else {}


def _digest(found: _Object) -> str:
    """The strongest digest that is one, as ALGORITHM:HEX."""
    values = ((each, objects.text(found, each)) for each in _ALGORITHMS)
    return next((f"{algorithm}:{value}" for algorithm, value in values if _DIGEST[algorithm].fullmatch(value)), "")


def _steps(taskrun: _Object) -> Sequence[_Object]:
    """Steps that the Task has, and others that ran, by the names that Tekton gives them."""
    spec = objects.mapping(taskrun, "status", "taskSpec") or objects.mapping(taskrun, "spec", "taskSpec")
    template = objects.text(spec, "stepTemplate", "image")
    declared = {
        objects.text(step, "name") or f"unnamed-{index}": objects.text(step, "image") or template
        for index, step in enumerate(objects.mappings(spec, "steps"))
    }
    ran = {objects.text(step, "name"): step for step in objects.mappings(taskrun, "status", "steps")}
    return [
        {"name": name, "image": _pulled(ran.get(name, {})), "declared": declared.get(name, "")}
        for name in dict.fromkeys([*declared, *ran])
    ]


def _pulled(step: _Object) -> str:
    """The image of a step's container as REPOSITORY@sha256:...; "" where its status names none that can be pulled."""
    said = objects.text(step, "imageID")
    found = image_references.pinned(_SCHEME.sub("", said, count=1))
    return f"{found.name}@{found.digest}" if isinstance(found, image_references.ImageReference) else ""


def _attester(case: examination.Case) -> _Object:
    """Names in the certificates of the claims that count, and what a token of the runner proved when it opened the run.

    A run outside Tekton takes a claim of the attester who opened it alone.
    """
    if case.external is not None:
        return {"uris": list(case.external.attester.uris), "proven": dict(case.external.runner.proven)}
    claims = tekton_run.counting_claims(case)
    named = {uri for said in claims for uri in examination.signer(case, said.claim).uris()}
    return {"uris": sorted(named), "proven": {}}
