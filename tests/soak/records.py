"""What the cluster still says of a build whose verdict is another one, kept in a file for whoever judges afterwards."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from avouch import rfc3339
from tests.cluster import audit
from tests.cluster.choice import AnyCluster
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.e2e.stage import Json, Stage

FOLDER = Path(__file__).parents[2] / "build" / "soak"
_MOST = 2000  # lines of one log
_UNANSWERED = "failing open"  # an API server's words for a webhook that did not answer


def clear() -> None:
    """Forget what an earlier soak kept."""
    for old in FOLDER.glob("*.json"):
        old.unlink()


def keep(place: Stage, home: Stage, build: str, runs: Iterable[str], since: datetime) -> Path:
    """Write down the objects, Events and log lines about a build and its runs; the file."""
    names = (build, *runs)
    pods = place.pods(build)
    taskruns = place.taskruns(build)
    names += tuple(one["metadata"]["name"] for one in (*taskruns, *pods))
    found = {
        "pipelineruns": [one for one in place.get("pipelineruns")["items"] if one["metadata"]["name"] == build],
        "taskruns": taskruns,
        "pods": pods,
        "workflowruns": [place.get("workflowruns", run) for run in runs],
        "events": [one for one in place.get("events")["items"] if one["involvedObject"]["name"] in names],
        "logs": dict(_logs(home, place.cluster, build, since)),
        "created": _created(place.cluster, build),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{build}.json"
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return file


def _logs(home: Stage, cluster: AnyCluster, build: str, since: datetime) -> Iterator[tuple[str, list[str]]]:
    """Of avouch's processes all that they said since then, of the cluster's what names the build or a lost webhook."""
    for pod in home.get("pods")["items"]:
        name, began = pod["metadata"]["name"], f"--since-time={rfc3339.to_seconds(since)}"
        try:
            said = home.kubectl("logs", name, "--all-containers", "--timestamps", began, f"--tail={_MOST}")
        except ClusterError as exc:  # it is just being started
            said = str(exc)
        yield name, said.splitlines()
    if isinstance(cluster, Cluster):
        for log in sorted((cluster.folder / "logs").glob("*.log")):
            if log.stem != "audit":
                with log.open(encoding="utf-8", errors="replace") as lines:
                    yield log.stem, about(build, lines)


def about(build: str, lines: Iterable[str]) -> list[str]:
    """The last lines that name a build, or say that a webhook did not answer."""
    return [line.rstrip() for line in lines if build in line or _UNANSWERED in line][-_MOST:]


def _created(cluster: AnyCluster, build: str) -> list[Json]:
    """How the build's pods were created, as the API server wrote it down."""
    if not isinstance(cluster, Cluster):
        return []
    asked = ((one, one.get("objectRef", {})) for one in audit.requests(cluster.folder))
    return [one for one, of in asked if of.get("resource") == "pods" and of.get("name", "").startswith(f"{build}-")]
