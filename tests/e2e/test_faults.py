"""What breaks around a build does not break the build: images, servers and controllers that go away, and come back."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

APISERVICE = "v1alpha1.runs.avouch.dev"
NO_IMAGE = "localhost/no-such-sidecar:1"
LONG = f"sleep 12\n{REPORT}"


@dataclass(frozen=True)
class Story:
    """What was seen while things went wrong, in the order in which they did."""

    builds: Stage
    deleted_while_down: bool
    apiservice_gone_after: float


@pytest.fixture(scope="module")
def home(cluster: AnyCluster) -> Stage:
    return Stage(cluster, "avouch")


@pytest.fixture(scope="module")
def story(cluster: AnyCluster, home: Stage) -> Iterator[Story]:
    """All faults one after the other; what has to be waited for afterwards, the tests wait for."""
    builds = Stage(cluster, "faults").open(**{"avouch.dev/inject": "enabled"})
    plain = Stage(cluster, "faults-plain").open()
    builds.apply(*made.gate())
    builds.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    build_without_image(builds, home)
    plain.apply(pipelinerun("unserved", task("make", LONG)))
    builds.apply(pipelinerun("unserved", task("make", LONG)))
    wait_for_step(builds, "unserved")
    scale(home, "server", 0)
    down_since = time.monotonic()
    home.until(lambda: not home.kubectl("get", "apiservice", APISERVICE, "--ignore-not-found"), "no APIService", 90)
    gone_after = time.monotonic() - down_since
    deleted = plain_deletion_works(cluster)
    builds.ended("unserved")
    scale(home, "server", 1)
    builds.apply(pipelinerun("unwatched", task("make", LONG)))
    wait_for_step(builds, "unwatched")
    home.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=controller", "--grace-period=0", "--force")
    yield Story(builds, deleted, gone_after)
    builds.close()
    plain.close()


def build_without_image(builds: Stage, home: Stage) -> None:
    """A build whose pod was told of an image that no registry has."""
    server = home.get("deployment", "avouch-server")
    environment = server["spec"]["template"]["spec"]["containers"][0]["env"]
    (right,) = [each["value"] for each in environment if each["name"] == "AVOUCH_SIDECAR_IMAGE"]
    use_sidecar(home, NO_IMAGE)
    builds.apply(pipelinerun("imageless", task("make", REPORT)))
    builds.until(lambda: builds.injected("imageless"), "a pod with a sidecar")
    use_sidecar(home, right)


def use_sidecar(home: Stage, image: str) -> None:
    home.kubectl("set", "env", "deployment/avouch-server", "-c", "server", f"AVOUCH_SIDECAR_IMAGE={image}")
    home.kubectl("rollout", "status", "deployment/avouch-server", "--timeout=120s")
    home.until(lambda: len(component(home, "server")) == 1, "only the new server")


def component(home: Stage, name: str) -> list[stage.Json]:
    return list(home.get("pods", "-l", f"app.kubernetes.io/component={name}")["items"])


def scale(home: Stage, name: str, replicas: int) -> None:
    """`kill` rather than `stop`: nobody is given the time to finish anything."""
    home.kubectl("scale", f"deployment/avouch-{name}", f"--replicas={replicas}")
    if replicas:
        home.kubectl("rollout", "status", f"deployment/avouch-{name}", "--timeout=120s")
    else:
        home.kubectl("delete", "pod", "-l", f"app.kubernetes.io/component={name}", "--grace-period=0", "--force")


def wait_for_step(place: Stage, name: str) -> None:
    def running() -> bool:
        statuses = [s for pod in place.pods(name) for s in pod["status"].get("containerStatuses", ())]
        return any("running" in status["state"] for status in statuses)

    place.until(running, f"a step of {name}")


def plain_deletion_works(cluster: AnyCluster) -> bool:
    Stage(cluster, "bystander").open()
    Stage(cluster, "bystander").kubectl("delete", "namespace", "bystander", "--timeout=30s")
    return True


def test_a_build_whose_sidecar_image_cannot_be_pulled_ends_as_without_us(story: Story) -> None:
    assert story.builds.ended("imageless")[0] == "True"


def test_its_pipelinerun_says_that_the_image_could_not_be_pulled(story: Story) -> None:
    assert "could not be pulled" in story.builds.told("imageless", "SidecarImageUnavailable")


def test_its_verdict_says_that_the_sidecar_is_missing(story: Story) -> None:
    run = story.builds.verdict("imageless")
    assert stage.said(run) == ("Failed", "missing")
    assert stage.codes(run) == ["SidecarMissing", "MaterialMissing"]  # the cause first


def test_its_stand_in_ended_when_it_was_told_to(story: Story) -> None:
    (pod,) = story.builds.pods("imageless")
    (status,) = [s for s in pod["status"]["initContainerStatuses"] if s["name"] == "avouch-sidecar"]
    assert (status["state"]["terminated"]["exitCode"], status["restartCount"]) == (0, 0)


def test_a_build_whose_server_was_killed_is_green_and_ends_with_its_last_step(story: Story) -> None:
    plain = Stage(story.builds.cluster, "faults-plain")
    assert (story.builds.ended("unserved")[0], plain.ended("unserved")[0]) == ("True", "True")
    assert story.builds.afterwards("unserved") < plain.afterwards("unserved") + 5


def test_its_verdict_names_the_sidecar_that_could_not_speak(story: Story) -> None:
    run = story.builds.verdict("unserved")
    assert stage.said(run) == ("Failed", "missing")
    (message,) = [f["message"] for f in run["status"]["findings"] if f["code"] == "SidecarMissing"]
    assert "unserved-make" in message
    assert "POST /v1/runs: " in message  # the sidecar's own last word, after the pod and its log are gone


def test_the_apiservice_goes_when_no_server_was_ready_for_half_a_minute(story: Story) -> None:
    assert 25 < story.apiservice_gone_after < 60


def test_other_namespaces_can_be_deleted_meanwhile(story: Story) -> None:
    assert story.deleted_while_down


def test_the_apiservice_comes_back_with_the_server(story: Story, home: Stage) -> None:
    home.kubectl("wait", "--for=create", "apiservice", APISERVICE, "--timeout=60s")
    home.kubectl("wait", "--for=condition=Available", f"apiservice/{APISERVICE}", "--timeout=60s")
    assert "unserved" in json.dumps(story.builds.get("workflowruns"))


def test_a_controller_killed_in_the_middle_of_a_run_still_brings_its_verdict(story: Story) -> None:
    assert stage.said(story.builds.verdict("unwatched")) == ("Passed", "sidecar")
    assert story.builds.told("unwatched", "AttestationPassed")
