"""Builders for judging: each states only what differs."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from avouch import digests, plan
from avouch.attestation import materials, predicate
from avouch.controlplane.judging import examination
from avouch.controlplane.judging import verdict as verdicts
from avouch.controlplane.model import artifacts, runs
from avouch.controlplane.model import verdicts as verdict_model

DONE = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = DONE + timedelta(seconds=61)
RUN = uuid.UUID(int=7)
IMAGE = "CONTAINER_IMAGE"
SBOM = "SBOM_CYCLONEDX_JSON"
GOOD, EVIL, FILE = (f"sha256:{letter * 64}" for letter in "abc")


def asked(name="sbom", type_=SBOM, **changes):
    source = changes.pop("source", plan.Source(plan.From.WORKSPACE, task="build", name="src", path="bom.json"))
    return plan.PlannedMaterial(name, type_, source, line=f"spec.materials[{name}]", **changes)


def image(**changes):
    source = plan.Source(plan.From.RESULT, task="build", name="IMAGE_URL", digest="IMAGE_DIGEST")
    return asked("image", IMAGE, source=source, output=True, **changes)


def planned(*found, **changes):
    made = plan.Plan("app", "wf-uid", "team-a", "contract", 3, GOOD, materials=found)
    return replace(made, **changes)


def run(**changes):
    key = runs.RunKey("wf-uid", "pr-uid")
    made = runs.Run(
        RUN,
        "app-1",
        key,
        "team-a",
        "ns-uid",
        "app",
        "PipelineRun",
        "pr",
        "contract",
        3,
        GOOD,
        "",
        DONE,
        finished_at=DONE,
    )
    return replace(made, **changes)


def taskrun(name="build-1", task="build", *, results=(), retries=(), member="tasks"):
    return {
        "kind": "TaskRun",
        "metadata": {
            "name": name,
            "uid": f"{name}-uid",
            "labels": {"tekton.dev/pipelineTask": task, "tekton.dev/memberOf": member},
        },
        "spec": {"taskRef": {"name": task, "kind": "Task"}},
        "status": {
            "podName": f"{name}-pod",
            "results": [{"name": key, "value": value} for key, value in results],
            "retriesStatus": [{"podName": pod} for pod in retries],
        },
    }


def built(digest=GOOD, name="build-1", **changes):
    return taskrun(name, results=(("IMAGE_URL", "reg/app:1"), ("IMAGE_DIGEST", digest)), **changes)


def snapshot(*taskruns, status="True", reason="Succeeded", injected=(), pods=None, working=(), matrix=(), listed=None):
    """`working`: injected pods whose sidecar has not ended; `matrix`: tasks that have one."""
    tasks = {t["metadata"]["name"]: t["metadata"]["labels"]["tekton.dev/pipelineTask"] for t in taskruns}
    given = {t["metadata"]["labels"]["tekton.dev/pipelineTask"]: t["spec"].get("params", []) for t in taskruns}
    spec = [{"name": task, "taskRef": {"name": task, "kind": "Task"}, "params": given[task]} for task in given]
    children = [{"kind": "TaskRun", "name": name, "pipelineTaskName": task} for name, task in tasks.items()]
    subject = {
        "kind": "PipelineRun",
        "metadata": {"name": "pr", "uid": "pr-uid"},
        "status": {
            "conditions": [{"type": "Succeeded", "status": status, "reason": reason, "message": "m"}],
            "childReferences": [child for child in children if listed is None or child["name"] in listed],
            "pipelineSpec": {"tasks": [t | ({"matrix": {"params": [1]}} if t["name"] in matrix else {}) for t in spec]},
        },
    }
    names = {f"{t['metadata']['name']}-pod": f"{t['metadata']['name']}-pod-uid" for t in taskruns}
    ended = tuple(pod for pod in injected if pod not in working)
    return runs.Snapshot(subject, tuple(taskruns), tuple(injected), names if pods is None else pods, ended=ended)


def file(digest=FILE, name="sbom", type_=SBOM, **changes):
    return materials.Material(name, type_, digests.Digest.parse(digest), "bom.json", storage="uploaded", **changes)


def claimed_image(digest=GOOD, name="image", **changes):
    return materials.Material(
        name, IMAGE, digests.Digest.parse(digest), "reg/app", output=True, image_tag="1", **changes
    )


def claimed_text(name, text):
    return materials.Material(name, "STRING", digests.of_bytes(text.encode()), content=text.encode())


def guessed(name, **changes):
    return asked(name, IMAGE, source=plan.Source(task=changes.pop("task", "")), **changes)


def said(*found, taskrun="build-1", pod=None, name=None, explicit=False, facts=True, notes=None, **metadata):
    told = {"workflow_name": "app", "workflow_run_id": str(RUN), "contract_name": "contract", "contract_version": "3"}
    meta = predicate.Metadata(
        name="", workflow_id="", project="", organization="", initialized_at=None, finished_at=None, **told | metadata
    )
    pod = pod or f"{taskrun}-pod-uid"
    digest = digests.of_bytes(repr((found, taskrun, pod, metadata, notes)).encode())
    claim = runs.Claim(RUN, digest, b"", pod, f"{taskrun}-uid", taskrun, "build", "default", DONE, explicit)
    claim = replace(claim, pod=f"{taskrun}-pod" if name is None else name)
    stated = predicate.AttestationFacts(meta, "avouch", predicate.Runner("TEKTON_PIPELINE"), tuple(found))
    stated = replace(stated, annotations=notes or {})
    return examination.ReadClaim(claim, stated if facts else None, "" if facts else "step 9 signature: wrong")


def fine(*found):
    return {(digest, SBOM): artifacts.Checked(True) for digest in found or (FILE,)}


def case(made_plan, shot, *told, documents=None, **changes):
    return examination.Case(run(**changes), made_plan, shot, tuple(told), fine() if documents is None else documents)


def verdict(made, now=LATER):
    found = verdicts.judge(made, now)
    assert isinstance(found, verdict_model.Verdict)
    return found


def codes(found):
    return [finding.code for finding in found.findings]
