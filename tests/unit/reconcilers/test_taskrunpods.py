from dataclasses import replace

import pytest

from avouch.kube.cache import Key
from avouch.reconcilers import taskrunpods
from avouch.tekton import pod


def seen(name: str, taskrun: str, *, ended: bool = False) -> pod.Seen:
    return pod.Seen(name, f"{name}-uid", taskrun, injected=True, ended=ended)


def test_who_names_many_taskruns_pushes_out_their_own_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskrunpods, "_MOST", 10)
    pods = taskrunpods.TaskRunPods()
    for number in range(3):
        pods.see("shop", seen("p", f"t-{number}"))
    for number in range(100):
        pods.see("flood", seen("p", f"made-up-{number}"))
    assert [bool(pods.of("shop", f"t-{number}")) for number in range(3)] == [True] * 3
    assert sum(bool(pods.of("flood", f"made-up-{number}")) for number in range(100)) == 7
    assert pods.of("flood", "made-up-99")


def test_who_gives_few_taskruns_many_pods_pushes_out_their_own_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskrunpods, "_MOST", 10)
    pods = taskrunpods.TaskRunPods()
    for number in range(3):
        pods.see("shop", seen("p", f"t-{number}"))
    for number in range(20):
        pods.see("flood", seen(f"p-{number % 4}", f"made-up-{number // 4}"))
    assert [bool(pods.of("shop", f"t-{number}")) for number in range(3)] == [True] * 3
    assert (pods.crowded("shop"), pods.crowded("flood")) == (False, True)
    assert [len(pods.of("flood", f"made-up-{number}")) for number in range(5)] == [0, 0, 0, 0, 4]


def test_what_is_forgotten_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskrunpods, "_MOST", 2)
    pods = taskrunpods.TaskRunPods()
    for number in range(10):
        pods.see("shop", seen("p", f"t-{number}"))
        pods.forget("shop", [f"t-{number}", "none"])
    for number in range(2):
        pods.see("shop", seen("p", f"u-{number}"))
    assert [bool(pods.of("shop", f"u-{number}")) for number in range(2)] == [True, True]


def test_of_many_pods_that_name_one_taskrun_the_first_are_remembered() -> None:
    pods = taskrunpods.TaskRunPods()
    pods.see("shop", seen("real", "t"))
    for number in range(1_000):
        pods.see("shop", seen(f"made-up-{number}", "t"))
    assert len(pods.of("shop", "t")) == taskrunpods._EACH
    pods.see("shop", seen("real", "t", ended=True))
    assert pods.of("shop", "t")["real"].ended


def test_the_end_of_a_pod_is_told_to_the_subject_that_waits_for_it_once() -> None:
    pods, subject = taskrunpods.TaskRunPods(), Key("PipelineRun", "shop", "release")
    pods.wait(["t"], subject)
    assert pods.see("shop", seen("p", "t")) is None
    assert pods.see("elsewhere", seen("p", "t", ended=True)) is None
    assert pods.see("shop", seen("p", "t", ended=True)) == subject
    assert pods.see("shop", seen("p", "t", ended=True)) is None


def test_the_end_of_a_pod_of_a_taskrun_that_nobody_knows_is_not_remembered() -> None:
    pods = taskrunpods.TaskRunPods()
    assert pods.see("shop", seen("p", "t", ended=True)) is None
    assert pods.see("shop", seen("p", "")) is None
    assert (pods.of("shop", "t"), pods.of("shop", "")) == ({}, {})


def test_a_pod_that_is_seen_for_the_first_time_at_its_end_is_told_to_who_waits_for_it() -> None:
    pods, subject = taskrunpods.TaskRunPods(), Key("PipelineRun", "shop", "release")
    pods.wait(["t"], subject)
    assert pods.see("shop", seen("p", "t", ended=True)) == subject
    assert pods.of("shop", "t")["p"].ended


def test_of_what_is_forgotten_nothing_is_left_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskrunpods, "_MOST", 3)
    pods = taskrunpods.TaskRunPods()
    for name in ("p", "q", "r"):
        pods.see("shop", seen(name, "t"))
    pods.wait(["t"], Key("PipelineRun", "shop", "release"))
    pods.forget("shop", ["t"])
    assert pods._seen == {}
    assert pods.see("shop", seen("p", "t", ended=True)) is None
    for name in ("p", "q", "r"):
        pods.see("shop", seen(name, "u"))
    assert (len(pods.of("shop", "u")), pods.crowded("shop")) == (3, False)


def test_what_a_pod_showed_once_stays_known_whatever_it_shows_later() -> None:
    first = replace(seen("p", "t", ended=True), said="stored", cut=True)
    later = replace(seen("p", "t"), injected=False)
    assert taskrunpods.newer(first, later) == first
    assert taskrunpods.newer(first, replace(first, said="again")).said == "again"
