"""The runs that somebody means: by their name, their build's, an image, a commit, or the fields of a list."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from avouch import digests, errors
from avouch.cli import objects, options, session

T = TypeVar("T")
RESOURCE = "workflowruns.runs.avouch.dev"
ROOT = "/apis/runs.avouch.dev/v1alpha1"
MOST = 2000  # runs that one command looks at
_PAGE = 500
_NO_KIND = "the server could not find the requested resource"
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
_DIGEST = re.compile(digests.PATTERN, re.ASCII)
_KINDS = {
    **dict.fromkeys(("run", "workflowrun", "workflowruns", "avrun"), "WorkflowRun"),
    **dict.fromkeys(("pipelinerun", "pipelineruns", "pr", "prs"), "PipelineRun"),
    **dict.fromkeys(("taskrun", "taskruns", "tr", "trs"), "TaskRun"),
}
_TEKTON = {"PipelineRun": "pipelineruns.tekton.dev", "TaskRun": "taskruns.tekton.dev"}
OPTIONS: options.Declared = (
    (("--workflow",), {"default": "", "metavar": "NAME", "help": "Runs of this Workflow."}),
    (("--verdict",), {"default": "", "metavar": "VERDICT", "help": "Such as Failed; with ! before it, all others."}),
    (("--pipelinerun",), {"default": "", "metavar": "NAME", "help": "Runs of this PipelineRun."}),
    (("--taskrun",), {"default": "", "metavar": "NAME", "help": "Runs of this TaskRun, or of its PipelineRun."}),
    (("--digest",), {"default": "", "metavar": "sha256:HEX", "help": "Runs that delivered this image or output."}),
    (("--commit",), {"default": "", "metavar": "HASH", "help": "Runs of this commit: its whole hash."}),
    (("-l", "--selector", "labels"), {"default": "", "metavar": "SELECTOR", "help": "Labels, as kubectl selects."}),
)  # fmt: skip


class Found(NamedTuple):
    """Runs, newest first; `more`: there are others that were not looked at."""

    runs: list[objects.Manifest]
    more: bool = False


def meant(function: Callable[..., T]) -> Callable[..., T]:
    """The argument of commands about runs: whatever names them."""
    return objects.named("run, or of its PipelineRun or TaskRun; an image's digest or a commit")(function)


def name_of(run: objects.Manifest) -> str:
    """The run's name."""
    return objects.text(run, "metadata", "name")


def path_of(run: objects.Manifest, *below: str) -> str:
    """Its path in the Kubernetes API, or that of something below it."""
    namespace = objects.text(run, "metadata", "namespace")
    parts = ("namespaces", namespace, "workflowruns", name_of(run), *below)
    return f"{ROOT}/{'/'.join(parts)}"


def listed(started: session.Session, said: dict[str, Any], *, everywhere: bool = False) -> Found:
    """The runs that the options of a list ask for."""
    verdict = said["verdict"]
    fields = [
        *([f"spec.workflow={said['workflow']}"] if said["workflow"] else []),
        *([f"status.verdict{'!=' if verdict.startswith('!') else '='}{verdict.lstrip('!')}"] if verdict else []),
        *([f"status.digest={_digest(said['digest'])}"] if said["digest"] else []),
        *([f"status.commit={_commit(said['commit'])}"] if said["commit"] else []),
        *([f"spec.subject.name={name},spec.subject.kind=PipelineRun"] if (name := said["pipelinerun"]) else []),
    ]
    if not said["taskrun"]:
        return select(started, fields, said["labels"], everywhere=everywhere)
    if said["pipelinerun"]:
        raise errors.Invalid("a run is of one of both", field="--taskrun", fix="give --pipelinerun or --taskrun")
    several = [[*fields, subject] for subject in _of_taskrun(started, said["taskrun"])]
    return _newest(
        [run for each in several for run in select(started, each, said["labels"], everywhere=everywhere).runs]
    )


def found(started: session.Session, text: str) -> list[objects.Manifest]:
    """The runs that a text names, newest first; an empty list where there are none.

    Raises:
        Invalid: it is no name, digest or commit.
    """
    before, _, name = text.rpartition("/")
    if digest := _DIGEST.search(text):  # also the reference of an image
        return select(started, [f"status.digest={digest[0]}"]).runs
    kind = _KINDS.get(before.partition(".")[0].lower(), "") if before else ""
    if (before and not kind) or not _NAME.fullmatch(name):
        fix = "give the name of a run, PipelineRun or TaskRun, sha256:HEX of an image, or a commit's whole hash"
        raise errors.Invalid(f"{text[:80]!r} names no run", field="NAME", fix=fix)
    if not kind and _COMMIT.fullmatch(name):
        return select(started, [f"status.commit={name}"]).runs
    ways = {"WorkflowRun": (_named,), "PipelineRun": (_about,), "TaskRun": (_inside,)}
    for look in ways.get(kind, (_named, _about, _inside)):
        if runs := look(started, name):
            return runs
    return []


def one(started: session.Session, text: str) -> objects.Manifest:
    """The one run that a text names, of the build that has the name now.

    Raises:
        NotFound, Invalid: there is none, or there are several.
    """
    runs = _present(started, text, of_now(started, text))
    if len(runs) > 1:
        names = ", ".join(map(name_of, runs[:10]))
        raise errors.Invalid(f"{text[:80]} has {len(runs)} runs: {names}", field="NAME", fix="name one of them")
    return runs[0]


def of_now(started: session.Session, text: str) -> list[objects.Manifest]:
    """The runs that a text names, but none of a build whose name another one in the cluster has by now."""
    runs, name = found(started, text), text.rpartition("/")[2]
    about = {_subject(run) for run in runs}
    now = {each: _uid_of(started, *each) for each in about if each[1] == name}
    return [run for run in runs if now.get(_subject(run), "") in ("", objects.text(run, "spec", "subject", "uid"))]


def _subject(run: objects.Manifest) -> tuple[str, str]:
    return objects.text(run, "spec", "subject", "kind"), objects.text(run, "spec", "subject", "name")


def _uid_of(started: session.Session, kind: str, name: str) -> str:
    """The UID of a build that the cluster still has, and shows."""
    if kind not in _TEKTON:
        return ""
    try:
        return objects.text(started.cluster.get(_TEKTON[kind], name), "metadata", "uid")
    except (errors.NotFound, errors.Denied):
        return ""


def some(started: session.Session, text: str) -> list[objects.Manifest]:
    """The runs that a text names, at least one. Raises errors.NotFound."""
    return _present(started, text, found(started, text))


def _present(started: session.Session, text: str, runs: list[objects.Manifest]) -> list[objects.Manifest]:
    if not runs:
        raise errors.NotFound(
            f"no run of {text[:80]} in namespace {started.cluster.namespace()}: avouch run list shows those that there"
            " are, and kubectl get rundeletions those that were deleted; a build has one if a Workflow that was ready"
            " when it began covers it"
        )
    return runs


def select(
    started: session.Session, fields: Sequence[str] = (), labels: str = "", *, everywhere: bool = False
) -> Found:
    """Runs by the fields and labels that the Kubernetes API selects by."""
    place = "" if everywhere else f"/namespaces/{started.cluster.namespace()}"
    asked = {"limit": str(_PAGE), "fieldSelector": ",".join(fields), "labelSelector": labels}
    runs: list[objects.Manifest] = []
    for page in _pages(started, f"{ROOT}{place}/workflowruns", {key: value for key, value in asked.items() if value}):
        runs += page
        if len(runs) > MOST:
            return Found(_newest(runs[:MOST]).runs, more=True)
    return _newest(runs)


def _pages(started: session.Session, path: str, asked: dict[str, str]) -> Iterator[list[objects.Manifest]]:
    more = True
    while more:
        page = json.loads(_answer(started, path, asked))
        yield list(page.get("items") or ())
        asked = {**asked, "continue": objects.text(page, "metadata", "continue")}
        more = bool(asked["continue"])


def _answer(started: session.Session, path: str, asked: dict[str, str]) -> str:
    try:
        return started.cluster.raw(path, asked)
    except errors.NotFound as exc:
        if _NO_KIND not in str(exc):
            raise
        text = "this cluster shows no runs: avouch is not installed, or no server of it has been ready for 30 s"
        raise errors.Unavailable(errors.with_fix(text, "kubectl get pods -A -l app.kubernetes.io/name=avouch")) from exc


def _newest(runs: list[objects.Manifest]) -> Found:
    unique = {objects.text(run, "metadata", "uid"): run for run in runs}
    return Found(
        sorted(unique.values(), key=lambda run: objects.text(run, "metadata", "creationTimestamp"), reverse=True)
    )


def _named(started: session.Session, name: str) -> list[objects.Manifest]:
    try:
        return [started.cluster.get(RESOURCE, name)]
    except errors.NotFound:
        return []


def _about(started: session.Session, name: str) -> list[objects.Manifest]:
    return select(started, [f"spec.subject.name={name}"]).runs


def _inside(started: session.Session, name: str) -> list[objects.Manifest]:
    runs = [run for subject in _of_taskrun(started, name) for run in select(started, [subject]).runs]
    return _newest(runs).runs


def _of_taskrun(started: session.Session, name: str) -> list[str]:
    """What runs of a TaskRun are about: itself, or the PipelineRun that made it, as long as the cluster has it."""
    try:
        taskrun = started.cluster.get(_TEKTON["TaskRun"], name)
    except (errors.NotFound, errors.Denied):
        return [f"spec.subject.name={name}"]
    owners = objects.part(taskrun, "metadata").get("ownerReferences") or []
    uids = [str(owner.get("uid")) for owner in owners if owner.get("kind") == "PipelineRun" and owner.get("controller")]
    return [f"spec.subject.uid={uid}" for uid in (objects.text(taskrun, "metadata", "uid"), *uids)]


def _digest(said: str) -> str:
    if digest := _DIGEST.search(said):
        return digest[0]
    raise errors.Invalid(f"{said[:80]!r} is no digest", field="--digest", fix="write sha256: and 64 hexadecimal digits")


def _commit(said: str) -> str:
    if _COMMIT.fullmatch(said.lower()):
        return said.lower()
    raise errors.Invalid(f"{said[:80]!r} is no commit", field="--commit", fix="write the whole hash: git rev-parse REF")
