"""What every other test on a whole cluster takes for granted, seen on a cluster of its own."""

import http.server
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, require_possible
from tests.cluster.commands import run
from tests.cluster.errors import Impossible
from tests.cluster.processes import Process

pytestmark = pytest.mark.cluster

SHELL = "localhost/busybox:1"

POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: subject, namespace: default}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  initContainers:
    - name: side
      image: {SHELL}
      restartPolicy: Always
      command: [sh, -c, "trap 'echo asked to end; exit 0' TERM; echo up; while true; do sleep 0.1; done"]
  containers:
    - name: main
      image: {SHELL}
      command: [sh, -c]
      args:
        - |
          nslookup kubernetes.default.svc.cluster.local
          nslookup somewhere.example || echo no such name
          wget -qO- http://$HOST
      env: [{{name: HOST, value: "%s"}}]
"""

PIPELINE_RUN = f"""
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: two, namespace: default}}
spec:
  pipelineSpec:
    tasks:
      - name: speak
        taskSpec:
          results: [{{name: word}}]
          steps:
            - {{name: one, image: "{SHELL}", script: "sleep 0.2"}}
            - {{name: two, image: "{SHELL}", script: "printf hello > $(results.word.path)"}}
      - name: listen
        params: [{{name: word, value: $(tasks.speak.results.word)}}]
        taskSpec:
          params: [{{name: word}}]
          steps:
            - {{name: one, image: "{SHELL}", script: "echo heard $(params.word)"}}
"""


class Greeting(http.server.BaseHTTPRequestHandler):
    """A process of this machine that pods call."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"greetings from outside")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        require_possible()
    except Impossible as reason:
        pytest.skip(f"NO WHOLE CLUSTER ON THIS MACHINE: {reason}")
    cluster = Cluster("selftest")
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture
def callback(cluster: Cluster) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Greeting) as server:  # noqa: S104
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{cluster.host_ip}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_pod_resolves_names_calls_this_machine_and_its_sidecar_ends_last(cluster: Cluster, callback: str) -> None:
    cluster.apply(POD % callback)
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/subject", "--timeout=60s")
    said = cluster.kubectl("logs", "subject", "-c", "main")
    assert cluster.addresses.kubernetes in said
    assert "no such name" in said
    assert "greetings from outside" in said
    assert cluster.kubectl("logs", "subject", "-c", "side").split("\n")[:2] == ["up", "asked to end"]


def test_a_pipeline_run_of_two_tasks_succeeds(cluster: Cluster) -> None:
    cluster.apply(PIPELINE_RUN)
    cluster.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/two", "--timeout=90s")
    assert "heard hello" in cluster.kubectl("logs", "-l", "tekton.dev/pipelineTask=listen", "--all-containers")


def test_this_machine_reaches_services_by_their_cluster_address(cluster: Cluster) -> None:
    trust = ssl.create_default_context(cafile=str(cluster.folder / "pki/ca.crt"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    with opener.open(f"https://{cluster.addresses.kubernetes}/readyz", timeout=5) as response:
        assert response.status == 200


def test_every_api_is_available(cluster: Cluster) -> None:
    path = '{.items[*].status.conditions[?(@.type=="Available")].status}'
    assert set(cluster.kubectl("get", "apiservices", "-o", f"jsonpath={path}").split()) == {"True"}


def test_a_killed_cluster_comes_back_with_what_was_in_it(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "memory")
    for name in ("etcd", "kube-apiserver", "containerd", "kubelet", "tekton-controller"):
        Process(name, cluster.folder).kill()
    assert not cluster.running()
    cluster.up()
    assert cluster.running()
    assert "memory" in cluster.kubectl("get", "configmap", "memory")


def test_a_cluster_that_is_down_has_left_nothing(cluster: Cluster) -> None:
    cluster.down()
    assert not cluster.folder.exists()
    assert cluster.addresses.namespace not in run("ip", "netns")
    assert cluster.addresses.host_link not in run("ip", "-o", "link")
    assert str(cluster.folder) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{cluster.addresses.cgroup}"))
    assert str(cluster.folder) not in run("ps", "-eo", "args")
