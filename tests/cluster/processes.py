"""Long-running programs of a cluster: started detached, found again by a pid file, stopped by pid and nothing else."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

_POLL = 0.05


@dataclass(frozen=True)
class Process:
    """One program of one cluster. Its pid file also holds the start time, so a reused pid is never mistaken for it."""

    name: str
    folder: Path
    """State folder of the cluster: `run/` holds pid files, `logs/` what the programs say."""

    @property
    def log(self) -> Path:
        """File with everything that the program printed."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The pid while the program runs, else None."""
        try:
            pid, started = self._pid_file.read_text(encoding="utf-8").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def start(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start the program in a session of its own: it outlives this one."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=clean_environment() | dict(environment or {}),
                start_new_session=True,
            )
        self._pid_file.write_text(f"{child.pid} {_started(child.pid)}", encoding="utf-8")
        child.returncode = 0  # nobody waits for it here: without this Python warns about a child left behind

    def stop(self, patience: float = 10.0) -> None:
        """Ask the program to end; after `patience` seconds end it."""
        pid = self.pid
        if pid is not None:
            polite = [(signal.SIGTERM, patience)] if patience else []
            for number, wait in [*polite, (signal.SIGKILL, 5.0)]:
                _signal(pid, number)
                if _until(lambda: self.pid is None, wait):
                    break
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the program at once, when nothing that it could still write is wanted."""
        self.stop(patience=0)

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until the program does its work; say what it printed last when it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.pid is None:
                raise ClusterError(f"{self.name} ended before {what}; {self._last_words()}")
            if ready():
                return
            time.sleep(_POLL)
        raise ClusterError(f"{self.name}: {what} took longer than {seconds:.0f} s; {self._last_words()}")

    @property
    def _pid_file(self) -> Path:
        return self.folder / "run" / f"{self.name}.pid"

    def _last_words(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return f"the end of {self.log}:\n" + "\n".join(text.splitlines()[-15:])


def clean_environment() -> dict[str, str]:
    """The environment without proxies and without a person's own cluster: our programs talk to our addresses only."""
    dropped = {"http_proxy", "https_proxy", "all_proxy", "kubeconfig"}
    return {key: value for key, value in os.environ.items() if key.lower() not in dropped}


def inside(namespace: str, command: Sequence[str | Path]) -> list[str]:
    """The same command with the network of `namespace`; only the network changes, mounts stay the machine's."""
    nsenter = shutil.which("nsenter") or "/usr/bin/nsenter"
    return [nsenter, f"--net=/run/netns/{namespace}", "--", *map(str, command)]


def end(pid: int) -> None:
    """End a process that did not end when asked."""
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
        os.waitpid(pid, os.WNOHANG)
    except (ProcessLookupError, ChildProcessError):
        return


def _started(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot; None for one that has ended, waited for or not.

    While other threads than the first are left, it still holds its ports.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" and threads < 2 else fields[19]


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if condition():
            return True
        time.sleep(_POLL)
    return condition()
