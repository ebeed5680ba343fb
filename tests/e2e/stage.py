"""What the tests on a cluster share: objects as they are, runs once they are judged, waiting with a deadline."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import yaml

from examples.quickstart import install
from tests.cluster.choice import AnyCluster

Json = dict[str, Any]
Found = TypeVar("Found")

SHELL = "localhost/busybox:1"
DEADLINE = (
    240.0  # seconds; a kubelet under load may take 90 to tell a first step to begin, a silent sidecar is given 60
)


@dataclass(frozen=True)
class Stage:
    """One namespace of the cluster."""

    cluster: AnyCluster
    namespace: str

    def open(self, **labels: str) -> "Stage":
        """Make the namespace anew."""
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=true", "--timeout=90s")
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        self.until(lambda: self.kubectl("get", "serviceaccount", "default", "--ignore-not-found"), "the ServiceAccount")
        return self

    def close(self) -> None:
        """Let the namespace go, without waiting for it."""
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return install.kubectl(self.cluster, "-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, *objects: Json) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def get(self, *what: str) -> Json:
        found: Json = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def pods(self, pipelinerun: str) -> list[Json]:
        return list(self.get("pods", "-l", f"tekton.dev/pipelineRun={pipelinerun}")["items"])

    def injected(self, pipelinerun: str) -> bool:
        return any(carries_sidecar(pod) for pod in self.pods(pipelinerun))

    def events(self, kind: str, name: str) -> dict[str, str]:
        """Reason -> note of the Events about an object."""
        selector = f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}"
        return {event["reason"]: event.get("message", "") for event in self.get("events", selector)["items"]}

    def told(self, pipelinerun: str, reason: str) -> str:
        """The note of an Event about a PipelineRun, as soon as it is there."""
        return self.until(lambda: self.events("PipelineRun", pipelinerun).get(reason), f"Event {reason}", 60)

    def ended(self, pipelinerun: str) -> tuple[str, str]:
        """Status and reason of a PipelineRun that is Done."""

        def look() -> tuple[str, str] | None:
            conditions = self.get("pipelinerun", pipelinerun).get("status", {}).get("conditions") or [{}]
            state = conditions[0].get("status"), conditions[0].get("reason")
            return None if state[0] not in ("True", "False") else (str(state[0]), str(state[1]))

        return self.until(look, f"the end of PipelineRun {pipelinerun}")

    def outcomes(self, pipelinerun: str, *, steps: bool = True) -> dict[str, Any]:
        """What Tekton made of a Done PipelineRun: its own state, each TaskRun's and each step's."""
        self.ended(pipelinerun)
        return {
            pipelinerun: _state(self.get("pipelinerun", pipelinerun)),
            **{
                taskrun["metadata"]["name"]: (_state(taskrun), _steps(taskrun) if steps else ())
                for taskrun in self.taskruns(pipelinerun)
            },
        }

    def taskruns(self, pipelinerun: str) -> list[Json]:
        return list(self.get("taskruns", "-l", f"tekton.dev/pipelineRun={pipelinerun}")["items"])

    def afterwards(self, pipelinerun: str) -> float:
        """Seconds from the end of the last step to that of the PipelineRun, by Tekton's own clock."""
        steps = [step["terminated"] for taskrun in self.taskruns(pipelinerun) for step in taskrun["status"]["steps"]]
        last = max(datetime.fromisoformat(step["finishedAt"]) for step in steps)
        end = datetime.fromisoformat(self.get("pipelinerun", pipelinerun)["status"]["completionTime"])
        return (end - last).total_seconds()

    def verdict(self, subject: str, kind: str = "PipelineRun", workflow: str = "") -> Json:
        """The judged WorkflowRun about a PipelineRun or TaskRun; `workflow` where several cover it."""
        uid = self.get(kind.lower(), subject)["metadata"]["uid"]

        def look() -> Json | None:
            for item in self.get("workflowruns")["items"]:
                right = item["spec"]["subject"].get("uid") == uid and workflow in ("", item["spec"]["workflow"])
                if right and item["status"]["verdict"] != "Pending":
                    return self.get("workflowruns", item["metadata"]["name"])
            return None

        return self.until(look, f"the verdict on {kind} {subject}")

    def statement(self, run: Json) -> Json:
        """The in-toto statement of a judged WorkflowRun."""
        names = f"namespaces/{self.namespace}/workflowruns/{run['metadata']['name']}"
        return json.loads(self.kubectl("get", "--raw", f"/apis/runs.avouch.dev/v1alpha1/{names}/statement"))

    def until(self, look: Callable[[], Found | None], what: str, seconds: float = DEADLINE) -> Found:
        """Look every half second until there is something to see."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.5)
        raise AssertionError(f"{self.namespace}: waited {seconds:.0f} s for {what}")


def authority(cluster: AnyCluster) -> Json:
    """Our server's certificate authority, as anybody could publish it."""
    found = Stage(cluster, install.NAMESPACE).kubectl(
        "get", "secret", "avouch-server-tls", "-o", "jsonpath={.data.ca\\.crt}"
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "avouch-ca"},
        "binaryData": {"ca.crt": found},
    }


def carries_sidecar(pod: Json) -> bool:
    return any(container["name"] == "avouch-sidecar" for container in pod["spec"].get("initContainers", ()))


def codes(run: Json) -> list[str]:
    return [finding["code"] for finding in run["status"].get("findings", [])]


def said(run: Json) -> tuple[str, str]:
    return run["status"]["verdict"], run["status"]["evidence"]


def _state(obj: Json) -> tuple[str, str]:
    condition = obj["status"]["conditions"][0]
    return condition["status"], condition["reason"]


def _steps(taskrun: Json) -> list[tuple[str, int, str]]:
    ended = [(step["name"], step.get("terminated") or {}) for step in taskrun["status"].get("steps", ())]
    return [(name, end.get("exitCode", -1), end.get("reason", "")) for name, end in ended]
