"""The file of a state: its name, permissions and locks, and processes that are killed while they write."""

import fcntl
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from avouch import clocks, errors
from avouch.client import localstate
from avouch.crafting import state
from tests.crafting import builders

ROOT = Path(__file__).parents[3]
ADDS = """
import sys
from pathlib import Path
from avouch.client import localstate
keeper = localstate.LocalState(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100000):
    keeper.change(lambda found: found._replace(annotations={"n": str(number), "pad": "x" * 4096 * (number % 64)}))
"""


def store(path: Path, **options: Any) -> localstate.LocalState:
    found = localstate.LocalState(path / "state.json", **options)
    found.create(builders.begun())
    return found


def named(environment: dict[str, str], where: Path = Path("/builds/app")) -> Path:
    return localstate.path_for(environment, where)


def test_two_jobs_in_different_workspaces_do_not_meet():
    assert named({"GITHUB_WORKSPACE": "/a"}) != named({"GITHUB_WORKSPACE": "/b"})
    assert named({}, where=Path("/a")) != named({}, where=Path("/b"))


def test_two_runs_in_one_workspace_do_not_meet():
    for name in ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "CI_JOB_ID", "BUILD_URL"):
        assert named({name: "1"}) != named({name: "2"})


def test_commands_of_one_job_meet_wherever_they_are_called(tmp_path: Path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    assert named({}, where=tmp_path / "sub" / "deep") == named({}, where=tmp_path)
    inside = {"CI_PROJECT_DIR": "/a"}
    assert named(inside, where=tmp_path / "sub") == named(inside, where=Path("/elsewhere"))


def test_the_place_may_be_said_and_lies_in_tmpdir_otherwise():
    assert named({"AVOUCH_ATTESTATION_STATE": "/x/y.json"}) == Path("/x/y.json")
    assert named({"TMPDIR": "/t"}).parent == Path(f"/t/avouch-{os.getuid()}")
    assert named({}).parent == Path(f"/tmp/avouch-{os.getuid()}")  # noqa: S108  only its name


def test_the_folder_of_states_is_this_users_alone(tmp_path: Path):
    old = os.umask(0)
    try:
        found = localstate.of_job({"TMPDIR": str(tmp_path)}, tmp_path)
        found.create(builders.begun())
    finally:
        os.umask(old)
    assert found.path.parent.stat().st_mode & 0o777 == 0o700
    assert found.load() == builders.begun()


@pytest.mark.parametrize("squat", ["link", "file", "writable"])
def test_a_folder_that_others_prepared_is_refused_with_a_way_out(tmp_path: Path, squat: str):
    folder = tmp_path / f"avouch-{os.getuid()}"
    if squat == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif squat == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(errors.Invalid, match=f"avouch-{os.getuid()}") as raised:
        localstate.of_job({"TMPDIR": str(tmp_path)}, tmp_path).create(builders.begun())
    assert "AVOUCH_ATTESTATION_STATE" in raised.value.fix


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_lock_that_is_a_link_is_neither_written_nor_emptied(tmp_path: Path, kind: str):
    victim = tmp_path / "bashrc"
    victim.write_text("mine")
    lock = tmp_path / "state.json.lock"
    lock.symlink_to(victim) if kind == "symbolic" else lock.hardlink_to(victim)
    with pytest.raises(errors.Invalid, match=r"state\.json\.lock"):
        store(tmp_path)
    assert victim.read_text() == "mine"


def test_only_we_can_read_it(tmp_path: Path):
    old = os.umask(0)
    try:
        found = store(tmp_path)
    finally:
        os.umask(old)
    assert found.path.stat().st_mode & 0o777 == 0o600


def test_nothing_else_is_left_behind(tmp_path: Path):
    found = store(tmp_path)
    found.change(lambda each: each)
    found.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_stays_taken_ends_in_an_error_that_names_its_holder(tmp_path: Path):
    found, waits = store(tmp_path), []
    with (tmp_path / "state.json.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711")
        lock.flush()
        now = iter(range(1000))
        clock = clocks.Clock(lambda: float(next(now)), waits.append)
        with pytest.raises(errors.Unavailable, match="locked by process 4711"):
            localstate.LocalState(found.path, patience=5, clock=clock).change(lambda each: each)
    assert 0 < len(waits) < 10


def test_readers_need_no_lock(tmp_path: Path):
    found = store(tmp_path)
    with (tmp_path / "state.json.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert found.load() == builders.begun()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path):
    real = store(tmp_path).path
    (tmp_path / "link.json").symlink_to(real)
    with pytest.raises(errors.Invalid):
        localstate.LocalState(tmp_path / "link.json").load()


def test_a_directory_or_pipe_in_its_place_is_refused(tmp_path: Path):
    (tmp_path / "dir.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("dir.json", "pipe.json"):
        with pytest.raises(errors.Invalid):
            localstate.LocalState(tmp_path / name).load()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_state_that_somebody_else_put_there_is_refused(tmp_path: Path):
    found = store(tmp_path)
    os.chown(found.path, 12345, 12345)
    with pytest.raises(errors.Invalid, match="not a regular file of this user"):
        found.load()


def test_a_directory_that_is_not_there_is_told_with_the_fix(tmp_path: Path):
    with pytest.raises(errors.Invalid, match="local-state-path"):
        localstate.LocalState(tmp_path / "none" / "s.json").create(builders.begun())


def test_a_state_of_another_version_is_left_alone(tmp_path: Path):
    found = store(tmp_path)
    body = {**json.loads(found.path.read_text()), "version": 2}
    found.path.write_text(json.dumps(body))
    with pytest.raises(errors.Invalid, match="--replace"):
        found.change(lambda each: each)
    assert json.loads(found.path.read_text()) == body


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_state_and_no_lock(tmp_path: Path):
    found = store(tmp_path)
    environment = {"PYTHONPATH": f"{ROOT / 'operator'}", "PATH": os.environ["PATH"]}
    moments = random.Random(7)  # noqa: S311  # any moments, the same each time
    seen = set()
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDS, str(found.path)], env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.0, 0.05))
        process.kill()
        process.communicate()
        seen.add(state.write(found.load()))
        found.change(lambda each: each)  # nobody is left who holds it
    assert len(seen) > 1


def test_what_killed_writers_left_behind_goes_with_the_state(tmp_path: Path):
    found = store(tmp_path)
    (tmp_path / f".{found.path.name}.0123.tmp").write_text("half")
    (tmp_path / "other.tmp").write_text("not ours")
    found.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["other.tmp"]
