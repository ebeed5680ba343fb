"""The loop that waits for the steps, with real files and real signals; its process is in tests/commands."""

import signal
import site
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from avouch.sidecar import __main__ as waiting
from avouch.sidecar import work
from tests.unit.sidecar import life

pytestmark = pytest.mark.timeout(30)  # what is tested waits
Calls = list[tuple[list[str], int]]


def blocked() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """As they were before, and none left over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_BLOCK, waiting.STOP)
    while signal.sigtimedwait(waiting.STOP, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def told_to_stop(by: signal.Signals = signal.SIGTERM) -> None:
    """A signal comes: it waits until somebody takes it."""
    assert by in blocked(), "a signal that is not blocked ends the process"
    signal.raise_signal(by)


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, waiting.STOP)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod of two steps."""
    for name, value in life.environment(tmp_path, 2).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["avouch.sidecar"])
    wait = signal.sigwait

    def sigwait(of: Iterable[signal.Signals]) -> signal.Signals:
        assert signal.sigpending() & set(of), "nobody tells it to stop a second time"
        return signal.Signals(wait(of))

    monkeypatch.setattr(signal, "sigwait", sigwait)
    return tmp_path


def working(monkeypatch: pytest.MonkeyPatch, does: Callable[[], int] = lambda: 0) -> Calls:
    """Let the work do this; what it is called with."""
    calls: Calls = []

    def main(arguments: list[str], done: int) -> int:
        calls.append((arguments, done))
        return does()

    monkeypatch.setattr(work, "main", main)
    return calls


@pytest.mark.parametrize(("name", "over"), [("out", True), ("out.err", True), ("outerr", False)])
def test_a_step_has_ended_once_it_posted_whether_it_failed_or_not(tmp_path: Path, name: str, over: bool) -> None:
    life.environment(tmp_path, 2)
    life.end(tmp_path, 1, name)
    assert waiting.ended(str(tmp_path / "tekton"), 1) is over
    assert not waiting.ended(str(tmp_path / "tekton"), 0)


def test_it_waits_for_every_step_and_asks_again_until_the_last_one_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.environment(tmp_path, 2)
    asked: list[object] = []

    def nothing_comes(*of: object) -> None:
        asked.append(of)
        life.end(tmp_path, len(asked) - 1)

    monkeypatch.setattr(signal, "sigtimedwait", nothing_comes)
    assert waiting.wait(str(tmp_path / "tekton"), 2) == (2, False)
    assert asked == [(waiting.STOP, waiting.POLL)] * 2


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("over", "done"), [((), 0), ((1,), 1)])
def test_it_stops_waiting_when_it_is_told_to_and_counts_the_steps_that_ended(
    tmp_path: Path, over: tuple[int, ...], done: int, by: signal.Signals
) -> None:
    life.environment(tmp_path, 2)
    for step in over:
        life.end(tmp_path, step)
    block()
    told_to_stop(by)
    assert waiting.wait(str(tmp_path / "tekton"), 2) == (done, True)


def test_a_step_that_ends_together_with_the_pod_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life.environment(tmp_path, 2)

    def comes_with_the_end(*_: object) -> object:
        life.end(tmp_path, 0)
        return object()

    monkeypatch.setattr(signal, "sigtimedwait", comes_with_the_end)
    assert waiting.wait(str(tmp_path / "tekton"), 2) == (1, True)


def test_after_the_work_it_stays_until_it_is_told_to_stop(
    pod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends_later() -> int:
        told_to_stop()
        return 0

    calls = working(monkeypatch, ends_later)
    for step in range(2):
        life.end(pod, step)
    assert waiting.main() == 0
    assert calls == [([], 2)]
    assert not signal.sigpending() & set(waiting.STOP), "it ended before it was told to"
    told = capsys.readouterr().err
    assert told.startswith("avouch: waiting for 2 steps\navouch: 2 of 2 steps ended after ")


@pytest.mark.parametrize(("over", "work_of"), [((), []), ((0,), [([], 1)])])
def test_a_pod_that_ends_early_is_attested_as_far_as_its_steps_came(
    pod: Path, monkeypatch: pytest.MonkeyPatch, over: tuple[int, ...], work_of: Calls
) -> None:
    calls = working(monkeypatch)
    for step in over:
        life.end(pod, step)
    block()
    told_to_stop()
    assert waiting.main() == 0
    assert calls == work_of


def test_work_that_breaks_is_told_and_the_sidecar_stays_and_ends_with_zero(
    pod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> int:
        told_to_stop()
        raise KeyError("why")

    working(monkeypatch, breaks)
    for step in range(2):
        life.end(pod, step)
    assert waiting.main() == 0
    assert "avouch: nothing was attested: KeyError: 'why'\n" in capsys.readouterr().err


def test_the_last_word_of_a_pod_that_was_stopped_before_its_first_step_ended_says_so(pod: Path) -> None:
    block()
    told_to_stop()
    assert waiting.main() == 0
    said = "the pod was stopped before one of its steps had ended, so nothing was collected"
    assert (pod / "last-word").read_text() == said


def test_a_last_word_that_cannot_be_left_is_told_beside_it(
    pod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod / "last-word").mkdir()
    monkeypatch.setenv("AVOUCH_STEPS", "many")
    block()
    told_to_stop()
    assert waiting.main() == 0
    told = capsys.readouterr().err
    assert "avouch: ValueError: " in told
    assert "avouch: the last word could not be left: " in told


def test_a_pod_whose_steps_cannot_be_counted_is_told_and_ends_with_zero(
    pod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AVOUCH_STEPS", "many")
    calls = working(monkeypatch)
    block()
    told_to_stop()
    assert waiting.main() == 0
    assert calls == []
    assert capsys.readouterr().err.startswith("avouch: ValueError: ")


def test_an_explicit_step_works_at_once_and_its_exit_code_is_the_works(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = working(monkeypatch, lambda: 1)
    monkeypatch.setattr(sys, "argv", ["avouch.sidecar", "--step", "--strict"])
    assert waiting.main() == 1
    assert calls == [(["--step", "--strict"], 0)]
    assert not set(waiting.STOP) & blocked(), "a step is ended by the signal as any other program"


@pytest.mark.parametrize("bare", [True, False])
def test_packages_are_looked_for_only_where_python_was_started_without_them(
    monkeypatch: pytest.MonkeyPatch, bare: bool
) -> None:
    working(monkeypatch)
    added: list[bool] = []
    monkeypatch.setattr(site, "main", lambda: added.append(True))
    monkeypatch.setattr(sys, "flags", SimpleNamespace(no_site=bare))
    assert waiting.work([], 1) == 0
    assert bool(added) is bare
