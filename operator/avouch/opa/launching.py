"""One `opa` started: with an empty environment, bounds that the kernel holds, and an end when we end.

A few lines of Python set the bounds and become `opa` (`child`): it never runs without them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import IO

from avouch import errors, seccomp
from avouch.opa import child
from avouch.values import dataclass

MIB = 1024 * 1024
OUT_OF_MEMORY = (
    *(b"out of memory", b"cannot allocate memory", b"pthread_create failed"),
    b"SIGSEGV: segmentation violation\nPC=",  # Go's collector uses what it was not given
)
"""What Go's last words have in them where the bound of memory was met."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one `opa` may take.

    Attributes:
        seconds: on the wall, for one script on one document.
        memory: bytes, of the process.
        answer: bytes that one answer may have.
        behind: how much it lets other processes go first, as `nice` counts.
    """

    seconds: float = 60.0  # as Chainloop gives
    memory: int = 1024 * MIB
    answer: int = 16 * MIB
    behind: int = 0

    @property
    def most_printed(self) -> int:
        """Bytes of a file that it may write."""
        return 4 * self.answer


SERVED = Limits(seconds=10.0, memory=512 * MIB)
"""What a process that judges runs gives to each `opa`, unless it is told otherwise."""


async def launched(
    program: str,
    *arguments: str,
    limits: Limits,
    folder: str = "",
    output: int | IO[bytes],
    complaint: IO[bytes],
) -> asyncio.subprocess.Process:
    """Start `opa`, in a process group of its own. It reaches no other machine; `folder`: nor files but those in there.

    Raises:
        errors.Unavailable: it does not start.
    """  # fmt: skip
    sockets = seccomp.own_sockets().hex() if seccomp.available() else ""
    bounds = child.Bounds(str(limits.memory), str(limits.most_printed), str(limits.behind), sockets, folder)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", child.__file__, *bounds, os.path.abspath(program), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=complaint,
            cwd="/",
            env={},
            start_new_session=True,
        )
    except OSError as exc:
        raise errors.Unavailable(f"{program} does not start: {exc}") from exc


async def ended(process: asyncio.subprocess.Process) -> None:
    """End it at once, with all that it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
