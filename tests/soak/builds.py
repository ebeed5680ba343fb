"""Builds with the verdict that each of them must get, whatever breaks meanwhile."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from examples.quickstart import install
from tests.e2e import made
from tests.e2e.made import REPORT, pipelinerun, step, task
from tests.e2e.stage import Json, Stage

NONE = ""  # no Workflow covers it, so nothing is said about it
VALUE = {"name": "value", "type": "STRING"}
_FROM_SAID = {"name": "value", "task": "make", "result": {"name": "said"}}
SUSPENDED, RECREATED, CHANGED = "suspended", "recreated", "changed"  # Workflows of these names, and what turns them
ASKED_MORE = {"name": "more", "type": "STRING"}
WORKFLOWS = (
    *made.gate(),
    made.contract("value", VALUE),
    *(made.workflow(name, "value", _FROM_SAID) for name in ("value", SUSPENDED, RECREATED)),
    made.contract(CHANGED, VALUE),
    made.workflow(CHANGED, CHANGED, _FROM_SAID),
    made.contract("maybe", {"name": "report", "type": "ARTIFACT", "optional": True}),
    made.workflow("maybe", "maybe", made.FROM_WORK),
    made.contract("image", {"name": "image", "type": "CONTAINER_IMAGE"}),
    made.workflow(
        "image", "image", {"name": "image", "task": "make", "result": {"name": "IMAGE_URL", "digest": "IMAGE_DIGEST"}}
    ),
)
_SAID = {"results": [{"name": "said"}]}
_SAY = "printf yes > $(results.said.path)"
_SLOW = "sleep 8"
_LONG = "sleep 600"
_IMAGE = {"results": [{"name": "IMAGE_URL"}, {"name": "IMAGE_DIGEST"}]}
_PUSH = """
printf registry.example/app > $(results.IMAGE_URL.path)
printf sha256:%064d 1 > $(results.IMAGE_DIGEST.path)
"""
# Until it is stored: what breaks meanwhile may refuse it for a while.
_LIE = """
other="registry.example/app@sha256:$(printf %064d 2)"
for _ in $(seq 60); do
  said=$(python3 -S -m avouch.sidecar --step --material "image=$other" 2>&1)
  echo "$said"
  case "$said" in *"is stored"*) exit 0 ;; esac
  sleep 3
done
exit 1
"""


@dataclass(frozen=True)
class Sort:
    """One sort of build.

    Attributes:
        verdict: the one that it must get; `NONE` where none may be given.
        of: makes the PipelineRun of a name.
        files: whether its evidence is a file, which only a sidecar can deliver.
        cut: what is done to it as soon as a step of it runs, in each of its pods: Tekton makes one anew that was gone
            before it saw it fail, as where its watches were lost just then, and the build would end well.
        turn: what decides between `verdict` and `turned`, by when the build was created (`faults.TURNS`).
        turned: the verdict after an odd number of such turns.
    """

    verdict: str
    of: Callable[[str], Json]
    files: bool = False
    cut: Callable[[Stage, str], object] | None = None
    turn: str = ""
    turned: str = NONE


def cancel(place: Stage, name: str) -> None:
    """As a user does."""
    place.kubectl("patch", "pipelinerun", name, "--type=merge", "-p", '{"spec": {"status": "Cancelled"}}')


def delete(place: Stage, name: str) -> None:
    """Before its end, so that nobody can see it."""
    place.kubectl("delete", "pipelinerun", name, "--wait=false", "--ignore-not-found")


def delete_pod(place: Stage, name: str) -> None:
    """As a drained node does."""
    place.kubectl("delete", "pods", "-l", f"tekton.dev/pipelineRun={name}", "--wait=false")


def _value(*scripts: str, workflow: str = "value", **more: str) -> Callable[[str], Json]:
    return lambda name: pipelinerun(name, task("make", *scripts, spec=_SAID, **more), workflow=workflow)


def _file(*scripts: str | Json, workflow: str = "report", **more: int) -> Callable[[str], Json]:
    return lambda name: pipelinerun(name, task("make", *scripts, **more), workflow=workflow)


def _lying(name: str) -> Json:
    """Its second task attests another digest than the one that the first one reported."""
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}
    fields["SERVICE_ACCOUNT"] = "spec.serviceAccountName"
    said = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()]
    sources = [
        {"serviceAccountToken": {"audience": "avouch", "expirationSeconds": 600, "path": "token"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"configMap": {"name": "avouch-ca", "optional": True}},
    ]
    lie = {
        "name": "lie",
        "image": install.SIDECAR,
        "env": [{"name": "AVOUCH_SERVER", "value": f"https://avouch-server.{install.NAMESPACE}.svc"}, *said],
        "volumeMounts": [{"name": "avouch", "mountPath": "/var/run/avouch", "readOnly": True}],
        "script": f"#!/bin/sh{_LIE}",
    }
    volumes = [{"name": "avouch", "projected": {"sources": sources}}]
    attest = {"name": "attest", "runAfter": ["make"], "taskSpec": {"steps": [lie], "volumes": volumes}}
    return pipelinerun(name, task("make", _PUSH, spec=_IMAGE), attest, workflow="image")


SORTS = {
    "file": Sort("Passed", _file(REPORT), files=True),
    "slow-file": Sort("Passed", _file(REPORT, _SLOW), files=True),
    "no-file": Sort("Failed", _file("true"), files=True),
    "optional-file": Sort("Passed", _file("true", workflow="maybe"), files=True),
    "value": Sort("Passed", _value(_SAY)),
    "slow-value": Sort("Passed", _value(_SAY, _SLOW)),
    "image": Sort("Passed", lambda name: pipelinerun(name, task("make", _PUSH, spec=_IMAGE), workflow="image")),
    "lies": Sort("Rejected", _lying),
    "fails": Sort("Failed", _value(_SAY, "exit 1")),
    "goes-on": Sort("Passed", _file(step("exit 3", onError="continue"), REPORT), files=True),
    "tries-again": Sort("Passed", _file(f"[ $(context.task.retry-count) = 1 ]\n{REPORT}", retries=1), files=True),
    "times-out": Sort("Failed", _value(_SAY, _LONG, timeout="15s")),
    "canceled": Sort("Canceled", _value(_SAY, _LONG), cut=cancel),
    "deleted": Sort("Unobserved", _value(_SAY, _LONG), cut=delete),
    "loses-pod": Sort("Failed", _value(_SAY, _LONG), cut=delete_pod),
    "suspended": Sort("Passed", _value(_SAY, _SLOW, workflow=SUSPENDED), turn=SUSPENDED, turned=NONE),
    "recreated": Sort("Passed", _value(_SAY, _SLOW, workflow=RECREATED), turn=RECREATED, turned="Passed"),
    "changed": Sort("Passed", _value(_SAY, _SLOW, workflow=CHANGED), turn=CHANGED, turned="Failed"),
    "uncovered": Sort(NONE, _file(REPORT, workflow="")),
}


def drawn(chance: random.Random) -> str:
    """The name of a sort."""
    return chance.choice(tuple(SORTS))
