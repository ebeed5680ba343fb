"""What breaks: processes that are killed, a database that is started again, watches that are lost; and what turns.

A turn is no fault: it is what a user does to a Workflow or its Contract while builds of it run.
"""

import json
from collections.abc import Callable, Mapping

from tests.cluster.choice import AnyCluster
from tests.cluster.cluster import Cluster
from tests.cluster.processes import Process
from tests.e2e import made
from tests.e2e.stage import Json, Stage
from tests.soak import builds

Fault = Callable[[AnyCluster, Stage], None]
Turn = Callable[[Stage, bool], None]
STOPPED = "import os, signal; os.kill(1, signal.SIGTERM)"
BACKED_OFF = 330.0  # seconds: the kubelet waits longer and longer, five minutes at most, to start what ends again


def kill(component: str) -> Fault:
    """A fault that kills a pod of one component without a word, and waits for the next one."""

    def fault(cluster: AnyCluster, home: Stage) -> None:
        pods = home.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        home.kubectl("delete", "pod", newest["metadata"]["name"], "--grace-period=0", "--force", "--wait=false")
        ready(home, component)

    return fault


def stop_server(cluster: AnyCluster, home: Stage) -> None:
    """As a drained node does it: in order, while another one serves."""
    pods = home.get("pods", "-l", "app.kubernetes.io/component=server")["items"]
    home.kubectl("delete", "pod", pods[0]["metadata"]["name"], "--wait=true")
    ready(home, "server")


def restart_database(cluster: AnyCluster, home: Stage) -> None:
    """Its container ends and is started again, with what it had stored."""

    def restarts() -> int:
        return sum(one["restartCount"] for one in _statuses(home))

    before = restarts()
    home.kubectl("exec", "avouch-postgres-0", "--", "python3", "-c", STOPPED)
    home.until(lambda: restarts() > before and all(one["ready"] for one in _statuses(home)), "the database", BACKED_OFF)


def _statuses(home: Stage) -> list[Json]:
    return list(home.get("pod", "avouch-postgres-0")["status"].get("containerStatuses", ()))


def lose_watches(cluster: AnyCluster, home: Stage) -> None:
    """The API server ends and is started again: all watches are lost, and what happens meanwhile is seen by nobody."""
    if isinstance(cluster, Cluster):
        Process("kube-apiserver", cluster.folder).kill()
        cluster.up()


def ready(home: Stage, component: str) -> None:
    """Wait until the Deployment is as it should be."""
    home.kubectl("rollout", "status", f"deployment/avouch-{component}", "--timeout=120s")


def suspend(place: Stage, turned: bool) -> None:
    """The Workflow takes no new builds, or takes them again."""
    change = json.dumps({"spec": {"suspend": turned}})
    place.kubectl("patch", "workflows.avouch.dev", builds.SUSPENDED, "--type=merge", "-p", change)
    told = "Suspended" if turned else "Succeeded"
    place.until(lambda: _ready(place, builds.SUSPENDED).get("reason") == told, f"the Workflow to be {told}")


def recreate(place: Stage, _turned: bool) -> None:
    """The Workflow goes, and another one of its name comes."""
    (made_anew,) = [one for one in builds.WORKFLOWS if _named(one, "Workflow", builds.RECREATED)]
    place.kubectl("delete", "workflows.avouch.dev", builds.RECREATED, "--wait=true")
    place.apply(made_anew)
    place.until(lambda: _ready(place, builds.RECREATED).get("status") == "True", "the Workflow to be Ready")


def change(place: Stage, turned: bool) -> None:
    """The Contract asks for something that no build has, or no longer does."""
    before = _workflow(place, builds.CHANGED)["status"]["contractRevision"]
    more = (builds.ASKED_MORE,) if turned else ()
    place.apply(made.contract(builds.CHANGED, builds.VALUE, *more))
    place.until(
        lambda: _workflow(place, builds.CHANGED)["status"]["contractRevision"] > before, "the Contract's new revision"
    )


def _named(obj: Json, kind: str, name: str) -> bool:
    return (obj["kind"], obj["metadata"]["name"]) == (kind, name)


def _workflow(place: Stage, name: str) -> Json:
    return place.get("workflows.avouch.dev", name)


def _ready(place: Stage, name: str) -> Json:
    """The condition, once it is of what the Workflow is now."""
    workflow = _workflow(place, name)
    conditions = workflow.get("status", {}).get("conditions", ())
    now = workflow["metadata"]["generation"]
    return next((one for one in conditions if one["type"] == "Ready" and one["observedGeneration"] == now), {})


FAULTS: Mapping[str, Fault] = {
    "controller killed": kill("controller"),
    "worker killed": kill("worker"),
    "server stopped": stop_server,
    "database restarted": restart_database,
    "watches lost": lose_watches,
}
TURNS: Mapping[str, Turn] = {builds.SUSPENDED: suspend, builds.RECREATED: recreate, builds.CHANGED: change}
LOSES_SIDECARS = ("database restarted", "watches lost")
"""While they last a pod may start without a sidecar: builds never wait for avouch."""
