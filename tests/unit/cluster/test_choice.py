from pathlib import Path

import pytest

from tests.cluster import choice, cluster, kind
from tests.cluster.errors import Impossible


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Linux, root, no Docker, nothing given."""
    monkeypatch.delenv("AVOUCH_KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "somebody's cluster"))
    monkeypatch.setattr(choice, "_docker_answers", lambda: False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_a_given_cluster_comes_before_all_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = tmp_path / "kubeconfig"
    given.touch()
    monkeypatch.setenv("AVOUCH_KUBECONFIG", str(given))
    monkeypatch.setattr(choice, "_docker_answers", lambda: True)
    chosen = choice.choose("dev")
    assert isinstance(chosen, choice.GivenCluster)
    assert chosen.kubeconfig == given


def test_a_given_cluster_that_is_not_there_is_no_reason_to_take_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVOUCH_KUBECONFIG", "/nowhere/kubeconfig")
    with pytest.raises(Impossible, match="/nowhere/kubeconfig"):
        choice.choose("dev")


def test_a_given_cluster_is_never_stopped(tmp_path: Path) -> None:
    given = tmp_path / "kubeconfig"
    given.touch()
    choice.GivenCluster(given).down()
    assert given.exists()


def test_kind_is_used_where_docker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_docker_answers", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert isinstance(choice.choose("dev"), kind.KindCluster)


def test_a_bare_machine_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choice.choose("dev")
    assert isinstance(chosen, cluster.Cluster)
    assert chosen.kubeconfig.parts[-3:] == ("clusters", "dev", "kubeconfig")


def test_without_root_one_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Impossible, match="root") as refused:
        choice.choose("dev")
    assert "\n" not in str(refused.value)
