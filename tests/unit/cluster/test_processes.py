import sys
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.processes import Process, clean_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process("sleeper", tmp_path)


def test_a_started_process_is_found_by_its_pid_file_and_stopped(process: Process) -> None:
    process.start(["sleep", "60"])
    assert Process("sleeper", process.folder).pid is not None
    process.stop()
    assert process.pid is None


def test_a_process_that_does_not_listen_is_ended_all_the_same(process: Process) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    process.start([sys.executable, "-c", deaf])
    process.wait_until(lambda: b"deaf" in process.log.read_bytes(), 10, "it was deaf")
    process.stop(patience=0.1)
    assert process.pid is None


def test_a_pid_that_now_belongs_to_somebody_else_is_not_taken_for_ours(process: Process) -> None:
    (process.folder / "run").mkdir()
    (process.folder / "run/sleeper.pid").write_text("1 123", encoding="utf-8")
    assert process.pid is None


def test_a_process_that_ends_early_is_reported_with_its_last_words(process: Process) -> None:
    process.start(["sh", "-c", "echo no such luck; exit 1"])
    with pytest.raises(ClusterError, match="no such luck"):
        process.wait_until(lambda: False, 5, "it worked")


def test_no_proxy_and_no_cluster_of_a_person_reaches_our_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    assert not {"HTTPS_PROXY", "KUBECONFIG"} & set(clean_environment())
