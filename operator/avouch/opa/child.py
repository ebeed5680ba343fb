"""What becomes `opa`: this file is run by itself, gives up what scripts must not reach, and turns into the program.

Its bounds are kept by the kernel: memory, files, sockets of this machine alone, and, where Linux has Landlock, no file
but those of the program and of one folder. So a function of OPA's that fetches what a script names (`$ref` of a JSON
schema is one) finds nothing. It has the standard library only, and runs before anything else is known.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from typing import NamedTuple

NOT_STARTED = 126
"""How it ends where it did not become the program; `opa` itself never ends like this."""
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 1, 38, 22, 2  # of linux/prctl.h and linux/seccomp.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # of any machine: the numbers of Landlock's calls
_ASK_VERSION, _BENEATH = 1, 1  # of linux/landlock.h
_ALL = (1 << 13) - 1  # rights on files that the first version of Landlock knows
_READ_FILE, _READ = 1 | 1 << 2, 1 | 1 << 2 | 1 << 3  # and to be executed; a folder's own names
_READABLE = (
    *("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"),  # of the system: nobody's secrets
    *("/proc/self", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"),  # what Go asks for its own sake
)


class Bounds(NamedTuple):
    """What it gives up, as it is told on its command line, before the program and the program's arguments.

    Attributes:
        memory: bytes that it may have.
        files: bytes of a file that it may write.
        behind: how much it lets other processes go first.
        sockets: the filter of system calls that keeps it from other machines, in hexadecimal; "" for none.
        folder: the one whose files it may read and write; "": those that its user may.
    """

    memory: str
    files: str
    behind: str
    sockets: str
    folder: str


def become(bounds: Bounds, program: list[str]) -> None:
    """Give up, and become the program. Raises OSError."""
    memory, files = int(bounds.memory), int(bounds.files)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _must(libc.prctl(_DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL)))
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        _must(libc.prctl(_NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0))))
        if bounds.folder:
            _confine_files(libc, bounds.folder, program[0])
        if bounds.sockets:
            _filter(libc, bytes.fromhex(bounds.sockets))
    os.nice(int(bounds.behind))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (files, files))
    os.execve(program[0], program, {"GOGC": "400", "GOMEMLIMIT": str(memory * 3 // 4)})  # noqa: S606 - a shell is what it must not be


def _filter(libc: ctypes.CDLL, steps: bytes) -> None:
    buffer = ctypes.create_string_buffer(steps, len(steps))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(buffer)))
    _must(libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), described, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _confine_files(libc: ctypes.CDLL, folder: str, program: str) -> None:
    """Nothing where the kernel has no Landlock."""
    if libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION) < 1:
        return
    ruleset = _must(libc.syscall(_CREATE_RULESET, struct.pack("Q", _ALL), ctypes.c_size_t(8), 0))
    for path, rights in ((folder, _ALL), (program, _READ), *((each, _READ) for each in _READABLE)):
        with contextlib.suppress(FileNotFoundError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights if os.path.isdir(path) else rights & _READ_FILE
            _must(libc.syscall(_ADD_RULE, ruleset, _BENEATH, struct.pack("=Qi", allowed, opened), 0))
    _must(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _must(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not confine the policy engine")
    return answer


if __name__ == "__main__":
    try:
        become(Bounds(*sys.argv[1:6]), sys.argv[6:])
    except OSError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(NOT_STARTED)
