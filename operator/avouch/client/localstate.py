"""A state in a file of this machine: read as a whole, written by one process at a time, readable by its user alone.

Written to a temporary file, synced, and renamed over the old one, so that a process killed at any moment leaves the old
state or the new one. Writers hold a lock beside it (flock, which the kernel drops with its holder); a lock that stays
taken ends in an error that names who holds it.

The name: `avouch-<uid>/attestation-<12 characters of a hash of the job>.json` in TMPDIR; the folder is this user's
alone, so nobody else can take the name of the state or of its lock. Two jobs on one machine work in different
directories or belong to different runs of their CI, so they never meet; commands of one job do, from whichever
directory below its workspace they are called.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from avouch import clocks, digests, errors
from avouch.client import ownfiles
from avouch.crafting import state, statestore

PATH = "AVOUCH_ATTESTATION_STATE"
PATIENCE = 20.0  # seconds that a lock may be held by others
_PAUSE = 0.05
# Where a job's files lie, by CI; each runner gives two jobs that run at once two of them.
_WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY", "WORKSPACE", "CIRCLE_WORKING_DIRECTORY")
# What tells one job from the others that had or will have the same workspace.
_JOBS = ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "CI_JOB_ID", "BUILD_BUILDID", "SYSTEM_JOBID", "BUILD_URL",
         "CIRCLE_BUILD_URL")  # fmt: skip
_FIX = f"remove it, or name another file with {PATH} or --local-state-path"


def path_for(environment: Mapping[str, str], where: Path) -> Path:
    """The state file of this job.

    Args:
        environment: variables of this process.
        where: the working directory.
    """
    said = environment.get(PATH)
    if said:
        return Path(said)
    named = next((environment[name] for name in _WORKSPACES if environment.get(name)), "")
    workspace = named or str(_root(where))
    job = "\0".join(environment.get(name, "") for name in _JOBS)
    key = digests.of_bytes(f"{workspace}\0{job}".encode()).hex[:12]
    return Path(environment.get("TMPDIR") or "/tmp") / f"avouch-{os.geteuid()}" / f"attestation-{key}.json"  # noqa: S108  # a folder of our own


def of_job(environment: Mapping[str, str], where: Path) -> "LocalState":
    """The state of this job: where the environment says, or in a folder of this user that is made when it is needed."""
    return LocalState(path_for(environment, where), private=not environment.get(PATH))


def _root(where: Path) -> Path:
    """The git working tree around a directory, or the directory itself."""
    return next((each for each in (where, *where.parents) if (each / ".git").exists()), where)


class LocalState(NamedTuple):
    """The state in one file. `private`: its folder is this user's alone, and is made."""

    path: Path
    patience: float = PATIENCE
    clock: clocks.Clock = clocks.Clock()
    private: bool = False

    @property
    def place(self) -> str:
        """Where that is, for people."""
        return str(self.path)

    def load(self) -> state.State:
        """The state. Raises as `statestore.StateStore.load`."""
        return state.read(self._content())

    def create(self, found: state.State, *, replace: bool = False) -> None:
        """Keep a first state. Raises as `statestore.StateStore.create`."""
        content = state.write(found)
        with self._locked():
            if not replace and self.path.exists():
                raise statestore.exists(self.place)
            self._write(content)

    def change(self, step: statestore.Step) -> state.State:
        """Apply a step. Raises as `statestore.StateStore.change`."""
        with self._locked():
            changed = step(state.read(self._content()))
            self._write(state.write(changed))
        return changed

    def remove(self) -> None:
        """Delete the state and its lock."""
        with self._locked():
            self.path.unlink(missing_ok=True)
            for left in self.path.parent.iterdir():  # by commands that were killed
                if left.name.startswith(f".{self.path.name}.") and left.suffix == ".tmp":
                    left.unlink(missing_ok=True)
            self._lock.unlink(missing_ok=True)

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _content(self) -> bytes:
        try:
            descriptor = ownfiles.opened(self.path, os.O_RDONLY, PATH, _FIX)
        except FileNotFoundError as exc:
            raise statestore.absent(self.place) from exc
        with os.fdopen(descriptor, "rb") as file:
            return file.read(state.MAX_STATE + 1)

    def _write(self, content: bytes) -> None:
        temporary = self.path.with_name(
            f".{self.path.name}.{os.urandom(8).hex()}.tmp"
        )  # nobody can put one there first
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, self.path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise errors.Unavailable(f"{self.path} cannot be written: {exc.strerror}") from exc

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self.private:
            ownfiles.folder(self.path.parent, PATH, _FIX)
        end = self.clock.monotonic() + self.patience
        while True:
            descriptor = self._open_lock()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "another process"
                os.close(descriptor)
                if self.clock.monotonic() >= end:
                    raise errors.Unavailable(
                        f"{self.path} has been locked by {holder} for over {self.patience:.0f} s "
                        "(fix: wait until it ends, or end it)"
                    ) from exc
                self.clock.sleep(_PAUSE)
                continue
            if _is_current(descriptor, self._lock):
                break
            os.close(descriptor)  # its holder removed it while we waited: lock the new one
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        try:
            return ownfiles.opened(self._lock, os.O_RDWR | os.O_CREAT, PATH, _FIX)
        except FileNotFoundError as exc:
            raise errors.Invalid(f"{self._lock} cannot be opened: {exc.strerror}", field=PATH, fix=_FIX) from exc


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
