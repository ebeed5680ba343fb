"""One `opa` started: with an empty environment, bounds that the kernel holds, and an end when we end.

A few lines of Python set the bounds and become `opa`: it never runs without them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import IO

from avouch import errors
from avouch.values import dataclass

MIB = 1024 * 1024
OUT_OF_MEMORY = (b"out of memory", b"cannot allocate memory", b"pthread_create failed")
"""What Go's last words have in them where the bound of memory was met."""
_CODE = """\
import ctypes, os, resource, sys
memory, files = map(int, sys.argv[1:3])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, ctypes.c_ulong(9))  # PR_SET_PDEATHSIG
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
os.nice(int(sys.argv[3]))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (files, files))
os.execve(sys.argv[4], sys.argv[4:], {"GOMEMLIMIT": str(memory * 3 // 4)})
"""


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
    stdin: int = asyncio.subprocess.DEVNULL,
    output: int | IO[bytes],
    complaint: IO[bytes],
) -> asyncio.subprocess.Process:
    """Start `opa`, in a process group of its own.

    Raises:
        errors.Unavailable: it does not start.
    """  # fmt: skip
    bounds = (str(limits.memory), str(limits.most_printed), str(limits.behind))
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _CODE, *bounds, os.path.abspath(program), *arguments),
            stdin=stdin,
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
